// SPDX-License-Identifier: Apache-2.0

package helpers_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
)

func TestSystemEnv(t *testing.T) {
	t.Setenv("REGAUTH_TEST_EMPTY", "")
	env := helpers.SystemEnv()
	if _, set := env.LookupEnv("REGAUTH_TEST_EMPTY"); !set || env.Getenv("REGAUTH_TEST_ABSENT") != "" {
		t.Error("an empty variable is not told from an absent one")
	}
	asked := 0
	for range 2 {
		if !env.Remember("x", func() bool { asked++; return true }) {
			t.Error("Remember does not give the answer")
		}
	}
	if asked == 0 || env.Log == nil || env.Now().IsZero() {
		t.Error("the real world is not complete")
	}
	if _, err := env.LookPath("regauth-no-such-program"); err == nil {
		t.Error("a program that does not exist is found")
	}
}

// A credential in a header would travel with a redirect.
func TestHTTPFollowsNoRedirect(t *testing.T) {
	reached := false
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer target.Close()
	from := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusFound))
	defer from.Close()
	response, err := helpers.SystemEnv().HTTP.Get(from.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if reached || response.StatusCode != http.StatusFound {
		t.Errorf("got status %d, followed: %v", response.StatusCode, reached)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("the original, with a " + canary)
	tests := []struct {
		name   string
		err    error
		text   string
		absent bool
	}{
		{"absent", helpers.Absent("X", "it is not set"), "X: it is not set", true},
		{"unusable", &helpers.UnusableError{Source: "X", Why: "is empty", Next: "fill it"}, "X: is empty", false},
		{"mint", &helpers.MintError{Source: "X", Cause: "refused", Next: "sign in", Err: cause}, "X: refused", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wrapped := errors.Join(errors.New("outer"), test.err)
			if test.err.Error() != test.text || helpers.IsAbsent(wrapped) != test.absent {
				t.Errorf("got %q, absent %v", test.err, helpers.IsAbsent(wrapped))
			}
		})
	}
	if !errors.Is(&helpers.MintError{Err: cause}, cause) {
		t.Error("a MintError hides its cause")
	}
}

func TestChoiceNamesIdentity(t *testing.T) {
	for name, choice := range map[string]helpers.Choice{
		"helper": {Helper: "x"}, "profile": {Profile: "x"}, "role": {RoleARN: "x"},
		"tenant": {TenantID: "x"}, "client": {ClientID: "x"}, "service account": {ServiceAccount: "x"},
	} {
		if !choice.NamesIdentity() {
			t.Errorf("%s does not name an identity", name)
		}
	}
	if (helpers.Choice{Rule: "x", Line: 1, Provider: "x", Alias: "x"}).NamesIdentity() {
		t.Error("a rule without an identity names one")
	}
}

func TestAnonymousString(t *testing.T) {
	for value, want := range map[helpers.Anonymous]string{
		0: "unset", helpers.AnonymousNever: "never", helpers.AnonymousPossible: "possible",
	} {
		if value.String() != want {
			t.Errorf("got %q, want %q", value, want)
		}
	}
}
