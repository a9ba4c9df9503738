// SPDX-License-Identifier: Apache-2.0

package doors

import "github.com/regauth/docker-credential-regauth/helpers"

// usageText is the whole help. The verbs are Docker's, so it says what a person
// has to do instead.
const usageText = `usage: %s get|store|erase|list|version

regauth answers Docker, podman, skopeo, crane, regctl, helm and every other
image client for all registries: Amazon ECR, Azure ACR, Google Artifact
Registry, GHCR, Docker Hub, GitLab, Quay, Harbor, and what docker login stored.

Clients call the verbs themselves. Put one line into ~/.docker/config.json:

  "credsStore": "regauth"

or name single registries:

  "credHelpers": { "ghcr.io": "regauth" }

environment
  REGAUTH_CONFIG     configuration file        REGAUTH_STRICT=1   fail instead of going on anonymously
  REGAUTH_CACHE_DIR  where tokens are kept     REGAUTH_TIMEOUT    limit of one get (20s)
  REGAUTH_CACHE=off  keep none                 REGAUTH_DEBUG=1    details on standard error
  REGAUTH_STORE      where logins are kept     REGAUTH_METADATA=off  ask no cloud metadata service
`

// usage prints the help on standard output, as the other helpers do.
func (p *Program) usage(code int) int {
	p.say(usageText[:len(usageText)-1], helpers.Line(p.Name))
	return code
}
