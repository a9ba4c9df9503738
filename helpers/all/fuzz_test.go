// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/all"
)

// domains lists, for each provider of the table, the domains under which its
// hosts lie. It is written out here a second time on purpose: a mistake in a
// provider's own table must not pass because the test reads the same table.
var domains = map[string][]string{
	"ecr": {
		"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws", "on.amazonwebservices.com.cn",
		"sc2s.sgov.gov", "c2s.ic.gov", "cloud.adc-e.uk", "csp.hci.ic.gov",
	},
	"ecr-public": {"public.ecr.aws", "ecr-public.aws.com"},
	"acr":        {"azurecr.io", "azurecr.cn", "azurecr.us", "azurecr.de"},
	"gar":        {"pkg.dev", "gcr.io"},
	"ghcr":       {"ghcr.io", "ghe.com"},
	"hub":        {"docker.io"},
	"gitlab":     {"registry.gitlab.com"},
	"quay":       {"quay.io"},
}

// Whatever a client sends, a provider takes it only when its last labels are
// those of the provider's domains, and only one provider does.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{
		ecrHost, "public.ecr.aws", "corp.azurecr.io", "corp.eastus.geo.azurecr.cn", "europe-docker.pkg.dev", "eu.gcr.io",
		"https://index.docker.io/v1/", "containers.acme.ghe.com", "ghcr.io:443", "registry.gitlab.com", "quay.io",
		"123456789012.dkr-ecr.us-east-1.on.aws", "evilazurecr.io", "x.azurecr.io.evil.example", "a@ghcr.io",
	} {
		f.Add(seed)
	}
	providers := all.All()
	f.Fuzz(func(t *testing.T, raw string) {
		address, err := helpers.ParseAddress(raw)
		if err != nil {
			return
		}
		claims := 0
		for _, p := range providers {
			target, ok := p.Match(address.Host)
			if !ok || isRest(p) {
				continue
			}
			claims++
			if target.Host != address.Host || !underOne(address.Host, domains[p.Name()]) {
				t.Errorf("%s takes %q as %+v", p.Name(), address.Host, target)
			}
		}
		if claims > 1 {
			t.Errorf("%d providers take %q", claims, address.Host)
		}
	})
}

func underOne(host string, domains []string) bool {
	for _, domain := range domains {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}
