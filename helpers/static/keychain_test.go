// SPDX-License-Identifier: Apache-2.0

package static

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// fakeStore opens the fake keychain in a world of its own.
func fakeStore(t *testing.T) (*world, Store) {
	t.Helper()
	w := newWorld(t)
	w.install(t, "fake")
	s, err := Open(w.env, "fake")
	if err != nil {
		t.Fatal(err)
	}
	return w, s
}

// elsewhere stores a login through the helper, without us.
func (w *world) elsewhere(t *testing.T, key, user, secret string) {
	t.Helper()
	p := newProgram(t.Context(), w.env, "fake")
	err := client.Store(p.start, &credentials.Credentials{ServerURL: key, Username: user, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeychainRoundTrip(t *testing.T) {
	for _, mode := range []string{"", "empty"} {
		t.Run("mode "+mode, func(t *testing.T) {
			w, s := fakeStore(t)
			t.Setenv("FAKE_MODE", mode)
			if s.Name() != "fake" || s.Plain() {
				t.Errorf("%q, plain %v", s.Name(), s.Plain())
			}
			roundTrip(t, s)
			if got := files(t, w.home); len(got) > 0 {
				t.Errorf("made %v for logins that the keychain keeps whole", got)
			}
		})
	}
}

// roundTrip puts every kind of login into an empty store and gets it back.
func roundTrip(t *testing.T, s Store) {
	t.Helper()
	for _, raw := range storedAddresses {
		holds(t, s, raw, "", "")
		if err := s.Erase(t.Context(), address(t, raw)); err != nil {
			t.Errorf("Erase of nothing, %s: %v", raw, err)
		}
	}
	lists(t, s, map[string]string{})
	for _, raw := range storedAddresses {
		put(t, s, raw, login("user", awkward+raw))
	}
	for _, raw := range storedAddresses {
		holds(t, s, raw, "user", awkward+raw)
	}
	lists(t, s, map[string]string{"ghcr.io": "user", "registry.example:5000": "user", helpers.HubKey: "user"})
	put(t, s, "ghcr.io", login("another", "theirs")) // sorts before "user"
	holds(t, s, "ghcr.io", "another", "theirs")
	put(t, s, "ghcr.io", login("user", "again"))
	holds(t, s, "ghcr.io", "user", "again")
	for _, raw := range storedAddresses {
		if err := s.Erase(t.Context(), address(t, raw)); err != nil {
			t.Errorf("Erase %s: %v", raw, err)
		}
		holds(t, s, raw, "", "")
	}
	lists(t, s, map[string]string{})
}

func TestKeychainFailures(t *testing.T) {
	for _, test := range []struct {
		mode  string
		words []string
	}{
		{"locked", []string{`the keychain is \x1b[1mlocked`, "docker-credential-fake list"}},
		{"garbage", []string{"something other than its protocol"}},
		{"silent", []string{"exit status 3"}},
		{"stderr", []string{"gpg: decryption failed"}},
		{"leak", []string{"exit status 1"}},
	} {
		t.Run(test.mode, func(t *testing.T) {
			_, s := fakeStore(t)
			put(t, s, "a.example", login("u", "s3cret"))
			t.Setenv("FAKE_MODE", test.mode)
			_, err := s.Get(t.Context(), address(t, "a.example"))
			failed(t, err, "fake", test.words...)
			noSecret(t, err)
			_, err = s.List(t.Context())
			failed(t, err, "fake", test.words...)
			if test.mode != "garbage" {
				err = s.Put(t.Context(), address(t, "a.example"), login("u", "s3cret"))
				failed(t, err, "fake", test.words...)
				noSecret(t, err)
			}
		})
	}
}

// noSecret wants neither the secret nor a second line in what is shown of err.
func noSecret(t *testing.T, err error) {
	t.Helper()
	var mint *helpers.MintError
	if !errors.As(err, &mint) {
		t.Fatalf("%T", err)
	}
	for _, bad := range []string{"s3cret", "second line", "\x1b", "\n"} {
		if strings.Contains(mint.Error()+mint.Next, bad) {
			t.Errorf("%q is in %q", bad, mint.Error())
		}
	}
}

func TestKeychainRepeatsNoSecret(t *testing.T) {
	for _, mode := range []string{"echo", "parrot"} {
		_, s := fakeStore(t)
		t.Setenv("FAKE_MODE", mode)
		err := s.Put(t.Context(), address(t, "a.example"), login("u", "s3cret"))
		failed(t, err, "fake", "exit status 1")
		noSecret(t, err)
	}
}

func TestKeychainMissing(t *testing.T) {
	w := newWorld(t)
	s, err := Open(w.env, "nowhere")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), address(t, "a.example"))
	failed(t, err, "nowhere", "docker-credential-nowhere is not on PATH", "REGAUTH_STORE")
	failed(t, s.Put(t.Context(), address(t, "a.example"), login("u", "p")), "nowhere", "not on PATH")
}

func TestKeychainHangs(t *testing.T) {
	_, s := fakeStore(t)
	put(t, s, "a.example", login("u", "p"))
	t.Setenv("FAKE_MODE", "hang")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Get(ctx, address(t, "a.example"))
	failed(t, err, "fake", "no answer in time")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the cause is lost: %v", errors.Unwrap(err))
	}
	// The logout still counts, though its time was up before it was marked.
	var tombstone *TombstoneError
	if err := s.Erase(ctx, address(t, "a.example")); !errors.As(err, &tombstone) {
		t.Fatalf("Erase: %v", err)
	}
	t.Setenv("FAKE_MODE", "")
	holds(t, s, "a.example", "", "")
}

