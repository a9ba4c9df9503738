// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// maxOutput bounds what is kept of a program's output, in bytes. The largest
// sensible answer is a stored secret.
const maxOutput = 1 << 20

// RunError says that a program failed. Its output is bounded; it may hold
// secrets of the tool, so show at most [Line] of what is known to be a message.
type RunError struct {
	Program        string
	Stdout, Stderr []byte
	Err            error // from os/exec, or the context's
}

// Error names the program and leaves out what it printed.
func (e *RunError) Error() string { return fmt.Sprintf("%s: %v", e.Program, e.Err) }

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// run starts c and returns its standard output. The program gets its own
// process group where the system has one, and the whole group is ended at the
// deadline: tools like az and gcloud are scripts whose children would otherwise
// keep our pipes open.
func run(ctx context.Context, c Command) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Stdin = strings.NewReader(c.Stdin)
	if len(c.Env) > 0 {
		cmd.Env = append(os.Environ(), c.Env...)
	}
	var stdout, stderr bounded
	cmd.Stdout = &stdout
	cmd.Stderr = &stderr
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
	cmd.WaitDelay = 500 * time.Millisecond
	ownGroup(cmd)
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil && stdout.full {
		err = errors.New("its output is too large")
	}
	if err != nil {
		return nil, &RunError{
			Program: c.Args[0], Stdout: stdout.buf.Bytes(), Stderr: stderr.buf.Bytes(), Err: err,
		}
	}
	return stdout.buf.Bytes(), nil
}

// bounded keeps the first maxOutput bytes and swallows the rest, so that a
// talkative program neither blocks nor fills memory.
type bounded struct {
	buf  bytes.Buffer
	full bool
}

// Write never fails and always claims to have taken all of p.
func (b *bounded) Write(p []byte) (int, error) {
	room := maxOutput - b.buf.Len()
	if len(p) > room {
		b.full = true
		b.buf.Write(p[:room])
		return len(p), nil
	}
	return b.buf.Write(p)
}
