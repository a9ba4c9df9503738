// SPDX-License-Identifier: Apache-2.0

package static

import "github.com/regauth/docker-credential-regauth/helpers"

type fallback struct{}

// New returns the provider for every registry that no other one knows. It has
// no source of its own: all there can be is the login that a person stored,
// which the caller looks up.
func New() helpers.Provider { return fallback{} }

// Name implements [helpers.Provider].
func (fallback) Name() string { return "static" }

// Match takes every normalised host.
func (fallback) Match(host string) (helpers.Target, bool) {
	return helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible}, host != ""
}

// Sources implements [helpers.Provider]: there are none.
func (fallback) Sources(helpers.Request) []helpers.Source { return nil }

// Hint implements [helpers.Provider]. For Docker Hub it names no host, as Docker
// does.
func (fallback) Hint(t helpers.Target) string {
	if t.Host == helpers.HubHost {
		return "docker login"
	}
	return "docker login " + t.Host
}
