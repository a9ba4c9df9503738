// SPDX-License-Identifier: Apache-2.0

// Package realregistries holds the one test that leaves the machine: it asks
// the built helper for a credential as Docker would, and shows it to the
// registry itself. It runs on a schedule (.github/workflows/real-registries.yaml)
// and by hand, never in `go test ./...`, because it needs accounts:
//
//	REGAUTH_REAL_HOSTS=ghcr.io/OWNER/IMAGE:TAG,… go test -tags realregistries ./cmd/internal/realregistries/
//
// REGAUTH_REAL_HOSTS lists image references, separated by commas, that the
// identities of the environment may pull. An image that everybody may pull
// proves less: choose private ones.
package realregistries
