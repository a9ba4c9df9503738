// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package static

import "io/fs"

// ownedByUs is true where Go does not tell a file's owner: there the folder
// lies in the user's profile, which the system keeps others out of.
func ownedByUs(fs.FileInfo) bool { return true }

// closed is true where there are no permission bits.
func closed(fs.FileInfo) bool { return true }

// syncDir does nothing where folders cannot be synced.
func syncDir(string) {}
