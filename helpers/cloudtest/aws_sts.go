// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"bytes"
	"crypto/rsa"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// AWSIssuer is an OpenID provider that IAM knows: a cluster, or a CI system.
type AWSIssuer struct {
	URL string
	key *rsa.PrivateKey
}

// NewAWSIssuer makes a provider with a key of its own.
func NewAWSIssuer(url string) *AWSIssuer { return &AWSIssuer{URL: url, key: newRSAKey()} }

// awsKeyID names every issuer's key; they are told apart by their URLs.
const awsKeyID = "loopback-oidc"

// Token returns a web identity token that lives from a minute before now until
// life after it. Claims in extra win.
func (i *AWSIssuer) Token(subject, audience string, now time.Time, life time.Duration, extra map[string]any) string {
	claims := jwt.MapClaims{"iss": i.URL, "sub": subject, "aud": audience,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(life).Unix()}
	for name, value := range extra {
		claims[name] = value
	}
	return signRS256(i.key, awsKeyID, claims)
}

// stsRefusal is an error of the Query protocol with its status.
type stsRefusal struct {
	status        int
	code, message string
	reason        string
}

// serveSTS is the security token service.
func (a *AWS) serveSTS(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAWSBody))
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil || r.ParseForm() != nil {
		http.Error(w, "unreadable request", http.StatusBadRequest)
		return
	}
	action := r.Form.Get("Action")
	if a.cloud.Faulty(w, r, "sts", action) {
		return
	}
	var result any
	var refused *stsRefusal
	switch action {
	case "AssumeRoleWithWebIdentity":
		result, refused = a.assumeWithWebIdentity(r.Form)
	case "AssumeRole", "GetCallerIdentity":
		key, _, bad := a.authenticate(r, body, "sts", regionFor(r, "sts"))
		switch {
		case bad != nil:
			refused = &stsRefusal{http.StatusForbidden, bad.query, bad.message, bad.reason}
		case action == "AssumeRole":
			result, refused = a.assumeRole(key, r.Form)
		default:
			result = callerIdentity{Arn: key.arn, UserID: key.id, Account: key.account}
		}
	default:
		refused = &stsRefusal{http.StatusBadRequest, "InvalidAction", "Could not find operation " + action + " for version 2011-06-15", ""}
	}
	a.answerXML(w, r, action, result, refused)
}

// answerXML writes an answer in the Query protocol (AWS Security Token Service
// API Reference, version 2011-06-15) and records it.
func (a *AWS) answerXML(w http.ResponseWriter, r *http.Request, action string, result any, refused *stsRefusal) {
	const space = "https://sts.amazonaws.com/doc/2011-06-15/"
	record := Record{Service: "sts", Action: action, Host: apiHost(r), Status: http.StatusOK}
	id := guid(randomID(16))
	var answer any = stsAnswer{XMLName: xml.Name{Space: space, Local: action + "Response"},
		Result: result, RequestID: id}
	if refused != nil {
		record.Status, record.Refused = refused.status, refused.message
		if refused.reason != "" {
			record.Refused = refused.reason
		}
		answer = stsError{XMLName: xml.Name{Space: space, Local: "ErrorResponse"},
			Type: "Sender", Code: refused.code, Message: refused.message, RequestID: id}
	}
	a.cloud.Record(record)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(record.Status)
	_ = xml.NewEncoder(w).Encode(answer)
}

