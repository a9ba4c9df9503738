// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package helpers

import "os/exec"

// ownGroup does nothing where process groups do not exist; os/exec ends the
// program itself.
func ownGroup(*exec.Cmd) {}
