// SPDX-License-Identifier: Apache-2.0

//go:build unix

package helpers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

func shell(script string) helpers.Command {
	return helpers.Command{Args: []string{"/bin/sh", "-c", script}}
}

func TestRun(t *testing.T) {
	t.Setenv("REGAUTH_TEST", "inherited")
	tests := []struct {
		name    string
		command helpers.Command
		want    string
	}{
		{"output", shell("echo hello"), "hello\n"},
		{"input", helpers.Command{Args: []string{"/bin/cat"}, Stdin: "ghcr.io"}, "ghcr.io"},
		{"no input is an empty one", shell("cat; echo end"), "end\n"},
		{"the environment", shell("echo $REGAUTH_TEST"), "inherited\n"},
		{"an addition", helpers.Command{Args: []string{"/bin/sh", "-c", "echo $REGAUTH_TEST $ADDED"}, Env: []string{"ADDED=x"}}, "inherited x\n"},
		{"an override", helpers.Command{Args: []string{"/bin/sh", "-c", "echo $REGAUTH_TEST"}, Env: []string{"REGAUTH_TEST="}}, "\n"},
		{"standard error apart", shell("echo out; echo err >&2"), "out\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, err := helpers.SystemEnv().Run(t.Context(), test.command)
			if err != nil || string(out) != test.want {
				t.Errorf("got %q, %v, want %q", out, err, test.want)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	env := helpers.SystemEnv()
	_, err := env.Run(t.Context(), shell("echo "+canary+"; echo sorry >&2; exit 3"))
	var failed *helpers.RunError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if string(failed.Stdout) != canary+"\n" || string(failed.Stderr) != "sorry\n" {
		t.Errorf("kept %q and %q", failed.Stdout, failed.Stderr)
	}
	if text := err.Error(); strings.Contains(text, canary) || !strings.Contains(text, "exit status 3") {
		t.Errorf("the message is %q", text)
	}
	if _, err := env.Run(t.Context(), helpers.Command{Args: []string{"regauth-no-such-program"}}); !errors.As(err, &failed) {
		t.Errorf("a missing program gives %v", err)
	}
}

func TestRunStderrElsewhere(t *testing.T) {
	var stderr bytes.Buffer
	c := shell("echo note >&2; exit 1")
	c.Stderr = &stderr
	_, err := helpers.SystemEnv().Run(t.Context(), c)
	var failed *helpers.RunError
	if !errors.As(err, &failed) || len(failed.Stderr) != 0 || stderr.String() != "note\n" {
		t.Errorf("got %v, stderr %q", err, stderr.String())
	}
}

func TestRunBoundsOutput(t *testing.T) {
	const script = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; "
	for name, script := range map[string]string{"and succeeds": script + "exit 0", "and fails": script + "exit 1"} {
		t.Run(name, func(t *testing.T) {
			out, err := helpers.SystemEnv().Run(t.Context(), shell(script))
			var failed *helpers.RunError
			if !errors.As(err, &failed) || out != nil {
				t.Fatalf("got %d bytes, %v", len(out), err)
			}
			if len(failed.Stdout) != 1<<20 || len(failed.Stderr) != 1<<20 {
				t.Errorf("kept %d and %d bytes", len(failed.Stdout), len(failed.Stderr))
			}
		})
	}
}

// A script's child must not outlive the deadline, nor hold us by our pipes.
func TestRunEndsTheWholeGroup(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "pid")
	// The grandchild says that it is there, and neither it nor the script ends
	// by itself within this test.
	command := shell(`/bin/sh -c 'echo $$ > "$READY.new"; mv "$READY.new" "$READY"; exec sleep 600' & wait; sleep 600`)
	command.Env = []string{"READY=" + ready}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := helpers.SystemEnv().Run(ctx, command)
		done <- err
	}()
	pid := waitForPid(t, ready)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range 1000 { // it may stay a zombie for a moment, until it is reaped
		if !running(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Error("the script's child is still there")
}

func waitForPid(t *testing.T, file string) int {
	t.Helper()
	for range 1000 {
		if text, err := os.ReadFile(file); err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the script did not start")
	return 0
}

// running reports whether the process exists and is no zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) || !hasProc()
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}
