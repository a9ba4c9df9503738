// SPDX-License-Identifier: Apache-2.0

//go:build unix

package static

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs reports whether the effective user owns the file.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// closed reports whether neither the group nor others have any right.
func closed(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }

// syncDir makes a rename in dir outlast a loss of power. A file system that
// cannot do that is no reason to fail: the content itself was synced.
func syncDir(dir string) {
	folder, err := os.Open(dir) //nolint:gosec // our own folder
	if err != nil {
		return
	}
	_ = folder.Sync()
	_ = folder.Close()
}
