// SPDX-License-Identifier: Apache-2.0

package static

import (
	"context"
	"errors"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// Login is one stored login.
type Login struct {
	Username  string
	Secret    helpers.Secret
	ExpiresAt time.Time // UTC; zero: none known
	StoredAt  time.Time // UTC; zero: not known
}

// expired reports whether the login is known to be of no use at now.
func (l Login) expired(now time.Time) bool {
	return !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt)
}

// since returns the login with the times of the one that is held already, when
// it is the same and still of use: storing a token again makes it no younger.
// Of two expiries the earlier one holds, as the clock may have been set back.
func (l Login) since(held Login, now time.Time) Login {
	same := l.Username == held.Username && l.Secret.Reveal() == held.Secret.Reveal()
	begun := l.ExpiresAt.IsZero() == held.ExpiresAt.IsZero() && !held.ExpiresAt.After(l.ExpiresAt)
	if same && begun && !held.expired(now) {
		l.StoredAt, l.ExpiresAt = held.StoredAt, held.ExpiresAt
	}
	return l
}

// Store keeps logins by address. A path in an address is not looked at: a login
// is for a host. The keys of Docker's own web login (Address.WebLogin) are kept
// apart from the registry's, and have no expiry.
//
// What goes wrong is a [*helpers.MintError] whose Source is the store.
type Store interface {
	// Get returns the login for a, or an [*helpers.AbsentError] when there is
	// none, or one that has expired or was erased.
	Get(ctx context.Context, a helpers.Address) (Login, error)
	// Put keeps the login for a in place of any other. The same one that has not
	// expired keeps its StoredAt and ExpiresAt.
	Put(ctx context.Context, a helpers.Address, login Login) error
	// Erase forgets the login for a. It returns nil when there was none, and a
	// [*TombstoneError] when the keychain kept it but it is no longer used (once;
	// nil when the same is asked again within a minute).
	Erase(ctx context.Context, a helpers.Address) error
	// List returns the user name of each registry that Get would answer for,
	// by its [helpers.Address.DockerKey]. Web logins are not registries and are
	// left out.
	List(ctx context.Context) (map[string]string, error)
	// Name tells a person which store this is: "pass", or "the plain file
	// ~/.local/share/regauth/logins.json".
	Name() string
	// Plain reports whether secrets lie unencrypted in a file.
	Plain() bool
}

// TombstoneError says that a keychain did not remove a login. The login is
// marked as erased, so that Get no longer finds it until it is stored anew.
type TombstoneError struct {
	Store string // as in Store.Name
	Err   error  // why the keychain refused; a *helpers.MintError
}

// Error returns the keychain's refusal; that the login is marked is not in it.
func (e *TombstoneError) Error() string { return e.Err.Error() }

// Unwrap returns why the keychain refused.
func (e *TombstoneError) Unwrap() error { return e.Err }

// absent says that there is no login for a.
func absent(store string, a helpers.Address) error {
	return helpers.Absent(store, "holds no login for "+a.DockerKey())
}

// live returns the login unless it has expired.
func live(store string, a helpers.Address, login Login, now time.Time) (Login, error) {
	if login.expired(now) {
		return Login{}, helpers.Absent(store, "the login for "+a.DockerKey()+
			" expired at "+login.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return login, nil
}

// kept returns the login as it is put away: in UTC, and without an expiry under
// a key of Docker's own web login, whose tokens Docker renews by itself.
func kept(a helpers.Address, login Login) Login {
	login.StoredAt, login.ExpiresAt = utc(login.StoredAt), utc(login.ExpiresAt)
	if a.WebLogin != "" {
		login.ExpiresAt = time.Time{}
	}
	return login
}

// utc leaves the zero time alone, and drops the monotonic clock's reading.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }

// isRegistry reports whether key is the form under which Docker keeps a
// registry's login, so that a Get for it finds it again.
func isRegistry(key string) bool {
	a, err := helpers.ParseAddress(key)
	return err == nil && a.WebLogin == "" && a.DockerKey() == key
}

// asFailure makes err a *helpers.MintError of the named store. key is the
// login's that was asked for, if any.
func asFailure(store, key string, err error) error {
	var failed *helpers.MintError
	if err == nil || errors.As(err, &failed) {
		return err
	}
	failed = &helpers.MintError{Source: store, Cause: helpers.Line(err.Error()), Err: err}
	var file *fileError
	var corrupt *corruptError
	switch {
	case errors.As(err, &file):
		failed.Next = file.Next
	case errors.As(err, &corrupt):
		login := "docker login"
		if key != "" && key != helpers.HubKey {
			login += " " + key
		}
		failed.Next = "sign in again with `" + login + "`, which moves the damaged file aside"
	}
	return failed
}
