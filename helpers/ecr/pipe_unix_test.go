// SPDX-License-Identifier: Apache-2.0

//go:build unix

package ecr_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

// A pipe in the place of a file is not waited for, neither to list the sources
// nor to ask them; a device that is empty is no configuration.
func TestPipes(t *testing.T) {
	for _, variable := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Run(variable, func(t *testing.T) {
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret, variable: pipe}}.build(t)
			_, err := ask(t, ecr.Private(), host, helpers.Choice{})
			if outcome(err) != "mint" {
				t.Fatalf("%s: %v", outcome(err), err)
			}
			checkWords(t, err, []string{"is a pipe"}, variable)
		})
		t.Run(variable+" without anything", func(t *testing.T) {
			world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret, variable: "/dev/null"}}.build(t)
			mint(t, helpers.Choice{})
		})
	}
}