func TestKeychainTombstone(t *testing.T) {
	w, s := fakeStore(t)
	a := address(t, "a.example")
	put(t, s, "a.example", login("u", "p"))
	put(t, s, "b.example", login("u", "p"))
	t.Setenv("FAKE_MODE", "locked-erase")
	err := s.Erase(t.Context(), a)
	var tombstone *TombstoneError
	if !errors.As(err, &tombstone) || tombstone.Store != "fake" {
		t.Fatalf("Erase: %v", err)
	}
	failed(t, err, "fake", "locked")
	holds(t, s, "a.example", "", "")
	holds(t, s, "b.example", "u", "p")
	lists(t, s, map[string]string{"b.example": "u"})

	// The other spellings of the same logout are not told again.
	if err := s.Erase(t.Context(), a); err != nil {
		t.Errorf("second Erase: %v", err)
	}
	w.now = w.now.Add(time.Hour)
	if err := s.Erase(t.Context(), a); !errors.As(err, &tombstone) {
		t.Errorf("later Erase: %v", err)
	}
	holds(t, s, "a.example", "", "")

	// A login that cannot be stored leaves the tombstone.
	t.Setenv("FAKE_MODE", "locked-store")
	if err := s.Put(t.Context(), a, login("u", "new")); err == nil {
		t.Error("a locked keychain stored a login")
	}
	short := login("u", "new")
	short.ExpiresAt = w.now.Add(time.Hour)
	if err := s.Put(t.Context(), a, short); err == nil {
		t.Error("a locked keychain stored a login")
	}
	t.Setenv("FAKE_MODE", "")
	holds(t, s, "a.example", "", "")
	put(t, s, "a.example", short)
	holds(t, s, "a.example", "u", "new")
}

func TestKeychainEraseEndsTombstone(t *testing.T) {
	w, s := fakeStore(t)
	put(t, s, "a.example", login("u", "p"))
	t.Setenv("FAKE_MODE", "locked-erase")
	if err := s.Erase(t.Context(), address(t, "a.example")); err == nil {
		t.Fatal("no error")
	}
	t.Setenv("FAKE_MODE", "")
	if err := s.Erase(t.Context(), address(t, "a.example")); err != nil {
		t.Fatal(err)
	}
	w.elsewhere(t, "a.example", "u", "p2")
	holds(t, s, "a.example", "u", "p2")
}

// TestKeychainNotesUnreadable: a login that was logged out must not come back
// because its tombstone cannot be read.
func TestKeychainNotesUnreadable(t *testing.T) {
	w, s := fakeStore(t)
	put(t, s, "a.example", login("u", "p"))
	t.Setenv("FAKE_MODE", "locked-erase")
	_ = s.Erase(t.Context(), address(t, "a.example"))
	t.Setenv("FAKE_MODE", "")
	path := s.(*keychain).notes.doc.path()
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), address(t, "a.example"))
	failed(t, err, "fake", path, "damaged", "`docker login a.example`, which moves the damaged file aside")
	put(t, s, "a.example", login("u", "p2"))
	holds(t, s, "a.example", "u", "p2")
	if got := files(t, w.data()); len(got) != 3 {
		t.Errorf("files %v, want the notes, their lock and the damaged ones", got)
	}
}

