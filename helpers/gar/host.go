// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// Match implements [helpers.Provider]. The registries are LOCATION-docker.pkg.dev
// and docker.REGION.rep.pkg.dev (Artifact Registry, "Repository locations" and
// "Regional endpoints"), gcr.io and NAME.gcr.io (us, eu, asia, marketplace, and
// the public k8s and mirror). pkg.dev has other package formats below it, which
// Docker does not speak.
func (provider) Match(host string) (helpers.Target, bool) {
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !helpers.IsLabel(label) {
			return helpers.Target{}, false
		}
	}
	target := helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible}
	n := len(labels)
	if n < 2 {
		return helpers.Target{}, false
	}
	switch target.Suffix = strings.Join(labels[n-2:], "."); target.Suffix {
	case "gcr.io":
		if n == 3 {
			target.Registry = labels[0]
		}
		return target, n <= 3
	case "pkg.dev":
		location, docker := strings.CutSuffix(labels[0], "-docker")
		switch {
		case n == 3 && docker && helpers.IsLabel(location):
			target.Region = location
			return target, true
		case n == 5 && labels[0] == "docker" && labels[2] == "rep":
			target.Region = labels[1]
			return target, true
		}
	}
	return helpers.Target{}, false
}
