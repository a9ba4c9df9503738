// SPDX-License-Identifier: Apache-2.0

//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// untrusted says why a file's owner or mode make it no configuration of ours,
// and what mends it.
func untrusted(path string, info fs.FileInfo) (why, next string) {
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return "belongs to another user, so it is not trusted", "chown \"$(id -un)\" " + helpers.Argument(path)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Sprintf("can be written by other users (mode %04o), so it is not trusted", info.Mode().Perm()),
			"chmod go-w " + helpers.Argument(path)
	}
	return "", ""
}
