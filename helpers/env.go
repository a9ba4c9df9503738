// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Env is the world outside, passed in so that tests can replace it. The cloud
// SDKs read the process's own environment and files; everything of ours goes
// through here.
type Env struct {
	LookupEnv func(name string) (string, bool)
	Home      string // the user's home directory, "" when there is none
	GOOS      string
	Now       func() time.Time
	// ReadFile reads a regular file of up to 4 MiB and refuses everything else,
	// so that nothing it is pointed at can keep it.
	ReadFile func(path string) ([]byte, error)
	// HTTP is for our own requests: no redirects are followed, so that no
	// credential travels to another host. Bound what you read.
	HTTP *http.Client
	// LookPath finds a program as exec.LookPath does.
	LookPath func(name string) (string, error)
	// Run starts a program; see [Command].
	Run func(ctx context.Context, c Command) ([]byte, error)
	// Remember answers a question about this machine whose answer holds until
	// it is started anew: ask is called at most once per boot where a cache can
	// be kept, else each time.
	Remember func(key string, ask func() bool) bool
	// Log gets details for REGAUTH_DEBUG=1. Never a secret.
	Log *slog.Logger
}

// Command is a program to run: a CLI tool or a native credential helper.
type Command struct {
	Args  []string // Args[0] is looked up on PATH. Never a secret: argv is public.
	Stdin string   // given on standard input
	// Env adds NAME=value pairs to the environment.
	Env []string
	// Stderr, when not nil, receives the program's standard error; otherwise
	// it is kept, bounded, in the error.
	Stderr io.Writer
}

// Getenv returns the variable's value, "" when it is unset.
func (e *Env) Getenv(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// RelativePath reports whether any of the variables holds a path that means
// another file in another working directory. Whoever reads a credential by it
// must set NoCache: a cached token's inputs are files, not directories to be in.
func RelativePath(env *Env, names ...string) bool {
	for _, name := range names {
		if path := strings.TrimSpace(env.Getenv(name)); path != "" && !filepath.IsAbs(path) {
			return true
		}
	}
	return false
}

// ConfigDir returns $XDG_CONFIG_HOME, else ~/.config (on Windows %AppData%), or
// "" when there is neither.
func (e *Env) ConfigDir() string { return e.xdg("XDG_CONFIG_HOME", "APPDATA", ".config") }

// StateDir returns $XDG_STATE_HOME, else ~/.local/state (on Windows
// %LocalAppData%), or "".
func (e *Env) StateDir() string {
	return e.xdg("XDG_STATE_HOME", "LOCALAPPDATA", filepath.Join(".local", "state"))
}

// DataDir returns $XDG_DATA_HOME, else ~/.local/share (on Windows
// %LocalAppData%), or "".
func (e *Env) DataDir() string {
	return e.xdg("XDG_DATA_HOME", "LOCALAPPDATA", filepath.Join(".local", "share"))
}

// CacheDir returns $XDG_CACHE_HOME, else ~/.cache (~/Library/Caches on macOS,
// %LocalAppData% on Windows), or "".
func (e *Env) CacheDir() string {
	if e.GOOS == "darwin" {
		return e.xdg("XDG_CACHE_HOME", "", filepath.Join("Library", "Caches"))
	}
	return e.xdg("XDG_CACHE_HOME", "LOCALAPPDATA", ".cache")
}

// xdg follows the XDG Base Directory Specification: a relative value is
// ignored.
func (e *Env) xdg(variable, windows, fallback string) string {
	if dir := e.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	if e.GOOS == "windows" && windows != "" {
		if dir := e.Getenv(windows); dir != "" {
			return dir
		}
	}
	if e.Home == "" {
		return ""
	}
	return filepath.Join(e.Home, fallback)
}

// SystemEnv returns the real world.
func SystemEnv() *Env {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return &Env{
		LookupEnv: os.LookupEnv,
		Home:      home,
		GOOS:      runtime.GOOS,
		Now:       time.Now,
		ReadFile:  readFile,
		HTTP: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		LookPath: exec.LookPath,
		Run:      run,
		Remember: func(_ string, ask func() bool) bool { return ask() },
		Log:      slog.New(slog.DiscardHandler),
	}
}
