// SPDX-License-Identifier: Apache-2.0

package doors

import (
	"context"
	"errors"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

// erase forgets the stored login and the cached tokens of the address. It
// always succeeds: podman 4.3 and skopeo 1.9 overflow their stack when a helper's
// erase fails, and every other client fails its logout.
func (p *Program) erase(ctx context.Context) int {
	text, err := p.input()
	if err != nil {
		p.tell(line("warning", err.Error()))
		return exitOK
	}
	address, err := helpers.ParseAddress(strings.TrimSpace(string(text)))
	if err != nil {
		p.tell(line("warning", err.Error()))
		return exitOK
	}
	r, _, err := p.open()
	if err != nil {
		p.tell(line("warning", err.Error()))
	}
	ctx, cancel := context.WithTimeout(ctx, r.Config.Timeout)
	defer cancel()
	if address.WebLogin == "" {
		if err := r.Cache.Drop(address.Host); err != nil {
			p.tell(line("warning: "+address.Host, "the cached token cannot be removed: "+helpers.Line(err.Error())))
		}
	}
	if r.LoginsErr != nil {
		p.tell(line("warning: "+address.Host, "stored logins cannot be reached: "+helpers.Line(r.LoginsErr.Error())))
		return exitOK
	}
	if err := r.Logins.Erase(ctx, address); err != nil {
		p.tell(notErased(address, err))
	}
	return exitOK
}

// notErased says what became of a login that its keychain would not remove.
func notErased(address helpers.Address, err error) string {
	host := "warning: " + address.Host
	var tombstone *static.TombstoneError
	if errors.As(err, &tombstone) {
		return line(host, "the login is no longer used, but its keychain kept it: "+helpers.Line(err.Error()))
	}
	return line(host, "the stored login cannot be removed: "+helpers.Line(err.Error()))
}
