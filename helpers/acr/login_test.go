// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

func fakeToken(payload string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestJudgeLogin(t *testing.T) {
	l := newLab(t)
	now := l.env.Now()
	live := fakeToken(fmt.Sprintf(`{"iat":%d,"exp":%d,"grant_type":"refresh_token"}`, now.Add(-time.Hour).Unix(), now.Add(time.Hour).Unix()))
	dead := fakeToken(fmt.Sprintf(`{"exp":%d,"grant_type":"refresh_token"}`, now.Add(-time.Hour).Unix()))
	timeless := fakeToken(`{"grant_type":"refresh_token"}`)
	other := fakeToken(`{"iss":"someone"}`)
	tests := []struct {
		name, user, secret string
		wantUser           string
		dated              bool
		err                string // "absent", "unusable" or ""
	}{
		{"null GUID", nullGUID, live, "<token>", true, ""},
		{"token", "<token>", live, "<token>", true, ""},
		{"null GUID, expired", nullGUID, dead, "", false, "absent"},
		{"token, expired", "<token>", dead, "", false, "absent"},
		{"token without expiry", "<token>", timeless, "<token>", false, ""},
		{"registry token under a name", "ana@corp.example", live, "<token>", true, ""},
		{"registry token under a name, expired", "ana@corp.example", dead, "", false, "absent"},
		{"null GUID with a password", nullGUID, "hunter2", "", false, "unusable"},
		{"token user with a password", "<token>", "hunter2", "", false, "unusable"},
		{"admin user", "corp", "adm1n+pass/word=", "corp", false, ""},
		{"repository-scoped token", "ci-pull", "pw", "ci-pull", false, ""},
		{"service principal", appID, "s~e.c-r_et", appID, false, ""},
		{"password that is somebody's JWT", "robot", other, "robot", false, ""},
		{"empty password", "corp", "", "", false, "unusable"},
		{"unexpanded variable", "corp", "${PASSWORD}", "", false, "unusable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			judge := New().(helpers.LoginJudge)
			got, err := judge.JudgeLogin(l.request(host, helpers.Choice{}), helpers.Credential{Username: test.user, Secret: helpers.NewSecret(test.secret), Source: "stored login"})
			_, unusable := errors.AsType[*helpers.UnusableError](err)
			switch {
			case helpers.IsAbsent(err) != (test.err == "absent"), unusable != (test.err == "unusable"):
				t.Fatalf("%T %v", err, err)
			case err != nil:
				if test.secret != "" && strings.Contains(err.Error(), test.secret) {
					t.Errorf("the secret is shown: %v", err)
				}
				return
			}
			if got.Username != test.wantUser || got.Secret.Reveal() != test.secret || got.Minted || got.ExpiresAt.IsZero() == test.dated {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestInputs(t *testing.T) {
	l := newLab(t)
	in := New().(helpers.InputLister).Inputs(l.request(host, helpers.Choice{}))
	for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_CONFIG_DIR", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"} {
		if !slices.Contains(in.Env, name) {
			t.Errorf("%s chooses an identity", name)
		}
	}
	for _, name := range in.Env {
		for _, part := range []string{"SECRET", "PASSWORD", "HEADER"} {
			if strings.Contains(name, part) {
				t.Errorf("%s holds a secret", name)
			}
		}
	}
	var names []string
	for _, path := range in.Files {
		if !filepath.IsAbs(path) || strings.Contains(path, "msal") {
			t.Errorf("file %s", path)
		}
		names = append(names, filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path))
	}
	if want := []string{".azure/azureProfile.json", ".azure/config", ".azure/clouds.config", ".azd/auth.json", ".azd/config.json"}; !slices.Equal(names, want) {
		t.Errorf("files %v", names)
	}
	t.Setenv("AZURE_CONFIG_DIR", "/elsewhere")
	in = New().(helpers.InputLister).Inputs(l.request(host, helpers.Choice{}))
	if in.Files[0] != "/elsewhere/azureProfile.json" {
		t.Errorf("files %v", in.Files)
	}
	l.env.Home = ""
	t.Setenv("AZURE_CONFIG_DIR", "")
	if in = New().(helpers.InputLister).Inputs(l.request(host, helpers.Choice{})); len(in.Files) != 0 {
		t.Errorf("without a home: %v", in.Files)
	}
}

func TestIsGUID(t *testing.T) {
	for text, want := range map[string]bool{tenant: true, strings.ToUpper("abcdef00-2222-3333-4444-555555555555"): true,
		"corp.onmicrosoft.com": false, "11111111-2222-3333-4444-55555555555g": false, "111111112222-3333-4444-5555-555555555": false, "": false} {
		if isGUID(text) != want {
			t.Errorf("isGUID(%q) = %v", text, !want)
		}
	}
}

func TestPlain(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"type in front, guide behind", "AzureCLICredential: ERROR: please sign in. To troubleshoot, visit https://aka.ms/x", "please sign in"},
		{"trace numbers", "AADSTS50001: no. Trace ID: 1 Correlation ID: 2", "AADSTS50001: no"},
		{"answer as MSAL repeats it", "json decode error json message bytes were: secret", "json decode error"},
		{"answer as its decoder repeats it", "invalid character raw message was: secret", "invalid character"},
		{"JSON", `the endpoint responded with {"access_token":"secret"}`, "the endpoint responded with"},
		{"page", "unexpected <html>secret</html>", "unexpected"},
		{"token anywhere", "cannot use eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln here", "cannot use *** here"},
		{"several lines and escapes", "one\n\x1b[31mtwo", `one \x1b[31mtwo`},
		{"a sentence with Credential: in it", "no such Credential: x", "no such Credential: x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := plain(errors.New(test.text)); got != test.want {
				t.Errorf("%q", got)
			}
		})
	}
}
