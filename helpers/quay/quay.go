// SPDX-License-Identifier: Apache-2.0

// Package quay answers for quay.io, and for other Quay installations that the
// configuration names. A job signs in as a robot account; nothing is minted.
package quay

import (
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

const quayHost = "quay.io"

type provider struct{}

// New returns the provider for Quay.
func New() helpers.Provider { return provider{} }

// Name implements [helpers.Provider].
func (provider) Name() string { return "quay" }

// Match knows quay.io.
func (provider) Match(host string) (helpers.Target, bool) {
	return target(host), host == quayHost
}

// Adopt implements helpers.Adopter: only the configuration can say that another
// host runs Quay.
func (provider) Adopt(host string, _ *helpers.Env, configured bool) (helpers.Target, bool) {
	return target(host), configured && host != ""
}

func target(host string) helpers.Target {
	return helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible}
}

// Sources is QUAY_ROBOT_USERNAME with QUAY_ROBOT_TOKEN, for quay.io only. Quay
// prescribes no variables; these are the words of its own robot account page
// and much used in CI. The more general QUAY_USERNAME and QUAY_PASSWORD are
// left alone: they may well be a person's, for another Quay.
func (provider) Sources(req helpers.Request) []helpers.Source {
	if req.Target.Host != quayHost {
		return nil
	}
	return []helpers.Source{given.Variables{
		User: "QUAY_ROBOT_USERNAME", Secret: "QUAY_ROBOT_TOKEN",
		Next:  "set QUAY_ROBOT_USERNAME to NAMESPACE+ROBOT, and QUAY_ROBOT_TOKEN to its token",
		Check: checkRobot,
	}.Source(req.Env)}
}

// Hint implements [helpers.Provider].
func (provider) Hint(t helpers.Target) string { return "docker login " + t.Host }

// JudgeLogin implements helpers.LoginJudge. A person may sign in under any
// name, so that only the secret is judged.
func (provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	return given.JudgeLogin(req, login, "docker login "+req.Target.Host, nil)
}

// checkRobot wants a user name that Quay takes for something other than a
// person: NAMESPACE+ROBOT, or one of the three names that say which kind of
// token the secret is (quay/quay, auth/credentials.py and credential_consts.py).
func checkRobot(c helpers.Credential) (why, next string) {
	switch c.Username {
	case "$oauthtoken", "$app", "$token":
		return "", ""
	}
	namespace, robot, found := strings.Cut(c.Username, "+")
	if !found || !isName(namespace) || !isName(robot) {
		return "QUAY_ROBOT_USERNAME is not of the form NAMESPACE+ROBOT", ""
	}
	return "", ""
}

// isName reports whether text can be the name of a Quay namespace or robot.
func isName(text string) bool {
	return text != "" && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}