type stsAnswer struct {
	XMLName   xml.Name
	Result    any    // brings its own name
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

type stsError struct {
	XMLName   xml.Name
	Type      string `xml:"Error>Type"`
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	RequestID string `xml:"RequestId"`
}

type callerIdentity struct {
	XMLName xml.Name `xml:"GetCallerIdentityResult"`
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

type assumed struct {
	XMLName     xml.Name
	ARN         string         `xml:"AssumedRoleUser>Arn"`
	ID          string         `xml:"AssumedRoleUser>AssumedRoleId"`
	Credentials stsCredentials `xml:"Credentials"`
	Subject     string         `xml:"SubjectFromWebIdentityToken,omitempty"`
	Audience    string         `xml:"Audience,omitempty"`
	Provider    string         `xml:"Provider,omitempty"`
}

type stsCredentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

func (a *AWS) assumeRole(key awsKey, form url.Values) (any, *stsRefusal) {
	arn := form.Get("RoleArn")
	role, known := a.role(arn)
	who := key.arn
	trusted := slices.Contains(role.Trusts, who) || key.role != "" && slices.Contains(role.Trusts, key.role)
	reason := ""
	switch {
	case !known:
		reason = "no such role"
	case !trusted:
		reason = "the role does not trust " + who
	case role.ExternalID != "" && role.ExternalID != form.Get("ExternalId"):
		reason = "external id"
	}
	if reason != "" {
		return nil, &stsRefusal{http.StatusForbidden, "AccessDenied",
			"User: " + who + " is not authorized to perform: sts:AssumeRole on resource: " + arn, reason}
	}
	return a.start(role, form)
}

func (a *AWS) role(arn string) (AWSRole, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	role, known := a.roles[arn]
	return role, known
}

// start begins the session that a form asks for.
func (a *AWS) start(role AWSRole, form url.Values) (any, *stsRefusal) {
	name := form.Get("RoleSessionName")
	invalid := func(message string) (any, *stsRefusal) {
		return nil, &stsRefusal{http.StatusBadRequest, "ValidationError", message, ""}
	}
	if len(name) < 2 || len(name) > 64 {
		return invalid("1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint")
	}
	life := min(time.Hour, role.MaxLife)
	if text := form.Get("DurationSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		switch life = time.Duration(seconds) * time.Second; {
		case err != nil || seconds < 900 || seconds > 43200:
			return invalid("1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint")
		case life > max(role.MaxLife, 15*time.Minute):
			return invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		}
	}
	id, secret, token, expires, err := a.Session(role.ARN, name, life)
	if err != nil {
		return invalid(role.ARN + " is invalid")
	}
	a.mu.Lock()
	arn := a.keys[id].arn
	a.mu.Unlock()
	return assumed{XMLName: xml.Name{Local: form.Get("Action") + "Result"}, ARN: arn, ID: "AROA" + randomID(17) + ":" + name,
		Credentials: stsCredentials{id, secret, token, expires.Format(time.RFC3339)}}, nil
}

// assumeWithWebIdentity is the one operation that nobody signs: the token says
// who asks.
func (a *AWS) assumeWithWebIdentity(form url.Values) (any, *stsRefusal) {
	role, known := a.role(form.Get("RoleArn"))
	if !known || role.Issuer == nil {
		return nil, notAuthorized("no such role, or it trusts no provider")
	}
	claims, refused := a.webIdentity(role.Issuer, role.Audience, form.Get("WebIdentityToken"))
	if refused != nil {
		return nil, refused
	}
	subject := claim(claims, "sub")
	if role.Subject != "" && subject != role.Subject {
		return nil, notAuthorized("the role does not trust the subject " + subject)
	}
	result, refused := a.start(role, form)
	if session, ok := result.(assumed); ok {
		session.Subject, session.Audience, session.Provider = subject, role.Audience, role.Issuer.URL
		result = session
	}
	return result, refused
}

func notAuthorized(reason string) *stsRefusal {
	return &stsRefusal{http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", reason}
}

// webIdentity verifies a token's signature, issuer, audience and time.
func (a *AWS) webIdentity(issuer *AWSIssuer, audience, token string) (jwt.MapClaims, *stsRefusal) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(a.cloud.Now), jwt.WithExpirationRequired())
	_, err := parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return &issuer.key.PublicKey, nil })
	invalid := func(message string) (jwt.MapClaims, *stsRefusal) {
		return nil, &stsRefusal{http.StatusBadRequest, "InvalidIdentityToken", message, ""}
	}
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, &stsRefusal{http.StatusBadRequest, "ExpiredTokenException",
			"Token expired: current date/time must be before the expiration date/time", ""}
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	case claim(claims, "iss") != issuer.URL:
		return invalid("No OpenIDConnect provider found in your account for " + strings.TrimSpace(claim(claims, "iss")))
	case err != nil:
		return invalid("Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	case !hasAudience(claims, audience):
		return invalid("Incorrect token audience")
	}
	return claims, nil
}
