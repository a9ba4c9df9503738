// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// awsTime is the format of X-Amz-Date.
const awsTime = "20060102T150405Z"

// awsSkew is how far a signature's time may be off.
const awsSkew = 5 * time.Minute

// maxAWSBody bounds what is read of a request.
const maxAWSBody = 1 << 20

// awsError is an error as AWS words it. The Query protocol (STS) and the JSON
// protocol (ECR) name some of them differently.
type awsError struct {
	json, query string // the codes
	message     string
	reason      string // for the records; the message when empty
}

// Error returns the reason for the records, which can say more than a client is
// told.
func (e *awsError) Error() string {
	if e.reason != "" {
		return e.reason
	}
	return e.message
}

// The refusals of authentication (AWS "Common errors"; IAM User Guide,
// "Troubleshoot Signature Version 4 signed requests for AWS APIs").
func missingAuth() *awsError {
	return &awsError{json: "MissingAuthenticationTokenException", query: "MissingAuthenticationToken",
		message: "Missing Authentication Token"}
}

func incomplete(what string) *awsError {
	return &awsError{json: "IncompleteSignatureException", query: "IncompleteSignature", message: what}
}

func badSignature(message string) *awsError {
	return &awsError{json: "InvalidSignatureException", query: "SignatureDoesNotMatch", message: message}
}

func unknownKey(reason string) *awsError {
	return &awsError{json: "UnrecognizedClientException", query: "InvalidClientTokenId",
		message: "The security token included in the request is invalid.", reason: reason}
}

func expiredSession() *awsError {
	return &awsError{json: "ExpiredTokenException", query: "ExpiredToken",
		message: "The security token included in the request is expired"}
}

// awsSignature is a parsed Authorization header.
type awsSignature struct {
	keyID, date, region, service string
	headers                      []string
	signature                    string
	at                           time.Time
}

// authenticate verifies a request's Signature Version 4 and returns whose it is
// and the region of its credential scope. An empty region accepts any.
func (a *AWS) authenticate(r *http.Request, body []byte, service, region string) (awsKey, string, *awsError) {
	sig, bad := parseSignature(r)
	if bad != nil {
		return awsKey{}, "", bad
	}
	a.mu.Lock()
	key, known := a.keys[sig.keyID]
	now := time.Now().Add(a.Skew).UTC()
	a.mu.Unlock()
	switch {
	case !known:
		return awsKey{}, "", unknownKey("unknown key")
	case sig.service != service:
		return awsKey{}, "", badSignature("Credential should be scoped to correct service: '" + service + "'. ")
	case region != "" && sig.region != region:
		return awsKey{}, "", badSignature("Credential should be scoped to a valid region. ")
	case partitionOf(sig.region) != key.partition:
		return awsKey{}, "", unknownKey("key of another partition")
	case sig.date != sig.at.Format("20060102"):
		return awsKey{}, "", badSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			sig.date + "' != '" + sig.at.Format("20060102") + "'")
	case sig.at.Before(now.Add(-awsSkew)):
		return awsKey{}, "", badSignature(fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)",
			sig.at.Format(awsTime), now.Add(-awsSkew).Format(awsTime), now.Format(awsTime)))
	case sig.at.After(now.Add(awsSkew)):
		return awsKey{}, "", badSignature(fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)",
			sig.at.Format(awsTime), now.Add(awsSkew).Format(awsTime), now.Format(awsTime)))
	}
	return key, sig.region, a.verify(r, body, sig, key)
}

// verify recomputes the signature and judges the session.
func (a *AWS) verify(r *http.Request, body []byte, sig awsSignature, key awsKey) *awsError {
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != awsHash(body) {
		return badSignature("The value passed as x-amz-content-sha256 does not match the computed payload hash.")
	}
	if !hmac.Equal([]byte(sig.sign(r, body, key.secret)), []byte(sig.signature)) {
		return badSignature("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if r.Header.Get("X-Amz-Security-Token") != key.token {
		return unknownKey("session token is not the key's")
	}
	if !key.expires.IsZero() && !a.cloud.Now().Before(key.expires) {
		return expiredSession()
	}
	return nil
}

// parseSignature reads Authorization and X-Amz-Date (AWS Signature Version 4,
// "Add the signature to the request").
func parseSignature(r *http.Request) (awsSignature, *awsError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return awsSignature{}, missingAuth()
	}
	rest, found := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !found {
		return awsSignature{}, incomplete("Authorization header requires 'AWS4-HMAC-SHA256'.")
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || fields["Signature"] == "" {
		return awsSignature{}, incomplete("Credential must have exactly 5 slash-delimited elements, and Authorization a Signature.")
	}
	at, err := time.Parse(awsTime, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return awsSignature{}, incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	sig := awsSignature{keyID: scope[0], date: scope[1], region: scope[2], service: scope[3],
		headers: strings.Split(fields["SignedHeaders"], ";"), signature: fields["Signature"], at: at}
	if !slices.Contains(sig.headers, "host") {
		return awsSignature{}, badSignature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return sig, nil
}

// sign computes the signature that the request should have.
func (s awsSignature) sign(r *http.Request, body []byte, secret string) string {
	scope := strings.Join([]string{s.date, s.region, s.service, "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", s.at.Format(awsTime), scope, awsHash([]byte(s.canonical(r, body)))}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, part)
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// canonical is the canonical request.
func (s awsSignature) canonical(r *http.Request, body []byte) string {
	var headers strings.Builder
	for _, name := range s.headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.Itoa(len(body))
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.Join([]string{r.Method, path, canonicalQuery(r.URL), headers.String(),
		strings.Join(s.headers, ";"), awsHash(body)}, "\n")
}

func canonicalQuery(u *url.URL) string {
	var pairs []string
	for name, values := range u.Query() {
		for _, value := range values {
			pairs = append(pairs, awsEscape(name)+"="+awsEscape(value))
		}
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "&")
}

func awsEscape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func awsHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
