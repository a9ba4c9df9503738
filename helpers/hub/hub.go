// SPDX-License-Identifier: Apache-2.0

// Package hub answers for Docker Hub, in all the spellings that
// helpers.ParseAddress knows. Docker Hub mints nothing for us: an access token
// (personal or of an organisation) lies in the job's variables or in the login
// that a person stored.
package hub

import (
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

type provider struct{}

// New returns the provider for Docker Hub.
func New() helpers.Provider { return provider{} }

// Name implements [helpers.Provider].
func (provider) Name() string { return "hub" }

// Match knows one host only: normalising makes all of Docker Hub's names one.
func (provider) Match(host string) (helpers.Target, bool) {
	if host != helpers.HubHost {
		return helpers.Target{}, false
	}
	return helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible}, true
}

// Sources is DOCKERHUB_USERNAME with DOCKERHUB_TOKEN, the names that Docker's
// own guides give to CI secrets ("Docker Build GitHub Actions",
// docs.docker.com). Their names bind them to Docker Hub.
func (provider) Sources(req helpers.Request) []helpers.Source {
	if req.Target.Host != helpers.HubHost {
		return nil
	}
	return []helpers.Source{given.Variables{
		User: "DOCKERHUB_USERNAME", Secret: "DOCKERHUB_TOKEN",
		Next: "set both DOCKERHUB_USERNAME and DOCKERHUB_TOKEN, or neither",
	}.Source(req.Env)}
}

// Hint implements [helpers.Provider]. Docker itself wants no host there.
func (provider) Hint(helpers.Target) string { return "docker login" }

// JudgeLogin implements helpers.LoginJudge.
func (provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	return given.JudgeLogin(req, login, "docker login", nil)
}
