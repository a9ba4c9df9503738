// SPDX-License-Identifier: Apache-2.0

package doors

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/regauth/docker-credential-regauth/cache"
	"github.com/regauth/docker-credential-regauth/cmd/internal/resolve"
	"github.com/regauth/docker-credential-regauth/cmd/internal/state"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// get answers for the address on standard input: a credential as JSON, the
// not-found sentence, or one line that says what failed. [judge] decides which.
func (p *Program) get(ctx context.Context) int {
	address, raw, code := p.address()
	if code != exitOK {
		return code
	}
	r, kept, err := p.open()
	if err != nil {
		return p.fail(fault(err))
	}
	ctx, cancel := context.WithTimeout(ctx, r.Config.Timeout)
	defer cancel()
	outcome, err := r.Get(ctx, address)
	if err != nil {
		return p.fail(fault(err))
	}
	p.remember(outcome, r.Cache, kept)
	if outcome.Found {
		return p.answer(raw, outcome.Credential)
	}
	strict := p.Env.Getenv("REGAUTH_STRICT")
	verdict := judge(outcome, strict != "" && strict != "0")
	if verdict.warning != "" && kept.Once(state.Parent()+" "+verdict.warning, p.Env.Now()) {
		p.tell(verdict.warning)
	}
	if verdict.failure != "" {
		return p.fail(verdict.failure)
	}
	p.say("%s", credentials.NewErrCredentialsNotFound())
	return exitFailed
}

// address reads the server address from standard input. A code other than
// exitOK means that it was refused and the refusal printed.
func (p *Program) address() (address helpers.Address, raw string, code int) {
	text, err := p.input()
	if err != nil {
		return address, "", p.fail(line("", err.Error()))
	}
	raw = strings.TrimSpace(string(text))
	address, err = helpers.ParseAddress(raw)
	switch {
	case errors.Is(err, helpers.ErrNoAddress):
		p.say("%s", credentials.NewErrCredentialsMissingServerURL())
		return address, raw, exitFailed
	case err != nil:
		return address, raw, p.fail(line("", err.Error()))
	}
	return address, raw, exitOK
}

// answer prints a credential in the protocol's JSON.
func (p *Program) answer(raw string, c helpers.Credential) int {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(credentials.Credentials{ServerURL: raw, Username: c.Username, Secret: c.Secret.Reveal()})
	if err != nil {
		p.tell(line("", "standard output cannot be written"))
		return exitFailed
	}
	return exitOK
}

// remember keeps what later verbs need: that the host was answered, or why it
// was not.
func (p *Program) remember(outcome resolve.Outcome, tokens *cache.Cache, kept *state.State) {
	host := outcome.Address.Host
	if outcome.Address.WebLogin != "" {
		return
	}
	if outcome.Found {
		if !outcome.Cached {
			secret := outcome.Credential.Secret.Reveal()
			if outcome.Stored {
				secret = "" // storing it again changes nothing, so it need not be known
			}
			mark := cache.Mark{Host: outcome.Address.DockerKey(), Username: outcome.Credential.Username}
			p.debugIf("the answer is not remembered", tokens.Answered(host, mark, secret, p.Env.Now()))
		}
		return
	}
	p.debugIf("the mark cannot be removed", tokens.Forget(host))
	if failure, ok := failureOf(outcome); ok {
		failure.Time = p.Env.Now().UTC()
		p.debugIf("the failure is not remembered", kept.Keep(failure))
	}
}

func (p *Program) debugIf(what string, err error) {
	if err != nil {
		p.Env.Log.Debug(what, "why", err.Error())
	}
}

// failureOf is an outcome without a credential as it is kept. A host that is
// nobody's and for which nothing is stored is no failure.
func failureOf(o resolve.Outcome) (state.Failure, bool) {
	f := state.Failure{Host: o.Address.Host, Provider: o.Provider}
	for _, absent := range o.Looked {
		f.Looked = append(f.Looked, absent.Error())
	}
	switch {
	case o.Failed != nil:
		f.Kind, f.Source, f.Cause, f.Next = "mint", o.Failed.Source, o.Failed.Cause, o.Failed.Next
	case len(o.Unusable) > 0:
		first := o.Unusable[0]
		f.Kind, f.Source, f.Cause, f.Next = "unusable", first.Source, first.Why, first.Next
	case o.Provider == "static":
		return f, false
	default:
		f.Kind, f.Cause, f.Next = "none", "no identity here", o.Hint
	}
	return f, true
}
