// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
	"golang.org/x/oauth2/google"
)

// Commands and advice that several failures share.
const (
	signInAgain = "gcloud auth application-default login"
	checkClock  = "check this machine's clock"
)

// refused turns a failed attempt into one line and the next command, from what
// the wire saw last. f is the credentials file, empty when there is none.
func (s source) refused(ctx context.Context, w *wire, f file, err error) error {
	w.mu.Lock()
	last := w.last
	w.mu.Unlock()
	switch {
	case ctx.Err() != nil && last != nil:
		return s.late(ctx, err, last.host)
	case ctx.Err() != nil:
		return s.late(ctx, err, "the source of the token")
	case last == nil:
		return s.local(f, err)
	}
	failed := &helpers.MintError{Source: s.name, Err: err}
	said, host := last.refusal(), helpers.Line(last.host)
	switch status := last.status; {
	case last.err != nil:
		failed.Cause = host + " cannot be reached: " + plain(last.err)
		failed.Next = "check the connection to " + host
	case status == http.StatusTooManyRequests:
		failed.Cause, failed.Next = host+" throttles (HTTP 429)"+quoted(0, said.text), "wait a minute and try again"
	case status >= 500:
		failed.Cause = fmt.Sprintf("%s has trouble (HTTP %d)", host, status) + quoted(0, said.text)
		failed.Next = "try again; https://status.cloud.google.com shows known trouble"
	case status >= 300 && status < 400:
		failed.Cause = fmt.Sprintf("%s sends the request elsewhere (HTTP %d), which is not followed", host, status)
		failed.Next = "is a proxy or a portal in between?"
	case status == http.StatusOK:
		failed.Cause = host + " answered something that is no token"
		failed.Next = "is a proxy or a portal in between?"
	case strings.HasSuffix(last.path, ":generateAccessToken"):
		s.impersonationRefused(failed, last, said)
	default:
		s.grantRefused(failed, f, last, said)
	}
	return failed
}

// grantRefused judges what a token endpoint said (RFC 6749 section 5.2). The
// descriptions quoted are Google's own.
func (s source) grantRefused(failed *helpers.MintError, f file, last *reply, said refusal) {
	failed.Cause = helpers.Line(last.host) + " gave no token" + quoted(last.status, strings.TrimSpace(said.code+" "+said.text))
	failed.Next = signInAgain
	if f.creds == nil {
		return
	}
	inner := f.creds.innermost()
	switch kind := google.CredentialsType(inner.Type); {
	case strings.Contains(said.subtype+said.text, "rapt"):
		failed.Cause = "the organisation wants a new sign-in for " + s.place(f) + quoted(last.status, said.text)
	case kind == google.ServiceAccount:
		s.keyRefused(failed, f, inner, said)
	case kind == google.ExternalAccount:
		federationRefused(failed, inner, last, said)
	case said.code == "invalid_grant":
		failed.Cause = "the sign-in in " + s.place(f) + " has expired or was revoked" + quoted(last.status, said.text)
	}
}

// keyRefused tells a deleted key, a disabled account and a wrong clock apart.
func (s source) keyRefused(failed *helpers.MintError, f file, key *credentials, said refusal) {
	email := shown(key.ClientEmail)
	switch text := said.text; {
	case strings.Contains(text, "account not found"), strings.Contains(text, "disabled"), strings.Contains(text, "Not a valid email"):
		failed.Cause = "the service account of " + s.place(f) + " is disabled or deleted" + quoted(0, text)
		failed.Next = "gcloud iam service-accounts describe " + email
	case strings.Contains(text, "reasonable timeframe"):
		failed.Cause, failed.Next = "Google finds the signed request out of its time"+quoted(0, text), checkClock
	case strings.Contains(text, "Invalid JWT Signature"):
		failed.Cause = "the key in " + s.place(f) + " was deleted or is not the account's" + quoted(0, text)
		failed.Next = "gcloud iam service-accounts keys list --iam-account " + email
	default:
		failed.Next = "gcloud iam service-accounts keys list --iam-account " + email
	}
}

