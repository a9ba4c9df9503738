// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestGoogleMethods asks at other paths and with other methods than the
// endpoints have; what is sent would be served otherwise.
func TestGoogleMethods(t *testing.T) {
	oauth := func(l googleLab) url.Values { return l.assertion(l.key, nil) }
	sts := func(l googleLab) url.Values { return l.exchanging(nil, nil) }
	iam := func(googleLab) url.Values { return nil }
	tests := []struct {
		name, method, url string
		form              func(l googleLab) url.Values
		service           string
	}{
		{"token endpoint, GET", http.MethodGet, oauthURL, oauth, "google-oauth"},
		{"token endpoint, PUT", http.MethodPut, oauthURL, oauth, "google-oauth"},
		{"token endpoint, another path", http.MethodPost, oauthURL + "s", oauth, "google-oauth"},
		{"token endpoint, another host's path", http.MethodPost, "https://accounts.google.com/token", oauth, "google-oauth"},
		{"exchange, PUT", http.MethodPut, stsURL, sts, "google-sts"},
		{"impersonation, another verb", http.MethodPost, iamURL + testAccount + ":generateIdToken", iam, "iamcredentials"},
		{"impersonation, no verb", http.MethodPost, iamURL + testAccount, iam, "iamcredentials"},
		{"impersonation, a project's name", http.MethodPost, "https://iamcredentials.googleapis.com/v1/projects/p/serviceAccounts/" + testAccount + ":generateAccessToken", iam, "iamcredentials"},
		{"impersonation, GET", http.MethodGet, iamURL + testAccount + ":generateAccessToken", iam, "iamcredentials"},
	}
	lab := newGoogleLab(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := lab.fresh()
			lab.AllowImpersonation(testPerson, testAccount)
			target, form := tt.url, tt.form(lab)
			if tt.method == http.MethodGet && form != nil {
				target, form = target+"?"+form.Encode(), nil
			}
			status, body := lab.send(t, tt.method, target, form, map[string]string{"Authorization": "Bearer " + lab.bearer})
			if status != http.StatusNotFound || body["access_token"] != nil || body["accessToken"] != nil {
				t.Errorf("HTTP %d %v", status, body)
			}
			lab.recorded(t, http.StatusNotFound, "")
			if got := lab.records()[0]; got.Service != tt.service || got.Refused == "" {
				t.Errorf("recorded %+v", got)
			}
		})
	}
}

