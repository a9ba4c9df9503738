// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"context"
	"time"
)

// Provider answers for one registry service. Its methods other than a Source's
// Token touch nothing outside the values they are given.
type Provider interface {
	// Name is the provider's short name: its folder, and the value of
	// `provider` in the configuration.
	Name() string

	// Match reports whether host (the Host of a normalised [Address]) belongs
	// to this service, and what the name says about it. It is pure, and it is
	// the boundary that decides where a minted token may go: it compares whole
	// labels from the right, never a substring.
	Match(host string) (Target, bool)

	// Sources lists where an identity for the target may come from, in the
	// order in which they are tried. It is cheap: no network, no process. A
	// source that turns out to be absent says so from Token. The login that a
	// person stored is not among them: the caller puts it where it belongs.
	Sources(req Request) []Source

	// Hint is the command, or else the shortest sentence, that gets a person
	// without any identity signed in to the target.
	Hint(t Target) string
}

// Adopter is a provider of software that people host themselves: it may answer
// for a host outside its table that the configuration (configured) or the
// job's own variables name.
type Adopter interface {
	Adopt(host string, env *Env, configured bool) (Target, bool)
}

// LoginJudge is a provider that knows more about a login a person stored than
// its user name and secret say: that it cannot work here ([UnusableError]),
// that it has expired ([AbsentError]), or that another user name is right.
type LoginJudge interface {
	JudgeLogin(req Request, login Credential) (Credential, error)
}

// InputLister is a provider whose minted tokens may be cached: it lists the
// local facts that decide which identity its sources would find.
type InputLister interface {
	Inputs(req Request) Inputs
}

// Inputs are what a cached token depends on, apart from what is the same for
// every provider (our own configuration and variables, HOME, XDG_*). Absence is
// recorded as much as presence.
type Inputs struct {
	// Env names environment variables that choose an identity. Variables that
	// hold a secret or a token that rotates are never listed.
	Env []string
	// Files are absolute paths of files that choose an identity. Files that
	// rotate (projected tokens, session caches) are never listed.
	Files []string
}

// Target is what a host name says about the registry behind it.
type Target struct {
	Host string // the registry's host, normalised
	// Anonymous says whether this registry can ever answer without a credential.
	Anonymous Anonymous

	// The rest is set where the host name tells it, else empty.
	Account  string // AWS account id
	Region   string // AWS region, Azure region of a regional login server
	Suffix   string // the DNS suffix that tells the cloud or partition, e.g. "amazonaws.com.cn"
	FIPS     bool   // the host is a FIPS endpoint
	Dual     bool   // the host is a dual-stack endpoint
	Registry string // the registry's own name, e.g. "corp" of corp.azurecr.io
}

// Anonymous says whether a registry serves anybody without a credential.
type Anonymous int

// The two kinds of registry. The zero value is neither, so that the table test
// finds a provider that forgot to say.
const (
	AnonymousNever    Anonymous = iota + 1 // e.g. private Amazon ECR
	AnonymousPossible                      // e.g. GHCR
)

// String returns "never" or "possible".
func (a Anonymous) String() string {
	switch a {
	case AnonymousNever:
		return "never"
	case AnonymousPossible:
		return "possible"
	}
	return "unset"
}

// Request is what a source is asked for.
type Request struct {
	Target Target
	Choice Choice // what the configuration chose, zero without a rule
	Env    *Env
}

// Tier is the rank of a source: lower tiers are asked first.
type Tier int

// The order in which identities are looked for.
const (
	TierConfigured Tier = iota + 1 // named by the configuration for this registry
	TierStored                     // a login the person stored
	TierJob                        // the job's or person's own variables for this host
	TierChain                      // the cloud SDK's own chain
	TierTool                       // a CLI tool's login (az, gcloud, gh)
)

// Source is one place where an identity may be.
type Source struct {
	Tier Tier
	// Name tells a person which place this is: "AWS profile prod",
	// "GITHUB_TOKEN", "az CLI".
	Name string
	// Program says that Token runs a program, which may prompt: such a source
	// is never refreshed behind the user's back.
	Program bool
	// Mints says that Token makes a new secret, usually with a request to the
	// issuer. Other sources read one that lies on this machine.
	Mints bool
	// Token looks, and mints if it must. It returns an [*AbsentError] when no
	// identity is there (the next source is tried), an [*UnusableError] when
	// one is there that is known not to work here, and a [*MintError] when one
	// is there and the attempt failed.
	Token func(ctx context.Context) (Credential, error)
}

// Credential is what a client is given, and what we know about it.
type Credential struct {
	Username string
	Secret   Secret
	// Minted says that the secret was made for this answer and may be cached
	// until ExpiresAt. A secret that lies somewhere already (a variable, a
	// keychain) is read there each time and is not Minted.
	Minted bool
	// IssuedAt and ExpiresAt are UTC; ExpiresAt is zero when no expiry is known,
	// and then nothing is cached.
	IssuedAt, ExpiresAt time.Time
	// Source names the place in more detail than Source.Name where that helps:
	// "AWS profile prod (assumed role ci)". Empty means Source.Name.
	Source string
	// Identity says whose token this is, in words that stay the same when the
	// session behind it rotates: "role arn:aws:iam::1:role/ci". Never a secret.
	Identity string
	// BindTo lists what the identity is bound to when no configuration names
	// it; see the Bind constants. A minted credential that has neither a
	// configured identity nor a binding must not be cached: set NoCache.
	BindTo  []Binding
	NoCache bool
}

// Binding ties a cached token to something unique to its owner.
type Binding struct {
	Kind string // one of the Bind constants
	Arg  string // for BindClaims: the token file's absolute path; for BindEnv: the variable's name
}

// Kinds of Binding.
const (
	BindBoot   = "boot"   // the machine's boot id
	BindHost   = "host"   // the host name
	BindClaims = "claims" // iss, sub and aud of the JWT in the file Arg, never exp or jti
	BindEnv    = "env"    // the value of the variable Arg (a CI job's run and job id)
)

// Choice is what the configuration says about one registry. The zero value
// says nothing.
type Choice struct {
	Rule string // the rule's `match`, as written; "" when no rule applies
	Line int    // its line in the file

	Provider       string
	Alias          string // the host to mint for instead
	Helper         string // name of a docker-credential-NAME program
	Profile        string // AWS
	RoleARN        string // AWS
	TenantID       string // Azure
	ClientID       string // Azure: application or user-assigned managed identity
	ServiceAccount string // Google: e-mail address to impersonate
	// Metadata overrides the search for signs of a cloud: true asks its
	// metadata service, false never does, nil decides by the signs.
	Metadata *bool
}

// Keys lists the keys of the rule that only some providers know, as they are
// spelled in the file.
func (c Choice) Keys() []string {
	var keys []string
	for _, key := range []struct {
		name string
		set  bool
	}{
		{"profile", c.Profile != ""},
		{"role_arn", c.RoleARN != ""},
		{"tenant_id", c.TenantID != ""},
		{"client_id", c.ClientID != ""},
		{"service_account", c.ServiceAccount != ""},
		{"metadata", c.Metadata != nil},
	} {
		if key.set {
			keys = append(keys, key.name)
		}
	}
	return keys
}

// NamesIdentity reports whether the rule says which identity to use, so that a
// failure of it must not be hidden behind an anonymous answer.
func (c Choice) NamesIdentity() bool {
	return c.Helper != "" || c.Profile != "" || c.RoleARN != "" || c.TenantID != "" ||
		c.ClientID != "" || c.ServiceAccount != ""
}
