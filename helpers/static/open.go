// SPDX-License-Identifier: Apache-2.0

package static

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// prefix starts the name of every credential helper's program.
const prefix = "docker-credential-"

// plainName chooses the plain file.
const plainName = "file"

// Open returns the store that REGAUTH_STORE names, else the chosen one, else
// the platform's. A name is "file", or NAME of a program docker-credential-NAME.
// The program need not be there yet: its absence is told when it is needed. It
// fails when the program is no name of one, or leads back to this one (see
// [Loops]).
func Open(env *helpers.Env, chosen string) (Store, error) {
	if override := env.Getenv("REGAUTH_STORE"); override != "" {
		chosen = override
	}
	if chosen == plainName {
		return newFile(env), nil
	}
	name := strings.TrimPrefix(chosen, prefix)
	if chosen == "" {
		name = platform(env)
	}
	if name == plainName && chosen == "" {
		return newFile(env), nil
	}
	if err := Loops(env, name); err != nil {
		return nil, err
	}
	k := newKeychain(env, name)
	k.keeps = true
	if chosen != "" {
		return k, nil
	}
	return &withFile{k, newFile(env)}, nil
}

// NewHelper returns the store behind the program docker-credential-NAME, which
// the configuration names for a registry. It fails as [Open] does. Unlike in
// the store that Open returns, a cloud's access token of unknown age is taken
// for a new one, as the program may have made it for this answer.
func NewHelper(env *helpers.Env, name string) (Store, error) {
	name = strings.TrimPrefix(name, prefix)
	if err := Loops(env, name); err != nil {
		return nil, err
	}
	return newKeychain(env, name), nil
}

// platform names the keychain that this machine has ready for use, in Docker's
// own order, or the plain file. Docker takes pass wherever the program is; one
// whose store was never initialised would refuse every login.
func platform(env *helpers.Env) string {
	has := func(program string) bool {
		_, err := env.LookPath(program)
		return err == nil
	}
	var name string
	switch {
	case env.GOOS == "darwin":
		name = "osxkeychain"
	case env.GOOS == "windows":
		name = "wincred"
	case has("pass") && has(prefix+"pass") && passReady(env):
		name = "pass"
	case sessionBus(env):
		name = "secretservice"
	}
	if name == "" || !has(prefix+name) {
		return plainName
	}
	return name
}

// passReady reports whether `pass init` was run: the password store then names
// the key that it encrypts to (pass(1), FILES).
func passReady(env *helpers.Env) bool {
	dir := env.Getenv("PASSWORD_STORE_DIR")
	if dir == "" {
		if env.Home == "" {
			return false
		}
		dir = filepath.Join(env.Home, ".password-store")
	}
	_, err := env.ReadFile(filepath.Join(dir, ".gpg-id"))
	return err == nil
}

// sessionBus reports whether there is a D-Bus session for the Secret Service to
// be reached through: at the address given, else at systemd's place for it.
func sessionBus(env *helpers.Env) bool {
	if env.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	dir := env.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "bus"))
	return err == nil
}

// withFile is the platform's keychain on a machine where logins may still lie
// in the plain file, from before it had a keychain: they stay in use until they
// are replaced or erased.
type withFile struct {
	*keychain
	file *file
}

// Get implements [Store].
func (s *withFile) Get(ctx context.Context, a helpers.Address) (Login, error) {
	login, err := s.keychain.Get(ctx, a)
	if !helpers.IsAbsent(err) {
		return login, err
	}
	older, fileErr := s.file.Get(ctx, a)
	if helpers.IsAbsent(fileErr) {
		return login, err
	}
	return older, fileErr
}

// Put implements [Store].
func (s *withFile) Put(ctx context.Context, a helpers.Address, login Login) error {
	if older, err := s.file.Get(ctx, a); err == nil {
		login = kept(a, login).since(older, s.env.Now())
	}
	if err := s.keychain.Put(ctx, a, login); err != nil {
		return err
	}
	if err := s.file.drop(ctx, a, true); err != nil {
		// The keychain answers first, so the older login is only litter.
		s.env.Log.Debug("an older login stays in the plain file", "why", helpers.Line(err.Error()))
	}
	return nil
}

// Erase implements [Store].
func (s *withFile) Erase(ctx context.Context, a helpers.Address) error {
	fileErr := s.file.Erase(ctx, a)
	if err := s.keychain.Erase(ctx, a); err != nil && fileErr == nil {
		return err
	}
	return fileErr
}

// List implements [Store]. It returns what can be listed with the error that
// keeps the rest out.
func (s *withFile) List(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	inFile, fileErr := s.file.List(ctx)
	inKeychain, err := s.keychain.List(ctx)
	maps.Copy(all, inFile)
	maps.Copy(all, inKeychain)
	return all, errors.Join(err, fileErr)
}
