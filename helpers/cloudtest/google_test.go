// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	testAccount  = "puller@loopback-project.iam.gserviceaccount.com"
	otherAccount = "builder@loopback-project.iam.gserviceaccount.com"
	testPerson   = "me@corp.example"
	testProvider = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/github"
	cloudScope   = "https://www.googleapis.com/auth/cloud-platform"
)

// googleLab is a cloud with a service account, a person and a pool, and a
// client that reaches it.
type googleLab struct {
	azureLab // for its client
	*Google
	key    []byte
	user   []byte
	pool   GooglePool
	base   string // of the metadata server
	bearer string // of the person
}

// googleIssuer signs subject tokens; making keys is what takes time here.
var googleIssuer = sync.OnceValue(func() *AzureIssuer { return NewAzureIssuer("https://token.actions.githubusercontent.com") })

func newGoogleLab(t *testing.T) googleLab {
	t.Helper()
	lab := googleLab{azureLab: newAzureLab(t)}
	lab.Google = lab.azureLab.cloud.Google()
	host, err := lab.ServeMetadata()
	if err != nil {
		t.Fatal(err)
	}
	lab.base = "http://" + host + "/computeMetadata/v1/"
	return lab.fresh()
}

// fresh is the lab as it was at first.
func (l googleLab) fresh() googleLab {
	l.Google.cloud.Reset()
	l.key, l.user = l.AddServiceAccount(testAccount), l.AddUser(testPerson)
	l.pool = GooglePool{Provider: testProvider, Issuer: googleIssuer(),
		AWSAccount: "123456789012", AWSKeys: map[string]string{"AKIDEXAMPLE": "secret"}}
	l.AddPool(l.pool)
	l.bearer = l.Token(testPerson)
	return l
}

func (l googleLab) records() []Record { return l.Google.cloud.Records() }

