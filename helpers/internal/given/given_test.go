// SPDX-License-Identifier: Apache-2.0

package given_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

// jwt makes an unsigned token with the claims.
func jwt(claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"RS256"}`)) + "." + b64([]byte(claims)) + "." + b64([]byte("signature"))
}

func expiring(at time.Time) string { return jwt(fmt.Sprintf(`{"exp":%d}`, at.Unix())) }

func TestVariables(t *testing.T) {
	pair := given.Variables{User: "THE_USER", Secret: "THE_TOKEN", Next: "set both"}
	alone := given.Variables{Secret: "THE_TOKEN", Username: "anybody", Next: "set it"}
	later := envtest.Now.Add(time.Hour)
	tests := []struct {
		name      string
		variables given.Variables
		vars      map[string]string
		want      envtest.Outcome
		says      string // part of the message
	}{
		{name: "both", variables: pair, vars: map[string]string{"THE_USER": "me", "THE_TOKEN": "s3cret"},
			want: envtest.Outcome{User: "me", Secret: "s3cret"}},
		{name: "white space around", variables: pair,
			vars: map[string]string{"THE_USER": " me\n", "THE_TOKEN": "\ts3cret\r\n"},
			want: envtest.Outcome{User: "me", Secret: "s3cret"}},
		{name: "neither", variables: pair, want: envtest.Outcome{Error: "absent"}},
		{name: "only the user", variables: pair, vars: map[string]string{"THE_USER": "me"},
			want: envtest.Outcome{Error: "unusable"}, says: "THE_TOKEN is not"},
		{name: "only the secret", variables: pair, vars: map[string]string{"THE_TOKEN": "s3cret"},
			want: envtest.Outcome{Error: "unusable"}, says: "THE_USER is not"},
		{name: "empty secret", variables: pair, vars: map[string]string{"THE_USER": "me", "THE_TOKEN": " "},
			want: envtest.Outcome{Error: "unusable"}, says: "THE_TOKEN is set but empty"},
		{name: "empty user", variables: pair, vars: map[string]string{"THE_USER": "", "THE_TOKEN": "s3cret"},
			want: envtest.Outcome{Error: "unusable"}, says: "THE_USER is set but empty"},
		{name: "unexpanded", variables: pair, vars: map[string]string{"THE_USER": "me", "THE_TOKEN": "${TOKEN}"},
			want: envtest.Outcome{Error: "unusable"}, says: "unexpanded"},
		{name: "masked", variables: pair, vars: map[string]string{"THE_USER": "me", "THE_TOKEN": "***"},
			want: envtest.Outcome{Error: "unusable"}, says: "mask"},
		{name: "colon in the user", variables: pair, vars: map[string]string{"THE_USER": "me:x", "THE_TOKEN": "s3cret"},
			want: envtest.Outcome{Error: "unusable"}, says: "THE_USER holds a character"},
		{name: "line break in the secret", variables: pair, vars: map[string]string{"THE_USER": "me", "THE_TOKEN": "s3\ncret"},
			want: envtest.Outcome{Error: "unusable"}, says: "line break"},
		{name: "expired JWT", variables: pair,
			vars: map[string]string{"THE_USER": "me", "THE_TOKEN": expiring(envtest.Now)},
			want: envtest.Outcome{Error: "unusable"}, says: "THE_TOKEN expired on 2030-01-01 12:00 UTC"},
		{name: "JWT still good", variables: pair,
			vars: map[string]string{"THE_USER": "me", "THE_TOKEN": expiring(later)},
			want: envtest.Outcome{User: "me", Secret: expiring(later)}},
		{name: "alone", variables: alone, vars: map[string]string{"THE_TOKEN": "s3cret"},
			want: envtest.Outcome{User: "anybody", Secret: "s3cret"}},
		{name: "alone and unset", variables: alone, want: envtest.Outcome{Error: "absent"}},
		{name: "alone and empty", variables: alone, vars: map[string]string{"THE_TOKEN": ""},
			want: envtest.Outcome{Error: "unusable"}, says: "THE_TOKEN: is set but empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := envtest.World{Vars: test.vars}.Env()
			got, err := envtest.Ask(t.Context(), test.variables.Source(env))
			if got != test.want {
				t.Errorf("got %+v (%v), want %+v", got, err, test.want)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error %q does not say %q", err, test.says)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "eyJ") {
				t.Errorf("the error shows the secret: %q", err)
			}
			var unusable *helpers.UnusableError
			if errors.As(err, &unusable) && unusable.Next != test.variables.Next {
				t.Errorf("the advice is %q", unusable.Next)
			}
		})
	}
}

// A secret that lies somewhere is never cached, and keeps an expiry of its own.
func TestVariablesCredential(t *testing.T) {
	expiry := envtest.Now.Add(time.Hour)
	for secret, want := range map[string]time.Time{"plain": {}, expiring(expiry): expiry} {
		env := envtest.World{Vars: map[string]string{"U": "me", "S": secret}}.Env()
		c, err := given.Variables{User: "U", Secret: "S"}.Source(env).Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Minted || !c.ExpiresAt.Equal(want) || c.Identity != "user me" {
			t.Errorf("got minted %v, expiry %v, identity %q", c.Minted, c.ExpiresAt, c.Identity)
		}
	}
}

func TestJWTExpiry(t *testing.T) {
	tests := []struct {
		name, text string
		want       int64 // 0: none
	}{
		{"whole seconds", jwt(`{"exp":1893456000}`), 1893456000},
		{"a fraction", jwt(`{"exp":1893456000.9}`), 1893456000},
		{"with GitLab's prefix", "glcbt-" + jwt(`{"exp":1893456000}`), 1893456000},
		{"no expiry", jwt(`{"sub":"me"}`), 0},
		{"null", jwt(`{"exp":null}`), 0},
		{"text", jwt(`{"exp":"1893456000"}`), 0},
		{"negative", jwt(`{"exp":-1}`), 0},
		{"beyond reason", jwt(`{"exp":1e300}`), 0},
		{"not JSON", jwt(`exp`), 0},
		{"two parts", "a.b", 0},
		{"four parts", jwt(`{"exp":1893456000}`) + ".x", 0},
		{"not base64", "a.*.c", 0},
		{"opaque", "ghp_0123456789", 0},
		{"empty", "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := given.JWTExpiry(test.text)
			if ok != (test.want != 0) || ok && got.Unix() != test.want {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}

func TestJudgeLogin(t *testing.T) {
	req := helpers.Request{Env: envtest.World{}.Env()}
	refuse := func(helpers.Credential) (string, string) { return "is bad", "do better" }
	tests := []struct {
		name  string
		login helpers.Credential
		check func(helpers.Credential) (string, string)
		want  string // the error, "" for none
	}{
		{name: "good", login: helpers.Credential{Username: "me", Secret: helpers.NewSecret("pw")}},
		{name: "empty", login: helpers.Credential{Username: "me"}, want: "stored login: is set but empty"},
		{name: "checked", login: helpers.Credential{Username: "me", Secret: helpers.NewSecret("pw"), Source: "keychain"},
			check: refuse, want: "keychain: is bad"},
		{name: "expired", login: helpers.Credential{Username: "me", Secret: helpers.NewSecret(jwt(`{"exp":1}`))},
			want: "stored login: expired on 1970-01-01 00:00 UTC"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := given.JudgeLogin(req, test.login, "docker login", test.check)
			if err == nil && (test.want != "" || c.Secret != test.login.Secret) {
				t.Fatalf("got %v without an error, want %q", c, test.want)
			}
			if err != nil && err.Error() != test.want {
				t.Fatalf("got %q, want %q", err, test.want)
			}
		})
	}
}

func TestHost(t *testing.T) {
	tests := []struct {
		value, want string
	}{
		{"registry.example", "registry.example"},
		{"https://Registry.Example:443/", "registry.example"},
		{"registry.example:5050", "registry.example:5050"},
		{"docker.io", "docker.io"},
		{"", ""},
		{"   ", ""},
		{"https://", ""},
		{"user@registry.example", ""},
		{"https://index.docker.io/v1/access-token", ""},
	}
	for _, test := range tests {
		t.Run(test.value, func(t *testing.T) {
			env := envtest.World{Vars: map[string]string{"H": test.value}}.Env()
			got, ok := given.Host(env, "H")
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, test.want)
			}
		})
	}
}
