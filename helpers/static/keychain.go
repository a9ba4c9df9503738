// SPDX-License-Identifier: Apache-2.0

package static

import (
	"context"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// keychain is the [Store] behind a program docker-credential-NAME.
type keychain struct {
	env   *helpers.Env
	name  string
	notes notes
	// keeps says that the program keeps what `docker login` stored, so that a
	// token found in it may be of any age. The one that the configuration names
	// for a registry may as well make a new one for each question.
	keeps bool
}

func newKeychain(env *helpers.Env, name string) *keychain {
	return &keychain{env: env, name: name, notes: newNotes(env, name)}
}

// Name implements [Store].
func (k *keychain) Name() string { return k.name }

// Plain implements [Store].
func (k *keychain) Plain() bool { return false }

// Get implements [Store].
func (k *keychain) Get(ctx context.Context, a helpers.Address) (Login, error) {
	find, err := k.notes.all()
	if err != nil {
		return Login{}, asFailure(k.name, a.DockerKey(), err)
	}
	noted := find(a.DockerKey())
	if !noted.ErasedAt.IsZero() {
		return Login{}, absent(k.name, a)
	}
	login, err := k.ask(ctx, a)
	if err != nil || a.WebLogin != "" {
		return login, err
	}
	if noted.Username == login.Username {
		login.StoredAt, login.ExpiresAt = noted.StoredAt, noted.ExpiresAt
	}
	if told := toldExpiry(login.Username, login.Secret.Reveal()); !told.IsZero() {
		login.ExpiresAt = told // whoever stored it
	}
	if k.keeps && login.ExpiresAt.IsZero() && isHourly(login.Username) {
		return Login{}, helpers.Absent(k.name, "the login for "+a.DockerKey()+" is a short-lived token of user "+
			helpers.Show(login.Username)+", stored at an unknown time without regauth, and counts as expired")
	}
	return live(k.name, a, login, k.env.Now())
}

// ask gets a login from the program. An empty answer is none: old versions of
// docker-credential-pass give it for what they do not hold.
func (k *keychain) ask(ctx context.Context, a helpers.Address) (Login, error) {
	p := newProgram(ctx, k.env, k.name)
	held, err := client.Get(p.start, a.DockerKey())
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return Login{}, absent(k.name, a)
	case err != nil:
		return Login{}, p.failure(k.name, err, "")
	case held.Username == "" && held.Secret == "":
		return Login{}, absent(k.name, a)
	}
	return Login{Username: held.Username, Secret: helpers.NewSecret(held.Secret)}, nil
}

// Put implements [Store]. The expiry is noted first and a tombstone removed
// last: whatever fails in between, no login outlives its end or its logout.
func (k *keychain) Put(ctx context.Context, a helpers.Address, login Login) error {
	login = k.again(ctx, a, kept(a, login))
	key := a.DockerKey()
	if !login.ExpiresAt.IsZero() {
		err := k.notes.change(ctx, key, func(n *note) {
			n.Username, n.StoredAt, n.ExpiresAt = login.Username, login.StoredAt, login.ExpiresAt
		})
		if err != nil && toldExpiry(login.Username, login.Secret.Reveal()).IsZero() {
			return asFailure(k.name, key, err)
		}
	}
	if err := k.replace(ctx, key, login); err != nil {
		return err
	}
	return asFailure(k.name, key, k.notes.change(ctx, key, func(n *note) {
		n.ErasedAt = time.Time{}
		if login.ExpiresAt.IsZero() {
			*n = note{}
		}
	}))
}

// again returns the login with the times noted about it, when the keychain
// holds the same. It is asked only where a note is all that tells the expiry.
func (k *keychain) again(ctx context.Context, a helpers.Address, login Login) Login {
	if login.ExpiresAt.IsZero() || !toldExpiry(login.Username, login.Secret.Reveal()).IsZero() {
		return login
	}
	find, err := k.notes.all()
	if err != nil {
		return login
	}
	noted := find(a.DockerKey())
	if noted.Username != login.Username || !noted.ErasedAt.IsZero() {
		return login
	}
	held, err := k.ask(ctx, a)
	if err != nil {
		return login
	}
	held.StoredAt, held.ExpiresAt = noted.StoredAt, noted.ExpiresAt
	return login.since(held, k.env.Now())
}

