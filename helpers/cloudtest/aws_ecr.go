// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// ecrPassword is a password that was minted.
type ecrPassword struct {
	account, region string // empty for ECR Public
	public          bool
	expires         time.Time
}

// apiHost returns the request's host without its port.
func apiHost(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

// regionFor returns the region whose signatures a request's host takes: its
// own, or "" (any) on a plain listener.
func regionFor(r *http.Request, service string) string {
	region, _ := apiRegion(apiHost(r), service)
	return region
}

// serveECR is Amazon ECR's API (Amazon ECR API Reference, protocol
// x-amz-json-1.1).
func (a *AWS) serveECR(w http.ResponseWriter, r *http.Request) {
	a.serveJSON(w, r, "ecr", "AmazonEC2ContainerRegistry_V20150921.", a.privateToken)
}

// serveECRPublic is Amazon ECR Public's API, which is in us-east-1 only.
func (a *AWS) serveECRPublic(w http.ResponseWriter, r *http.Request) {
	a.serveJSON(w, r, "ecr-public", "SpencerFrontendService.", a.publicToken)
}

// serveJSON speaks the JSON protocol for a service that has one operation.
func (a *AWS) serveJSON(w http.ResponseWriter, r *http.Request, service, prefix string,
	mint func(key awsKey, region string, body []byte) (any, *awsError),
) {
	const operation = "GetAuthorizationToken"
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAWSBody))
	action, found := strings.CutPrefix(r.Header.Get("X-Amz-Target"), prefix)
	if !found {
		action = "unknown"
	}
	if a.cloud.Faulty(w, r, service, action) {
		return
	}
	var answer any
	refused := &awsError{json: "SerializationException", message: "unreadable request"}
	var key awsKey
	var region string
	switch {
	case err != nil || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.1"):
	case action != operation:
		refused = &awsError{json: "UnknownOperationException", reason: "target " + r.Header.Get("X-Amz-Target")}
	default:
		want := regionFor(r, service)
		if service == "ecr-public" {
			want = "us-east-1"
		}
		if key, region, refused = a.authenticate(r, body, service, want); refused == nil {
			answer, refused = a.permitted(key, service, region, body, mint)
		}
	}
	a.answerJSON(w, r, Record{Service: service, Action: action}, answer, refused)
}

func (a *AWS) permitted(key awsKey, service, region string, body []byte,
	mint func(awsKey, string, []byte) (any, *awsError),
) (any, *awsError) {
	actions := []string{service + ":GetAuthorizationToken"}
	if service == "ecr-public" {
		actions = append(actions, "sts:GetServiceBearerToken")
	}
	for _, action := range actions {
		if a.isDenied(key, action) {
			return nil, &awsError{json: "AccessDeniedException", message: "User: " + key.arn + " is not authorized to perform: " +
				action + " on resource: * because no identity-based policy allows the " + action + " action"}
		}
	}
	return mint(key, region, body)
}

// answerJSON writes an answer or a refusal in the JSON protocol and records it.
func (a *AWS) answerJSON(w http.ResponseWriter, r *http.Request, record Record, answer any, refused *awsError) {
	record.Host, record.Status = apiHost(r), http.StatusOK
	w.Header().Set("X-Amzn-Requestid", guid(randomID(16)))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if refused != nil {
		record.Status, record.Refused = http.StatusBadRequest, refused.Error()
		body := map[string]string{"__type": refused.json}
		if refused.message != "" {
			body["message"] = refused.message
		}
		answer = body
	}
	a.cloud.Record(record)
	w.WriteHeader(record.Status)
	_ = json.NewEncoder(w).Encode(answer)
}

// privateToken mints for each account asked for, the caller's own by default.
func (a *AWS) privateToken(key awsKey, region string, body []byte) (any, *awsError) {
	var asked struct {
		RegistryIDs []string `json:"registryIds"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, &awsError{json: "SerializationException", message: "unreadable request"}
	}
	if len(asked.RegistryIDs) > 10 {
		return nil, &awsError{json: "InvalidParameterException", message: "Invalid parameter at 'registryIds' failed to satisfy constraint"}
	}
	if len(asked.RegistryIDs) == 0 {
		asked.RegistryIDs = []string{key.account}
	}
	var list []any
	for _, account := range asked.RegistryIDs {
		if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
			return nil, &awsError{json: "InvalidParameterException",
				message: "Invalid parameter at 'registryIds' failed to satisfy constraint: 'Invalid registry id'"}
		}
		token, expires := a.mintPassword(key, ecrPassword{account: account, region: region})
		list = append(list, map[string]any{"authorizationToken": token, "expiresAt": expires,
			"proxyEndpoint": "https://" + account + ".dkr.ecr." + region + "." + registrySuffix(region)})
	}
	return map[string]any{"authorizationData": list}, nil
}

func (a *AWS) publicToken(key awsKey, _ string, _ []byte) (any, *awsError) {
	token, expires := a.mintPassword(key, ecrPassword{public: true})
	return map[string]any{"authorizationData": map[string]any{"authorizationToken": token, "expiresAt": expires}}, nil
}

// mintPassword returns a token and the end that AWS tells, in seconds. The
// password ends with the session behind it too, which AWS does not tell.
func (a *AWS) mintPassword(key awsKey, p ecrPassword) (token string, tells float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	end := a.cloud.Now().Add(a.TokenLife)
	p.expires = end
	if !key.expires.IsZero() && key.expires.Before(end) {
		p.expires = key.expires
	}
	payload, _ := json.Marshal(map[string]any{ //nolint:errchkjson // strings and a number
		"payload": randomID(200), "datakey": randomID(60), "version": "2", "type": "DATA_KEY", "expiration": end.Unix()})
	password := base64.StdEncoding.EncodeToString(payload)
	a.passwords[password] = p
	return base64.StdEncoding.EncodeToString([]byte("AWS:" + password)), float64(end.UnixMilli()) / 1000
}

// The reasons of [AWS.CheckECRToken] other than [ErrExpired].
var (
	errNotECRUser  = errors.New("the user name is not AWS")
	errNotECRToken = errors.New("no such authorization token")
	errOtherECR    = errors.New("the authorization token is for another registry")
)

// CheckECRToken judges what a client sent to the registry host by Basic
// authentication: nil, [ErrExpired] by the cloud's clock, or another error. A
// private token is good for the account and region that it was minted for,
// however the host spells them (FIPS, dual-stack); a public one for the hosts of
// ECR Public.
func (a *AWS) CheckECRToken(host, user, password string) error {
	a.mu.Lock()
	p, known := a.passwords[password]
	a.mu.Unlock()
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch {
	case user != "AWS":
		return errNotECRUser
	case !known:
		return errNotECRToken
	case !p.goodFor(host):
		return errOtherECR
	case !a.cloud.Now().Before(p.expires):
		return ErrExpired
	}
	return nil
}

func (p ecrPassword) goodFor(host string) bool {
	if host == "public.ecr.aws" || host == "ecr-public.aws.com" {
		return p.public
	}
	account, rest, _ := strings.Cut(host, ".")
	for _, service := range []string{"dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."} {
		if after, found := strings.CutPrefix(rest, service); found {
			region, _, _ := strings.Cut(after, ".")
			return !p.public && account == p.account && region == p.region
		}
	}
	return false
}
