// SPDX-License-Identifier: Apache-2.0

package doors

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

// store keeps the login on standard input. One of our own last answers, which
// docker stores back after a login, changes nothing.
func (p *Program) store(ctx context.Context) int {
	address, login, code := p.login()
	if code != exitOK {
		return code
	}
	r, kept, err := p.open()
	if err != nil {
		return p.fail(fault(err))
	}
	ctx, cancel := context.WithTimeout(ctx, r.Config.Timeout)
	defer cancel()
	if r.LoginsErr != nil {
		return p.fail(notKept(address, r.LoginsErr))
	}
	if address.WebLogin == "" && r.Cache.Gave(address.Host, login.Username, login.Secret.Reveal(), p.Env.Now()) {
		p.Env.Log.Debug("our own answer is not stored", "host", address.Host)
		return exitOK
	}
	login.StoredAt = p.Env.Now()
	login.ExpiresAt = static.LoginExpiry(login.Username, login.Secret.Reveal(), login.StoredAt)
	if err := r.Logins.Put(ctx, address, login); err != nil {
		return p.fail(notKept(address, err))
	}
	if address.WebLogin == "" {
		p.debugIf("the cached token stays", r.Cache.Drop(address.Host))
	}
	if r.Logins.Plain() && kept.Ever("plain file") {
		p.tell(line("", "this login is kept unencrypted in "+r.Logins.Name()+
			", readable by you alone; for a keychain install docker-credential-pass or docker-credential-secretservice"))
	}
	return exitOK
}

// login reads and checks the JSON object on standard input.
func (p *Program) login() (helpers.Address, static.Login, int) {
	refuse := func(code int) (helpers.Address, static.Login, int) {
		return helpers.Address{}, static.Login{}, code
	}
	text, err := p.input()
	if err != nil {
		return refuse(p.fail(line("", err.Error())))
	}
	var sent credentials.Credentials
	if err := json.Unmarshal(text, &sent); err != nil {
		// The text may hold a secret, so the error's own words are not shown.
		return refuse(p.fail(line("", "standard input is not the JSON object that `store` expects")))
	}
	address, err := helpers.ParseAddress(sent.ServerURL)
	switch {
	case errors.Is(err, helpers.ErrNoAddress):
		p.say("%s", credentials.NewErrCredentialsMissingServerURL())
		return refuse(exitFailed)
	case err != nil:
		return refuse(p.fail(line("", err.Error())))
	case sent.Username == "":
		p.say("%s", credentials.NewErrCredentialsMissingUsername())
		return refuse(exitFailed)
	case sent.Secret == "":
		return refuse(p.fail(line(address.Host, "this login has no password or token, so it is not stored")))
	}
	return address, static.Login{Username: sent.Username, Secret: helpers.NewSecret(sent.Secret)}, exitOK
}

// notKept says why a login was not stored.
func notKept(address helpers.Address, err error) string {
	var failed *helpers.MintError
	if errors.As(err, &failed) {
		return line(address.Host, "the login is not stored: "+failed.Source+": "+failed.Cause, failed.Next)
	}
	return line(address.Host, "the login is not stored: "+helpers.Line(err.Error()))
}
