// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"errors"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// profile is what az writes, byte order mark included.
func profile(user, kind, environment string) string {
	return "\ufeff" + `{"installationId":"x","subscriptions":[{"id":"s0","isDefault":false,"tenantId":"t0","user":{"name":"nobody","type":"user"}},` +
		`{"id":"s1","name":"n","state":"Enabled","isDefault":true,"tenantId":"` + tenant + `","environmentName":"` + environment + `","user":{"name":"` + user + `","type":"` + kind + `"}}]}`
}

func TestAzCLI(t *testing.T) {
	const user = "ana@corp.example"
	setup := func(t *testing.T) lab {
		l := newLab(t)
		l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{user: {"pull"}}})
		token := l.Token(cloudtest.AzurePublic, tenant, user, registryResource)
		l.program("az", tool{
			Wants: "account get-access-token -o json --resource " + registryResource, Log: l.home + "/az.log",
			Stdout: `{"accessToken":"` + token + `","expiresOn":"2099-01-01 00:00:00.000000","expires_on":4070908800,` +
				`"subscription":"s1","tenant":"` + tenant + `","tokenType":"Bearer"}`,
		})
		l.write(".azure/azureProfile.json", profile(user, "user", publicCloud), 0o600)
		return l
	}
	t.Run("signed in", func(t *testing.T) {
		l := setup(t)
		got, source, err := l.token(host, helpers.Choice{})
		l.wantToken(host, got, err, "az account "+user+" in tenant "+tenant)
		if source.Tier != helpers.TierTool || !source.Program || got.NoCache {
			t.Errorf("source %+v", source)
		}
	})
	t.Run("configured tenant", func(t *testing.T) {
		l := setup(t)
		got, source, err := l.token(host, helpers.Choice{TenantID: tenant})
		l.wantToken(host, got, err, "az account "+user+" in tenant "+tenant)
		log, _ := l.env.ReadFile(l.home + "/az.log")
		if source.Tier != helpers.TierConfigured || !strings.Contains(string(log), "--tenant "+tenant) {
			t.Errorf("source %+v, az was run with %s", source, log)
		}
	})
	t.Run("token of another tenant than configured", func(t *testing.T) {
		l := setup(t)
		_, _, err := l.token(host, helpers.Choice{TenantID: "99999999-2222-3333-4444-555555555555"})
		if failed, ok := errors.AsType[*helpers.MintError](err); !ok || !strings.Contains(failed.Next, "az login --tenant 99999999") {
			t.Errorf("%v", err)
		}
	})
	absent := []struct {
		name   string
		change func(l lab)
		host   string
		choice helpers.Choice
		why    string
	}{
		{"nobody signed in", func(l lab) { l.write(".azure/azureProfile.json", `{"subscriptions":[]}`, 0o600) }, host, helpers.Choice{}, "nobody is signed in"},
		{"never used", func(l lab) { l.t.Setenv("AZURE_CONFIG_DIR", l.home+"/none") }, host, helpers.Choice{}, "nobody is signed in"},
		{"profile garbled", func(l lab) { l.write(".azure/azureProfile.json", `{`, 0o600) }, host, helpers.Choice{}, "JSON"},
		{"another cloud", func(lab) {}, "corp.azurecr.cn", helpers.Choice{}, "AzureChinaCloud"},
		{"another client", func(lab) {}, host, helpers.Choice{ClientID: appID}, "client_id"},
		{"not installed", func(l lab) { l.t.Setenv("PATH", "/nowhere") }, host, helpers.Choice{}, "not on PATH"},
	}
	for _, test := range absent {
		t.Run(test.name, func(t *testing.T) {
			l := setup(t)
			test.change(l)
			_, err := l.one(azName, test.host, test.choice)
			if !helpers.IsAbsent(err) || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%v", err)
			}
			if log, err := l.env.ReadFile(l.home + "/az.log"); err == nil {
				t.Errorf("az was run: %s", log)
			}
		})
	}
	t.Run("managed identity behind az", func(t *testing.T) {
		l := setup(t)
		l.write(".azure/azureProfile.json", profile("systemAssignedIdentity", "servicePrincipal", publicCloud), 0o600)
		got, _, err := l.token(host, helpers.Choice{})
		if err != nil || len(got.BindTo) != 2 {
			t.Errorf("%v, bound to %v", err, got.BindTo)
		}
	})
	t.Run("session expired", func(t *testing.T) {
		l := setup(t)
		l.program("az", tool{Exit: 1, Stderr: "ERROR: AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1\n" +
			"Interactive authentication is needed. Please run:\naz login --scope x"})
		_, _, err := l.token(host, helpers.Choice{})
		failed, ok := errors.AsType[*helpers.MintError](err)
		if !ok || failed.Next != "az login" || !strings.HasPrefix(failed.Cause, "AADSTS700082: The refresh token has expired") {
			t.Errorf("%+v", failed)
		}
	})
}

func TestAzdCLI(t *testing.T) {
	const user = "ben@corp.example"
	setup := func(t *testing.T) lab {
		l := newLab(t)
		l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{user: {"pull"}}})
		token := l.Token(cloudtest.AzurePublic, tenant, user, registryResource)
		l.program("azd", tool{
			Wants:  "auth token -o json --no-prompt --scope " + registryResource + "/.default",
			Stdout: `{"token":"` + token + `","expiresOn":"2099-01-01T00:00:00Z"}`,
		})
		l.write(".azd/auth.json", `{"auth":{"account":{"currentUser":{"homeAccountId":"oid.tid"}}}}`, 0o600)
		return l
	}
	t.Run("signed in", func(t *testing.T) {
		l := setup(t)
		got, source, err := l.token(host, helpers.Choice{})
		l.wantToken(host, got, err, "azd account oid.tid")
		if source.Name != azdName || source.Tier != helpers.TierTool || !source.Program || got.NoCache {
			t.Errorf("source %+v", source)
		}
	})
	t.Run("through az", func(t *testing.T) {
		l := setup(t)
		l.write(".azd/auth.json", `{}`, 0o600)
		l.write(".azd/config.json", `{"auth":{"useAzCliAuth":"true"}}`, 0o600)
		got, err := l.one(azdName, host, helpers.Choice{})
		if err != nil || !got.NoCache {
			t.Errorf("%v, %+v: nothing tells whose token it is", err, got)
		}
	})
	t.Run("nobody signed in", func(t *testing.T) {
		l := setup(t)
		l.write(".azd/auth.json", `{"auth":{}}`, 0o600)
		if _, err := l.one(azdName, host, helpers.Choice{}); !helpers.IsAbsent(err) {
			t.Errorf("%v", err)
		}
	})
	t.Run("fails", func(t *testing.T) {
		l := setup(t)
		l.program("azd", tool{Exit: 1, Stderr: `{"error":"AADSTS70043: The refresh token has expired. Trace ID: 1","message":"x"}`})
		_, err := l.one(azdName, host, helpers.Choice{})
		failed, ok := errors.AsType[*helpers.MintError](err)
		if !ok || failed.Next != "azd auth login" || failed.Cause != "AADSTS70043: The refresh token has expired" {
			t.Errorf("%+v", failed)
		}
	})
}
