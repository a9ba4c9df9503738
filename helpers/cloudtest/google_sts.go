// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// GooglePool is a provider of a workload identity pool: whose tokens the
// Security Token Service takes in exchange for Google's.
type GooglePool struct {
	// Provider is its full resource name:
	// "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER".
	Provider string
	// Issuer signs the subject tokens of an OIDC provider.
	Issuer *AzureIssuer
	// Audiences are those a subject token may have; when empty Provider, also
	// with "https:" before it, as Google has it.
	Audiences []string
	// AWSKeys are the secret access keys of an AWS provider by access key ID,
	// and AWSAccount is the account that they belong to.
	// The sessions of that account's roles that [AWS] started count too.
	AWSKeys    map[string]string
	AWSAccount string
}

// Principal is how IAM names a subject of the pool.
func (p GooglePool) Principal(subject string) string {
	pool, _, _ := strings.Cut(strings.TrimPrefix(p.Provider, "//"), "/providers/")
	return "principal://" + pool + "/subject/" + subject
}

func (p GooglePool) audiences() []string {
	if len(p.Audiences) > 0 {
		return p.Audiences
	}
	return []string{p.Provider, "https:" + p.Provider}
}

// AddPool makes a provider of a workload identity pool, or replaces it.
func (g *Google) AddPool(pool GooglePool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pools[pool.Provider] = pool
}

// The exchange's names (RFC 8693; "Method: token" of the Security Token
// Service).
const (
	tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
	awsType       = "urn:ietf:params:aws:token-type:aws4_request"
)

var jwtTypes = []string{"urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"}

// serveSTS is sts.googleapis.com: v1/token, which exchanges, and v1/oauthtoken,
// which refreshes the sign-in of a workforce pool's person.
func (g *Google) serveSTS(w http.ResponseWriter, r *http.Request) {
	const service = "google-sts"
	if g.cloud.Faulty(w, r, service, "token") {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	values, err := form(r)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/token" && r.URL.Path != oauthTokenPath {
		g.refuseOAuth(w, r, service, &oauthError{http.StatusNotFound, "invalid_request", "no such method", ""})
		return
	}
	var principal string
	var refused *oauthError
	if r.URL.Path == oauthTokenPath {
		principal, refused = g.refreshWorkforce(r, values)
	} else {
		principal, refused = g.exchange(values)
	}
	if refused != nil {
		g.refuseOAuth(w, r, service, refused)
		return
	}
	g.cloud.Record(Record{Service: service, Action: "token", Host: r.Host, Status: http.StatusOK})
	writeJSON(w, http.StatusOK, g.tokenAnswer(principal, g.tokenLife(), map[string]any{"issued_token_type": accessType}))
}

// oauthTokenPath is "Method: oauthtoken" of the Security Token Service.
const oauthTokenPath = "/v1/oauthtoken"

// refreshWorkforce judges a refresh token whose client names itself in Basic
// authentication.
func (g *Google) refreshWorkforce(r *http.Request, values url.Values) (principal string, refused *oauthError) {
	if values.Get("grant_type") != "refresh_token" {
		return "", &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type", ""}
	}
	id, secret, _ := r.BasicAuth()
	return g.refresh(url.Values{"client_id": {id}, "client_secret": {secret}, "refresh_token": values["refresh_token"]}, true)
}

// exchange judges a token exchange and returns whose token it gives.
func (g *Google) exchange(values url.Values) (principal string, refused *oauthError) {
	request := func(text string) (string, *oauthError) {
		return "", &oauthError{http.StatusBadRequest, "invalid_request", text, ""}
	}
	audience := values.Get("audience")
	g.mu.Lock()
	pool, known := g.pools[audience]
	g.mu.Unlock()
	switch kind := values.Get("subject_token_type"); {
	case values.Get("grant_type") != tokenExchange:
		return "", &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type", ""}
	case !strings.HasPrefix(audience, "//iam.googleapis.com/"):
		return request(`Invalid value for "audience". This value should be the full resource name of the Identity Provider.`)
	case !known:
		return "", &oauthError{http.StatusBadRequest, "invalid_target", `The target service indicated by the "audience" parameters is invalid. ` +
			"This might either be because the pool or provider is disabled or deleted or because it doesn't exist.", ""}
	case values.Get("requested_token_type") != accessType:
		return request(`Invalid value for "requested_token_type"`)
	case values.Get("scope") == "":
		return "", &oauthError{http.StatusBadRequest, "invalid_scope", "Some of the requested scopes are invalid", ""}
	case slices.Contains(jwtTypes, kind) && pool.Issuer != nil:
		return g.subjectJWT(pool, values.Get("subject_token"))
	case kind == awsType && pool.AWSAccount != "":
		return g.subjectAWS(pool, values.Get("subject_token"))
	}
	return request(`Invalid value for "subject_token_type"`)
}

