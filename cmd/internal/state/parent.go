// SPDX-License-Identifier: Apache-2.0

package state

import (
	"fmt"
	"os"
	"strings"
)

// Parent names the process that started us, so that its retries (BuildKit asks
// fifteen times within a second) get a warning once. Process ids are used
// again, so on Linux the parent's start time (proc(5), field 22 of stat) goes
// with it.
func Parent() string {
	pid := os.Getppid()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return fmt.Sprint(pid)
	}
	// The program's name in field 2 may hold anything, parentheses included.
	at := strings.LastIndexByte(string(text), ')')
	fields := strings.Fields(string(text[at+1:]))
	if len(fields) < 20 {
		return fmt.Sprint(pid)
	}
	return fmt.Sprint(pid, "@", fields[19])
}
