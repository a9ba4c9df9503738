// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

var _ helpers.LoginJudge = provider{}

// JudgeLogin implements [helpers.LoginJudge]. A service account key (_json_key,
// _json_key_base64) and an access token (oauth2accesstoken, and _token and
// _dcgcr_… of Google's older helpers) are answered as they are; a key that is
// none is refused here, because Google's refusal does not tell.
func (provider) JudgeLogin(req helpers.Request, login helpers.Credential) (helpers.Credential, error) {
	source := login.Source
	if source == "" {
		source = "stored login"
	}
	unusable := func(why, next string) (helpers.Credential, error) {
		return helpers.Credential{}, &helpers.UnusableError{Source: source, Why: why, Next: next}
	}
	secret := login.Secret.Reveal()
	if why := helpers.CheckSecret(secret); why != "" {
		return unusable("its password "+why, "docker login "+req.Target.Host)
	}
	switch login.Username {
	case "_json_key":
		if !isKey([]byte(secret)) {
			return unusable("what is stored under _json_key is no service account key",
				"docker login -u _json_key --password-stdin "+req.Target.Host+" < KEY.json")
		}
	case "_json_key_base64":
		key, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(secret), ""))
		if err != nil || !isKey(key) {
			return unusable("what is stored under _json_key_base64 is no service account key in base64",
				"base64 -w0 KEY.json | docker login -u _json_key_base64 --password-stdin "+req.Target.Host)
		}
	}
	return login, nil
}

// isKey reports whether text is a credentials file with a private key.
func isKey(text []byte) bool {
	var key struct {
		PrivateKey string `json:"private_key"`
	}
	return json.Unmarshal(text, &key) == nil && key.PrivateKey != ""
}
