// SPDX-License-Identifier: Apache-2.0

// Package resolve is the way of a `get`: it takes a normalised address to a
// credential. Which provider, which identity, is there a token that still
// holds, else mint one and keep it. It speaks neither Docker's protocol nor to
// people; the doors do.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regauth/docker-credential-regauth/cache"
	"github.com/regauth/docker-credential-regauth/cmd/internal/config"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/all"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

// Resolver holds what a `get` needs. Cache may be nil (off).
type Resolver struct {
	Env    *helpers.Env
	Config *config.Config
	Cache  *cache.Cache
	// Logins is what people stored, nil when nothing can be read; then
	// LoginsErr says why.
	Logins    static.Store
	LoginsErr error
}

// Outcome is what came of it. At most one of Found and Failed is set; neither
// means that no identity was there.
type Outcome struct {
	Address  helpers.Address
	Provider string
	Target   helpers.Target
	Hint     string // how to sign in here
	Named    bool   // the configuration names the identity to use
	Choice   helpers.Choice

	Found      bool
	Credential helpers.Credential
	Cached     bool // it is a kept token
	Stored     bool // it is a login that the person stored

	Failed   *helpers.MintError       // an identity is there and failed
	Unusable []*helpers.UnusableError // identities that cannot work here
	Looked   []*helpers.AbsentError   // places where there is none
}

// Get finds a credential for address. Its error is a fault of the
// configuration; everything else is in the Outcome.
func (r *Resolver) Get(ctx context.Context, address helpers.Address) (Outcome, error) {
	if address.WebLogin != "" {
		return r.webLogin(ctx, address), nil
	}
	choice, key := r.Config.Choose(address)
	out := Outcome{Address: address, Choice: choice, Named: choice.NamesIdentity()}
	now := r.Env.Now()
	held := r.Cache.Lookup(address.Host, key, now)
	if len(held) > 0 && held[0].State(now) >= cache.Aging {
		out.hold(held[0])
		return out, nil
	}
	provider, target, err := r.find(address, choice)
	if err != nil {
		return out, err
	}
	out.Provider, out.Target, out.Hint = provider.Name(), target, provider.Hint(target)
	req := helpers.Request{Target: target, Choice: choice, Env: r.Env}
	r.ask(ctx, &out, r.sources(address, req, provider))
	switch {
	case out.Found:
		r.keep(address.Host, key, out.Credential, req, provider)
	case len(held) > 0:
		// A dying token still works; it is better than what just failed.
		out.Failed = nil
		out.hold(held[0])
	}
	return out, nil
}

// find returns the provider for the address, or for the alias that the
// configuration gives it.
func (r *Resolver) find(address helpers.Address, choice helpers.Choice) (helpers.Provider, helpers.Target, error) {
	host := address.Host
	if choice.Alias != "" {
		host = choice.Alias
	}
	provider, target, err := all.Find(host, choice, r.Env)
	if err != nil {
		var bad *all.ChoiceError
		if errors.As(err, &bad) {
			return nil, helpers.Target{}, &config.Error{File: r.Config.File, Line: bad.Line, Why: bad.Why}
		}
		return nil, helpers.Target{}, err
	}
	return provider, target, nil
}

// hold answers with a cached entry.
func (out *Outcome) hold(entry cache.Entry) {
	out.Found, out.Cached = true, true
	out.Credential = helpers.Credential{
		Username: entry.Username, Secret: helpers.NewSecret(entry.Secret), Minted: true,
		IssuedAt: entry.Issued, ExpiresAt: entry.Expires, Source: entry.Source, Identity: entry.Identity,
	}
}

// webLogin gives back what the docker CLI stored for its own web login, and
// nothing else: a registry's credential there would be taken for that login.
func (r *Resolver) webLogin(ctx context.Context, address helpers.Address) Outcome {
	out := Outcome{Address: address, Target: helpers.Target{Host: address.Host, Anonymous: helpers.AnonymousPossible}}
	if r.Logins != nil {
		r.ask(ctx, &out, []helpers.Source{r.storedLogin(address, helpers.Request{}, nil, 0)})
	}
	return out
}

