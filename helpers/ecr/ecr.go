// SPDX-License-Identifier: Apache-2.0

// Package ecr answers for Amazon Elastic Container Registry, private and
// public, in every AWS partition: it finds an identity with the AWS SDK's own
// configuration and asks the registry's region for an authorization token.
package ecr

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

type provider struct{ public bool }

// Private returns the provider for private registries,
// ACCOUNT.dkr.ecr.REGION.amazonaws.com and its forms in the other partitions. It
// is also a [helpers.LoginJudge] and a [helpers.InputLister].
func Private() helpers.Provider { return provider{} }

// Public returns the provider for Amazon ECR Public, which serves everybody and
// allows more to whoever is signed in. It is also a [helpers.LoginJudge] and a
// [helpers.InputLister].
func Public() helpers.Provider { return provider{public: true} }

// Name implements [helpers.Provider].
func (p provider) Name() string {
	if p.public {
		return "ecr-public"
	}
	return "ecr"
}

// Match implements [helpers.Provider].
func (p provider) Match(host string) (helpers.Target, bool) {
	if p.public {
		return matchPublic(host)
	}
	return matchPrivate(host)
}

// Hint implements [helpers.Provider].
func (p provider) Hint(t helpers.Target) string {
	if p.public {
		return "aws sso login, or aws configure"
	}
	return "aws sso login, or aws configure (account " + t.Account + ", region " + t.Region + ")"
}

// Sources implements [helpers.Provider]. There is one: the SDK's default chain,
// or in its place the profile and role that the configuration names.
func (p provider) Sources(req helpers.Request) []helpers.Source {
	l := lookup{req: req, env: req.Env, public: p.public, name: chainName(req)}
	tier := helpers.TierChain
	if req.Choice.Profile != "" || req.Choice.RoleARN != "" {
		tier = helpers.TierConfigured
	}
	return []helpers.Source{{
		Tier: tier, Name: l.name, Program: runsProgram(req), Mints: true,
		Token: func(ctx context.Context) (helpers.Credential, error) { return l.token(ctx) },
	}}
}

// chainName names the source before anything is looked up.
func chainName(req helpers.Request) string {
	profile, role := helpers.Line(req.Choice.Profile), helpers.Line(req.Choice.RoleARN)
	switch own, _ := profileName(req); {
	case role != "" && profile != "":
		return "AWS role " + role + " from profile " + profile
	case role != "":
		return "AWS role " + role
	case profile != "":
		return "AWS profile " + profile
	case envKeys(req.Env):
		return "AWS environment keys"
	case own != defaultProfile:
		return "AWS profile " + helpers.Line(own)
	}
	return "AWS default chain"
}

// defaultProfile is the profile that is read when none is named.
const defaultProfile = "default"

// profileName returns the profile that the SDK will read, and the variable that
// names it, "" for none.
func profileName(req helpers.Request) (name, variable string) {
	if req.Choice.Profile != "" {
		return req.Choice.Profile, ""
	}
	for _, variable := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if name := req.Env.Getenv(variable); name != "" {
			return name, variable
		}
	}
	return defaultProfile, ""
}

// inputVars choose an identity or where it is asked for. The access key's id is
// no secret and tells keys given in the environment apart; the secret, the
// session token and the container's authorization token are not listed.
var inputVars = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
	"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY",
	"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
	"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_ECR_PUBLIC", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO",
	"AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL_SIGNIN", "AWS_LOGIN_CACHE_DIRECTORY",
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
}

// Inputs implements [helpers.InputLister]. The caches of SSO and of the CLI
// rotate and are left out.
func (provider) Inputs(req helpers.Request) helpers.Inputs {
	in := helpers.Inputs{Env: inputVars}
	for _, file := range sharedFiles(req.Env) {
		if filepath.IsAbs(file) {
			in.Files = append(in.Files, file)
		}
	}
	return in
}

// sharedFiles are the config and the credentials file.
func sharedFiles(env *helpers.Env) []string {
	var files []string
	for _, f := range []struct{ variable, name string }{
		{"AWS_CONFIG_FILE", "config"}, {"AWS_SHARED_CREDENTIALS_FILE", "credentials"},
	} {
		switch own := env.Getenv(f.variable); {
		case own != "":
			files = append(files, own)
		case env.Home != "":
			files = append(files, filepath.Join(env.Home, ".aws", f.name))
		}
	}
	return files
}

// runsProgram reports whether the source will start a credential_process: the
// profile it reads, or one that this takes its keys from, names one. Reading
// two small files is cheap; the SDK's own reading comes later and decides.
func runsProgram(req helpers.Request) bool {
	if req.Choice.Profile == "" && envKeys(req.Env) {
		return false
	}
	profiles := map[string]map[string]string{}
	for _, file := range sharedFiles(req.Env) {
		if text, err := req.Env.ReadFile(file); err == nil {
			readProfiles(string(text), profiles)
		}
	}
	name, _ := profileName(req)
	for range len(profiles) {
		if profiles[name]["credential_process"] != "" {
			return true
		}
		if name = profiles[name]["source_profile"]; name == "" {
			break
		}
	}
	return false
}

// envKeys reports whether the SDK will take its keys from the environment.
func envKeys(env *helpers.Env) bool {
	id := env.Getenv("AWS_ACCESS_KEY_ID") + env.Getenv("AWS_ACCESS_KEY")
	secret := env.Getenv("AWS_SECRET_ACCESS_KEY") + env.Getenv("AWS_SECRET_KEY")
	return id != "" && secret != ""
}

// readProfiles adds a file's profiles and their keys to profiles (AWS SDKs and
// Tools Reference Guide, "Shared config and credentials files").
func readProfiles(text string, profiles map[string]map[string]string) {
	var section map[string]string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if inner, found := strings.CutPrefix(line, "["); found {
			inner, _, _ = strings.Cut(inner, "]")
			name := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(inner), "profile "))
			if profiles[name] == nil {
				profiles[name] = map[string]string{}
			}
			section = profiles[name]
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if found && section != nil && !strings.HasPrefix(key, " ") && !strings.HasPrefix(key, "\t") {
			section[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
}
