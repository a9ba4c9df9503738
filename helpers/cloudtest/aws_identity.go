// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// The headers of IMDSv2 (Amazon EC2 User Guide, "Use the Instance Metadata
// Service to access instance metadata").
const (
	imdsTTL   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	imdsToken = "X-Aws-Ec2-Metadata-Token"
)

const imdsRoles = "/latest/meta-data/iam/security-credentials/"

// serveIMDS is the EC2 metadata service of a machine that requires version 2.
func (a *AWS) serveIMDS(w http.ResponseWriter, r *http.Request) {
	action := "metadata"
	switch {
	case r.URL.Path == "/latest/api/token":
		action = "token"
	case r.URL.Path == imdsRoles || r.URL.Path+"/" == imdsRoles:
		action = "roles"
	case strings.HasPrefix(r.URL.Path, imdsRoles):
		action = "credentials"
	}
	if a.cloud.Faulty(w, r, "imds", action) {
		return
	}
	status, body, reason := a.metadata(r, action)
	a.cloud.Record(Record{Service: "imds", Action: action, Host: r.Host, Status: status, Refused: reason})
	w.Header().Set("Server", "EC2ws")
	if ttl := r.Header.Get(imdsTTL); action == "token" && status == http.StatusOK {
		w.Header().Set(imdsTTL, ttl)
	}
	if text, ok := body.(string); ok {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
		return
	}
	writeJSON(w, status, body)
}

// metadata returns a status and a text or a value for JSON.
func (a *AWS) metadata(r *http.Request, action string) (status int, body any, reason string) {
	a.mu.Lock()
	instance, life := a.instance, a.SessionLife
	a.mu.Unlock()
	if action == "token" {
		return a.newIMDSToken(r)
	}
	if why := a.badIMDSToken(r.Header.Get(imdsToken)); why != "" {
		return http.StatusUnauthorized, "", why
	}
	switch name := path.Base(instance); {
	case action == "metadata" && r.URL.Path == "/latest/meta-data/placement/region":
		return http.StatusOK, "us-east-1", ""
	case action == "metadata" && r.URL.Path == "/latest/meta-data/placement/availability-zone":
		return http.StatusOK, "us-east-1a", ""
	case action == "metadata" || instance == "":
		return http.StatusNotFound, "", "nothing there"
	case action == "roles":
		return http.StatusOK, name, ""
	case strings.TrimPrefix(r.URL.Path, imdsRoles) != name:
		return http.StatusNotFound, "", "another role"
	}
	id, secret, token, expires, err := a.Session(instance, "i-0123456789abcdef0", life)
	if err != nil {
		return http.StatusOK, map[string]string{"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role"}, err.Error()
	}
	return http.StatusOK, map[string]string{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": a.cloud.Now().UTC().Format(time.RFC3339),
		"AccessKeyId": id, "SecretAccessKey": secret, "Token": token, "Expiration": expires.Format(time.RFC3339)}, ""
}

func (a *AWS) newIMDSToken(r *http.Request) (status int, body any, reason string) {
	seconds, err := strconv.Atoi(r.Header.Get(imdsTTL))
	switch {
	case r.Method != http.MethodPut:
		return http.StatusMethodNotAllowed, "", "not PUT"
	case r.Header.Get("X-Forwarded-For") != "":
		return http.StatusForbidden, "", "forwarded"
	case err != nil || seconds < 1 || seconds > 21600:
		return http.StatusBadRequest, "", "TTL header"
	}
	token := "AQAE" + randomID(52)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.imdsToken[token] = a.cloud.Now().Add(time.Duration(seconds) * time.Second)
	return http.StatusOK, token, ""
}

func (a *AWS) badIMDSToken(token string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	end, known := a.imdsToken[token]
	switch {
	case token == "":
		return "no token"
	case !known || !a.cloud.Now().Before(end):
		return "unknown or expired token"
	}
	return ""
}

// containerPath is where the container credentials are, below either of the
// agents' addresses or a full URI.
const containerPath = "/v1/credentials"

// podAudience is the audience of EKS Pod Identity's tokens.
const podAudience = "pods.eks.amazonaws.com"

