// SPDX-License-Identifier: Apache-2.0

//go:build unix

package helpers_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// A variable may name anything; what is no file must not be waited for, and
// what is no small one not be read whole.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(write("target", 3), link); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		size       int // -1 where it is refused
	}{
		{"file", write("file", 5), 5},
		{"empty file", write("empty", 0), 0},
		{"link to a file", link, 3},
		{"largest", write("largest", 4<<20), 4 << 20},
		{"too large", write("large", 4<<20+1), -1},
		{"pipe that nobody writes to", pipe, -1},
		{"folder", dir, -1},
		{"device without an end", "/dev/zero", -1},
		{"nothing", filepath.Join(dir, "nothing"), -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, err := helpers.SystemEnv().ReadFile(test.path)
			if (err != nil) != (test.size < 0) || err == nil && len(text) != test.size || err != nil && text != nil {
				t.Errorf("%d bytes (%v), want %d", len(text), err, test.size)
			}
		})
	}
}

// What the kernel makes up has no size of its own.
func TestReadFileWithoutSize(t *testing.T) {
	const path = "/proc/self/status"
	if _, err := os.Stat(path); err != nil {
		t.Logf("this system has no %s", path)
		return
	}
	if text, err := helpers.SystemEnv().ReadFile(path); err != nil || len(text) == 0 {
		t.Errorf("%d bytes (%v)", len(text), err)
	}
}
