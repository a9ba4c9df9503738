// SPDX-License-Identifier: Apache-2.0

// Command docker-credential-regauth answers Docker and every other image client
// for a registry's credential: one that is valid now, for whatever registry the
// image lives in.
package main

import (
	"os"

	"github.com/regauth/docker-credential-regauth/cmd/internal/doors"
)

func main() { os.Exit(doors.Main(os.Args)) }
