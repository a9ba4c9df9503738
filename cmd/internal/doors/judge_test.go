// SPDX-License-Identifier: Apache-2.0

package doors

import (
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/cmd/internal/resolve"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// TestJudge is the outcome table for a get without a credential.
func TestJudge(t *testing.T) {
	absent := []*helpers.AbsentError{{Source: "AWS environment", Why: "unset"}}
	unusable := []*helpers.UnusableError{{Source: "GITHUB_TOKEN", Why: "is set but empty", Next: "unset it"}}
	failed := &helpers.MintError{Source: "AWS profile dev", Cause: "the SSO session has ended", Next: "aws sso login"}
	never, possible := helpers.AnonymousNever, helpers.AnonymousPossible
	tests := []struct {
		name      string
		outcome   resolve.Outcome
		anonymous helpers.Anonymous
		strict    bool
		failure   string
		warning   string
	}{
		{"not ours", resolve.Outcome{}, possible, false, "", ""},
		{"nothing configured, possible", resolve.Outcome{Looked: absent}, possible, false, "", ""},
		{"nothing configured, possible, strict", resolve.Outcome{Looked: absent}, possible, true, "", ""},
		{
			"nothing configured, never", resolve.Outcome{Looked: absent, Hint: "aws configure"}, never, false,
			"regauth: r.example: no identity (looked at AWS environment: unset); run: aws configure", "",
		},
		{
			"named, but nothing there", resolve.Outcome{Looked: absent, Named: true}, possible, false,
			"regauth: r.example: no identity (looked at AWS environment: unset)", "",
		},
		{
			"mint failed, never", resolve.Outcome{Failed: failed}, never, false,
			"regauth: r.example: AWS profile dev: the SSO session has ended; run: aws sso login", "",
		},
		{
			"mint failed, named", resolve.Outcome{Failed: failed, Named: true}, possible, false,
			"regauth: r.example: AWS profile dev: the SSO session has ended; run: aws sso login", "",
		},
		{
			"mint failed, possible", resolve.Outcome{Failed: failed}, possible, false, "",
			"regauth: warning: r.example: AWS profile dev: the SSO session has ended; going on without a credential; run: aws sso login",
		},
		{
			"mint failed, possible, strict", resolve.Outcome{Failed: failed}, possible, true,
			"regauth: r.example: AWS profile dev: the SSO session has ended; run: aws sso login", "",
		},
		{
			"unusable, possible", resolve.Outcome{Unusable: unusable}, possible, false, "",
			"regauth: warning: r.example: GITHUB_TOKEN: is set but empty; going on without a credential; unset it",
		},
		{
			"unusable, never", resolve.Outcome{Unusable: unusable}, never, false,
			"regauth: r.example: GITHUB_TOKEN: is set but empty; unset it", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.outcome.Address.Host = "r.example"
			tt.outcome.Target.Anonymous = tt.anonymous
			got := judge(tt.outcome, tt.strict)
			if got.failure != tt.failure || got.warning != tt.warning {
				t.Errorf("got failure %q, warning %q", got.failure, got.warning)
			}
		})
	}
}

func TestALineStaysOneLine(t *testing.T) {
	got := line("h", "a\nb\r\nc", "d\n\n", "")
	if strings.ContainsAny(got, "\r\n") || got != "regauth: h: a b c; d" {
		t.Errorf("got %q", got)
	}
}
