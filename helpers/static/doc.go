// SPDX-License-Identifier: Apache-2.0

// Package static keeps what people stored with `docker login`, and gives it
// back. A login lies in the platform's keychain, reached through the program
// that Docker itself would use (docker-credential-pass, -secretservice,
// -osxkeychain, -wincred), in a helper that the configuration names, or, where
// there is neither, in one private file.
//
// A keychain has no place for an expiry and may refuse to forget. Both are
// noted beside it in a file that holds no secret:
//
//	$XDG_DATA_HOME/regauth/logins.json   the plain file (0600 in 0700)
//	$XDG_DATA_HOME/regauth/notes.json    expiries and tombstones of keychains
//
// The package is also the provider of last resort, for hosts that no other
// provider knows.
package static
