// SPDX-License-Identifier: Apache-2.0

// Package envtest makes the world outside for tests of providers: variables,
// files and programs that exist only in the test, and no network.
package envtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os/exec"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// Now is the time in every world.
var Now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// World is what exists. The zero value is an empty Linux machine whose user
// has the home directory /home/me.
type World struct {
	Vars  map[string]string
	Files map[string]string
	// Unreadable files exist and cannot be read.
	Unreadable []string
	// Programs are found on PATH and run in place of real ones.
	Programs map[string]func(c helpers.Command) ([]byte, error)
	GOOS     string // "linux" when empty
	Homeless bool   // there is no home directory
}

// Env returns the world. Whatever is not in it is not there; a program or an
// address that it does not have is refused.
func (w World) Env() *helpers.Env {
	env := &helpers.Env{
		LookupEnv: func(name string) (string, bool) { v, ok := w.Vars[name]; return v, ok },
		Home:      "/home/me",
		GOOS:      "linux",
		Now:       func() time.Time { return Now },
		ReadFile:  w.readFile,
		HTTP:      &http.Client{Transport: noNetwork{}},
		LookPath:  w.lookPath,
		Run:       w.run,
		Remember:  func(_ string, ask func() bool) bool { return ask() },
		Log:       slog.New(slog.DiscardHandler),
	}
	if w.GOOS != "" {
		env.GOOS = w.GOOS
	}
	if w.Homeless {
		env.Home = ""
	}
	return env
}

func (w World) readFile(path string) ([]byte, error) {
	for _, unreadable := range w.Unreadable {
		if path == unreadable {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}
	}
	text, ok := w.Files[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func (w World) lookPath(name string) (string, error) {
	if _, ok := w.Programs[name]; !ok {
		return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
	}
	return "/usr/bin/" + name, nil
}

func (w World) run(ctx context.Context, c helpers.Command) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, &helpers.RunError{Program: c.Args[0], Err: err}
	}
	program, ok := w.Programs[c.Args[0]]
	if !ok {
		return nil, &helpers.RunError{Program: c.Args[0], Err: exec.ErrNotFound}
	}
	return program(c)
}

// errNoNetwork is the answer to every request.
var errNoNetwork = errors.New("this world has no network")

type noNetwork struct{}

// RoundTrip refuses the request, and says which host it was for.
func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s: %w", r.URL.Host, errNoNetwork)
}

// Outcome is what a source yielded, in a form that tests can compare: the user
// name and secret, or which kind of error.
type Outcome struct {
	User, Secret string
	Error        string // "absent", "unusable", "mint", "other", or ""
}

// Ask runs a source.
func Ask(ctx context.Context, s helpers.Source) (Outcome, error) {
	c, err := s.Token(ctx)
	return Result(c, err), err
}

// Result describes a credential or error.
func Result(c helpers.Credential, err error) Outcome {
	var unusable *helpers.UnusableError
	var mint *helpers.MintError
	switch {
	case err == nil:
		return Outcome{User: c.Username, Secret: c.Secret.Reveal()}
	case helpers.IsAbsent(err):
		return Outcome{Error: "absent"}
	case errors.As(err, &unusable):
		return Outcome{Error: "unusable"}
	case errors.As(err, &mint):
		return Outcome{Error: "mint"}
	}
	return Outcome{Error: "other"}
}
