// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

var _ helpers.LoginJudge = provider{}

// JudgeLogin implements [helpers.LoginJudge]. A registry token, stored under
// the null GUID, under <token> or by mistake under a name, is answered as
// <token> until it expires. The admin user, repository-scoped tokens and
// service principals (application ID and secret) are answered as they are.
func (provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	source := login.Source
	if source == "" {
		source = "stored login"
	}
	if why := helpers.CheckSecret(login.Secret.Reveal()); why != "" {
		return helpers.Credential{}, &helpers.UnusableError{
			Source: source, Why: "its password " + why, Next: "docker login " + req.Target.Host,
		}
	}
	token, readable := readClaims(login.Secret.Reveal())
	named := login.Username == tokenUser || login.Username == nullGUID
	switch {
	case !readable && !named:
		return login, nil
	case !readable:
		return helpers.Credential{}, &helpers.UnusableError{
			Source: source, Why: "what is stored under " + login.Username + " is no registry token",
			Next: "docker login " + req.Target.Host,
		}
	case !named && token.Grant != "refresh_token":
		return login, nil
	}
	expires := moment(token.Expires)
	if !expires.IsZero() && !req.Env.Now().Before(expires) {
		return helpers.Credential{}, helpers.Absent(source, "its token expired at "+expires.Format(time.RFC3339))
	}
	login.Username = tokenUser
	login.IssuedAt, login.ExpiresAt = moment(token.Issued), expires
	return login, nil
}
