// SPDX-License-Identifier: Apache-2.0

//go:build unix

package helpers

import "syscall"

// nonblock opens a named pipe without waiting for its other end.
const nonblock = syscall.O_NONBLOCK
