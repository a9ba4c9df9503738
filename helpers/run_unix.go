// SPDX-License-Identifier: Apache-2.0

//go:build unix

package helpers

import (
	"os/exec"
	"syscall"
)

// ownGroup makes cmd the leader of a process group of its own and lets its
// cancellation end the group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
