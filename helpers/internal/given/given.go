// SPDX-License-Identifier: Apache-2.0

// Package given makes credentials of secrets that already lie somewhere: in the
// variables of a job, or in a login that a person stored. Nothing is minted
// and nothing is copied; the secret is read each time, and what was plainly
// never filled in, or has expired, is named instead of being sent.
package given

import (
	"context"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// Variables names the environment variables that hold one credential.
type Variables struct {
	User   string // the variable with the user name, "" when there is none
	Secret string // the variable with the secret

	// Username is the user name when User is "".
	Username string
	// Next is the advice that goes with anything wrong.
	Next string
	// Check, when not nil, says what this registry knows to be wrong with the
	// credential, and what mends it ("" is Next).
	Check func(c helpers.Credential) (why, next string)
}

// Name is how messages call the source: the variables' names.
func (v Variables) Name() string {
	if v.User == "" {
		return v.Secret
	}
	return v.User + " and " + v.Secret
}

// Source returns the variables as a source of the job's tier. Its Token yields
// an [*helpers.AbsentError] when none is set, and an [*helpers.UnusableError]
// when only one of the two is, or when [Judge] or Check object.
func (v Variables) Source(env *helpers.Env) helpers.Source {
	return helpers.Source{
		Tier:  helpers.TierJob,
		Name:  v.Name(),
		Token: func(context.Context) (helpers.Credential, error) { return v.read(env) },
	}
}

func (v Variables) read(env *helpers.Env) (helpers.Credential, error) {
	none := helpers.Credential{}
	secret, hasSecret := env.LookupEnv(v.Secret)
	user, hasUser := v.Username, hasSecret
	if v.User != "" {
		user, hasUser = env.LookupEnv(v.User)
	}
	switch {
	case !hasSecret && !hasUser && v.User != "":
		return none, helpers.Absent(v.Name(), "neither is set")
	case !hasSecret && !hasUser:
		return none, helpers.Absent(v.Name(), "it is not set")
	case !hasSecret:
		return none, v.unusable(v.User+" is set, but "+v.Secret+" is not", "")
	case !hasUser:
		return none, v.unusable(v.Secret+" is set, but "+v.User+" is not", "")
	}
	c := helpers.Credential{Username: strings.TrimSpace(user), Secret: helpers.NewSecret(secret)}
	if why := CheckUser(c.Username); why != "" {
		return none, v.unusable(v.subject(v.User)+why, "")
	}
	c, why := Judge(c, env)
	if why != "" {
		return none, v.unusable(v.subject(v.Secret)+why, "")
	}
	if v.Check != nil {
		if why, next := v.Check(c); why != "" {
			return none, v.unusable(why, next)
		}
	}
	return c, nil
}

// subject names the variable at fault where the source's name holds two.
func (v Variables) subject(variable string) string {
	if v.User == "" {
		return ""
	}
	return variable + " "
}

func (v Variables) unusable(why, next string) error {
	if next == "" {
		next = v.Next
	}
	return &helpers.UnusableError{Source: v.Name(), Why: why, Next: next}
}

// Judge says what is wrong with a credential at any registry: a secret that was
// never filled in, that holds a line break or control character, or that is an
// expired JWT. Otherwise why is "" and the credential comes back without the
// white space around its secret, with its identity, and with its expiry where
// the secret itself tells it.
func Judge(c helpers.Credential, env *helpers.Env) (_ helpers.Credential, why string) {
	secret := strings.TrimSpace(c.Secret.Reveal())
	if why := helpers.CheckSecret(secret); why != "" {
		return c, why
	}
	if strings.ContainsFunc(secret, isControl) {
		return c, "holds a line break or a control character"
	}
	c.Secret = helpers.NewSecret(secret)
	if c.Identity == "" {
		c.Identity = "user " + helpers.Line(c.Username)
	}
	if expiry, ok := JWTExpiry(secret); ok {
		if !env.Now().Before(expiry) {
			return c, "expired on " + expiry.Format("2006-01-02 15:04 UTC")
		}
		c.ExpiresAt = expiry
	}
	return c, ""
}

// JudgeLogin is [Judge] for a login that a person stored: what is wrong comes
// back as an [*helpers.UnusableError]. check may be nil.
func JudgeLogin(req helpers.Request, login helpers.Credential, next string,
	check func(helpers.Credential) (why, next string),
) (helpers.Credential, error) {
	source := login.Source
	if source == "" {
		source = "stored login"
	}
	c, why := Judge(login, req.Env)
	if why == "" && check != nil {
		var better string
		if why, better = check(c); better != "" {
			next = better
		}
	}
	if why != "" {
		return helpers.Credential{}, &helpers.UnusableError{Source: source, Why: why, Next: next}
	}
	return c, nil
}

// CheckUser finds the faults that a user name from a variable can have, and
// returns what is wrong, or "". A colon ends the user name in HTTP Basic
// authentication (RFC 7617, section 2).
func CheckUser(user string) string {
	if why := helpers.CheckSecret(user); why != "" {
		return why
	}
	if strings.ContainsRune(user, ':') || strings.ContainsFunc(user, isControl) {
		return "holds a character that no user name has"
	}
	return ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Host returns the normalised registry host that the variable names, and
// whether it names one at all. A variable that is unset, empty or no address
// names none, so that it never equals anything.
func Host(env *helpers.Env, variable string) (string, bool) {
	address, err := helpers.ParseAddress(env.Getenv(variable))
	if err != nil || address.WebLogin != "" {
		return "", false
	}
	return address.Host, true
}
