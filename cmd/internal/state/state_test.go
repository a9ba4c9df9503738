// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

func open(t *testing.T) (*State, string) {
	t.Helper()
	dir := t.TempDir()
	env := helpers.SystemEnv()
	env.LookupEnv = func(name string) (string, bool) { return dir, name == "XDG_STATE_HOME" }
	s := Open(env)
	if s == nil {
		t.Fatal("no state")
	}
	return s, filepath.Join(dir, "regauth")
}

func TestTheLastFailuresAreKept(t *testing.T) {
	s, dir := open(t)
	for i := range keepFailures + 7 {
		if err := s.Keep(Failure{Host: fmt.Sprint("h", i), Kind: "mint", Cause: "line\nbreak"}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Failures()
	if len(got) != keepFailures || got[0].Host != "h7" || got[len(got)-1].Host != fmt.Sprint("h", keepFailures+6) {
		t.Fatalf("%d failures, first %q", len(got), got[0].Host)
	}
	if err := os.WriteFile(filepath.Join(dir, "failures.jsonl"), []byte("garbage\n{\"host\":\"x\"}\n{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.Failures(); len(got) != 1 || got[0].Host != "x" {
		t.Errorf("of a damaged file %v was read", got)
	}
}

func TestOnce(t *testing.T) {
	s, dir := open(t)
	now := time.Now()
	if !s.Once("a", now) || s.Once("a", now) || !s.Once("b", now) {
		t.Error("a message was not shown exactly once")
	}
	late := now.Add(shownFor + time.Minute)
	if !s.Once("a", late) {
		t.Error("after a day the message is not shown again")
	}
	if !s.Ever("a") || s.Ever("a") {
		t.Error("a message was not shown exactly once ever")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutAFolderNothingIsKept(t *testing.T) {
	var s *State
	if err := s.Keep(Failure{}); err != nil {
		t.Error(err)
	}
	if len(s.Failures()) != 0 || !s.Once("a", time.Now()) || !s.Ever("a") {
		t.Error("a missing folder is not treated as an empty one")
	}
	env := helpers.SystemEnv()
	env.Home = ""
	env.LookupEnv = func(string) (string, bool) { return "", false }
	if Open(env) != nil {
		t.Error("a state without a home was opened")
	}
	wide := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(wide, "regauth"), 0o755), os.Chmod(filepath.Join(wide, "regauth"), 0o755)); err != nil {
		t.Fatal(err)
	}
	env.LookupEnv = func(name string) (string, bool) { return wide, name == "XDG_STATE_HOME" }
	if runtime.GOOS != "windows" && Open(env) != nil {
		t.Error("a folder that others can read was used")
	}
}

func TestParentIsStable(t *testing.T) {
	if first, second := Parent(), Parent(); first == "" || first != second {
		t.Error("the parent has no stable name")
	}
}
