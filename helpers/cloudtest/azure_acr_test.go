// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const testHost = "corp.azurecr.io"

func (l azureLab) exchangeForm(resource string) url.Values {
	return url.Values{"grant_type": {"access_token"}, "service": {testHost}, "tenant": {testTenant},
		"access_token": {l.Token(AzurePublic, testTenant, testApp, resource)}}
}

// refresh gets a refresh token the ordinary way.
func (l azureLab) refresh(t *testing.T) string {
	t.Helper()
	status, body := l.send(t, http.MethodPost, "https://"+testHost+"/oauth2/exchange", l.exchangeForm(acrResource), nil)
	token, _ := body["refresh_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("HTTP %d %v", status, body)
	}
	return token
}

func message(body map[string]any) string {
	list, _ := body["errors"].([]any)
	if len(list) == 0 {
		return ""
	}
	first, _ := list[0].(map[string]any)
	text, _ := first["message"].(string)
	return text
}

func TestExchangeRefuses(t *testing.T) {
	l := newAzureLab(t)
	forged := newAzureLab(t) // the same claims, another Entra's key
	const arm = "https://management.azure.com/"
	roles := map[string][]string{testApp: {"pull"}}
	expired := func() string {
		l.SetTokenLife(-time.Minute)
		defer l.SetTokenLife(time.Hour)
		return l.Token(AzurePublic, testTenant, testApp, acrResource)
	}()
	tests := []struct {
		name     string
		registry AzureRegistry
		set      url.Values
		status   int
		text     string
		refused  string
	}{
		{"ARM audience where forbidden", AzureRegistry{Roles: roles, RefuseARM: true}, l.exchangeForm(arm), 401, "aka.ms/acr/authorization", "ARM audience"},
		{"other audience", AzureRegistry{Roles: roles}, l.exchangeForm("https://graph.microsoft.com"), 401, "aka.ms/acr/authorization", "audience https://graph"},
		{"unknown principal", AzureRegistry{Roles: map[string][]string{"other": {"pull"}}}, nil, 401, "aka.ms/acr/authorization", "no role: " + testApp},
		{"forged token", AzureRegistry{Roles: roles}, url.Values{"access_token": {forged.Token(AzurePublic, testTenant, testApp, acrResource)}}, 401, "aka.ms/acr/authorization", "signature"},
		{"expired token", AzureRegistry{Roles: roles}, url.Values{"access_token": {expired}}, 401, "aka.ms/acr/authorization", "expired"},
		{"token of another cloud", AzureRegistry{Roles: roles}, url.Values{"access_token": {l.Token(AzureChina, testTenant, testApp, acrResource)}}, 401, "aka.ms/acr/authorization", "another cloud"},
		{"tenant not the token's", AzureRegistry{Roles: roles}, url.Values{"tenant": {"other"}}, 401, "aka.ms/acr/authorization", "tenant"},
		{"firewall", AzureRegistry{Roles: roles, Firewall: true}, nil, 403, "aka.ms/acr/firewall", "firewall"},
		{"other service", AzureRegistry{Roles: roles}, url.Values{"service": {"other.azurecr.io"}}, 400, "service", "service other"},
		{"other grant", AzureRegistry{Roles: roles}, url.Values{"grant_type": {"password"}}, 400, "grant_type", "grant password"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l.AddRegistry("corp", test.registry)
			form := l.exchangeForm(acrResource)
			for name, values := range test.set {
				form[name] = values
			}
			status, body := l.send(t, http.MethodPost, "https://"+testHost+"/oauth2/exchange", form, nil)
			if status != test.status || !strings.Contains(message(body), test.text) || body["refresh_token"] != nil {
				t.Errorf("HTTP %d %v", status, body)
			}
			l.wantRecord(t, "acr", "exchange", test.status, test.refused)
		})
	}
}

func TestExchangeServes(t *testing.T) {
	l := newAzureLab(t)
	l.AddRegistry("corp", AzureRegistry{Roles: map[string][]string{testApp: {"pull", "push"}}})
	token := l.refresh(t)
	l.wantRecord(t, "acr", "exchange", http.StatusOK, "")
	_, claims, ok := peek(token)
	life := claims["exp"].(float64) - claims["iat"].(float64)
	if !ok || life != (3*time.Hour).Seconds() || claim(claims, "grant_type") != "refresh_token" {
		t.Errorf("claims %v", claims)
	}
	if err := l.CheckRefreshToken(testHost, token); err != nil {
		t.Error(err)
	}
	if l.CheckRefreshToken("other.azurecr.io", token) == nil {
		t.Error("taken for another registry")
	}
	l.cloud.Advance(3*time.Hour + time.Second)
	if l.CheckRefreshToken(testHost, token) == nil {
		t.Error("taken after its expiry by the cloud's clock")
	}
	// ARM tokens still do where the registry allows them.
	if status, _ := l.send(t, http.MethodPost, "https://"+testHost+"/oauth2/exchange", l.exchangeForm("https://management.azure.com/"), nil); status != http.StatusOK {
		t.Errorf("HTTP %d for an ARM token", status)
	}
}

