// SPDX-License-Identifier: Apache-2.0

// Command regauth is docker-credential-regauth under the name that people type.
package main

import (
	"os"

	"github.com/regauth/docker-credential-regauth/cmd/internal/doors"
)

func main() { os.Exit(doors.Main(os.Args)) }
