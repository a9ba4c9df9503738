// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/regauth/docker-credential-regauth/cache"
	"github.com/regauth/docker-credential-regauth/cmd/internal/config"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

// storedName is the name of the stored login as a source.
const storedName = "stored login"

// sources puts the provider's sources, the configured helper and the stored
// login into the order in which identities are looked for.
func (r *Resolver) sources(address helpers.Address, req helpers.Request, provider helpers.Provider) []helpers.Source {
	sources := provider.Sources(req)
	if req.Choice.Alias != "" {
		// The configuration lets a token be minted for another host's sake. A
		// secret that lies in a variable still goes to its own host only.
		sources = slices.DeleteFunc(sources, func(s helpers.Source) bool { return !s.Mints })
	}
	share := time.Duration(0)
	if len(sources) > 0 {
		share = r.Config.Timeout / keychainShare
	}
	if req.Choice.Helper != "" {
		sources = append(sources, r.helper(address, req.Choice.Helper))
	}
	if r.Logins != nil {
		sources = append(sources, r.storedLogin(address, req, provider, share))
	}
	sort.SliceStable(sources, func(i, j int) bool { return sources[i].Tier < sources[j].Tier })
	return sources
}

// helper is the credential helper that the configuration names for a registry.
func (r *Resolver) helper(address helpers.Address, name string) helpers.Source {
	return helpers.Source{
		Tier: helpers.TierConfigured, Name: "docker-credential-" + name, Program: true,
		Token: func(ctx context.Context) (helpers.Credential, error) {
			delegate, err := static.NewHelper(r.Env, name)
			if err != nil {
				return helpers.Credential{}, err
			}
			login, err := delegate.Get(ctx, address.WholeHost())
			if helpers.IsAbsent(err) {
				return helpers.Credential{}, &helpers.MintError{
					Source: "docker-credential-" + name,
					Cause:  "holds no credential for " + address.Host + ", and the configuration names it for this registry",
					Next:   "sign in with it, or take `helper` out of the configuration",
				}
			}
			return helpers.Credential{Username: login.Username, Secret: login.Secret, ExpiresAt: login.ExpiresAt}, err
		},
	}
}

// keychainShare is the part of the deadline that stored logins may use where
// other sources come after: a keychain that waits to be unlocked must not cost
// a cloud's registry its answer.
const keychainShare = 4

// storedLogin is the login that a person stored for the host, in the form that
// the provider (nil for none) gives it. A share of 0 is the whole deadline.
func (r *Resolver) storedLogin(address helpers.Address, req helpers.Request, provider helpers.Provider, share time.Duration) helpers.Source {
	token := func(ctx context.Context) (helpers.Credential, error) {
		if share > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, share)
			defer cancel()
		}
		login, err := r.Logins.Get(ctx, address.WholeHost())
		if err != nil {
			return helpers.Credential{}, err
		}
		if !login.ExpiresAt.IsZero() && !r.Env.Now().Before(login.ExpiresAt) {
			return helpers.Credential{}, helpers.Absent(storedName, "has expired")
		}
		credential := helpers.Credential{Username: login.Username, Secret: login.Secret, ExpiresAt: login.ExpiresAt}
		if address.WebLogin != "" {
			return credential, nil
		}
		if why := helpers.CheckSecret(login.Secret.Reveal()); why != "" {
			return helpers.Credential{}, &helpers.UnusableError{
				Source: storedName, Why: why, Next: "docker login " + address.Host,
			}
		}
		if judge, ok := provider.(helpers.LoginJudge); ok {
			return judge.JudgeLogin(req, credential)
		}
		return credential, nil
	}
	return helpers.Source{Tier: helpers.TierStored, Name: storedName, Program: !r.Logins.Plain(), Token: token}
}

// commonEnv are the variables that can change any answer.
var commonEnv = []string{
	"HOME", "REGAUTH_CONFIG", "REGAUTH_METADATA", "REGAUTH_STORE",
	"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
}

// inputs are the local facts that decided a minted token: the provider's, those
// of every provider, and what the identity is bound to.
func (r *Resolver) inputs(c helpers.Credential, req helpers.Request, provider helpers.Provider) []cache.Input {
	var inputs []cache.Input
	add := func(kind string, names ...string) {
		for _, name := range names {
			inputs = append(inputs, cache.Input{Kind: kind, Name: name})
		}
	}
	add(cache.InputEnv, commonEnv...)
	if path := config.Path(r.Env); filepath.IsAbs(path) {
		add(cache.InputFile, path)
	}
	if lister, ok := provider.(helpers.InputLister); ok {
		more := lister.Inputs(req)
		add(cache.InputEnv, more.Env...)
		add(cache.InputFile, more.Files...)
	}
	kinds := map[string]string{
		helpers.BindBoot: cache.InputBoot, helpers.BindHost: cache.InputHost,
		helpers.BindClaims: cache.InputClaims, helpers.BindEnv: cache.InputEnv,
	}
	for _, bind := range c.BindTo {
		add(kinds[bind.Kind], bind.Arg)
	}
	return inputs
}