// ask tries the sources in their order until one holds an identity. Stored
// logins that cannot be read are passed over, because most people have none
// for a cloud's registry, and reported only when nothing else answers.
func (r *Resolver) ask(ctx context.Context, out *Outcome, sources []helpers.Source) {
	unread := r.LoginsErr
	for _, source := range sources {
		credential, err := r.token(ctx, source)
		if err == nil {
			if credential.Source == "" {
				credential.Source = source.Name
			}
			r.Env.Log.Debug("credential found", "host", out.Address.Host, "source", credential.Source,
				"minted", credential.Minted, "expires", credential.ExpiresAt)
			out.Found, out.Credential, out.Stored = true, credential, source.Tier == helpers.TierStored
			return
		}
		r.Env.Log.Debug("no credential", "host", out.Address.Host, "source", source.Name, "why", helpers.Line(err.Error()))
		var (
			absent   *helpers.AbsentError
			unusable *helpers.UnusableError
			failed   *helpers.MintError
		)
		switch {
		case errors.As(err, &failed) && source.Tier != helpers.TierStored:
			out.Failed = failed
			return
		case errors.As(err, &absent):
			out.Looked = append(out.Looked, absent)
		case errors.As(err, &unusable):
			out.Unusable = append(out.Unusable, unusable)
		case source.Tier == helpers.TierStored:
			unread = err
		default:
			out.Failed = asMintError(source.Name, err)
			return
		}
	}
	if unread != nil {
		out.Failed = asMintError(storedName, unread)
	}
}

// asMintError makes err one that names its source.
func asMintError(source string, err error) *helpers.MintError {
	var failed *helpers.MintError
	if errors.As(err, &failed) {
		return failed
	}
	return &helpers.MintError{Source: source, Cause: helpers.Line(err.Error()), Err: err}
}

// grace is how long a source may take to notice that the deadline has passed
// before it is left behind.
const grace = 250 * time.Millisecond

// token asks one source and does not wait past the deadline, even for code
// that ignores its context.
func (r *Resolver) token(ctx context.Context, source helpers.Source) (helpers.Credential, error) {
	type answer struct {
		credential helpers.Credential
		err        error
	}
	answers := make(chan answer, 1)
	go func() {
		// An SDK that trips over a damaged file of its own must not take the
		// answer of the next source, or the reason, with it.
		defer func() {
			if fault := recover(); fault != nil {
				r.Env.Log.Debug("a source panicked", "source", source.Name, "fault", helpers.Line(fmt.Sprint(fault)))
				answers <- answer{err: &helpers.MintError{
					Source: source.Name,
					Cause:  "the SDK behind it broke off, as it does over a damaged file of its own",
					Next:   "sign in anew, or see what REGAUTH_DEBUG=1 says",
				}}
			}
		}()
		credential, err := source.Token(ctx)
		answers <- answer{credential, err}
	}()
	late := func() (helpers.Credential, error) {
		return helpers.Credential{}, &helpers.MintError{
			Source: source.Name,
			Cause:  fmt.Sprintf("no answer within %s", r.Config.Timeout),
			Next:   "check the network or the proxy, or allow more time with REGAUTH_TIMEOUT",
			Err:    context.DeadlineExceeded,
		}
	}
	select {
	case got := <-answers:
		return got.credential, got.err
	case <-ctx.Done():
	}
	select {
	case got := <-answers:
		return got.credential, got.err
	case <-time.After(grace):
		return late()
	}
}

// keep writes a minted token to the cache. What cannot be kept is only slower
// next time.
func (r *Resolver) keep(host, key string, c helpers.Credential, req helpers.Request, provider helpers.Provider) {
	if !c.Minted || c.NoCache || c.ExpiresAt.IsZero() {
		return
	}
	issued := c.IssuedAt
	if now := r.Env.Now(); issued.IsZero() || issued.After(now) {
		issued = now
	}
	err := r.Cache.Put(cache.Entry{
		Host: host, Key: key, Identity: c.Identity, Source: c.Source,
		Username: c.Username, Secret: c.Secret.Reveal(),
		Issued: issued, Expires: c.ExpiresAt,
		Inputs: r.inputs(c, req, provider),
	}, r.Env.Now())
	if err != nil {
		r.Env.Log.Debug("the token is not kept", "host", host, "why", err.Error())
	}
}