func TestKeychainExpiry(t *testing.T) {
	hour := func(w *world, user, secret string) Login {
		l := login(user, secret)
		l.StoredAt, l.ExpiresAt = w.now, w.now.Add(time.Hour)
		return l
	}
	t.Run("noted beside the keychain", func(t *testing.T) {
		w, s := fakeStore(t)
		put(t, s, "gcr.io", hour(w, "oauth2accesstoken", "ya29.s3cret"))
		put(t, s, "https://index.docker.io/v1/refresh-token", hour(w, "u", "r"))
		got, err := s.Get(t.Context(), address(t, "gcr.io"))
		if err != nil || !got.ExpiresAt.Equal(w.now.Add(time.Hour)) || !got.StoredAt.Equal(w.now) {
			t.Errorf("%+v, %v", got, err)
		}
		text, err := os.ReadFile(s.(*keychain).notes.doc.path())
		if err != nil || strings.Contains(string(text), "s3cret") {
			t.Errorf("notes: %s, %v", text, err)
		}
		w.now = w.now.Add(time.Hour)
		holds(t, s, "gcr.io", "", "")
		lists(t, s, map[string]string{})
		holds(t, s, "https://index.docker.io/v1/refresh-token", "u", "r")
	})
	t.Run("a lasting login takes its place", func(t *testing.T) {
		w, s := fakeStore(t)
		put(t, s, "gcr.io", hour(w, "u", "old"))
		put(t, s, "gcr.io", login("u", "new"))
		w.now = w.now.Add(2 * time.Hour)
		holds(t, s, "gcr.io", "u", "new")
		lists(t, s, map[string]string{"gcr.io": "u"})
	})
	t.Run("another user's login is not meant", func(t *testing.T) {
		w, s := fakeStore(t)
		put(t, s, "gcr.io", hour(w, "oauth2accesstoken", "old"))
		w.elsewhere(t, "gcr.io", "_json_key", "{}")
		w.now = w.now.Add(2 * time.Hour)
		holds(t, s, "gcr.io", "_json_key", "{}")
		lists(t, s, map[string]string{"gcr.io": "_json_key"})
	})
	t.Run("told by a secret that came without us", func(t *testing.T) {
		w, s := fakeStore(t)
		w.elsewhere(t, "1.dkr.ecr.eu-west-1.amazonaws.com", "AWS", ecrPassword(w.now.Add(time.Hour).Unix()))
		got, err := s.Get(t.Context(), address(t, "1.dkr.ecr.eu-west-1.amazonaws.com"))
		if err != nil || !got.ExpiresAt.Equal(w.now.Add(time.Hour)) {
			t.Errorf("%+v, %v", got, err)
		}
		w.now = w.now.Add(time.Hour)
		holds(t, s, "1.dkr.ecr.eu-west-1.amazonaws.com", "", "")
	})
	t.Run("kept only where it can be noted", func(t *testing.T) {
		w, _ := fakeStore(t)
		t.Setenv("XDG_DATA_HOME", "")
		t.Setenv("LOCALAPPDATA", "")
		w.env.Home = ""
		s, err := Open(w.env, "fake")
		if err != nil {
			t.Fatal(err)
		}
		failed(t, s.Put(t.Context(), address(t, "gcr.io"), hour(w, "oauth2accesstoken", "x")), "fake", "HOME")
		holds(t, s, "gcr.io", "", "")
		put(t, s, "gcr.io", hour(w, "AWS", ecrPassword(w.now.Add(time.Hour).Unix())))
		put(t, s, "a.example", login("u", "p"))
		holds(t, s, "a.example", "u", "p")
	})
}

// TestKeychainListsRegistriesOnly: what is listed must be found again by Get.
func TestKeychainListsRegistriesOnly(t *testing.T) {
	w, s := fakeStore(t)
	for _, key := range []string{
		"ghcr.io", "https://ghcr.io", "GHCR.io", "docker.io", "a.example/repository", "not a registry",
		"https://index.docker.io/v1/access-token", helpers.HubKey,
	} {
		w.elsewhere(t, key, "u", "p")
	}
	lists(t, s, map[string]string{"ghcr.io": "u", helpers.HubKey: "u"})
}

// TestKeychainNotesAreItsOwn: what one keychain refused says nothing about the
// next.
func TestKeychainNotesAreItsOwn(t *testing.T) {
	w, s := fakeStore(t)
	put(t, s, "a.example", login("u", "p"))
	t.Setenv("FAKE_MODE", "locked-erase")
	_ = s.Erase(t.Context(), address(t, "a.example"))
	t.Setenv("FAKE_MODE", "")
	w.install(t, "other")
	other, err := NewHelper(w.env, "docker-credential-other")
	if err != nil {
		t.Fatal(err)
	}
	w.elsewhere(t, "a.example", "u", "p")
	holds(t, other, "a.example", "u", "p")
	holds(t, s, "a.example", "", "")
}

func TestNoteJSON(t *testing.T) {
	for _, text := range []string{"", "7", `"x"`, "null", `{"erased_at":"never"}`} {
		if got := decodeNote(json.RawMessage(text)); got != (note{}) {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