// subjectJWT judges an OIDC token.
func (g *Google) subjectJWT(pool GooglePool, text string) (string, *oauthError) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return &pool.Issuer.key.PublicKey, nil })
	issuer, subject := claim(claims, "iss"), claim(claims, "sub")
	switch {
	case issuer != "" && issuer != pool.Issuer.URL:
		return "", badGrant(fmt.Sprintf("The issuer in ID Token %s does not match the expected ones: %s", issuer, pool.Issuer.URL))
	case err != nil:
		return "", badGrant("The ID Token cannot be read, or no key of its issuer made its signature.")
	case g.timely(claims, 24*time.Hour) != nil:
		return "", badGrant("ID Token issued at " + fmt.Sprint(claims["iat"]) + " is stale to sign-in.")
	case !hasAudience(claims, pool.audiences()...):
		return "", badGrant(fmt.Sprintf("The audience in ID Token %v does not match the expected audience.", claims["aud"]))
	case subject == "":
		return "", badGrant("The mapped attribute google.subject must be of type STRING.")
	}
	return pool.Principal(subject), nil
}

// awsRequest is the signed GetCallerIdentity request that stands for an AWS
// identity ("Configure Workload Identity Federation with AWS").
type awsRequest struct {
	URL     string `json:"url"`
	Method  string `json:"method"`
	Headers []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"headers"`
}

func (g *Google) subjectAWS(pool GooglePool, text string) (string, *oauthError) {
	plain, err := url.QueryUnescape(text)
	var signed awsRequest
	if err != nil || json.Unmarshal([]byte(plain), &signed) != nil {
		return "", badGrant("Unable to parse the AWS subject token.")
	}
	who, err := g.verifyAWS(pool, signed)
	if err != nil {
		return "", badGrant("Received a non-success response from AWS STS: " + err.Error())
	}
	return pool.Principal(who), nil
}

// verifyAWS checks what AWS STS would: that the request is GetCallerIdentity
// for this pool, made now, with a signature (AWS Signature Version 4) of one of
// the pool's keys or of a session of its account. It returns the ARN.
func (g *Google) verifyAWS(pool GooglePool, signed awsRequest) (arn string, err error) {
	target, err := url.Parse(signed.URL)
	if err != nil {
		return "", fmt.Errorf("its URL: %w", err)
	}
	header := map[string]string{}
	for _, h := range signed.Headers {
		header[strings.ToLower(h.Key)] = strings.TrimSpace(h.Value)
	}
	when, err := time.Parse("20060102T150405Z", header["x-amz-date"])
	age := g.cloud.Now().Sub(when)
	query := target.Query()
	switch {
	case target.Scheme != "https" || !strings.HasPrefix(target.Host, "sts.") || !strings.HasSuffix(target.Host, ".amazonaws.com"):
		return "", errors.New("not an endpoint of AWS STS")
	case signed.Method != http.MethodPost || query.Get("Action") != "GetCallerIdentity" || query.Get("Version") != "2011-06-15":
		return "", errors.New("not GetCallerIdentity")
	case !slices.Contains(pool.audiences(), header["x-goog-cloud-target-resource"]):
		return "", errors.New("x-goog-cloud-target-resource names another provider")
	case err != nil || age > 15*time.Minute || age < -15*time.Minute:
		return "", errors.New("SignatureDoesNotMatch: Signature expired")
	}
	keys, session := pool.AWSKeys, g.awsSession(pool, header)
	if session.id != "" {
		keys = map[string]string{session.id: session.secret}
	}
	keyID, err := checkSigV4(keys, signed.Method, target, header)
	if err != nil || session.id != "" {
		return session.arn, err
	}
	return "arn:aws:sts::" + pool.AWSAccount + ":" + keyID, nil
}

// awsSession is the session of the pool's AWS account whose token a request
// carries, the zero value when there is none that lives.
func (g *Google) awsSession(pool GooglePool, header map[string]string) awsKey {
	aws := g.cloud.AWS()
	token, now := header["x-amz-security-token"], g.cloud.Now()
	aws.mu.Lock()
	defer aws.mu.Unlock()
	for _, key := range aws.keys {
		if token != "" && key.token == token && key.account == pool.AWSAccount && now.Before(key.expires) {
			return key
		}
	}
	return awsKey{}
}

// checkSigV4 recomputes the signature of a request without a body.
func checkSigV4(keys map[string]string, method string, target *url.URL, header map[string]string) (keyID string, err error) {
	fields := map[string]string{}
	rest, ok := strings.CutPrefix(header["authorization"], "AWS4-HMAC-SHA256 ")
	for _, field := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/") // key, date, region, service, aws4_request
	if !ok || len(scope) != 5 || scope[3] != "sts" {
		return "", errors.New("IncompleteSignature")
	}
	names := strings.Split(fields["SignedHeaders"], ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-goog-cloud-target-resource") {
		return "", errors.New("host and x-goog-cloud-target-resource must be signed")
	}
	header["host"] = target.Host
	secret, known := keys[scope[0]]
	if !known {
		return "", errors.New("InvalidClientTokenId")
	}
	path := target.EscapedPath()
	if path == "" {
		path = "/"
	}
	canonical := method + "\n" + path + "\n" + strings.ReplaceAll(target.Query().Encode(), "+", "%20") + "\n"
	for _, name := range names {
		canonical += name + ":" + header[name] + "\n"
	}
	canonical += "\n" + fields["SignedHeaders"] + "\n" + hexSHA256("")
	key := []byte("AWS4" + secret)
	for _, part := range append(scope[1:], "AWS4-HMAC-SHA256\n"+header["x-amz-date"]+"\n"+strings.Join(scope[1:], "/")+"\n"+hexSHA256(canonical)) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(key)), []byte(fields["Signature"])) != 1 {
		return "", errors.New("SignatureDoesNotMatch")
	}
	return scope[0], nil
}

func hexSHA256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
