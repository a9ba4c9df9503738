// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package config

import "io/fs"

// untrusted trusts every file where Go tells neither owner nor writers; the
// default place lies in the user's own profile.
func untrusted(string, fs.FileInfo) (why, next string) { return "", "" }
