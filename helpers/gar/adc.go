// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/regauth/docker-credential-regauth/helpers"
	"golang.org/x/oauth2/google"
)

// usable are the types of credentials file that can be had a token with.
var usable = []google.CredentialsType{
	google.ServiceAccount, google.AuthorizedUser, google.ExternalAccount,
	google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount,
}

// adc is the credentials file of Application Default Credentials. It is read
// here and handed to Google's library as it is, because the library's own
// search goes on to ask the metadata server where there may be none.
func (s source) adc(ctx context.Context, f file) (helpers.Credential, error) {
	if err := s.judge(f); err != nil {
		return helpers.Credential{}, err
	}
	w := newWire(s.env)
	params := google.CredentialsParams{Scopes: []string{scope}}
	found, err := google.CredentialsFromJSONWithTypeAndParams(w.context(ctx), f.text, google.CredentialsType(f.creds.Type), params)
	if err != nil {
		return helpers.Credential{}, s.refused(ctx, w, f, err)
	}
	token, err := found.TokenSource.Token()
	if err != nil || token.AccessToken == "" {
		return helpers.Credential{}, s.refused(ctx, w, f, err)
	}
	who := f.owner()
	who.Source = f.creds.kind() + " (" + s.place(f) + ")"
	return s.answer(who, token.AccessToken, token.Expiry), nil
}

// place names the file for people.
func (s source) place(f file) string {
	if f.named {
		return varADC + "=" + helpers.Line(f.path)
	}
	return helpers.Line(f.path)
}

// judge says what is wrong with a credentials file before anybody is asked.
func (s source) judge(f file) error {
	failed := func(cause, next string) error {
		return &helpers.MintError{Source: s.name, Cause: s.place(f) + " " + cause, Next: next, Err: f.err}
	}
	switch {
	case f.wrong != "":
		return &helpers.UnusableError{Source: varADC, Why: f.wrong, Next: "set " + varADC + " to the path of a credentials file, or unset it"}
	case f.path == "":
		return s.absent("there is no home directory to look in")
	case !f.named && errors.Is(f.err, fs.ErrNotExist):
		return s.absent(varADC + " is unset, and there is no " + helpers.Line(f.path))
	case errors.Is(f.err, fs.ErrNotExist):
		return failed("does not exist", "correct or unset "+varADC)
	case errors.Is(f.err, fs.ErrPermission):
		return failed("may not be read by this user", "let this user read it, or run as its owner")
	case f.text == nil:
		return failed("cannot be read", "check what "+helpers.Line(f.path)+" is")
	case f.creds == nil:
		return failed("is no JSON", "download the key again, or gcloud auth application-default login")
	}
	return s.judgeType(f, failed)
}

func (s source) judgeType(f file, failed func(cause, next string) error) error {
	c := f.creds
	switch inner := c.innermost(); {
	case c.Web != nil || c.Installed != nil:
		return failed("is the file of an OAuth client, not a credential", "gcloud auth application-default login")
	case !slices.Contains(usable, google.CredentialsType(c.Type)):
		return failed("has the type "+helpers.Show(c.Type)+", which is none that can be used here", "gcloud auth application-default login")
	case c.UniverseDomain != "" && c.UniverseDomain != "googleapis.com":
		return &helpers.UnusableError{Source: s.name, Next: "sign in to googleapis.com",
			Why: "the credential in " + helpers.Line(f.path) + " is of another cloud: " + helpers.Line(c.UniverseDomain)}
	case inner.Source.Executable != nil && s.env.Getenv(varExecutables) != "1":
		return failed("gets its token from a program, and programs are not allowed to run", "export "+varExecutables+"=1, if you trust that file")
	}
	return nil
}

// kind names a credentials file's type for people.
func (c *credentials) kind() string {
	switch google.CredentialsType(c.Type) {
	case google.ServiceAccount:
		return "service account key"
	case google.AuthorizedUser:
		return "user credentials"
	case google.ExternalAccount:
		return "workload identity"
	case google.ExternalAccountAuthorizedUser:
		return "workforce identity"
	}
	return "impersonated service account"
}

// accountWords is the Identity of a service account.
func accountWords(email string) string { return "service account " + email }

// owner says whose token the file yields and what that is bound to. Whatever
// in it is secret goes in only as part of the file's SHA-256.
func (f file) owner() helpers.Credential {
	inner := f.creds.innermost()
	sum := sha256.Sum256(f.text)
	mark := " (sha256:" + hex.EncodeToString(sum[:8]) + ")"
	var who helpers.Credential
	switch google.CredentialsType(inner.Type) {
	case google.ServiceAccount:
		who.Identity = accountWords(helpers.Line(inner.ClientEmail))
	case google.ExternalAccount:
		who = inner.federated()
		if inner.Source.File == "" {
			who.Identity += mark
		}
	default:
		who.Identity = "user of the credentials file" + mark
		if inner.Account != "" {
			who.Identity = "user " + helpers.Line(inner.Account) + mark
		}
	}
	who.Identity = inner.impersonated(who.Identity)
	if f.creds != inner {
		who.Identity = f.creds.impersonated(who.Identity)
	}
	return who
}

// impersonated is the identity that the file makes of another.
func (c *credentials) impersonated(identity string) string {
	email := c.target()
	if email == "" || isAccount(identity, email) {
		return identity
	}
	return accountWords(email) + " as " + identity
}

// federated says what a federated identity is bound to: the claims of a token
// in a file, the machine whose metadata or the session whose keys are used.
// What a program will say cannot be known before it is run.
func (c *credentials) federated() helpers.Credential {
	who := helpers.Credential{Identity: "workload identity of " + helpers.Line(c.Audience)}
	machine := []helpers.Binding{{Kind: helpers.BindBoot}, {Kind: helpers.BindHost}}
	switch src := c.Source; {
	case src.Environment != "":
		who.BindTo = append(machine, helpers.Binding{Kind: helpers.BindEnv, Arg: varAWSKey})
	case src.File != "" && filepath.IsAbs(src.File) && src.Format.Type != "json":
		who.BindTo = []helpers.Binding{{Kind: helpers.BindClaims, Arg: src.File}}
	case src.URL != "":
		who.BindTo = machine
	default:
		who.NoCache = true
	}
	return who
}
