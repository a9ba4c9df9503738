// SPDX-License-Identifier: Apache-2.0

package static

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestStoringAgain: a token that is stored again is as old as before, in every
// store, and wherever the first one lay.
func TestStoringAgain(t *testing.T) {
	for _, store := range []struct {
		name string
		open func(t *testing.T) (w *world, first, then Store)
	}{
		{"file", func(t *testing.T) (*world, Store, Store) {
			w := newWorld(t)
			return w, newFile(w.env), newFile(w.env)
		}},
		{"keychain", func(t *testing.T) (*world, Store, Store) {
			w, s := fakeStore(t)
			return w, s, s
		}},
		{"keychain beside an older file", func(t *testing.T) (*world, Store, Store) {
			w := newWorld(t)
			w.env.GOOS = "windows"
			w.install(t, "wincred")
			s, err := Open(w.env, "")
			if err != nil {
				t.Fatal(err)
			}
			return w, newFile(w.env), s
		}},
	} {
		for _, test := range storedAgain {
			t.Run(store.name+", "+test.name, func(t *testing.T) {
				w, first, then := store.open(t)
				begin := w.now
				at := func(l Login, life time.Duration) Login {
					l.StoredAt, l.ExpiresAt = w.now, w.now.Add(life)
					return l
				}
				put(t, first, "gcr.io", at(login("oauth2accesstoken", "one"), test.life))
				w.now = begin.Add(test.after)
				put(t, then, "gcr.io", at(login(test.user, test.secret), time.Hour))
				got, err := then.Get(t.Context(), address(t, "gcr.io"))
				stored := got.StoredAt.Sub(begin)
				if err != nil || stored != test.stored || got.ExpiresAt.Sub(begin) != test.ends || got.Secret.Reveal() != test.secret {
					t.Errorf("stored %v after the first, ends %v, %v; want %v, %v", stored, got.ExpiresAt.Sub(begin), err, test.stored, test.ends)
				}
			})
		}
	}
}

// storedAgain tells what becomes of the times, counted from the first store of
// oauth2accesstoken's "one" with a life.
var storedAgain = []struct {
	name         string
	life, after  time.Duration
	user, secret string
	stored, ends time.Duration
}{
	{"the same", time.Hour, 40 * time.Minute, "oauth2accesstoken", "one", 0, time.Hour},
	{"another secret", time.Hour, 40 * time.Minute, "oauth2accesstoken", "two", 40 * time.Minute, 100 * time.Minute},
	{"another user", time.Hour, 40 * time.Minute, "_token", "one", 40 * time.Minute, 100 * time.Minute},
	{"the same after its end", time.Hour, time.Hour, "oauth2accesstoken", "one", time.Hour, 2 * time.Hour},
	{"the same from a clock that was ahead", 1000 * time.Hour, time.Minute, "oauth2accesstoken", "one", time.Minute, 61 * time.Minute},
}

// TestStoringAgainAfterLogout: what was logged out is a new login.
func TestStoringAgainAfterLogout(t *testing.T) {
	w, s := fakeStore(t)
	first := login("oauth2accesstoken", "one")
	first.StoredAt, first.ExpiresAt = w.now, w.now.Add(time.Hour)
	put(t, s, "gcr.io", first)
	t.Setenv("FAKE_MODE", "locked-erase")
	if err := s.Erase(t.Context(), address(t, "gcr.io")); err == nil {
		t.Fatal("no tombstone")
	}
	t.Setenv("FAKE_MODE", "")
	w.now = w.now.Add(time.Minute)
	first.StoredAt, first.ExpiresAt = w.now, w.now.Add(time.Hour)
	put(t, s, "gcr.io", first)
	got, err := s.Get(t.Context(), address(t, "gcr.io"))
	if err != nil || !got.StoredAt.Equal(w.now) {
		t.Errorf("stored at %v, %v; want %v", got.StoredAt, err, w.now)
	}
}

// TestKeychainShortLivedOfUnknownAge: a cloud's token from before regauth was
// installed must not stand in the way of a new one for ever.
func TestKeychainShortLivedOfUnknownAge(t *testing.T) {
	w, s := fakeStore(t)
	delegate, err := NewHelper(w.env, "fake")
	if err != nil {
		t.Fatal(err)
	}
	exp := func(after time.Duration) string {
		return jwt(`{"alg":"RS256"}`, fmt.Sprintf(`{"exp":%d}`, w.now.Add(after).Unix()))
	}
	for i, test := range []struct {
		name, user, secret string
		kept, listed, made bool // made: answered by a helper of the configuration
	}{
		{"AWS", "AWS", "opaque", false, true, true},
		{"AWS that tells a later end", "AWS", ecrPassword(w.now.Add(time.Hour).Unix()), true, true, true},
		{"Google", "oauth2accesstoken", "ya29.a", false, false, true},
		{"Google, old", "_token", "ya29.a", false, false, true},
		{"Google, older", "_dcgcr_1_0_0_token", "ya29.a", false, false, true},
		{"Google key", "_json_key", "{}", true, true, true},
		{"null GUID, opaque", nullGUID, "opaque", true, true, true},
		{"null GUID, live", nullGUID, exp(time.Hour), true, true, true},
		{"null GUID, over", nullGUID, exp(-time.Hour), false, true, false},
		{"token, opaque", "<token>", "opaque", true, true, true},
		{"token, over", "<token>", exp(-time.Hour), false, true, false},
		{"a person", "bob", "hunter2", true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := fmt.Sprintf("r%d.example", i)
			w.elsewhere(t, host, test.user, test.secret)
			want := func(s Store, kept bool) {
				t.Helper()
				if kept {
					holds(t, s, host, test.user, test.secret)
				} else {
					holds(t, s, host, "", "")
				}
			}
			want(s, test.kept)
			want(delegate, test.made)
			listed, err := s.List(t.Context())
			if _, found := listed[host]; err != nil || found != test.listed {
				t.Errorf("listed %v, %v; want %v", found, err, test.listed)
			}
			_, err = s.Get(t.Context(), address(t, host))
			if !test.kept && (err == nil || !strings.Contains(err.Error(), "expired")) {
				t.Errorf("%v does not say that it expired", err)
			}
			short := login(test.user, test.secret) // stored again, through us
			short.StoredAt, short.ExpiresAt = w.now, LoginExpiry(test.user, test.secret, w.now)
			put(t, s, host, short)
			want(s, test.made)
		})
	}
}
