// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package helpers

// nonblock is nothing where named pipes are no files.
const nonblock = 0