// assertion is a service account's JWT, with some claims replaced.
func (l googleLab) assertion(key []byte, edit jwt.MapClaims) url.Values {
	var file struct {
		Email string `json:"client_email"`
		KeyID string `json:"private_key_id"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal(key, &file); err != nil {
		panic(err)
	}
	private, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(file.Key))
	if err != nil {
		panic(err)
	}
	now := l.Google.cloud.Now()
	claims := jwt.MapClaims{"iss": file.Email, "scope": cloudScope, "aud": "https://oauth2.googleapis.com/token",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for name, value := range edit {
		claims[name] = value
	}
	return url.Values{"grant_type": {jwtBearer}, "assertion": {signRS256(private, file.KeyID, claims)}}
}

// refreshing is a refresh of the person's sign-in, with some fields replaced.
func (l googleLab) refreshing(edit url.Values) url.Values {
	var file map[string]string
	if err := json.Unmarshal(l.user, &file); err != nil {
		panic(err)
	}
	values := url.Values{"grant_type": {"refresh_token"}}
	for _, name := range []string{"client_id", "client_secret", "refresh_token"} {
		values.Set(name, file[name])
	}
	for name, value := range edit {
		values[name] = value
	}
	return values
}

// exchanging is a token exchange, with some fields replaced.
func (l googleLab) exchanging(claims map[string]any, edit url.Values) url.Values {
	all := map[string]any{"aud": testProvider}
	for name, value := range claims {
		all[name] = value
	}
	values := url.Values{
		"grant_type": {tokenExchange}, "audience": {testProvider}, "scope": {cloudScope}, "requested_token_type": {accessType},
		"subject_token_type": {jwtTypes[0]}, "subject_token": {l.pool.Issuer.Token("repo:acme/app", l.Google.cloud.Now(), all)},
	}
	for name, value := range edit {
		values[name] = value
	}
	return values
}

const (
	oauthURL = "https://oauth2.googleapis.com/token"
	stsURL   = "https://sts.googleapis.com/v1/token"
	iamURL   = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
)

// TestGoogleTokenEndpoints has one row for each refusal of the two endpoints
// that speak OAuth 2.0, and one for each grant.
func TestGoogleTokenEndpoints(t *testing.T) {
	old := map[string]any{"iat": time.Now().Add(-2 * time.Hour).Unix(), "exp": time.Now().Add(-time.Hour).Unix()}
	tests := []struct {
		name    string
		target  string
		form    func(l googleLab) url.Values
		status  int
		code    string // the answer's error
		refused string // part of the record
	}{
		{"service account", oauthURL, func(l googleLab) url.Values { return l.assertion(l.key, nil) }, 200, "", ""},
		{"older token URL", "https://accounts.google.com/o/oauth2/token", func(l googleLab) url.Values {
			return l.assertion(l.key, jwt.MapClaims{"aud": "https://accounts.google.com/o/oauth2/token"})
		}, 200, "", ""},
		{"signature", oauthURL, func(l googleLab) url.Values { return l.assertion(l.ForgedKey(testAccount), nil) }, 400, "invalid_grant", "Signature"},
		{"unsigned", oauthURL, func(googleLab) url.Values {
			return url.Values{"grant_type": {jwtBearer}, "assertion": {unsigned(jwt.MapClaims{"iss": testAccount})}}
		}, 400, "invalid_grant", "Signature"},
		{"audience", oauthURL, func(l googleLab) url.Values {
			return l.assertion(l.key, jwt.MapClaims{"aud": "https://evil.example/token"})
		},
			400, "invalid_grant", "audience"},
		{"expired", oauthURL, func(l googleLab) url.Values { return l.assertion(l.key, old) }, 400, "invalid_grant", "short-lived"},
		{"longer than an hour", oauthURL, func(l googleLab) url.Values {
			return l.assertion(l.key, jwt.MapClaims{"exp": time.Now().Add(61 * time.Minute).Unix()})
		}, 400, "invalid_grant", "short-lived"},
		{"issued in the future", oauthURL, func(l googleLab) url.Values {
			return l.assertion(l.key, jwt.MapClaims{"iat": time.Now().Add(10 * time.Minute).Unix()})
		}, 400, "invalid_grant", "short-lived"},
		{"without iat", oauthURL, func(l googleLab) url.Values { return l.assertion(l.key, jwt.MapClaims{"iat": nil}) }, 400, "invalid_grant", "short-lived"},
		{"unknown account", oauthURL, func(l googleLab) url.Values { return l.assertion(l.ForgedKey("nobody@x.example"), nil) },
			400, "invalid_grant", "account not found"},
		{"disabled account", oauthURL, func(l googleLab) url.Values { l.Disable(testAccount); return l.assertion(l.key, nil) },
			400, "invalid_grant", "account not found"},
		{"no scope", oauthURL, func(l googleLab) url.Values { return l.assertion(l.key, jwt.MapClaims{"scope": ""}) }, 400, "invalid_scope", "scope"},
		{"unknown grant", oauthURL, func(googleLab) url.Values { return url.Values{"grant_type": {"password"}} }, 400, "unsupported_grant_type", "password"},

		{"user", oauthURL, func(l googleLab) url.Values { return l.refreshing(nil) }, 200, "", ""},
		{"unknown client", oauthURL, func(l googleLab) url.Values { return l.refreshing(url.Values{"client_id": {"x"}}) }, 401, "invalid_client", "not found"},
		{"client secret", oauthURL, func(l googleLab) url.Values { return l.refreshing(url.Values{"client_secret": {"x"}}) }, 401, "invalid_client", "not found"},
		{"unknown refresh token", oauthURL, func(l googleLab) url.Values { return l.refreshing(url.Values{"refresh_token": {"x"}}) },
			400, "invalid_grant", "expired or revoked"},
		{"revoked", oauthURL, func(l googleLab) url.Values { l.RevokeUser(testPerson); return l.refreshing(nil) }, 400, "invalid_grant", "revoked"},
		{"reauthentication", oauthURL, func(l googleLab) url.Values { l.RequireReauth(testPerson); return l.refreshing(nil) },
			400, "invalid_grant", "invalid_rapt"},

		{"subject token", stsURL, func(l googleLab) url.Values { return l.exchanging(nil, nil) }, 200, "", ""},
		{"subject token, audience with https", stsURL, func(l googleLab) url.Values {
			return l.exchanging(map[string]any{"aud": "https:" + testProvider}, nil)
		}, 200, "", ""},
		{"subject token's signature", stsURL, func(l googleLab) url.Values {
			forger := NewAzureIssuer(l.pool.Issuer.URL)
			return l.exchanging(nil, url.Values{"subject_token": {forger.Token("x", time.Now(), map[string]any{"aud": testProvider})}})
		}, 400, "invalid_grant", "signature"},
		{"subject token's issuer", stsURL, func(l googleLab) url.Values { return l.exchanging(map[string]any{"iss": "https://evil.example"}, nil) },
			400, "invalid_grant", "issuer"},
		{"subject token's audience", stsURL, func(l googleLab) url.Values { return l.exchanging(map[string]any{"aud": "https://else.example"}, nil) },
			400, "invalid_grant", "audience"},
		{"subject token expired", stsURL, func(l googleLab) url.Values { return l.exchanging(old, nil) }, 400, "invalid_grant", "stale"},
		{"subject token without subject", stsURL, func(l googleLab) url.Values { return l.exchanging(map[string]any{"sub": ""}, nil) },
			400, "invalid_grant", "google.subject"},
		{"unknown provider", stsURL, func(l googleLab) url.Values { return l.exchanging(nil, url.Values{"audience": {testProvider + "x"}}) },
			400, "invalid_target", "audience"},
		{"no provider's name", stsURL, func(l googleLab) url.Values { return l.exchanging(nil, url.Values{"audience": {"null"}}) },
			400, "invalid_request", "audience"},
		{"wrong kind of subject token", stsURL, func(l googleLab) url.Values {
			return l.exchanging(nil, url.Values{"subject_token_type": {"urn:ietf:params:oauth:token-type:saml2"}})
		}, 400, "invalid_request", "subject_token_type"},
		{"wrong kind of token wanted", stsURL, func(l googleLab) url.Values { return l.exchanging(nil, url.Values{"requested_token_type": {"x"}}) },
			400, "invalid_request", "requested_token_type"},
		{"exchange without scope", stsURL, func(l googleLab) url.Values { return l.exchanging(nil, url.Values{"scope": {""}}) }, 400, "invalid_scope", "scope"},
		{"another grant", stsURL, func(l googleLab) url.Values { return l.exchanging(nil, url.Values{"grant_type": {jwtBearer}}) },
			400, "unsupported_grant_type", ""},
		{"another path", "https://sts.googleapis.com/v2/token", func(l googleLab) url.Values { return l.exchanging(nil, nil) }, 404, "invalid_request", ""},
		{"AWS token that is none", stsURL, func(l googleLab) url.Values { return l.exchanging(nil, url.Values{"subject_token_type": {awsType}}) },
			400, "invalid_grant", "parse"},
	}
	lab := newGoogleLab(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := lab.fresh()
			status, body := lab.send(t, http.MethodPost, tt.target, tt.form(lab), nil)
			if code, _ := body["error"].(string); status != tt.status || code != tt.code {
				t.Errorf("%d %v, want %d %q", status, body, tt.status, tt.code)
			}
			lab.recorded(t, tt.status, tt.refused)
			if tt.status != http.StatusOK {
				return
			}
			if who, err := lab.CheckToken(body["access_token"].(string)); err != nil || who == "" {
				t.Errorf("token of %q, %v", who, err)
			}
		})
	}
}

func unsigned(claims jwt.MapClaims) string {
	text, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		panic(err)
	}
	return text
}

// recorded wants one record, with that status and reason.
func (l googleLab) recorded(t *testing.T, status int, refused string) {
	t.Helper()
	records := l.records()
	if len(records) != 1 || records[0].Status != status || !strings.Contains(records[0].Refused, refused) {
		t.Errorf("records %+v, want one with %d and %q", records, status, refused)
	}
	if status == http.StatusOK && len(records) == 1 && records[0].Refused != "" {
		t.Errorf("served, but recorded as refused: %+v", records[0])
	}
}

// TestGoogleAWS exchanges requests that Google's own library signed, and ones
// that were tampered with on the way.
func TestGoogleAWS(t *testing.T) {
	tests := []struct {
		name    string
		secret  string
		ahead   time.Duration // of the cloud's clock
		pool    string        // the provider that the request is signed for
		tamper  func(string) string
		refused string
	}{
		{name: "signed", secret: "secret", pool: testProvider},
		{name: "wrong key", secret: "other", pool: testProvider, refused: "SignatureDoesNotMatch"},
		{name: "old", secret: "secret", pool: testProvider, ahead: 16 * time.Minute, refused: "expired"},
		{name: "for another provider", secret: "secret", pool: testProvider + "2", refused: "another provider"},
		{name: "another operation", secret: "secret", pool: testProvider, refused: "not GetCallerIdentity",
			tamper: func(s string) string { return strings.Replace(s, "GetCallerIdentity", "AssumeRole", 1) }},
		{name: "another region than signed", secret: "secret", pool: testProvider, refused: "SignatureDoesNotMatch",
			tamper: func(s string) string { return strings.Replace(s, "sts.eu-west-1.", "sts.eu-west-2.", 1) }},
		{name: "another host", secret: "secret", pool: testProvider, refused: "not an endpoint",
			tamper: func(s string) string { return strings.Replace(s, ".amazonaws.com", ".evil.example", 1) }},
		{name: "unknown key", secret: "secret", pool: testProvider, refused: "InvalidClientTokenId",
			tamper: func(s string) string { return strings.Replace(s, "AKIDEXAMPLE", "AKIDOTHER", 1) }},
		{name: "unsigned header", secret: "secret", pool: testProvider, refused: "must be signed",
			tamper: func(s string) string { return strings.Replace(s, ";x-goog-cloud-target-resource", "", 1) }},
		{name: "no signature", secret: "secret", pool: testProvider, refused: "IncompleteSignature",
			tamper: func(s string) string { return strings.Replace(s, "AWS4-HMAC-SHA256", "Basic", 1) }},
	}
	lab := newGoogleLab(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": tt.secret, "AWS_SESSION_TOKEN": ""} {
				t.Setenv(name, value)
			}
			lab := lab.fresh()
			lab.Google.cloud.Advance(tt.ahead)
			subject := awsSubject(t, tt.pool)
			if tt.tamper != nil {
				plain, err := url.QueryUnescape(subject)
				if err != nil || tt.tamper(plain) == plain {
					t.Fatalf("nothing to tamper with in %s (%v)", plain, err)
				}
				subject = url.QueryEscape(tt.tamper(plain))
			}
			status, body := lab.send(t, http.MethodPost, stsURL,
				lab.exchanging(nil, url.Values{"subject_token_type": {awsType}, "subject_token": {subject}}), nil)
			want := http.StatusOK
			if tt.refused != "" {
				want = http.StatusBadRequest
			}
			if status != want {
				t.Errorf("%d %v", status, body)
			}
			lab.recorded(t, want, tt.refused)
		})
	}
}

// awsSubject is what Google's library sends for an AWS identity: it is caught
// at a token URL of this test's.
func awsSubject(t *testing.T, provider string) string {
	t.Helper()
	caught := ""
	client := &http.Client{Transport: catch(func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		caught = r.PostForm.Get("subject_token")
		return nil, errors.New("caught")
	})}
	file := mustJSON(map[string]any{"type": "external_account", "audience": provider, "subject_token_type": awsType,
		"token_url": "https://sts.googleapis.com/v1/token", "credential_source": map[string]string{"environment_id": "aws1",
			"regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}})
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
	credentials, err := google.CredentialsFromJSONWithType(ctx, file, google.ExternalAccount, cloudScope)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := credentials.TokenSource.Token(); caught == "" {
		t.Fatal(err)
	}
	return caught
}

type catch func(*http.Request) (*http.Response, error)

func (c catch) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func TestGoogleImpersonation(t *testing.T) {
	const full = `{"scope":["` + cloudScope + `"],"lifetime":"600s"}`
	tests := []struct {
		name    string
		setup   func(l googleLab)
		account string
		bearer  string // "" is the person's
		body    string
		status  int
		code    string
	}{
		{"allowed", func(l googleLab) { l.AllowImpersonation(testPerson, testAccount) }, testAccount, "", full, 200, ""},
		{"delegates", func(l googleLab) {
			l.AddServiceAccount(otherAccount)
			l.AllowImpersonation(testPerson, otherAccount)
			l.AllowImpersonation(otherAccount, testAccount)
		}, testAccount, "", `{"scope":["x"],"delegates":["projects/-/serviceAccounts/` + otherAccount + `"]}`, 200, ""},
		{"denied", nil, testAccount, "", full, 403, "PERMISSION_DENIED"},
		{"granted on another account", func(l googleLab) { l.AllowImpersonation(testPerson, otherAccount) }, testAccount, "", full, 403, "PERMISSION_DENIED"},
		{"delegate denied", func(l googleLab) { l.AllowImpersonation(testPerson, testAccount) }, testAccount, "",
			`{"scope":["x"],"delegates":["` + otherAccount + `"]}`, 403, "PERMISSION_DENIED"},
		{"unknown account", nil, "nobody@x.example", "", full, 403, "PERMISSION_DENIED"},
		{"disabled", func(l googleLab) { l.AllowImpersonation(testPerson, testAccount); l.Disable(testAccount) }, testAccount, "", full, 400, "FAILED_PRECONDITION"},
		{"no token", nil, testAccount, "none", full, 401, "UNAUTHENTICATED"},
		{"expired token", func(l googleLab) { l.Google.cloud.Advance(2 * time.Hour) }, testAccount, "", full, 401, "UNAUTHENTICATED"},
		{"no scope", func(l googleLab) { l.AllowImpersonation(testPerson, testAccount) }, testAccount, "", `{}`, 400, "INVALID_ARGUMENT"},
		{"longer than an hour", func(l googleLab) { l.AllowImpersonation(testPerson, testAccount) }, testAccount, "",
			`{"scope":["x"],"lifetime":"3601s"}`, 400, "INVALID_ARGUMENT"},
		{"unreadable lifetime", func(l googleLab) { l.AllowImpersonation(testPerson, testAccount) }, testAccount, "",
			`{"scope":["x"],"lifetime":"long"}`, 400, "INVALID_ARGUMENT"},
	}
	lab := newGoogleLab(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := lab.fresh()
			if tt.setup != nil {
				tt.setup(lab)
			}
			bearer := lab.bearer
			if tt.bearer != "" {
				bearer = tt.bearer
			}
			status, body := lab.post(t, iamURL+tt.account+":generateAccessToken", tt.body, bearer)
			failed, _ := body["error"].(map[string]any)
			if code, _ := failed["status"].(string); status != tt.status || code != tt.code {
				t.Fatalf("%d %v, want %d %q", status, body, tt.status, tt.code)
			}
			lab.recorded(t, tt.status, tt.code)
			if tt.status == http.StatusOK {
				if who, err := lab.CheckToken(body["accessToken"].(string)); who != testAccount || err != nil {
					t.Errorf("token of %q, %v", who, err)
				}
			}
		})
	}
}

func (l googleLab) post(t *testing.T, target, body, bearer string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func TestGoogleMetadata(t *testing.T) {
	google := map[string]string{"Metadata-Flavor": "Google"}
	tests := []struct {
		name    string
		method  string
		path    string
		header  map[string]string
		account string
		status  int
		refused string
	}{
		{"token", "GET", "instance/service-accounts/default/token?scopes=x", google, testAccount, 200, ""},
		{"by address", "GET", "instance/service-accounts/" + testAccount + "/token", google, testAccount, 200, ""},
		{"email", "GET", "instance/service-accounts/default/email", google, testAccount, 200, ""},
		{"project", "GET", "project/project-id", google, "", 200, ""},
		{"no Metadata-Flavor", "GET", "instance/service-accounts/default/token", nil, testAccount, 403, "Metadata-Flavor"},
		{"another Metadata-Flavor", "GET", "instance/service-accounts/default/token", map[string]string{"Metadata-Flavor": "Azure"}, testAccount, 403, "Metadata-Flavor"},
		{"forwarded", "GET", "instance/service-accounts/default/token",
			map[string]string{"Metadata-Flavor": "Google", "X-Forwarded-For": "10.0.0.1"}, testAccount, 403, "X-Forwarded-For"},
		{"not a GET", "POST", "instance/service-accounts/default/token", google, testAccount, 405, "GET"},
		{"no account", "GET", "instance/service-accounts/default/token", google, "", 404, "not found"},
		{"another account", "GET", "instance/service-accounts/" + otherAccount + "/token", google, testAccount, 404, "not found"},
		{"another path", "GET", "instance/attributes/ssh-keys", google, testAccount, 404, "not found"},
	}
	lab := newGoogleLab(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := lab.fresh()
			lab.AttachServiceAccount(tt.account)
			req, err := http.NewRequestWithContext(t.Context(), tt.method, lab.base+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range tt.header {
				req.Header.Set(name, value)
			}
			resp, err := lab.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tt.status || resp.Header.Get("Metadata-Flavor") != "Google" {
				t.Errorf("%s %v: %s (%v)", resp.Status, resp.Header, body, err)
			}
			lab.recorded(t, tt.status, tt.refused)
		})
	}
}

func TestGoogleCheckLogin(t *testing.T) {
	lab := newGoogleLab(t)
	token, forged := lab.Token(testPerson), lab.ForgedKey(testAccount)
	signed := lab.assertion(lab.key, nil).Get("assertion")
	base64Key := base64.StdEncoding.EncodeToString(lab.key)
	tests := []struct {
		name, user, password, who string
	}{
		{"access token", "oauth2accesstoken", token, testPerson},
		{"older name", "_token", token, testPerson},
		{"docker-credential-gcr", "_dcgcr_2_2_1_token", token, testPerson},
		{"self-signed JWT", "oauth2accesstoken", signed, testAccount},
		{"key", "_json_key", string(lab.key), testAccount},
		{"key in base64", "_json_key_base64", base64Key, testAccount},
		{"made-up token", "oauth2accesstoken", "ya29.made-up", ""},
		{"made-up JWT", "oauth2accesstoken", unsigned(jwt.MapClaims{"iss": testAccount}), ""},
		{"another user name", "me", token, ""},
		{"forged key", "_json_key", string(forged), ""},
		{"key that is none", "_json_key", "x", ""},
		{"base64 that is none", "_json_key_base64", "{", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if who, err := lab.CheckLogin(tt.user, tt.password); who != tt.who || (err == nil) != (tt.who != "") {
				t.Errorf("%q, %v", who, err)
			}
		})
	}
	lab.Google.cloud.Advance(61 * time.Minute)
	for _, password := range []string{token, signed} {
		if _, err := lab.CheckToken(password); !errors.Is(err, ErrExpired) {
			t.Errorf("an hour later: %v", err)
		}
	}
	lab.Google.cloud.Reset()
	if who, err := lab.CheckToken(token); err == nil {
		t.Errorf("after Reset the token is still %s's", who)
	}
}

// TestGoogleMute leaves out the expiry, and lets the token expire all the same.
func TestGoogleMute(t *testing.T) {
	lab := newGoogleLab(t)
	lab.SetMute(true)
	lab.SetTokenLife(5 * time.Minute)
	_, body := lab.send(t, http.MethodPost, stsURL, lab.exchanging(nil, nil), nil)
	if _, told := body["expires_in"]; told {
		t.Errorf("answer %v tells an expiry", body)
	}
	lab.Google.cloud.Advance(6 * time.Minute)
	if _, err := lab.CheckToken(body["access_token"].(string)); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}