// federationRefused judges what the Security Token Service said about another
// identity provider's token. An answer before it came from that provider.
func federationRefused(failed *helpers.MintError, c *credentials, last *reply, said refusal) {
	if said.code == "" && !strings.HasPrefix(last.host, "sts.") {
		failed.Cause = helpers.Line(last.host) + " gave no subject token" + quoted(last.status, string(last.body))
		failed.Next = "check credential_source in the credentials file; in CI, the job's permission to get an ID token"
		return
	}
	switch said.code {
	case "invalid_target":
		failed.Next = "check the audience: does the pool's provider exist, and is it enabled? " + helpers.Line(c.Audience)
	case "unauthorized_client":
		failed.Next = "the provider's attribute condition refuses this identity: gcloud iam workload-identity-pools providers describe"
	default:
		failed.Next = "compare the token's issuer, audience and time with gcloud iam workload-identity-pools providers describe"
	}
}

// impersonationRefused judges what generateAccessToken said.
func (s source) impersonationRefused(failed *helpers.MintError, last *reply, said refusal) {
	_, account, _ := strings.Cut(last.path, "/serviceAccounts/")
	account = shown(strings.TrimSuffix(account, ":generateAccessToken"))
	failed.Cause = "no token for " + account + quoted(last.status, said.text)
	failed.Next = "gcloud iam service-accounts describe " + account
	switch {
	case strings.Contains(said.subtype, "SERVICE_DISABLED"):
		failed.Next = "gcloud services enable iamcredentials.googleapis.com"
	case last.status == http.StatusForbidden:
		failed.Cause = "the identity found may not impersonate " + account +
			": roles/iam.serviceAccountTokenCreator is missing, or the account does not exist" + quoted(last.status, said.text)
		failed.Next = "gcloud iam service-accounts add-iam-policy-binding " + account +
			" --role=roles/iam.serviceAccountTokenCreator --member=WHO"
	case last.status == http.StatusUnauthorized:
		failed.Cause = "the token of " + s.name + " is not accepted" + quoted(last.status, said.text)
		failed.Next = signInAgain
	}
}

// local judges a failure before any request: a key that cannot be read, a
// subject token that is not there, a program that failed.
func (s source) local(f file, err error) error {
	failed := &helpers.MintError{Source: s.name, Err: err, Cause: "no token in the answer", Next: signInAgain}
	if err == nil || f.creds == nil {
		return failed
	}
	inner := f.creds.innermost()
	switch {
	case inner.Source.Executable != nil:
		failed.Cause = "the program that " + s.place(f) + " names gave no token" + programSaid(err)
		failed.Next = "run it by hand: " + helpers.Line(inner.Source.Executable.Command)
	case inner.Source.File != "":
		failed.Cause = "there is no usable subject token in " + helpers.Line(inner.Source.File) + ", which " + s.place(f) + " names"
		failed.Next = "check who writes that file: the pod's projected token, or a step of the job"
	case google.CredentialsType(inner.Type) == google.ServiceAccount:
		failed.Cause = "the private key in " + s.place(f) + " cannot be read"
		failed.Next = "gcloud iam service-accounts keys create KEY.json --iam-account " + shown(inner.ClientEmail)
	default:
		failed.Cause = "no token can be had with " + s.place(f) + ": " + plain(err)
	}
	return failed
}

// programSaid returns the parts of the library's error about a program that
// are messages; other parts may quote its whole output, with a token in it.
func programSaid(err error) string {
	for _, begin := range []string{"executable command failed", "response contains unsuccessful response", "the token returned by the executable is expired"} {
		if _, after, ok := strings.Cut(err.Error(), begin); ok {
			return ": " + helpers.Line(begin+after)
		}
	}
	return ""
}

// late says that somebody did not answer before the deadline.
func (s source) late(ctx context.Context, err error, whom string) error {
	return &helpers.MintError{Source: s.name, Err: errors.Join(ctx.Err(), err),
		Cause: helpers.Line(whom) + " did not answer in time", Next: "check the connection to " + helpers.Line(whom)}
}

// quoted appends a status, if any, and what was said.
func quoted(status int, text string) string {
	out := ""
	if status != 0 {
		out = fmt.Sprintf(" (HTTP %d)", status)
	}
	if text = trimmed(text); text != "" {
		out += ": " + helpers.Show(text)
	}
	return out
}

// plain is an error's cause without the URL, which may hold a secret.
func plain(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	return helpers.Line(strings.TrimPrefix(err.Error(), "oauth2/google/externalaccount: "))
}

// shown is an account's address, or a placeholder when it is none that is safe
// in a command.
func shown(email string) string {
	if isEmail(email) {
		return email
	}
	return "SERVICE-ACCOUNT"
}
