// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// wantFailure checks a MintError's cause and next step, and that no secret is
// in what is shown.
func wantFailure(t *testing.T, err error, source, cause, next string) {
	t.Helper()
	failed, ok := errors.AsType[*helpers.MintError](err)
	if !ok {
		t.Fatalf("%T %v", err, err)
	}
	if failed.Source != source || !strings.Contains(failed.Cause, cause) || !strings.Contains(failed.Next, next) {
		t.Errorf("source %q\ncause %q\nnext %q\nwant %q, %q, %q", failed.Source, failed.Cause, failed.Next, source, cause, next)
	}
	for _, shown := range []string{failed.Cause, failed.Next} {
		if strings.HasSuffix(shown, ".") || strings.Contains(shown, secret) || strings.Contains(shown, "eyJ") || strings.ContainsAny(shown, "\n\r\x1b") || strings.Contains(shown, "Trace ID") {
			t.Errorf("shown: %q", shown)
		}
	}
}

func TestSignInFailures(t *testing.T) {
	cert, _ := certificate(t)
	_, otherText := certificate(t)
	issuer := cloudtest.NewAzureIssuer("https://oidc.aks.example/1")
	tests := []struct {
		name   string
		change func(l lab)
		source string
		cause  string
		next   string
	}{
		{"wrong secret", func(l lab) { l.t.Setenv(varSecret, "other") }, secretName, "AADSTS7000215: Invalid client secret", "az ad app credential reset --id " + appID},
		{"expired secret", func(l lab) {
			l.AddApp(cloudtest.AzureApp{Tenant: "t2", ClientID: appID, Secret: secret, SecretExpires: time.Now().Add(-time.Hour)})
			l.t.Setenv(varTenant, "t2")
		}, secretName, "AADSTS7000222: ", "az ad app credential reset --id " + appID},
		{"unknown tenant", func(l lab) { l.t.Setenv(varTenant, "other.example") }, secretName, "AADSTS90002: Tenant 'other.example' not found", varTenant},
		{"impossible tenant", func(l lab) { l.t.Setenv(varTenant, "a/../b") }, secretName, "invalid tenantID", varTenant},
		{"unknown application", func(l lab) { l.t.Setenv(varClient, "nobody") }, secretName, "AADSTS700016: ", "az ad app show --id nobody"},
		{"certificate not registered", func(l lab) {
			l.AddApp(cloudtest.AzureApp{Tenant: "t3", ClientID: appID, Certificates: []*x509.Certificate{cert}})
			l.unset(varSecret)
			l.setenv(map[string]string{varTenant: "t3", varCertificate: l.write("ci.pem", otherText, 0o600)})
		}, certificateName, "AADSTS700027: ", "--append --cert"},
		{"no certificate in the file", func(l lab) {
			l.unset(varSecret)
			l.t.Setenv(varCertificate, l.write("ci.pem", "garbage", 0o600))
		}, certificateName, "ci.pem", "AZURE_CLIENT_CERTIFICATE_PASSWORD"},
		{"no certificate file", func(l lab) {
			l.unset(varSecret)
			l.t.Setenv(varCertificate, "/no/such.pem")
		}, certificateName, "/no/such.pem", varCertificate},
		{"federated subject unknown", func(l lab) { l.federate(issuer, issuer.Token("other", time.Now(), nil)) }, federatedName, "AADSTS700213: ", "federated-credential list --id " + appID},
		{"federated token expired", func(l lab) { l.federate(issuer, issuer.Token("job", time.Now().Add(-2*time.Hour), nil)) }, federatedName, "AADSTS700024: ", "renewed"},
		{"throttled", func(lab) {
			loop.Fail(cloudtest.Fault{Service: "entra", Action: "token", Status: 429, Body: `{"error":"temporarily_unavailable"}`})
		}, secretName, "throttles", "wait"},
		{"server error", func(lab) { loop.Fail(cloudtest.Fault{Service: "entra", Action: "token", Status: 503, Body: "<html>"}) }, secretName, "login.microsoftonline.com answered HTTP 503", "try again"},
		{"HTML page", func(lab) {
			loop.Fail(cloudtest.Fault{Service: "entra", Status: 200, Body: "<html>\x1b[31mSign in to the network</html>"})
		}, secretName, "json decode error", "check the connection to login.microsoftonline.com"},
		{"garbled answer with a token in it", func(lab) {
			loop.Fail(cloudtest.Fault{Service: "entra", Action: "token", Status: 200, Body: `{"access_token":"eyJhbGciOiJSUzI1NiJ9.` + secret + `",]`})
		}, secretName, "json decode error", "check the connection to login.microsoftonline.com"},
		{"huge page", func(lab) {
			loop.Fail(cloudtest.Fault{Service: "entra", Action: "token", Status: 200, Body: strings.Repeat(" ", 2*maxBody) + "{}"})
		}, secretName, "too large", "check"},
		{"redirect is not followed", func(lab) {
			loop.Fail(cloudtest.Fault{Service: "entra", Action: "token", Status: 307, Header: http.Header{"Location": {"https://evil.example/"}}})
		}, secretName, "HTTP 307", "check"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.ordinary()
			test.change(l)
			_, _, err := l.token(host, helpers.Choice{})
			wantFailure(t, err, test.source, test.cause, test.next)
			if loop.Count("acr", "") != 0 || loop.Count("none", "") != 0 {
				t.Errorf("asked %+v", loop.Records())
			}
			if n := loop.Count("entra", "token"); n > 8 {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

func (l lab) unset(names ...string) {
	for _, name := range names {
		l.t.Setenv(name, "") // so that it is put back afterwards
		if err := os.Unsetenv(name); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l lab) federate(issuer *cloudtest.AzureIssuer, token string) {
	l.AddApp(cloudtest.AzureApp{Tenant: "t4", ClientID: appID, Federated: []cloudtest.AzureFederation{{Issuer: issuer, Subject: "job"}}})
	l.unset(varSecret)
	l.setenv(map[string]string{varTenant: "t4", varFederated: l.write("token", token, 0o600)})
}

func TestExchangeFailures(t *testing.T) {
	fault := func(f cloudtest.Fault) func(lab) {
		return func(lab) {
			f.Service, f.Action = "acr", "exchange"
			loop.Fail(f)
		}
	}
	tests := []struct {
		name        string
		change      func(l lab)
		cause, next string
		attempts    int
	}{
		{"no role", func(l lab) { l.AddRegistry("corp", cloudtest.AzureRegistry{}) }, `most often a missing role, or a registry of another tenant: "authentication required, visit https://aka.ms/acr/authorization`,
			"az role assignment create --assignee " + appID + " --role AcrPull --scope $(az acr show -n corp --query id -o tsv)", 1},
		{"firewall", func(l lab) { l.AddRegistry("corp", cloudtest.AzureRegistry{Firewall: true}) }, `the firewall of corp.azurecr.io refuses this machine's address: "client with IP '203.0.113.7' is not allowed access`, "az acr network-rule add -n corp", 1},
		{"403 of a proxy", fault(cloudtest.Fault{Status: 403, Body: "<html>Blocked\x1b[2J</html>"}), "(HTTP 403)", "proxy", 1},
		{"throttled", fault(cloudtest.Fault{Status: 429, Body: `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`}), `(HTTP 429): "slow down"`, "wait", 3},
		{"throttled for long", fault(cloudtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}, Body: `{}`}), `(HTTP 429)`, "wait", 1},
		{"server error", fault(cloudtest.Fault{Status: 502, Body: "bad gateway"}), "(HTTP 502)", "try again", 3},
		{"HTML page", fault(cloudtest.Fault{Status: 200, Body: "<html>Sign in</html>"}), "(HTTP 200): the answer is not the registry's", "connection", 1},
		{"no token in it", fault(cloudtest.Fault{Status: 200, Body: `{"refresh_token":""}`}), "gave no token (HTTP 200)", "connection", 1},
		{"huge", fault(cloudtest.Fault{Status: 200, Body: `{"refresh_token":"` + strings.Repeat("x", maxBody) + `"}`}), "larger than any token", "connection", 1},
		{"redirect", fault(cloudtest.Fault{Status: 307, Header: http.Header{"Location": {"https://evil.example/oauth2/exchange"}}}), "sends the exchange elsewhere (HTTP 307)", "connection", 1},
		{"terminal escapes", fault(cloudtest.Fault{Status: 401, Body: `{"errors":[{"message":"\u001b[31mred\u202e\n2nd line"}]}`}), `\x1b[31mred\u202e 2nd line`, "az role", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.ordinary()
			test.change(l)
			_, _, err := l.token(host, helpers.Choice{})
			wantFailure(t, err, secretName, test.cause, test.next)
			if n := loop.Count("acr", "exchange"); n != test.attempts {
				t.Errorf("%d attempts, want %d", n, test.attempts)
			}
			if loop.Count("none", "") != 0 {
				t.Errorf("asked elsewhere: %+v", loop.Records())
			}
		})
	}
	t.Run("a hiccup is survived", func(t *testing.T) {
		l := newLab(t)
		l.ordinary()
		loop.Fail(cloudtest.Fault{Service: "acr", Action: "exchange", Status: 503, Times: 1})
		if _, _, err := l.token(host, helpers.Choice{}); err != nil {
			t.Error(err)
		}
	})
}

// TestToolWithARMToken is an az that cannot ask for the registry's audience.
func TestToolWithARMToken(t *testing.T) {
	l := newLab(t)
	l.AddRegistry("corp", cloudtest.AzureRegistry{RefuseARM: true, Roles: map[string][]string{"ana@corp.example": {"pull"}}})
	token := l.Token(cloudtest.AzurePublic, tenant, "ana@corp.example", "https://management.azure.com/")
	l.program("az", tool{Stdout: `{"accessToken":"` + token + `","expires_on":4070908800}`})
	l.write(".azure/azureProfile.json", profile("ana@corp.example", "user", publicCloud), 0o600)
	_, _, err := l.token(host, helpers.Choice{})
	wantFailure(t, err, azName, "azureADAuthenticationAsArm", "authentication-as-arm")
}

func TestHangs(t *testing.T) {
	tests := []struct {
		name, service, action, cause string
	}{
		{"sign-in", "entra", "token", "did not answer the sign-in in time"},
		{"exchange", "acr", "exchange", "corp.azurecr.io did not answer in time"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.ordinary()
			loop.Fail(cloudtest.Fault{Service: test.service, Action: test.action, Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := New().Sources(l.request(host, helpers.Choice{}))[0].Token(ctx)
			wantFailure(t, err, secretName, test.cause, "check the connection")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestNothingSet holds that a machine without anything costs nothing and says
// why, source by source.
func TestNothingSet(t *testing.T) {
	l := newLab(t)
	l.env.LookPath = func(string) (string, error) { return "", os.ErrNotExist }
	l.env.HTTP = nil // any use of it would panic
	want := []string{"AZURE_CLIENT_SECRET is not set", "AZURE_CLIENT_CERTIFICATE_PATH is not set", "AZURE_FEDERATED_TOKEN_FILE is not set",
		"REGAUTH_METADATA=off", "az is not on PATH", "azd is not on PATH"}
	for i, source := range New().Sources(l.request(host, helpers.Choice{})) {
		_, err := source.Token(t.Context())
		if !helpers.IsAbsent(err) || err.Error() != source.Name+": "+want[i] {
			t.Errorf("%v, want %s", err, want[i])
		}
	}
}

func TestHalfSet(t *testing.T) {
	tests := []struct {
		name   string
		vars   map[string]string
		choice helpers.Choice
		absent bool
		why    string
	}{
		{"no secret", map[string]string{varTenant: tenant, varClient: appID}, helpers.Choice{}, false, "none of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_FEDERATED_TOKEN_FILE"},
		{"client ID alone is for a managed identity", map[string]string{varClient: appID}, helpers.Choice{}, true, "AZURE_CLIENT_SECRET is not set"},
		{"managed identity at hand", map[string]string{varTenant: tenant, varClient: appID, "IDENTITY_ENDPOINT": "http://127.0.0.1:1/"}, helpers.Choice{}, true, "AZURE_CLIENT_SECRET is not set"},
		{"no tenant", map[string]string{varClient: appID, varSecret: secret}, helpers.Choice{}, false, "AZURE_TENANT_ID is not"},
		{"no client", map[string]string{varTenant: tenant, varSecret: secret}, helpers.Choice{}, false, "AZURE_CLIENT_ID is not"},
		{"empty secret", map[string]string{varTenant: tenant, varClient: appID, varSecret: ""}, helpers.Choice{}, false, "is set but empty"},
		{"unexpanded secret", map[string]string{varTenant: tenant, varClient: appID, varSecret: "${SECRET}"}, helpers.Choice{}, false, "unexpanded"},
		{"secret of another client", map[string]string{varTenant: tenant, varClient: appID, varSecret: secret}, helpers.Choice{ClientID: "configured"}, true, "another application"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.setenv(test.vars)
			_, err := l.one(secretName, host, test.choice)
			_, unusable := errors.AsType[*helpers.UnusableError](err)
			if helpers.IsAbsent(err) != test.absent || unusable == test.absent || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%T %v", err, err)
			}
			if loop.Count("", "") != 0 {
				t.Errorf("asked %+v", loop.Records())
			}
		})
	}
}

// TestUndatedToken is a registry whose token is no JWT: answered, never kept.
func TestUndatedToken(t *testing.T) {
	l := newLab(t)
	l.ordinary()
	loop.Fail(cloudtest.Fault{Service: "acr", Action: "exchange", Status: 200, Body: `{"refresh_token":"opaque"}`})
	got, _, err := l.token(host, helpers.Choice{})
	if err != nil || !got.NoCache || !got.ExpiresAt.IsZero() || got.IssuedAt.IsZero() {
		t.Errorf("%v, %+v", err, got)
	}
}

// TestAnswers reads the recorded answers as Go's client would, and holds what
// the exchange makes of each.
func TestAnswers(t *testing.T) {
	want := map[string]string{ // file → status, then the words that must survive
		"challenge-401.http":      "401 authentication required",
		"exchange-200.http":       "200 ",
		"exchange-401.http":       "401 authentication required",
		"firewall-403.http":       "403 is not allowed access",
		"not-registered-401.http": "401 Application not registered with AAD",
		"throttled-429.http":      "429 too many requests",
	}
	files, err := filepath.Glob("testdata/acr/answers/*.http")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%v, %v", err, files)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			l := newLab(t)
			l.env.HTTP = &http.Client{Transport: recorded(file)}
			token, err := exchangeOnce(t.Context(), l.env, host, nil)
			status, words, _ := strings.Cut(want[filepath.Base(file)], " ")
			refused, isRefusal := errors.AsType[*refusal](err)
			switch {
			case status == "200" && (err != nil || token == ""):
				t.Errorf("%q, %v", token, err)
			case status != "200" && (!isRefusal || !strings.HasPrefix(err.Error(), "HTTP "+status) || !strings.Contains(refused.text, words)):
				t.Errorf("%v", err)
			}
		})
	}
}

// recorded answers every request from a file.
type recorded string

func (file recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	f, err := os.Open(string(file))
	if err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(f), r)
	return resp, errors.Join(err)
}

// TestRoleAdviceForDomainNameLabel holds that az is given the registry's own
// name, without the hash of its login server.
func TestRoleAdviceForDomainNameLabel(t *testing.T) {
	l := newLab(t)
	l.ordinary()
	l.AddRegistry("corp-ab12cd.azurecr.io", cloudtest.AzureRegistry{})
	_, _, err := l.token("corp-ab12cd.azurecr.io", helpers.Choice{})
	wantFailure(t, err, secretName, "a missing role", "az acr show -n corp --query")
}