// replace stores a login in place of any other user's. pass and the Secret
// Service keep one login for each user of a registry and answer with either, so
// the other user's is removed, once it is known that the new one can be stored.
func (k *keychain) replace(ctx context.Context, key string, login Login) error {
	list := newProgram(ctx, k.env, k.name)
	users, err := client.List(list.start)
	if err != nil {
		// Helpers need not list; without it there is nothing to compare.
		k.env.Log.Debug("a keychain does not list its logins", "store", k.name,
			"why", list.failure(k.name, err, login.Secret.Reveal()).Cause)
	}
	if err := k.store(ctx, key, login); err != nil {
		return err
	}
	if other := users[key]; other == "" || other == login.Username {
		return nil
	}
	p := newProgram(ctx, k.env, k.name)
	if err := client.Erase(p.start, key); err != nil {
		return p.failure(k.name, err, "")
	}
	return k.store(ctx, key, login)
}

// store runs the program's verb of that name.
func (k *keychain) store(ctx context.Context, key string, login Login) error {
	p := newProgram(ctx, k.env, k.name)
	err := client.Store(p.start, &credentials.Credentials{
		ServerURL: key, Username: login.Username, Secret: login.Secret.Reveal(),
	})
	if err != nil {
		return p.failure(k.name, err, login.Secret.Reveal())
	}
	return nil
}

// Erase implements [Store]. A helper that fails because there is nothing to
// erase has its own words for that, so it is asked for the login instead.
func (k *keychain) Erase(ctx context.Context, a helpers.Address) error {
	key := a.DockerKey()
	p := newProgram(ctx, k.env, k.name)
	err := client.Erase(p.start, key)
	if err != nil && !p.notFound() {
		refused := p.failure(k.name, err, "")
		if _, err := k.ask(ctx, a); !helpers.IsAbsent(err) {
			return k.bury(ctx, key, refused)
		}
	}
	if err := k.notes.change(ctx, key, func(n *note) { *n = note{} }); err != nil {
		k.env.Log.Debug("a note outlives its login", "store", k.name, "why", helpers.Line(err.Error()))
	}
	return nil
}

const (
	// burial is how long a tombstone may take when the time for the keychain is
	// up.
	burial = 2 * time.Second
	// sameLogout is how long a refusal is not told again: one `docker logout`
	// erases a registry up to four times, under several spellings.
	sameLogout = time.Minute
)

// bury marks as erased what the keychain refused to remove.
func (k *keychain) bury(ctx context.Context, key string, refused *helpers.MintError) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), burial)
	defer cancel()
	now := utc(k.env.Now())
	told := false
	err := k.notes.change(ctx, key, func(n *note) {
		if told = !n.ErasedAt.IsZero() && now.Sub(n.ErasedAt).Abs() < sameLogout; !told {
			*n = note{ErasedAt: now}
		}
	})
	switch {
	case err != nil:
		k.env.Log.Debug("a login that was not erased cannot be marked", "why", helpers.Line(err.Error()))
		return refused
	case told:
		return nil
	}
	return &TombstoneError{Store: k.name, Err: refused}
}

// List implements [Store].
func (k *keychain) List(ctx context.Context) (map[string]string, error) {
	find, err := k.notes.all()
	if err != nil {
		return nil, asFailure(k.name, "", err)
	}
	p := newProgram(ctx, k.env, k.name)
	users, err := client.List(p.start)
	if err != nil {
		return nil, p.failure(k.name, err, "")
	}
	if users == nil {
		users = map[string]string{} // the helper wrote null
	}
	for key, user := range users {
		n := find(key)
		noted := n.Username == user && !n.ExpiresAt.IsZero()
		over := noted && Login{ExpiresAt: n.ExpiresAt}.expired(k.env.Now()) ||
			!noted && k.keeps && isGoogleToken(user)
		if !isRegistry(key) || !n.ErasedAt.IsZero() || over {
			delete(users, key)
		}
	}
	return users, nil
}
