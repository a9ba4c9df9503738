// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	testTenant = "11111111-2222-3333-4444-555555555555"
	testApp    = "aaaaaaaa-0000-0000-0000-000000000001"
	acrScope   = acrResource + "/.default"
)

// azureLab is a cloud and a client that reaches it through its proxy only.
type azureLab struct {
	*Azure
	cloud  *Cloud
	client *http.Client
}

func newAzureLab(t *testing.T) azureLab {
	t.Helper()
	cloud, err := Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cloud.Close)
	proxy, err := url.Parse(cloud.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cloud.CA.PEM())
	transport := &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
		if r.URL.Hostname() == "127.0.0.1" { // as http.ProxyFromEnvironment does
			return nil, nil
		}
		return proxy, nil
	}}
	transport.TLSClientConfig = cloud.CA.ServerConfig("")
	transport.TLSClientConfig.RootCAs = pool
	return azureLab{cloud.Azure(), cloud, &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

// send makes one request and returns status and body.
func (l azureLab) send(t *testing.T, method, target string, form url.Values, header map[string]string) (int, map[string]any) {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s %s: HTTP %d, body: %v", method, target, resp.StatusCode, err)
	}
	return resp.StatusCode, answer
}

// wantRecord checks the newest record.
func (l azureLab) wantRecord(t *testing.T, service, action string, status int, refused string) {
	t.Helper()
	records := l.cloud.Records()
	if len(records) == 0 {
		t.Fatal("nothing was recorded")
	}
	last := records[len(records)-1]
	if last.Service != service || last.Action != action || last.Status != status ||
		(refused == "") != (last.Refused == "") || !strings.Contains(last.Refused, refused) {
		t.Errorf("recorded %+v, want %s %s %d refused %q", last, service, action, status, refused)
	}
}

func selfSigned(t *testing.T) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key := newRSAKey()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "app"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// assertion signs what a certificate's owner sends, with claims replaced.
func assertion(t *testing.T, cert *x509.Certificate, key *rsa.PrivateKey, replace map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := jwt.MapClaims{"iss": testApp, "sub": testApp, "jti": "1", "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		"aud": "https://login.microsoftonline.com/" + testTenant + "/oauth2/v2.0/token"}
	for name, value := range replace {
		claims[name] = value
	}
	token := jwt.NewWithClaims(jwt.SigningMethodPS256, claims)
	sum := sha256.Sum256(cert.Raw)
	token.Header["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestEntraRefuses(t *testing.T) {
	l := newAzureLab(t)
	cert, key := selfSigned(t)
	otherCert, otherKey := selfSigned(t)
	issuer, stranger := NewAzureIssuer("https://oidc.example/1"), NewAzureIssuer("https://oidc.example/1")
	elsewhere := NewAzureIssuer("https://oidc.example/2")
	l.AddApp(AzureApp{Tenant: testTenant, ClientID: testApp, Secret: "s3cret", Certificates: []*x509.Certificate{cert},
		Federated: []AzureFederation{{Issuer: issuer, Subject: "system:serviceaccount:ns:sa"}}})
	l.AddApp(AzureApp{Tenant: testTenant, ClientID: "old", Secret: "s3cret", SecretExpires: time.Now().Add(-time.Hour)})
	now := time.Now()
	subject := "system:serviceaccount:ns:sa"
	asserted := func(token string) url.Values {
		return url.Values{"client_secret": {""}, "client_assertion_type": {assertionType}, "client_assertion": {token}}
	}
	tests := []struct {
		name   string
		tenant string
		set    url.Values
		status int
		code   string
	}{
		{"wrong secret", testTenant, url.Values{"client_secret": {"nope"}}, 401, "AADSTS7000215"},
		{"expired secret", testTenant, url.Values{"client_id": {"old"}}, 401, "AADSTS7000222"},
		{"no credential", testTenant, url.Values{"client_secret": {""}}, 401, "AADSTS7000218"},
		{"unknown tenant", "other.example", nil, 400, "AADSTS90002"},
		{"unknown application", testTenant, url.Values{"client_id": {"nobody"}}, 400, "AADSTS700016"},
		{"refresh grant", testTenant, url.Values{"grant_type": {"refresh_token"}}, 400, "AADSTS70003"},
		{"scope without .default", testTenant, url.Values{"scope": {acrResource}}, 400, "AADSTS1002012"},
		{"no scope", testTenant, url.Values{"scope": {""}}, 400, "AADSTS900144"},
		{"unknown resource", testTenant, url.Values{"scope": {"https://evil.example/.default"}}, 400, "AADSTS500011"},
		{"not a JWT", testTenant, asserted("x.y"), 401, "AADSTS50027"},
		{"certificate not registered", testTenant, asserted(assertion(t, otherCert, otherKey, nil)), 401, "AADSTS700027"},
		{"certificate's signature", testTenant, asserted(assertion(t, cert, otherKey, nil)), 401, "AADSTS700027"},
		{"assertion's audience", testTenant, asserted(assertion(t, cert, key, map[string]any{"aud": "https://login.microsoftonline.com/x"})), 401, "AADSTS700023"},
		{"assertion expired", testTenant, asserted(assertion(t, cert, key, map[string]any{"exp": now.Add(-time.Minute).Unix()})), 401, "AADSTS700024"},
		{"assertion not yet valid", testTenant, asserted(assertion(t, cert, key, map[string]any{"nbf": now.Add(time.Hour).Unix()})), 401, "AADSTS700024"},
		{"assertion of another application", testTenant, asserted(assertion(t, cert, key, map[string]any{"sub": "nobody"})), 401, "AADSTS700021"},
		{"federated issuer", testTenant, asserted(elsewhere.Token(subject, now, nil)), 401, "AADSTS700211"},
		{"federated subject", testTenant, asserted(issuer.Token("system:serviceaccount:ns:other", now, nil)), 401, "AADSTS700213"},
		{"federated audience", testTenant, asserted(issuer.Token(subject, now, map[string]any{"aud": "sts.amazonaws.com"})), 401, "AADSTS700212"},
		{"federated signature", testTenant, asserted(stranger.Token(subject, now, nil)), 401, "AADSTS50013"},
		{"federated token expired", testTenant, asserted(issuer.Token(subject, now.Add(-2*time.Hour), nil)), 401, "AADSTS700024"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {testApp}, "client_secret": {"s3cret"}, "scope": {acrScope}}
			for name, values := range test.set {
				form[name] = values
			}
			status, body := l.send(t, http.MethodPost, "https://login.microsoftonline.com/"+test.tenant+"/oauth2/v2.0/token", form, nil)
			description, _ := body["error_description"].(string)
			if status != test.status || !strings.HasPrefix(description, test.code+": ") || !strings.Contains(description, "Trace ID: ") {
				t.Errorf("HTTP %d %v", status, body)
			}
			if body["access_token"] != nil {
				t.Error("a token was issued")
			}
			l.wantRecord(t, "entra", "token", test.status, test.code+": ")
		})
	}
}

