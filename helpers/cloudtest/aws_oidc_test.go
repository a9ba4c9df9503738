// SPDX-License-Identifier: Apache-2.0

package cloudtest_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// tokenPost posts to a token operation.
func tokenPost(t *testing.T, client *http.Client, method, target, contentType, body, proof string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), cmp.Or(method, http.MethodPost), target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", cmp.Or(contentType, "application/json"))
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	return awsDo(t, client, r)
}

func TestSSOOIDC(t *testing.T) {
	c, a, client := awsCloud(t)
	now := time.Now()
	a.AddRefresh(cloudtest.AWSRefresh{Token: "ref", ClientID: "id", ClientSecret: "sec", Expires: now.Add(time.Hour), Account: awsAccount, Role: "Dev"})
	a.AddRefresh(cloudtest.AWSRefresh{Token: "old", ClientID: "id", ClientSecret: "sec", Expires: now.Add(-time.Hour)})
	const url = "https://oidc.us-west-2.amazonaws.com/token"
	const good = `{"clientId":"id","clientSecret":"sec","grantType":"refresh_token","refreshToken":"ref"}`
	tests := []struct {
		name, method, url, contentType, body string
		status                               int
		code                                 string
	}{
		{name: "good", status: 200, code: `"accessToken"`},
		{name: "unknown refresh token", body: strings.Replace(good, `"ref"`, `"x"`, 1), status: 400, code: "invalid_grant"},
		{name: "no refresh token", body: strings.Replace(good, `"ref"`, `""`, 1), status: 400, code: "invalid_grant"},
		{name: "expired refresh token", body: strings.Replace(good, `"ref"`, `"old"`, 1), status: 400, code: "Refresh token has expired"},
		{name: "another client", body: strings.Replace(good, `"id"`, `"x"`, 1), status: 401, code: "invalid_client"},
		{name: "wrong client secret", body: strings.Replace(good, `"sec"`, `"x"`, 1), status: 401, code: "invalid_client"},
		{name: "another grant", body: strings.Replace(good, "refresh_token", "authorization_code", 1), status: 400, code: "unsupported_grant_type"},
		{name: "not JSON", body: "hello", status: 400, code: "invalid_request"},
		{name: "form", contentType: "application/x-www-form-urlencoded", status: 400, code: "invalid_request"},
		{name: "PUT", method: http.MethodPut, status: 404, code: "not_found"},
		{name: "another operation", url: "https://oidc.us-west-2.amazonaws.com/client/register", status: 404, code: "not_found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := tokenPost(t, client, test.method, cmp.Or(test.url, url), test.contentType, cmp.Or(test.body, good), "")
			checkToken(t, c, "sso-oidc", status, body, test.status, test.code)
		})
	}
}

func checkToken(t *testing.T, c *cloudtest.Cloud, service string, status int, body string, want int, code string) {
	t.Helper()
	records := c.Records()
	last := records[len(records)-1]
	if status != want || !strings.Contains(body, code) || last.Service != service || last.Status != want || (last.Refused == "") != (want == 200) {
		t.Errorf("HTTP %d %s, recorded %+v", status, body, last)
	}
}

// proof is a DPoP proof (RFC 9449, section 4.2) signed by key, with the public
// half of shown.
func proof(t *testing.T, key, shown *ecdsa.PrivateKey, method, target, typ string) string {
	t.Helper()
	raw, err := shown.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"jti": "1", "htm": method, "htu": target, "iat": time.Now().Unix()})
	token.Header["typ"] = typ
	token.Header["jwk"] = map[string]string{"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(raw[1:33]), "y": base64.RawURLEncoding.EncodeToString(raw[33:])}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSignin(t *testing.T) {
	c, a, client := awsCloud(t)
	a.AddRefresh(cloudtest.AWSRefresh{Token: "ref", ClientID: "id", Expires: time.Now().Add(time.Hour), RoleARN: awsRole})
	a.AddRefresh(cloudtest.AWSRefresh{Token: "none", ClientID: "id", Expires: time.Now().Add(time.Hour)})
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	const url = "https://eu-west-1.signin.aws.amazon.com/v1/token"
	const good = `{"clientId":"id","grantType":"refresh_token","refreshToken":"ref"}`
	proven := proof(t, keys[0], keys[0], http.MethodPost, url, "dpop+jwt")
	tests := []struct {
		name, url, body, proof string
		status                 int
		code                   string
	}{
		{"good", url, good, proven, 200, `"accessKeyId":"ASIA`},
		{"no proof", url, good, "", 403, "DPoP"},
		{"proof by another key", url, good, proof(t, keys[1], keys[0], http.MethodPost, url, "dpop+jwt"), 403, "DPoP"},
		{"proof for another method", url, good, proof(t, keys[0], keys[0], http.MethodGet, url, "dpop+jwt"), 403, "another request"},
		{"proof for another address", url, good, proof(t, keys[0], keys[0], http.MethodPost, url+"x", "dpop+jwt"), 403, "another request"},
		{"token that is no proof", url, good, proof(t, keys[0], keys[0], http.MethodPost, url, "JWT"), 403, "no key"},
		{"unknown refresh token", url, strings.Replace(good, `"ref"`, `"x"`, 1), proven, 403, "TOKEN_EXPIRED"},
		{"sign-in without rights", url, strings.Replace(good, `"ref"`, `"none"`, 1), proven, 403, "INSUFFICIENT_PERMISSIONS"},
		{"another grant", url, strings.Replace(good, "refresh_token", "password", 1), proven, 400, "unsupported_grant_type"},
		{"another operation", url + "s", good, proven, 404, "not_found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := tokenPost(t, client, "", test.url, "", test.body, test.proof)
			checkToken(t, c, "signin", status, body, test.status, test.code)
		})
	}
}
