// SPDX-License-Identifier: Apache-2.0

// Package all is the host table: every provider on one line, in the order in
// which they are asked, and the rules by which a host finds its provider.
package all

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/acr"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
	"github.com/regauth/docker-credential-regauth/helpers/gar"
	"github.com/regauth/docker-credential-regauth/helpers/ghcr"
	"github.com/regauth/docker-credential-regauth/helpers/gitlab"
	"github.com/regauth/docker-credential-regauth/helpers/harbor"
	"github.com/regauth/docker-credential-regauth/helpers/hub"
	"github.com/regauth/docker-credential-regauth/helpers/quay"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

// Line is one line of the host table.
type Line struct {
	Provider helpers.Provider
	// Anonymous says whether the provider's registries ever answer without a
	// credential; every Target it makes says the same.
	Anonymous helpers.Anonymous
	// Keys are the keys of a configuration rule that mean something to it,
	// apart from those that mean something to all.
	Keys []string
}

// Table returns the host table in the order in which it is read. No two lines
// match the same host, but for the last, which takes what is left.
func Table() []Line {
	const never, possible = helpers.AnonymousNever, helpers.AnonymousPossible
	aws := []string{"profile", "role_arn", "metadata"}
	return []Line{
		{ecr.Private(), never, aws},
		{ecr.Public(), possible, aws},
		{acr.New(), possible, []string{"tenant_id", "client_id", "metadata"}},
		{gar.New(), possible, []string{"service_account", "metadata"}},
		{ghcr.New(), possible, nil},
		{hub.New(), possible, nil},
		{gitlab.New(), possible, nil},
		{quay.New(), possible, nil},
		{harbor.New(), possible, nil},
		{static.New(), possible, nil},
	}
}

// All returns the providers of the table, in its order.
func All() []helpers.Provider {
	var providers []helpers.Provider
	for _, line := range Table() {
		providers = append(providers, line.Provider)
	}
	return providers
}

// ChoiceError says that a rule of the configuration names a provider that
// cannot answer for the host.
type ChoiceError struct {
	Rule string // the rule's match, as written
	Line int    // its line in the configuration file, counted from 1
	Why  string
}

// Error returns one line that names the line of the configuration at fault.
func (e *ChoiceError) Error() string {
	return fmt.Sprintf("configuration, line %d: match = %s: %s", e.Line, helpers.Show(e.Rule), e.Why)
}

// Find returns the provider that answers for host (the Host of a normalised
// address; when the choice has an alias, the host to mint for, which is the
// caller's to follow) and what it knows of it:
//
//   - the provider that the configuration names, if it knows the host or may
//     adopt it;
//   - else the one whose table has the host;
//   - else the one that adopts it because the job's variables name it;
//   - else static, which takes every host.
//
// The error is a [*ChoiceError]: the named provider is unknown, or it is one
// that sends minted tokens to the hosts of its own table only and this is none
// of them, or the rule has a key that means nothing to the provider. An empty
// host is [helpers.ErrNoAddress].
func Find(host string, choice helpers.Choice, env *helpers.Env) (helpers.Provider, helpers.Target, error) {
	provider, target, err := find(host, choice, env)
	if err != nil {
		return nil, helpers.Target{}, err
	}
	if err := checkKeys(provider, host, choice); err != nil {
		return nil, helpers.Target{}, err
	}
	return provider, target, nil
}

// checkKeys refuses a rule's key that means nothing to the provider: the person
// would believe that it chose the identity.
func checkKeys(provider helpers.Provider, host string, choice helpers.Choice) error {
	known := []string{}
	for _, line := range Table() {
		if line.Provider.Name() == provider.Name() {
			known = append(known, line.Keys...)
		}
	}
	for _, key := range choice.Keys() {
		if !slices.Contains(known, key) {
			return &ChoiceError{Rule: choice.Rule, Line: choice.Line, Why: fmt.Sprintf(
				"%s means nothing for %s (provider %s); there one may write %s", key, helpers.Line(host),
				provider.Name(), strings.Join(append(known, "helper", "alias", "provider"), ", "))}
		}
	}
	return nil
}

func find(host string, choice helpers.Choice, env *helpers.Env) (helpers.Provider, helpers.Target, error) {
	if host == "" {
		return nil, helpers.Target{}, helpers.ErrNoAddress
	}
	if choice.Provider != "" {
		return chosen(host, choice, env)
	}
	providers := All()
	rest := providers[len(providers)-1]
	for _, p := range providers {
		if target, ok := p.Match(host); ok && p != rest {
			return p, target, nil
		}
	}
	for _, p := range providers {
		if target, ok := adopt(p, host, env, false); ok {
			return p, target, nil
		}
	}
	target, _ := rest.Match(host)
	return rest, target, nil
}

// chosen finds the provider that the configuration names.
func chosen(host string, choice helpers.Choice, env *helpers.Env) (helpers.Provider, helpers.Target, error) {
	var names []string
	named := false
	for _, p := range All() {
		names = append(names, p.Name())
		if p.Name() != choice.Provider {
			continue
		}
		named = true
		if target, ok := p.Match(host); ok {
			return p, target, nil
		}
		if target, ok := adopt(p, host, env, true); ok {
			return p, target, nil
		}
	}
	why := fmt.Sprintf("provider %s does not answer for %s: its own host table decides where its tokens may go",
		helpers.Show(choice.Provider), helpers.Line(host))
	if !named {
		why = fmt.Sprintf("there is no provider %s; there are %s",
			helpers.Show(choice.Provider), strings.Join(names, ", "))
	}
	return nil, helpers.Target{}, &ChoiceError{Rule: choice.Rule, Line: choice.Line, Why: why}
}

func adopt(p helpers.Provider, host string, env *helpers.Env, configured bool) (helpers.Target, bool) {
	adopter, ok := p.(helpers.Adopter)
	if !ok {
		return helpers.Target{}, false
	}
	return adopter.Adopt(host, env, configured)
}
