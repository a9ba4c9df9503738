// SPDX-License-Identifier: Apache-2.0

// Package harbor answers for Harbor registries. Anybody may run one under any
// name, so it answers only for hosts that the configuration names. A job signs
// in as a robot account; nothing is minted.
package harbor

import (
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

type provider struct{}

// New returns the provider for Harbor.
func New() helpers.Provider { return provider{} }

// Name implements [helpers.Provider].
func (provider) Name() string { return "harbor" }

// Match knows no host.
func (provider) Match(string) (helpers.Target, bool) { return helpers.Target{}, false }

// Adopt implements helpers.Adopter.
func (provider) Adopt(host string, _ *helpers.Env, configured bool) (helpers.Target, bool) {
	return helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible}, configured && host != ""
}

// Sources is HARBOR_USERNAME with HARBOR_PASSWORD, when HARBOR_HOST or
// HARBOR_URL names the target: the variables that GitLab's Harbor integration
// gives to a job (GitLab docs, "Harbor"). Without either, the secret is bound
// to no host and goes to none, whatever the configuration says; and where they
// name two different hosts, it goes to none as well.
func (provider) Sources(req helpers.Request) []helpers.Source {
	if !bound(req.Env, req.Target.Host) {
		return nil
	}
	return []helpers.Source{given.Variables{
		User: "HARBOR_USERNAME", Secret: "HARBOR_PASSWORD",
		Next: "set both HARBOR_USERNAME and HARBOR_PASSWORD, or neither", Check: checkRobot,
	}.Source(req.Env)}
}

// bound reports whether the host variables that are set all name this host.
func bound(env *helpers.Env, host string) bool {
	found := false
	for _, variable := range []string{"HARBOR_HOST", "HARBOR_URL"} {
		if env.Getenv(variable) == "" {
			continue
		}
		if named, ok := given.Host(env, variable); !ok || named != host {
			return false
		}
		found = true
	}
	return found
}

// Hint implements [helpers.Provider].
func (provider) Hint(t helpers.Target) string { return "docker login " + t.Host }

// JudgeLogin implements helpers.LoginJudge.
func (provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	return given.JudgeLogin(req, login, "docker login "+req.Target.Host, checkRobot)
}

// checkRobot finds what a shell makes of a robot account's name. Harbor calls
// them robot$NAME and robot$PROJECT+NAME (Harbor docs, "Create Project Robot
// Accounts"); without single quotes the shell replaces the part after the
// dollar sign by the value of a variable, mostly by nothing.
func checkRobot(c helpers.Credential) (why, next string) {
	rest, robot := strings.CutPrefix(c.Username, "robot")
	rest = strings.TrimPrefix(rest, "$")
	eaten := rest == "" || rest[0] == '+' && strings.Count(rest, "+") == 1
	if !robot || !eaten {
		return "", ""
	}
	return "the user name " + helpers.Show(c.Username) +
			" is a robot account's with a part missing: a shell took what follows the dollar sign for a variable",
		"put the name in single quotes: 'robot$PROJECT+NAME'"
}
