// SPDX-License-Identifier: Apache-2.0

// Package ghcr answers for GitHub's container registries: ghcr.io, those of
// GitHub Enterprise Cloud with data residency, and those of GitHub Enterprise
// Server. GitHub mints no registry token for us: a token lies in the job's or
// person's variables, or in what the gh CLI keeps.
package ghcr

import (
	"slices"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

const (
	comServer   = "github.com"
	comRegistry = "ghcr.io"
)

// anybody is the user name when none is known: the registry looks at the token
// only, but refuses an empty name.
const anybody = "x-access-token"

type provider struct{}

// New returns the provider for GitHub's container registries.
func New() helpers.Provider { return provider{} }

// Name implements [helpers.Provider].
func (provider) Name() string { return "ghcr" }

// Match knows ghcr.io and containers.SUBDOMAIN.ghe.com (GitHub docs, "Feature
// overview for GitHub Enterprise Cloud with data residency").
func (provider) Match(host string) (helpers.Target, bool) {
	if host != comRegistry && !isTenantRegistry(host) {
		return helpers.Target{}, false
	}
	return target(host), true
}

// Adopt implements helpers.Adopter: a GitHub Enterprise Server has its registry
// at containers.HOST, and an older one at docker.HOST (GitHub docs, "Enabling
// subdomain isolation"), where HOST is what GITHUB_SERVER_URL or GH_HOST names.
func (provider) Adopt(host string, env *helpers.Env, configured bool) (helpers.Target, bool) {
	if host == "" {
		return helpers.Target{}, false
	}
	for _, server := range []string{jobServer(env), enterpriseServer(env)} {
		if isServer(server) && slices.Contains(registries(server), host) {
			return target(host), true
		}
	}
	return target(host), configured
}

func target(host string) helpers.Target {
	return helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible, Registry: serverOf(host)}
}

// isTenantRegistry reports whether host is containers.SUBDOMAIN.ghe.com.
func isTenantRegistry(host string) bool {
	server, found := strings.CutPrefix(host, "containers.")
	return found && isTenant(server)
}

// isTenant reports whether server is SUBDOMAIN.ghe.com: one label, no port.
func isTenant(server string) bool {
	name, found := strings.CutSuffix(server, ".ghe.com")
	return found && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isServer reports whether server is a GitHub Enterprise Server: a host that is
// none of GitHub's own.
func isServer(server string) bool {
	return server != "" && !within(server, comServer) && !within(server, "ghe.com") && !within(server, comRegistry)
}

// within reports whether host is domain or lies below it, whatever its port.
func within(host, domain string) bool {
	host, _, _ = strings.Cut(host, ":")
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// registries lists the registry hosts of a GitHub server, none for a name that
// cannot be one.
func registries(server string) []string {
	switch {
	case server == comServer:
		return []string{comRegistry}
	case isTenant(server):
		return []string{"containers." + server}
	case isServer(server):
		return []string{"containers." + server, "docker." + server}
	}
	return nil
}

// serverOf is the reverse of registries: the GitHub server that issues tokens
// for the registry. Any other host, which only a configuration can bring here,
// is taken for a server that serves images under its own name, as GitHub
// Enterprise Server does without subdomain isolation. GitHub's own hosts that
// are no registry have no server, "".
func serverOf(registry string) string {
	if registry == comRegistry {
		return comServer
	}
	for _, label := range []string{"containers.", "docker."} {
		server, found := strings.CutPrefix(registry, label)
		if found && slices.Contains(registries(server), registry) {
			return server
		}
	}
	if !isServer(registry) {
		return ""
	}
	return registry
}

// jobServer returns the host for which GITHUB_TOKEN and GH_TOKEN are: that of
// GITHUB_SERVER_URL; without it the SUBDOMAIN.ghe.com that GH_HOST names, since
// gh uses the same two variables there; else github.com. A GITHUB_SERVER_URL
// that is no address is no host.
func jobServer(env *helpers.Env) string {
	if env.Getenv("GITHUB_SERVER_URL") != "" {
		server, _ := given.Host(env, "GITHUB_SERVER_URL")
		return server
	}
	if server, ok := given.Host(env, "GH_HOST"); ok && isTenant(server) {
		return server
	}
	return comServer
}

// enterpriseServer returns the GitHub Enterprise Server for which
// GH_ENTERPRISE_TOKEN is, "" when GH_HOST names none.
func enterpriseServer(env *helpers.Env) string {
	server, _ := given.Host(env, "GH_HOST")
	if !isServer(server) {
		return ""
	}
	return server
}

// Sources lists the variables whose GitHub server is the target's, then the gh
// CLI's login.
//
// In GitHub Actions GITHUB_TOKEN is the job's own token with the permissions of
// the workflow, so it goes before GH_TOKEN, which steps set for gh. Anywhere
// else gh's own order holds (gh help environment): GH_TOKEN first.
func (provider) Sources(req helpers.Request) []helpers.Source {
	env, server := req.Env, serverOf(req.Target.Host)
	if server == "" { // it must not equal the server that no variable names
		return nil
	}
	var variables []string
	if jobServer(env) == server {
		variables = append(variables, "GH_TOKEN", "GITHUB_TOKEN")
		if env.Getenv("GITHUB_ACTIONS") == "true" {
			slices.Reverse(variables)
		}
	}
	if enterpriseServer(env) == server {
		variables = append(variables, "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
	}
	var sources []helpers.Source
	for _, variable := range variables {
		sources = append(sources, given.Variables{
			Secret: variable, Username: actor(env), Next: signIn(server), Check: checkToken,
		}.Source(env))
	}
	return append(sources, ghSource(env, server))
}

// actor is the account that GitHub Actions says the job runs for.
func actor(env *helpers.Env) string {
	name := strings.TrimSpace(env.Getenv("GITHUB_ACTOR"))
	if given.CheckUser(name) != "" {
		return anybody
	}
	return name
}

// Hint implements [helpers.Provider]: signing in with gh, or a stored login at a
// host that tells no GitHub server.
func (provider) Hint(t helpers.Target) string {
	if server := serverOf(t.Host); server != "" {
		return signIn(server)
	}
	return "docker login " + t.Host
}

func signIn(server string) string {
	return "gh auth login --hostname " + server + " --scopes read:packages"
}

// Inputs implements helpers.InputLister.
func (provider) Inputs(req helpers.Request) helpers.Inputs {
	inputs := helpers.Inputs{Env: []string{
		"GITHUB_SERVER_URL", "GITHUB_ACTIONS", "GITHUB_ACTOR", "GH_HOST", "GH_CONFIG_DIR", "APPDATA",
	}}
	if path := hostsFile(req.Env); path != "" {
		inputs.Files = []string{path}
	}
	return inputs
}

// JudgeLogin implements helpers.LoginJudge.
func (provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	return given.JudgeLogin(req, login, "docker login "+req.Target.Host, checkToken)
}

// checkToken refuses the one kind of GitHub token that the package registries
// do not know (GitHub docs, "About permissions for GitHub Packages").
func checkToken(c helpers.Credential) (why, next string) {
	if strings.HasPrefix(c.Secret.Reveal(), "github_pat_") {
		return "it is a fine-grained personal access token, which GitHub's container registry does not accept",
			"use a classic personal access token with read:packages, or in a workflow the job's GITHUB_TOKEN"
	}
	return "", ""
}
