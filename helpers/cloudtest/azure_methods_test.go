// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestAzureMethods asks in another way than each endpoint takes; the same form
// or query sent as it wants it is answered in the other tests.
func TestAzureMethods(t *testing.T) {
	l := newAzureLab(t)
	l.AddApp(AzureApp{Tenant: testTenant, ClientID: testApp, Secret: "s3cret"})
	l.AddManagedIdentity(AzureIdentity{Tenant: testTenant, ClientID: "system", System: true})
	l.AddRegistry("corp", AzureRegistry{Roles: map[string][]string{testApp: {"pull"}}})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {testApp}, "client_secret": {"s3cret"}, "scope": {acrScope}}
	tests := []struct {
		name, method, url string
		header            map[string]string
		service           string
		status            int
		refused           string
	}{
		{"machine, POST", http.MethodPost, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + acrResource,
			map[string]string{"Metadata": "true"}, "azure-imds", 405, "Only GET"},
		{"exchange, GET", http.MethodGet, "https://" + testHost + "/oauth2/exchange?" + l.exchangeForm(acrResource).Encode(), nil, "acr", 405, "not a POST form"},
		{"exchange, PUT", http.MethodPut, "https://" + testHost + "/oauth2/exchange?" + l.exchangeForm(acrResource).Encode(), nil, "acr", 405, "not a POST form"},
		{"sign-in, GET", http.MethodGet, "https://login.microsoftonline.com/" + testTenant + "/oauth2/v2.0/token?" + form.Encode(), nil, "entra", 400, "only accepts POST"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := l.send(t, test.method, test.url, nil, test.header)
			if status != test.status || body["access_token"] != nil || body["refresh_token"] != nil {
				t.Errorf("HTTP %d %v", status, body)
			}
			action := "token"
			if test.service == "acr" {
				action = "exchange"
			}
			l.wantRecord(t, test.service, action, test.status, test.refused)
		})
	}
}

// TestUnknownRegistry asks a registry that was there before [Cloud.Reset].
func TestUnknownRegistry(t *testing.T) {
	l := newAzureLab(t)
	l.AddRegistry("corp", AzureRegistry{Roles: map[string][]string{testApp: {"pull"}}})
	l.refresh(t)
	l.cloud.Reset()
	for path, action := range map[string]string{"/oauth2/exchange": "exchange", "/oauth2/token": "token", "/v2/": "challenge"} {
		status, body := l.send(t, http.MethodPost, "https://"+testHost+path, l.exchangeForm(acrResource), nil)
		if status != http.StatusNotFound || message(body) != "registry not found" {
			t.Errorf("%s: HTTP %d %v", path, status, body)
		}
		l.wantRecord(t, "acr", action, http.StatusNotFound, "no such registry")
	}
}

// TestEndlessAssertions are signed as they should be, and never end.
func TestEndlessAssertions(t *testing.T) {
	l := newAzureLab(t)
	cert, key := selfSigned(t)
	issuer := NewAzureIssuer("https://oidc.example/1")
	l.AddApp(AzureApp{Tenant: testTenant, ClientID: testApp, Certificates: []*x509.Certificate{cert},
		Federated: []AzureFederation{{Issuer: issuer, Subject: "job"}}})
	claims := jwt.MapClaims{"iss": testApp, "sub": testApp, "aud": "https://login.microsoftonline.com/" + testTenant + "/oauth2/v2.0/token"}
	own := jwt.NewWithClaims(jwt.SigningMethodPS256, claims)
	sum := sha256.Sum256(cert.Raw)
	own.Header["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	signed, err := own.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	foreign := signRS256(issuer.key, "issuer", jwt.MapClaims{"iss": issuer.URL, "sub": "job", "aud": defaultFederationAudience})
	for name, token := range map[string]string{"AADSTS700027": signed, "AADSTS50013": foreign} {
		status, body := l.send(t, http.MethodPost, "https://login.microsoftonline.com/"+testTenant+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {testApp}, "scope": {acrScope},
			"client_assertion_type": {assertionType}, "client_assertion": {token}}, nil)
		if description, _ := body["error_description"].(string); status != http.StatusUnauthorized || !strings.HasPrefix(description, name+": ") {
			t.Errorf("want %s: HTTP %d %v", name, status, body)
		}
	}
}
