// SPDX-License-Identifier: Apache-2.0

// Package gitlab answers for GitLab's container registries: GitLab.com's, the
// one that a CI job belongs to, and those the configuration names. A job's
// credentials lie in its predefined variables; nothing is minted.
package gitlab

import (
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

// comHost is GitLab.com's registry. The dependency proxy lives on gitlab.com
// itself and is answered for only when the job's variables name it.
const comHost = "registry.gitlab.com"

type provider struct{}

// New returns the provider for GitLab.
func New() helpers.Provider { return provider{} }

// Name implements [helpers.Provider].
func (provider) Name() string { return "gitlab" }

// Match knows GitLab.com's registry; see Adopt for everybody else's.
func (provider) Match(host string) (helpers.Target, bool) {
	return target(host), host == comHost
}

// Adopt implements helpers.Adopter: the host that CI_REGISTRY names is a GitLab
// registry, the one that CI_DEPENDENCY_PROXY_SERVER names a GitLab server
// (GitLab docs, "Predefined CI/CD variables reference").
func (provider) Adopt(host string, env *helpers.Env, configured bool) (helpers.Target, bool) {
	if host == "" {
		return helpers.Target{}, false
	}
	return target(host), configured || names(env, "CI_REGISTRY", host) ||
		names(env, "CI_DEPENDENCY_PROXY_SERVER", host)
}

func target(host string) helpers.Target {
	return helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible}
}

// names reports whether the variable names this very host.
func names(env *helpers.Env, variable, host string) bool {
	named, ok := given.Host(env, variable)
	return ok && named == host
}

// Sources is empty unless the job's variables name the target.
//
// CI_REGISTRY_USER with CI_REGISTRY_PASSWORD comes first: every job has them
// and GitLab's page on authenticating with the registry puts them first. A
// deploy token is in the job only when somebody made one under the name that
// GitLab reserves for it, so it goes before the job token, which is in every
// job and would leave the deploy token out of reach.
func (provider) Sources(req helpers.Request) []helpers.Source {
	env, host := req.Env, req.Target.Host
	var sources []helpers.Source
	if names(env, "CI_REGISTRY", host) {
		next := "docker login " + host
		for _, v := range []given.Variables{
			{User: "CI_REGISTRY_USER", Secret: "CI_REGISTRY_PASSWORD", Next: next},
			{User: "CI_DEPLOY_USER", Secret: "CI_DEPLOY_PASSWORD", Next: next},
			{Username: "gitlab-ci-token", Secret: "CI_JOB_TOKEN", Next: next},
		} {
			sources = append(sources, v.Source(env))
		}
	}
	if names(env, "CI_DEPENDENCY_PROXY_SERVER", host) {
		sources = append(sources, given.Variables{
			User: "CI_DEPENDENCY_PROXY_USER", Secret: "CI_DEPENDENCY_PROXY_PASSWORD",
			Next: "docker login " + host,
		}.Source(env))
	}
	return sources
}

// Hint implements [helpers.Provider]: outside of a job there is a stored login
// only.
func (provider) Hint(t helpers.Target) string { return "docker login " + t.Host }

// JudgeLogin implements helpers.LoginJudge.
func (provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	return given.JudgeLogin(req, login, "docker login "+req.Target.Host, nil)
}