// serveContainer is the container credentials endpoint of ECS and of the EKS Pod
// Identity agent (AWS SDKs and Tools Reference Guide, "Container credential
// provider").
func (a *AWS) serveContainer(w http.ResponseWriter, r *http.Request) {
	const action = "credentials"
	if a.cloud.Faulty(w, r, "ecs", action) {
		return
	}
	a.mu.Lock()
	container, life := a.container, a.SessionLife
	a.mu.Unlock()
	refuse := func(status int, code, message string) {
		a.cloud.Record(Record{Service: "ecs", Action: action, Host: apiHost(r), Status: status, Refused: message})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"code":` + strconv.Quote(code) + `,"message":` + strconv.Quote(message) + `}`))
	}
	if container == nil || r.URL.Path != containerPath {
		refuse(http.StatusNotFound, "ResourceNotFound", "no credentials at this path")
		return
	}
	if why := a.badContainerToken(*container, r.Header.Get("Authorization")); why != "" {
		refuse(http.StatusUnauthorized, "AccessDenied", why)
		return
	}
	id, secret, token, expires, err := a.Session(container.Role, "container", life)
	if err != nil {
		refuse(http.StatusBadRequest, "InvalidRole", err.Error())
		return
	}
	a.cloud.Record(Record{Service: "ecs", Action: action, Host: apiHost(r), Status: http.StatusOK})
	writeJSON(w, http.StatusOK, map[string]string{"RoleArn": container.Role, "AccessKeyId": id, "SecretAccessKey": secret,
		"Token": token, "Expiration": expires.Format(time.RFC3339)})
}

func (a *AWS) badContainerToken(c AWSContainer, token string) string {
	switch {
	case c.Token == "" && c.Issuer == nil, c.Token != "" && token == c.Token:
		return ""
	case token == "":
		return "no authorization token"
	case c.Issuer == nil:
		return "wrong authorization token"
	}
	if _, refused := a.webIdentity(c.Issuer, podAudience, token); refused != nil {
		return refused.message
	}
	return ""
}

// serveSSO is the portal of IAM Identity Center (AWS Single Sign-On Portal API
// Reference, GetRoleCredentials).
func (a *AWS) serveSSO(w http.ResponseWriter, r *http.Request) {
	const action = "GetRoleCredentials"
	if a.cloud.Faulty(w, r, "sso", action) {
		return
	}
	record := Record{Service: "sso", Action: action, Host: apiHost(r), Status: http.StatusOK}
	answer, status, code, message := a.roleCredentials(r)
	if code != "" {
		record.Status, record.Refused = status, message
		w.Header().Set("X-Amzn-Errortype", code)
		answer = map[string]string{"message": message, "__type": code}
	}
	a.cloud.Record(record)
	writeJSON(w, record.Status, answer)
}

func (a *AWS) roleCredentials(r *http.Request) (answer any, status int, code, message string) {
	token := r.Header.Get("X-Amz-Sso_bearer_token")
	account, role := r.URL.Query().Get("account_id"), r.URL.Query().Get("role_name")
	a.mu.Lock()
	accesses, life := append([]AWSSSOAccess(nil), a.sso...), a.SessionLife
	a.mu.Unlock()
	if r.Method != http.MethodGet || r.URL.Path != "/federation/credentials" {
		return nil, http.StatusNotFound, "ResourceNotFoundException", "no such operation"
	}
	signedIn := false
	for _, access := range accesses {
		if token == "" || access.Token != token || !a.cloud.Now().Before(access.Expires) {
			continue
		}
		signedIn = true
		if access.Account != account || access.Role != role {
			continue
		}
		arn := "arn:aws:iam::" + account + ":role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_" + role + "_0123456789abcdef"
		id, secret, session, expires, err := a.Session(arn, "person@example.test", life)
		if err != nil {
			return nil, http.StatusBadRequest, "InvalidRequestException", err.Error()
		}
		return map[string]any{"roleCredentials": map[string]any{"accessKeyId": id, "secretAccessKey": secret,
			"sessionToken": session, "expiration": expires.UnixMilli()}}, 0, "", ""
	}
	if !signedIn {
		return nil, http.StatusUnauthorized, "UnauthorizedException", "Session token not found or invalid"
	}
	return nil, http.StatusForbidden, "ForbiddenException", "No access"
}
