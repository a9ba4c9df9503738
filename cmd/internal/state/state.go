// SPDX-License-Identifier: Apache-2.0

// Package state remembers, without any secret, what later verbs need to know:
// why a `get` found nothing (Docker throws the reason away), and which one-time
// messages were shown.
//
// It lies in $XDG_STATE_HOME/regauth, else ~/.local/state/regauth: failures.jsonl
// holds the last failures, one JSON object a line, the newest last; shown/ holds
// an empty file for each message. Where nothing can be kept, nothing is, and
// every caller goes on.
package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/regauth/docker-credential-regauth/cache"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// keepFailures is how many failures are kept.
const keepFailures = 50

// maxFile bounds what is read back, in bytes.
const maxFile = 1 << 20

// Failure is why a host got no credential.
type Failure struct {
	Time     time.Time `json:"time"`
	Host     string    `json:"host"`
	Provider string    `json:"provider"`
	// Kind is "mint" (an identity failed), "unusable" (it cannot work there) or
	// "none" (there is no identity).
	Kind   string   `json:"kind"`
	Source string   `json:"source,omitempty"` // the source that failed
	Cause  string   `json:"cause"`
	Next   string   `json:"next,omitempty"`   // what mends it
	Looked []string `json:"looked,omitempty"` // sources that hold no identity, and why
}

// State is the open folder. The nil *State keeps and knows nothing.
type State struct{ dir string }

// Open returns the state below the environment's state folder, or nil when
// there is none that is ours.
func Open(env *helpers.Env) *State {
	base := env.StateDir()
	if base == "" {
		return nil
	}
	dir := filepath.Join(base, "regauth")
	if err := cache.PrivateDir(dir); err != nil {
		env.Log.Debug("nothing is remembered", "why", err.Error())
		return nil
	}
	return &State{dir}
}

// Keep adds a failure. Of two processes that add one at the same instant the
// slower may drop the other's line.
func (s *State) Keep(f Failure) error {
	if s == nil {
		return nil
	}
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	lines := append(s.lines(), line)
	if len(lines) > keepFailures {
		lines = lines[len(lines)-keepFailures:]
	}
	return cache.WriteFile(s.failures(), append(bytes.Join(lines, []byte("\n")), '\n'))
}

// Failures returns the kept failures, the oldest first.
func (s *State) Failures() []Failure {
	if s == nil {
		return nil
	}
	var all []Failure
	for _, line := range s.lines() {
		var f Failure
		if json.Unmarshal(line, &f) == nil {
			all = append(all, f)
		}
	}
	return all
}

func (s *State) failures() string { return filepath.Join(s.dir, "failures.jsonl") }

func (s *State) lines() [][]byte {
	info, err := os.Lstat(s.failures())
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil
	}
	text, err := os.ReadFile(s.failures())
	if err != nil {
		return nil
	}
	var lines [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

// shownFor is how long it is remembered that a message was shown.
const shownFor = 24 * time.Hour

// Once reports true the first time it is asked for key within a day, and always
// when nothing can be kept.
func (s *State) Once(key string, now time.Time) bool {
	if s == nil {
		return true
	}
	dir := filepath.Join(s.dir, "shown")
	if cache.PrivateDir(dir) != nil {
		return true
	}
	forgetShown(dir, now)
	return create(filepath.Join(dir, name(key)))
}

// Ever is Once without an end.
func (s *State) Ever(key string) bool {
	if s == nil {
		return true
	}
	return create(filepath.Join(s.dir, "told-"+name(key)))
}

func name(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:12])
}

// create reports whether the empty file was not there yet.
func create(path string) bool {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the name is a hash
	if err != nil {
		return !errors.Is(err, fs.ErrExist)
	}
	_ = file.Close()
	return true
}

func forgetShown(dir string, now time.Time) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range names {
		if info, err := entry.Info(); err == nil && now.Sub(info.ModTime()) > shownFor {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}