func basic(user, password string) map[string]string {
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

func TestRegistryTokens(t *testing.T) {
	l := newAzureLab(t)
	l.AddApp(AzureApp{Tenant: testTenant, ClientID: testApp, Secret: "s3cret"})
	registry := AzureRegistry{Roles: map[string][]string{testApp: {"pull"}, "robot": {"pull", "push"}}, Passwords: map[string]string{"robot": "pw"}}
	l.AddRegistry("corp", registry)
	refresh := l.refresh(t)
	query := "?service=" + testHost + "&scope=repository:team/app:pull,push"
	post := func(set url.Values) url.Values {
		form := url.Values{"service": {testHost}, "scope": {"repository:team/app:pull,push"}, "client_id": {"docker"}}
		for name, values := range set {
			form[name] = values
		}
		return form
	}
	tests := []struct {
		name       string
		form       url.Values // nil is GET
		query      string
		header     map[string]string
		status     int
		text       string
		pull, push bool
	}{
		{"POST refresh token", post(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}), "", nil, 200, "", true, false},
		{"POST password", post(url.Values{"grant_type": {"password"}, "username": {"robot"}, "password": {"pw"}}), "", nil, 200, "", true, true},
		{"GET null GUID", nil, query, basic(nullGUID, refresh), 200, "", true, false},
		{"GET repository token", nil, query, basic("robot", "pw"), 200, "", true, true},
		{"GET service principal", nil, query, basic(testApp, "s3cret"), 200, "", true, false},
		{"anonymous", nil, query, nil, 401, "authentication required", false, false},
		{"wrong password", nil, query, basic("robot", "x"), 401, "authentication required", false, false},
		{"wrong secret", nil, query, basic(testApp, "x"), 401, "authentication required", false, false},
		{"unknown user", nil, query, basic("nobody", "x"), 401, "Application not registered with AAD", false, false},
		{"garbled refresh token", nil, query, basic(nullGUID, "x"), 401, "authentication required", false, false},
		{"Entra token in its place", nil, query, basic(nullGUID, l.Token(AzurePublic, testTenant, testApp, acrResource)), 401, "authentication required", false, false},
		{"other service", nil, "?service=other", basic("robot", "pw"), 400, "service", false, false},
		{"other grant", post(url.Values{"grant_type": {"implicit"}}), "", nil, 400, "grant_type", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method := http.MethodGet
			if test.form != nil {
				method = http.MethodPost
			}
			status, body := l.send(t, method, "https://"+testHost+"/oauth2/token"+test.query, test.form, test.header)
			token, _ := body["access_token"].(string)
			if status != test.status || !strings.Contains(message(body), test.text) {
				t.Fatalf("HTTP %d %v", status, body)
			}
			if pull := l.CheckAccessToken(testHost, token, "team/app", "pull") == nil; pull != test.pull {
				t.Errorf("pull %v", pull)
			}
			if push := l.CheckAccessToken(testHost, token, "team/app", "push") == nil; push != test.push {
				t.Errorf("push %v", push)
			}
			if l.CheckAccessToken(testHost, token, "team/other", "pull") == nil || l.CheckAccessToken("other.azurecr.io", token, "team/app", "pull") == nil {
				t.Error("taken elsewhere")
			}
		})
	}
	t.Run("kinds are not mixed up", func(t *testing.T) {
		_, body := l.send(t, http.MethodPost, "https://"+testHost+"/oauth2/token", tests[0].form, nil)
		token, _ := body["access_token"].(string)
		if l.CheckRefreshToken(testHost, token) == nil {
			t.Error("an access token is taken as a refresh token")
		}
	})
	l.cloud.Advance(4 * time.Hour)
	status, _ := l.send(t, http.MethodPost, "https://"+testHost+"/oauth2/token", tests[0].form, nil)
	if status != http.StatusUnauthorized {
		t.Errorf("HTTP %d for an expired refresh token", status)
	}
}

func TestRegistryFront(t *testing.T) {
	l := newAzureLab(t)
	served := ""
	l.AddRegistry("corp", AzureRegistry{Roles: map[string][]string{"robot": {"pull"}}, Passwords: map[string]string{"robot": "pw"},
		Front: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served = r.URL.Path
			writeJSON(w, http.StatusOK, map[string]any{})
		})})
	status, body := l.send(t, http.MethodGet, "https://"+testHost+"/oauth2/token?service="+testHost+"&scope=repository:app:pull", nil, basic("robot", "pw"))
	token, _ := body["access_token"].(string)
	if status != http.StatusOK {
		t.Fatalf("HTTP %d %v", status, body)
	}
	bearer := map[string]string{"Authorization": "Bearer " + token}
	tests := []struct {
		name, method, path string
		header             map[string]string
		status             int
		served             bool
	}{
		{"ping without token", http.MethodGet, "/v2/", nil, 401, false},
		{"ping", http.MethodGet, "/v2/", bearer, 200, false},
		{"pull", http.MethodGet, "/v2/app/manifests/1", bearer, 200, true},
		{"pull with Basic", http.MethodGet, "/v2/app/manifests/1", basic("robot", "pw"), 200, true},
		{"push", http.MethodPut, "/v2/app/manifests/1", bearer, 401, false},
		{"push with Basic", http.MethodPut, "/v2/app/manifests/1", basic("robot", "pw"), 401, false},
		{"other repository", http.MethodGet, "/v2/other/manifests/1", bearer, 401, false},
		{"Basic, wrong password", http.MethodGet, "/v2/", basic("robot", "x"), 401, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			served = ""
			status, _ := l.send(t, test.method, "https://"+testHost+test.path, nil, test.header)
			if status != test.status || (served != "") != test.served {
				t.Errorf("HTTP %d, front saw %q", status, served)
			}
		})
	}
	l.cloud.Advance(76 * time.Minute)
	if status, _ := l.send(t, http.MethodGet, "https://"+testHost+"/v2/app/manifests/1", nil, bearer); status != http.StatusUnauthorized {
		t.Errorf("HTTP %d with an access token of 76 minutes", status)
	}
}