func TestEntraServes(t *testing.T) {
	l := newAzureLab(t)
	cert, key := selfSigned(t)
	issuer := NewAzureIssuer("https://oidc.example/1")
	l.AddApp(AzureApp{Tenant: testTenant, ClientID: testApp, Secret: "s3cret", Certificates: []*x509.Certificate{cert},
		Federated: []AzureFederation{{Issuer: issuer, Subject: "job"}}})
	l.AddApp(AzureApp{Tenant: "cn-tenant", ClientID: testApp, Secret: "s3cret", Cloud: AzureChina})
	base := "https://login.microsoftonline.com/" + testTenant
	tests := []struct {
		name, url, audience string
		set                 url.Values
	}{
		{"secret", base + "/oauth2/v2.0/token", acrResource, url.Values{"client_secret": {"s3cret"}}},
		{"secret, scope as MSAL sends it", base + "/oauth2/v2.0/token", acrResource, url.Values{"client_secret": {"s3cret"}, "scope": {acrScope + " openid offline_access profile"}}},
		{"certificate", base + "/oauth2/v2.0/token", acrResource, url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion(t, cert, key, nil)}}},
		{"federated", base + "/oauth2/v2.0/token", acrResource, url.Values{"client_assertion_type": {assertionType}, "client_assertion": {issuer.Token("job", time.Now(), nil)}}},
		{"v1 endpoint", base + "/oauth2/token", "https://management.azure.com/", url.Values{"client_secret": {"s3cret"}, "scope": nil, "resource": {"https://management.azure.com/"}}},
		{"China", "https://login.chinacloudapi.cn/cn-tenant/oauth2/v2.0/token", acrResource, url.Values{"client_secret": {"s3cret"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {testApp}, "scope": {acrScope}}
			for name, values := range test.set {
				form[name] = values
			}
			status, body := l.send(t, http.MethodPost, test.url, form, nil)
			token, _ := body["access_token"].(string)
			claims, err := l.verify(&l.entraKey.PublicKey, token)
			if status != http.StatusOK || err != nil || !hasAudience(claims, test.audience) {
				t.Errorf("HTTP %d, %v, claims %v", status, err, claims)
			}
			if _, isText := body["expires_in"].(string); isText != strings.HasSuffix(test.url, "/oauth2/token") {
				t.Errorf("expires_in is %T", body["expires_in"])
			}
			l.wantRecord(t, "entra", "token", http.StatusOK, "")
		})
	}
}

func TestEntraMetadata(t *testing.T) {
	l := newAzureLab(t)
	l.AddApp(AzureApp{Tenant: testTenant, ClientID: testApp, Cloud: AzureGovernment})
	tests := []struct {
		name, url string
		status    int
		has       string
		refused   string
	}{
		{"discovery", "https://login.microsoft.com/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2Flogin.microsoftonline.us%2F" + testTenant + "%2Foauth2%2Fv2.0%2Fauthorize", 200, "tenant_discovery_endpoint", ""},
		{"discovery of a stranger", "https://login.microsoft.com/common/discovery/instance?authorization_endpoint=https%3A%2F%2Flogin.evil.example%2Fx", 400, "error", "AADSTS50049"},
		{"configuration", "https://login.microsoftonline.us/" + testTenant + "/v2.0/.well-known/openid-configuration", 200, "token_endpoint", ""},
		{"configuration in another cloud", "https://login.microsoftonline.com/" + testTenant + "/v2.0/.well-known/openid-configuration", 400, "error", "AADSTS90002"},
		{"keys", "https://login.microsoftonline.us/" + testTenant + "/discovery/v2.0/keys", 200, "keys", ""},
		{"no such path", "https://login.microsoftonline.us/" + testTenant + "/saml2", 404, "error", "AADSTS900561"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := l.send(t, http.MethodGet, test.url, nil, nil)
			if status != test.status || body[test.has] == nil {
				t.Errorf("HTTP %d %v", status, body)
			}
			if last := l.cloud.Records()[l.cloud.Count("", "")-1]; !strings.HasPrefix(last.Refused, test.refused) || (last.Refused == "") != (test.refused == "") {
				t.Errorf("recorded %+v", last)
			}
		})
	}
}
