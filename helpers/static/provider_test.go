// SPDX-License-Identifier: Apache-2.0

package static_test

import (
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

func TestProvider(t *testing.T) {
	p := static.New()
	for host, hint := range map[string]string{
		"registry.example":      "docker login registry.example",
		"registry.example:5000": "docker login registry.example:5000",
		helpers.HubHost:         "docker login",
	} {
		target, ok := p.Match(host)
		if !ok || target.Host != host || target.Anonymous != helpers.AnonymousPossible || p.Hint(target) != hint {
			t.Errorf("%s: got %+v, %v, hint %q", host, target, ok, p.Hint(target))
		}
		if sources := p.Sources(helpers.Request{Target: target}); len(sources) != 0 {
			t.Errorf("%s: there are sources: %v", host, sources)
		}
	}
	if _, ok := p.Match(""); ok {
		t.Error("it takes no host at all")
	}
}
