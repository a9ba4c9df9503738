// SPDX-License-Identifier: Apache-2.0

package static

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// file is the [Store] for machines without a keychain: logins.json in the data
// folder, which the user alone may read.
type file struct {
	env  *helpers.Env
	logs document
	name string
}

// record is a login in the file. A version that knows more about a login adds
// members; they are kept until the login is replaced.
type record struct {
	Username  string    `json:"username"`
	Secret    string    `json:"secret"`
	StoredAt  time.Time `json:"stored_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func newFile(env *helpers.Env) *file {
	f := &file{env: env, logs: document{dir: dataDir(env), name: "logins.json", field: "logins"}}
	f.name = "the plain file"
	if f.logs.dir != "" {
		f.name += " " + tilde(env, f.logs.path())
	}
	return f
}

// dataDir is our folder for what cannot be made anew, or "".
func dataDir(env *helpers.Env) string {
	if dir := env.DataDir(); dir != "" {
		return filepath.Join(dir, "regauth")
	}
	return ""
}

// tilde shortens a path below the home directory as a shell would read it.
func tilde(env *helpers.Env, path string) string {
	if rest, below := strings.CutPrefix(path, env.Home+string(filepath.Separator)); below && env.Home != "" {
		return filepath.Join("~", rest)
	}
	return path
}

// Name implements [Store].
func (f *file) Name() string { return f.name }

// Plain implements [Store].
func (f *file) Plain() bool { return true }

// Get implements [Store].
func (f *file) Get(_ context.Context, a helpers.Address) (Login, error) {
	c, err := f.logs.read()
	if err != nil {
		return Login{}, f.failure(a.DockerKey(), err)
	}
	raw, found := c.entries[a.DockerKey()]
	if !found {
		return Login{}, absent(f.name, a)
	}
	login, err := f.login(a.DockerKey(), raw)
	if err != nil {
		return Login{}, f.failure(a.DockerKey(), err)
	}
	return live(f.name, a, login, f.env.Now())
}

// login reads one entry. One that is damaged does not hide the others.
func (f *file) login(key string, raw json.RawMessage) (Login, error) {
	var r record
	if json.Unmarshal(raw, &r) != nil || r.Secret == "" {
		return Login{}, &fileError{
			Path: f.logs.path(), Why: "holds a damaged login for " + key, Next: "docker login " + key,
		}
	}
	return Login{
		Username: r.Username, Secret: helpers.NewSecret(r.Secret), StoredAt: r.StoredAt, ExpiresAt: r.ExpiresAt,
	}, nil
}

// Put implements [Store]. A damaged file is moved aside; it names itself in the
// error of every other method before.
func (f *file) Put(ctx context.Context, a helpers.Address, login Login) error {
	login = kept(a, login)
	key := a.DockerKey()
	return f.failure(key, f.logs.update(ctx, true, func(entries map[string]json.RawMessage) (bool, error) {
		if held, err := f.login(key, entries[key]); err == nil {
			login = login.since(held, f.env.Now())
		}
		raw, err := encode(record{
			Username: login.Username, Secret: login.Secret.Reveal(), StoredAt: login.StoredAt, ExpiresAt: login.ExpiresAt,
		})
		entries[key] = raw
		return err == nil, err
	}))
}

// Erase implements [Store].
func (f *file) Erase(ctx context.Context, a helpers.Address) error { return f.drop(ctx, a, false) }

// drop forgets a login, and moves a damaged file aside if it may.
func (f *file) drop(ctx context.Context, a helpers.Address, aside bool) error {
	key := a.DockerKey()
	c, err := f.logs.read()
	var corrupt *corruptError
	if !aside || !errors.As(err, &corrupt) {
		if err != nil {
			return f.failure(key, err)
		}
		if _, found := c.entries[key]; !found {
			return nil
		}
	}
	return f.failure(key, f.logs.update(ctx, aside, func(entries map[string]json.RawMessage) (bool, error) {
		_, found := entries[key]
		delete(entries, key)
		return found, nil
	}))
}

// List implements [Store].
func (f *file) List(context.Context) (map[string]string, error) {
	c, err := f.logs.read()
	if err != nil {
		return nil, f.failure("", err)
	}
	users := map[string]string{}
	for key, raw := range c.entries {
		login, err := f.login(key, raw)
		if err == nil && isRegistry(key) && !login.expired(f.env.Now()) {
			users[key] = login.Username
		}
	}
	return users, nil
}

// failure is [asFailure] for this store, whose name tells the file's path
// already.
func (f *file) failure(key string, err error) error {
	var corrupt *corruptError
	var spoilt *fileError
	switch {
	case errors.As(err, &corrupt):
		err = &corruptError{Path: "it", Why: corrupt.Why}
	case errors.As(err, &spoilt) && spoilt.Path == f.logs.path():
		said := *spoilt
		said.Path = "it"
		err = &said
	}
	return asFailure(f.name, key, err)
}
