// SPDX-License-Identifier: Apache-2.0

// Package doors is the program as its callers meet it: Docker's credential
// helper protocol, one verb a file, over streams and an environment that are
// passed in. Both commands, docker-credential-regauth and regauth, are this.
//
// The protocol is that of docker/docker-credential-helpers: one verb as the
// only argument, the server address or a JSON object on standard input, the
// answer or the error on standard output, exit code 0 or 1. Its package
// credentials gives the types and the sentences that clients compare byte for
// byte. Its Serve is not used: it has no context and so no deadline, reads
// lines of at most 64 KiB, and knows an error only as its text.
package doors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/regauth/docker-credential-regauth/cache"
	"github.com/regauth/docker-credential-regauth/cmd/internal/config"
	"github.com/regauth/docker-credential-regauth/cmd/internal/resolve"
	"github.com/regauth/docker-credential-regauth/cmd/internal/state"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

// Program is one run. Env is the world; the streams are the caller's.
type Program struct {
	Name   string // as it was called
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Env    *helpers.Env
}

// Exit codes of the protocol verbs.
const (
	exitOK     = 0
	exitFailed = 1
)

// maxStdin bounds what a client may send, in bytes: far more than any address
// or login, far less than memory.
const maxStdin = 16 << 20

// Main runs the program as the operating system started it and returns its
// exit code.
func Main(args []string) int {
	program := &Program{
		Name:   strings.TrimSuffix(filepath.Base(args[0]), ".exe"),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Env:    helpers.SystemEnv(),
	}
	return program.Run(context.Background(), args[1:])
}

// Run does what the arguments say and returns the exit code.
func (p *Program) Run(ctx context.Context, args []string) int {
	if level := p.Env.Getenv("REGAUTH_DEBUG"); level != "" && level != "0" {
		p.Env.Log = slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if len(args) != 1 {
		return p.usage(exitFailed)
	}
	switch args[0] {
	case credentials.ActionGet:
		return p.get(ctx)
	case credentials.ActionStore:
		return p.store(ctx)
	case credentials.ActionErase:
		return p.erase(ctx)
	case credentials.ActionList:
		return p.list(ctx)
	case credentials.ActionVersion, "--version", "-v":
		return p.version()
	case "--help", "-h", "help":
		return p.usage(exitOK)
	}
	p.say("%s: unknown action %s", helpers.Line(p.Name), helpers.Show(args[0]))
	return p.usage(exitFailed)
}

// say prints a line on standard output, where clients look for errors.
func (p *Program) say(format string, a ...any) {
	_, _ = fmt.Fprintf(p.Stdout, format+"\n", a...)
}

// tell prints a line on standard error, which every client passes to people.
func (p *Program) tell(line string) {
	_, _ = fmt.Fprintln(p.Stderr, line)
}

// fail answers with one line: on standard output, where the protocol wants an
// error, and on standard error, because several clients throw standard output
// away.
func (p *Program) fail(line string) int {
	p.say("%s", line)
	p.tell(line)
	return exitFailed
}

// input reads standard input to its end.
func (p *Program) input() ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(p.Stdin, maxStdin+1))
	if err != nil {
		return nil, fmt.Errorf("standard input cannot be read: %w", err)
	}
	if len(text) > maxStdin {
		return nil, fmt.Errorf("standard input is larger than %d MiB", maxStdin>>20)
	}
	return text, nil
}

// open gathers what get, store, erase and list work with. The Resolver is
// usable even when the error says that the configuration is not: then it works
// as without one.
func (p *Program) open() (*resolve.Resolver, *state.State, error) {
	settings, err := config.Load(p.Env)
	if err != nil {
		settings = &config.Config{Timeout: config.DefaultTimeout}
	}
	if limit, bad := p.timeout(); bad != nil {
		err = errors.Join(err, bad)
	} else if limit > 0 {
		settings.Timeout = limit
	}
	r := &resolve.Resolver{Env: p.Env, Config: settings, Cache: p.openCache()}
	p.Env.Remember = r.Cache.Remember
	r.Logins, r.LoginsErr = static.Open(p.Env, settings.Store)
	return r, state.Open(p.Env), err
}

// timeout reads REGAUTH_TIMEOUT: a duration such as "5s", or whole seconds; 0
// when it is unset.
func (p *Program) timeout() (time.Duration, error) {
	text := p.Env.Getenv("REGAUTH_TIMEOUT")
	if text == "" {
		return 0, nil
	}
	limit, err := time.ParseDuration(text)
	if err != nil {
		limit, err = time.ParseDuration(text + "s")
	}
	if err != nil || limit <= 0 {
		return 0, fmt.Errorf(`REGAUTH_TIMEOUT %s is no duration; write one like "20s"`, helpers.Show(text))
	}
	return limit, nil
}

// openCache opens the cache, or returns nil, which is a cache that is off.
func (p *Program) openCache() *cache.Cache {
	if strings.EqualFold(p.Env.Getenv("REGAUTH_CACHE"), "off") {
		p.Env.Log.Debug("the cache is off", "why", "REGAUTH_CACHE=off")
		return nil
	}
	world := cache.SystemWorld()
	world.LookupEnv = p.Env.LookupEnv
	opened, err := cache.Open(cacheDir(p.Env), world)
	if err != nil {
		p.Env.Log.Debug("the cache is off", "why", err.Error())
		return nil
	}
	return opened
}

// jobFolders are the variables that name a folder which a CI system empties
// after the job: GitHub Actions, Azure Pipelines.
var jobFolders = []string{"RUNNER_TEMP", "AGENT_TEMPDIRECTORY"}

// cacheDir returns where the cache lies: REGAUTH_CACHE_DIR, else the CI job's
// own temporary folder, else the user's cache folder; "" when there is none.
func cacheDir(env *helpers.Env) string {
	if dir := env.Getenv("REGAUTH_CACHE_DIR"); dir != "" {
		return dir
	}
	for _, name := range jobFolders {
		if dir := env.Getenv(name); filepath.IsAbs(dir) {
			return filepath.Join(dir, "regauth")
		}
	}
	if dir := env.CacheDir(); dir != "" {
		return filepath.Join(dir, "regauth")
	}
	return ""
}
