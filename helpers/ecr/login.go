// SPDX-License-Identifier: Apache-2.0

package ecr

import (
	"regexp"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

var _ helpers.LoginJudge = provider{}

// accessKey is an access key's id: a user's or a session's (IAM User Guide,
// "Unique identifiers").
var accessKey = regexp.MustCompile(`^A(KIA|SIA)[A-Z0-9]{12,124}$`)

// JudgeLogin implements [helpers.LoginJudge]. A password of `aws ecr
// get-login-password` is good until it expires; an access key and its secret,
// which people take for user and password, never are.
func (p provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	return given.JudgeLogin(req, login, "docker logout "+req.Target.Host, func(c helpers.Credential) (why, next string) {
		if accessKey.MatchString(c.Username) {
			return "is an AWS access key, which Amazon ECR does not take",
				"docker logout " + req.Target.Host + ", and aws configure"
		}
		return "", ""
	})
}
