// SPDX-License-Identifier: Apache-2.0

package doors

import (
	"context"
	"encoding/json"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// list prints the hosts that a `get` would answer, with their user names: stored
// logins, tokens that hold, and hosts that were answered last time. It asks no
// network and always succeeds: docker's classic builder drops every credential
// when it fails, and asks for each host that it names.
func (p *Program) list(ctx context.Context) int {
	r, _, err := p.open()
	if err != nil {
		p.Env.Log.Debug("the configuration cannot be read", "why", err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, r.Config.Timeout)
	defer cancel()
	hosts := map[string]string{}
	for _, mark := range r.Cache.Marks() {
		hosts[mark.Host] = mark.Username
	}
	for _, entry := range r.Cache.Live(p.Env.Now()) {
		hosts[(helpers.Address{Host: entry.Host}).DockerKey()] = entry.Username
	}
	if r.Logins != nil {
		stored, err := r.Logins.List(ctx)
		p.debugIf("stored logins cannot be listed", err)
		for host, username := range stored {
			hosts[host] = username
		}
	}
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	p.debugIf("standard output cannot be written", encoder.Encode(hosts))
	return exitOK
}
