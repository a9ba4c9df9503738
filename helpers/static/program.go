// SPDX-License-Identifier: Apache-2.0

package static

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// program is one run of a native helper in the shape that the client package
// drives. That package knows neither a context nor the cause of a failure, so
// the run carries the one and keeps the other.
type program struct {
	run    func(verb, stdin string) ([]byte, error)
	verb   string
	stdin  io.Reader
	stdout []byte // of a failed run: where helpers say what is wrong
	err    error  // why it failed, nil when it did not
}

// newProgram prepares a run of docker-credential-NAME that ends with ctx.
func newProgram(ctx context.Context, env *helpers.Env, name string) *program {
	return &program{run: func(verb, stdin string) ([]byte, error) {
		return env.Run(ctx, helpers.Command{
			Args: []string{prefix + name, verb}, Stdin: stdin, Env: []string{delegateVariable + "=1"},
		})
	}}
}

// start is a [client.ProgramFunc].
func (p *program) start(args ...string) client.Program {
	p.verb = args[0]
	return p
}

// Input implements [client.Program].
func (p *program) Input(in io.Reader) { p.stdin = in }

// Output implements [client.Program].
func (p *program) Output() ([]byte, error) {
	stdin, err := io.ReadAll(p.stdin)
	if err != nil {
		return nil, err
	}
	out, err := p.run(p.verb, string(stdin))
	var failed *helpers.RunError
	if p.err = err; errors.As(err, &failed) {
		out, p.stdout = failed.Stdout, failed.Stdout
	}
	return out, err
}

// notFound reports whether the helper said that it holds no such login.
func (p *program) notFound() bool {
	return p.err != nil && credentials.IsErrCredentialsNotFoundMessage(string(p.stdout))
}

// failure explains a failed run of the named helper; err is what the client
// package made of it. secret is what was on its standard input, if anything: a
// helper that repeats it is not quoted.
func (p *program) failure(name string, err error, secret string) *helpers.MintError {
	if p.err != nil {
		err = p.err // the client package passes on its words only
	}
	failed := &helpers.MintError{
		Source: name, Err: err,
		Next: "see what it says to: " + prefix + name + " list",
	}
	var run *helpers.RunError
	switch {
	case p.err == nil:
		failed.Cause = prefix + name + " answered something other than its protocol"
	case errors.Is(p.err, exec.ErrNotFound):
		failed.Cause = prefix + name + " is not on PATH"
		failed.Next = "install it, or choose another store with REGAUTH_STORE"
	case errors.Is(p.err, context.DeadlineExceeded), errors.Is(p.err, context.Canceled):
		failed.Cause = prefix + name + " gave no answer in time; it may be waiting to be unlocked"
		failed.Next = "unlock the keychain and try again"
	case errors.As(p.err, &run):
		failed.Cause = spoken(run, secret)
	default:
		failed.Cause = helpers.Line(p.err.Error())
	}
	return failed
}

// spoken is the first line of what a failed helper said, on standard output as
// the protocol wants or else on standard error. What looks like an answer, or
// holds the secret, is not repeated.
func spoken(run *helpers.RunError, secret string) string {
	for _, said := range [][]byte{run.Stdout, run.Stderr} {
		line, _, _ := bytes.Cut(bytes.TrimSpace(said), []byte("\n"))
		text := string(bytes.TrimSpace(line))
		if text != "" && !tellsSecret(text, secret) {
			return helpers.Line(text)
		}
	}
	return "failed: " + helpers.Line(run.Err.Error())
}

// tellsSecret reports whether text may hold the secret, as it is or as JSON.
func tellsSecret(text, secret string) bool {
	if strings.Contains(text, `"Secret"`) || text[0] == '{' {
		return true
	}
	return secret != "" && strings.Contains(text, secret)
}