// TestGoogleUnknownKey names a key that the account does not have, under a
// signature that is the account's own.
func TestGoogleUnknownKey(t *testing.T) {
	lab := newGoogleLab(t)
	lab.mu.Lock()
	key := lab.keys[testAccount]
	lab.mu.Unlock()
	now := time.Now()
	claims := jwt.MapClaims{"iss": testAccount, "scope": cloudScope, "aud": oauthURL, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for kid, want := range map[string]int{googleKeyID(testAccount): http.StatusOK, "deleted": http.StatusBadRequest} {
		lab := lab.fresh()
		text := signRS256(key, kid, claims)
		status, body := lab.send(t, http.MethodPost, oauthURL, url.Values{"grant_type": {jwtBearer}, "assertion": {text}}, nil)
		if status != want {
			t.Errorf("key %s: HTTP %d %v", kid, status, body)
		}
		if _, err := lab.CheckToken(text); (err == nil) != (want == http.StatusOK) {
			t.Errorf("key %s, as a token: %v", kid, err)
		}
	}
}

// TestGoogleDisabledMachine is a machine whose account was disabled.
func TestGoogleDisabledMachine(t *testing.T) {
	lab := newGoogleLab(t)
	lab.AttachServiceAccount(testAccount)
	lab.Disable(testAccount)
	for _, what := range []string{"token", "email"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, lab.base+"instance/service-accounts/default/"+what, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Metadata-Flavor", "Google")
		resp, err := lab.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		records := lab.records()
		if last := records[len(records)-1]; resp.StatusCode != http.StatusForbidden || last.Action != what || !strings.Contains(last.Refused, "disabled") {
			t.Errorf("%s: %s, %+v", what, resp.Status, last)
		}
	}
}

// TestGoogleWorkforce refreshes the sign-in of a workforce pool's person.
func TestGoogleWorkforce(t *testing.T) {
	const own = "https://sts.googleapis.com" + oauthTokenPath
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(googleClientID+":"+googleClientSecret))
	lab := newGoogleLab(t)
	tests := []struct {
		name, url, auth string
		edit            url.Values
		ordinary        bool // the refresh token of somebody else
		status          int
		code            string
	}{
		{"refreshed", own, basic, nil, false, 200, ""},
		{"client unnamed", own, "", nil, false, 401, "invalid_client"},
		{"client's secret wrong", own, "Basic eDp5", nil, false, 401, "invalid_client"},
		{"another grant", own, basic, url.Values{"grant_type": {jwtBearer}}, false, 400, "unsupported_grant_type"},
		{"unknown refresh token", own, basic, url.Values{"refresh_token": {"x"}}, false, 400, "invalid_grant"},
		{"nobody of the pool", own, basic, nil, true, 400, "invalid_grant"},
		{"at the other endpoint", oauthURL, "", nil, false, 400, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := lab.fresh()
			principal := testPerson
			if !tt.ordinary {
				lab.user, principal = lab.AddWorkforceUser("//iam.googleapis.com/locations/global/workforcePools/staff/providers/okta", "ana")
			}
			form := lab.refreshing(tt.edit)
			if tt.url == own {
				form.Del("client_id")
				form.Del("client_secret")
			}
			header := map[string]string{}
			if tt.auth != "" {
				header["Authorization"] = tt.auth
			}
			status, body := lab.send(t, http.MethodPost, tt.url, form, header)
			if code, _ := body["error"].(string); status != tt.status || code != tt.code {
				t.Fatalf("%d %v", status, body)
			}
			lab.recorded(t, tt.status, tt.code)
			if tt.status != http.StatusOK {
				return
			}
			if who, err := lab.CheckToken(body["access_token"].(string)); err != nil || who != principal {
				t.Errorf("token of %q, %v", who, err)
			}
		})
	}
}

// TestGoogleAWSSession exchanges what a session of a role signed.
func TestGoogleAWSSession(t *testing.T) {
	lab := newGoogleLab(t)
	tests := []struct {
		name, account string
		token         string // in place of the session's
		ahead         time.Duration
		refused       string
	}{
		{"alive", "123456789012", "", 0, ""},
		{"expired", "123456789012", "", 6 * time.Minute, "InvalidClientTokenId"},
		{"of another account", "210987654321", "", 0, "InvalidClientTokenId"},
		{"with another token", "123456789012", "made-up", 0, "InvalidClientTokenId"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := lab.fresh()
			id, secret, token, _, err := lab.Google.cloud.AWS().Session("arn:aws:iam::"+tt.account+":role/builders", "i-1", 5*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if tt.token != "" {
				token = tt.token
			}
			for name, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token} {
				t.Setenv(name, value)
			}
			subject := awsSubject(t, testProvider)
			lab.Google.cloud.Advance(tt.ahead)
			status, body := lab.send(t, http.MethodPost, stsURL,
				lab.exchanging(nil, url.Values{"subject_token_type": {awsType}, "subject_token": {subject}}), nil)
			want := http.StatusOK
			if tt.refused != "" {
				want = http.StatusBadRequest
			}
			lab.recorded(t, want, tt.refused)
			if status != want {
				t.Fatalf("%d %v", status, body)
			}
			if tt.refused != "" {
				return
			}
			if who, err := lab.CheckToken(body["access_token"].(string)); err != nil || !strings.HasSuffix(who, "subject/arn:aws:sts::123456789012:assumed-role/builders/i-1") {
				t.Errorf("token of %q, %v", who, err)
			}
		})
	}
}
