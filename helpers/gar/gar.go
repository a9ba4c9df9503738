// SPDX-License-Identifier: Apache-2.0

// Package gar answers for Google Artifact Registry and gcr.io: it gets a Google
// access token with Google's own Go libraries, from the places where
// Application Default Credentials lie, from the machine's metadata server or
// from gcloud, and answers it under the user name oauth2accesstoken.
package gar

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// tokenUser is the user name under which Artifact Registry takes an access
// token (cloud.google.com/artifact-registry/docs/docker/authentication).
const tokenUser = "oauth2accesstoken"

// scope is what a token is asked for. The registries know narrower ones, but
// credentials of people and pools are granted this one.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// assumedLife is how long a token counts as good whose answer tells no expiry
// (RFC 6749 only recommends expires_in; federated tokens have been seen without
// it and dead after five minutes).
const assumedLife = 5 * time.Minute

type provider struct{}

// New returns the provider for Google Artifact Registry and gcr.io. It is also
// a [helpers.LoginJudge] and a [helpers.InputLister].
func New() helpers.Provider { return provider{} }

// Name implements [helpers.Provider].
func (provider) Name() string { return "gar" }

// Hint implements [helpers.Provider].
func (provider) Hint(helpers.Target) string { return "gcloud auth application-default login" }

// Names of the sources.
const (
	variableName = "CLOUDSDK_AUTH_ACCESS_TOKEN"
	adcName      = "Application Default Credentials"
	machineName  = "Google metadata server"
	gcloudName   = "gcloud"
)

// Variables that say where credentials are; the SDKs' and gcloud's own.
const (
	varADC         = "GOOGLE_APPLICATION_CREDENTIALS"
	varExecutables = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
	varConfigDir   = "CLOUDSDK_CONFIG"
	varConfigName  = "CLOUDSDK_ACTIVE_CONFIG_NAME"
	varAccount     = "CLOUDSDK_CORE_ACCOUNT"
	varImpersonate = "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"
	varCredFile    = "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"
	varTokenFile   = "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"
	varMetadata    = "GCE_METADATA_HOST"
	varAWSKey      = "AWS_ACCESS_KEY_ID"
)

// source is one place and what it is asked for.
type source struct {
	name string
	req  helpers.Request
	env  *helpers.Env
}

// Sources implements [helpers.Provider]. The order of the chain is that of
// Google's libraries ("How Application Default Credentials works"). A
// service_account in the configuration makes all of them configured sources,
// whose token is traded for one of that account.
func (provider) Sources(req helpers.Request) []helpers.Source {
	file := findFile(req.Env)
	list := func(tier helpers.Tier, name string, program bool, token func(source, context.Context) (helpers.Credential, error)) helpers.Source {
		if req.Choice.ServiceAccount != "" {
			tier = helpers.TierConfigured
		}
		s := source{name: name, req: req, env: req.Env}
		return helpers.Source{Tier: tier, Name: name, Program: program, Mints: tier != helpers.TierJob, Token: func(ctx context.Context) (helpers.Credential, error) {
			return s.whole(ctx, token)
		}}
	}
	return []helpers.Source{
		list(helpers.TierJob, variableName, false, source.variable),
		list(helpers.TierChain, adcName, file.runs(), func(s source, ctx context.Context) (helpers.Credential, error) {
			return s.adc(ctx, file)
		}),
		list(helpers.TierChain, machineName, false, source.machine),
		list(helpers.TierTool, gcloudName, true, source.gcloud),
	}
}

// whole asks the source and, when the configuration names a service account,
// trades its token for one of that.
func (s source) whole(ctx context.Context, token func(source, context.Context) (helpers.Credential, error)) (helpers.Credential, error) {
	account := s.req.Choice.ServiceAccount
	if account != "" && !isEmail(account) {
		return helpers.Credential{}, &helpers.MintError{Source: s.name,
			Cause: "service_account is no e-mail address: " + helpers.Show(account), Next: "correct it in the configuration"}
	}
	found, err := token(s, ctx)
	if err == nil && account != "" && !isAccount(found.Identity, account) {
		found, err = s.impersonate(ctx, found, account)
	}
	if err == nil && helpers.RelativePath(s.env, varADC, varConfigDir) {
		found.NoCache = true // by whichever source: it is not the first everywhere
	}
	return found, err
}

// isAccount reports whether an Identity is that service account already, by
// its own key or by impersonation.
func isAccount(identity, account string) bool {
	words := accountWords(account)
	return identity == words || strings.HasPrefix(identity, words+" as ")
}

// variable is an access token that lies in a variable for gcloud. It is a
// Google token by its name, so every registry of Google's may have it.
func (s source) variable(context.Context) (helpers.Credential, error) {
	value, set := s.env.LookupEnv(variableName)
	if !set {
		return helpers.Credential{}, helpers.Absent(s.name, "is unset")
	}
	if why := helpers.CheckSecret(value); why != "" {
		return helpers.Credential{}, &helpers.UnusableError{Source: s.name, Why: why, Next: "unset " + variableName}
	}
	return helpers.Credential{
		Username: tokenUser, Secret: helpers.NewSecret(trimmed(value)),
		Identity: "the token in " + variableName,
		BindTo:   []helpers.Binding{{Kind: helpers.BindEnv, Arg: variableName}},
	}, nil
}

func (s source) absent(why string) error { return helpers.Absent(s.name, why) }

// inputVars choose an identity. CLOUDSDK_AUTH_ACCESS_TOKEN is among them,
// although it holds a token: whether it is there decides, and what it yields is
// never kept, so that its rotation costs nothing.
var inputVars = []string{
	variableName, varADC, varExecutables, varConfigDir, varConfigName, varAccount, varImpersonate, varCredFile, varTokenFile,
	varMetadata, "APPDATA",
}

// Inputs implements [helpers.InputLister]. gcloud's databases of credentials
// and tokens rotate and are left out.
func (provider) Inputs(req helpers.Request) helpers.Inputs {
	in := helpers.Inputs{Env: inputVars}
	paths := []string{filePath(req.Env)}
	if dir := gcloudDir(req.Env); dir != "" {
		paths = append(paths, filepath.Join(dir, "active_config"), activeConfig(req.Env, dir))
	}
	for _, path := range paths {
		if filepath.IsAbs(path) {
			in.Files = append(in.Files, path)
		}
	}
	return in
}
