// SPDX-License-Identifier: Apache-2.0

package static

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// storedAddresses are all the kinds of key that a store keeps apart.
var storedAddresses = []string{
	"ghcr.io", "registry.example:5000", "https://index.docker.io/v1/",
	"https://index.docker.io/v1/access-token", "https://index.docker.io/v1/refresh-token",
}

// awkward is a secret that JSON, HTML and line-based tools like to change.
const awkward = "p\"\\ <&>\u2028 ü {\"a\":1}%"

func TestFileRoundTrip(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	for _, raw := range storedAddresses {
		holds(t, s, raw, "", "")
	}
	if got := files(t, w.home); len(got) > 0 {
		t.Errorf("reading made %v", got)
	}
	for _, raw := range storedAddresses {
		put(t, s, raw, login("user of "+raw, awkward+raw))
	}
	for _, raw := range storedAddresses {
		holds(t, s, raw, "user of "+raw, awkward+raw)
	}
	holds(t, s, "ghcr.io/some/repository", "user of ghcr.io", awkward+"ghcr.io")
	lists(t, s, map[string]string{
		"ghcr.io": "user of ghcr.io", "registry.example:5000": "user of registry.example:5000",
		helpers.HubKey: "user of " + helpers.HubKey,
	})
	for _, raw := range []string{"ghcr.io", "ghcr.io", "never.example"} {
		if err := s.Erase(t.Context(), address(t, raw)); err != nil {
			t.Errorf("Erase %s: %v", raw, err)
		}
	}
	holds(t, s, "ghcr.io", "", "")
	holds(t, s, "registry.example:5000", "user of registry.example:5000", awkward+"registry.example:5000")
}

func TestFileNames(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	if want := "the plain file " + filepath.Join("~", ".local", "share", "regauth", "logins.json"); s.Name() != want || !s.Plain() {
		t.Errorf("%q, plain %v; want %q", s.Name(), s.Plain(), want)
	}
	elsewhere := t.TempDir()
	t.Setenv("XDG_DATA_HOME", elsewhere)
	if want := "the plain file " + filepath.Join(elsewhere, "regauth", "logins.json"); newFile(w.env).Name() != want {
		t.Errorf("%q, want %q", newFile(w.env).Name(), want)
	}
}

func TestFileExpiry(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	short := login("AWS", "opaque")
	short.StoredAt, short.ExpiresAt = w.now, w.now.Add(time.Hour)
	put(t, s, "1.dkr.ecr.eu-west-1.amazonaws.com", short)
	put(t, s, "https://index.docker.io/v1/access-token", short)
	got, err := s.Get(t.Context(), address(t, "1.dkr.ecr.eu-west-1.amazonaws.com"))
	if err != nil || !got.ExpiresAt.Equal(short.ExpiresAt) || !got.StoredAt.Equal(w.now) {
		t.Errorf("%+v, %v", got, err)
	}
	w.now = w.now.Add(time.Hour)
	holds(t, s, "1.dkr.ecr.eu-west-1.amazonaws.com", "", "")
	holds(t, s, "https://index.docker.io/v1/access-token", "AWS", "opaque")
	lists(t, s, map[string]string{})
}

func TestFileKeepsWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	put(t, s, "a.example", login("a", "1"))
	const newer = `{"version":1,"later":{"n":12345678901234567890,"t":"<&>"},
		"logins":{"a.example":{"username":"a","secret":"1","colour":[1,2]},"odd":7}}`
	if err := os.WriteFile(w.loginsFile(), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, "b.example", login("b", "2"))
	if err := s.Erase(t.Context(), address(t, "b.example")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.loginsFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{"12345678901234567890", `"<&>"`, `"colour"`, `"odd": 7`} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%s is gone from %s", kept, text)
		}
	}
	holds(t, s, "a.example", "a", "1")
}

func TestFileDamaged(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"empty", ""},
		{"cut off", `{"version":1,"logins":{"a.example":{"username":"a","secr`},
		{"two values", `{"version":1}{"version":1}`},
		{"null", "null"},
		{"a list", "[]"},
		{"no version", `{"logins":{}}`},
		{"a text for a version", `{"version":"1"}`},
		{"a list of logins", `{"version":1,"logins":[]}`},
		{"no text", "\x00\xff"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			s := newFile(w.env)
			put(t, s, "a.example", login("a", "1"))
			if err := os.WriteFile(w.loginsFile(), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Get(t.Context(), address(t, "a.example"))
			failed(t, err, s.Name(), "it is damaged", "`docker login a.example`, which moves the damaged file aside")
			if n := strings.Count(err.Error(), "logins.json"); n != 1 {
				t.Errorf("%v names the file %d times", err, n)
			}
			_, err = s.List(t.Context())
			failed(t, err, s.Name(), "damaged", "`docker login`")
			_, err = s.Get(t.Context(), address(t, helpers.HubKey))
			failed(t, err, s.Name(), "damaged", "`docker login`")
			failed(t, s.Erase(t.Context(), address(t, "a.example")), s.Name(), "damaged", "`docker login a.example`")
			if text, _ := os.ReadFile(w.loginsFile()); string(text) != test.text {
				t.Errorf("the damaged file was changed to %q", text)
			}
			put(t, s, "b.example", login("b", "2"))
			holds(t, s, "b.example", "b", "2")
			if text, err := os.ReadFile(w.loginsFile() + ".corrupt-1"); err != nil || string(text) != test.text {
				t.Errorf("moved aside: %q, %v", text, err)
			}
		})
	}
}

func TestFileDamagedTwice(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	for _, text := range []string{"first", "second"} {
		put(t, s, "a.example", login("a", "1"))
		if err := os.WriteFile(w.loginsFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, "a.example", login("a", "2"))
	for name, want := range map[string]string{".corrupt-1": "first", ".corrupt-2": "second"} {
		if text, err := os.ReadFile(w.loginsFile() + name); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v; want %q", name, text, err, want)
		}
	}
}

func TestFileOneDamagedLogin(t *testing.T) {
	for _, test := range []struct{ name, entry string }{
		{"a number", `7`},
		{"null", `null`},
		{"no secret", `{"username":"a"}`},
		{"a time that is none", `{"username":"a","secret":"1","expires_at":"soon"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			s := newFile(w.env)
			put(t, s, "good.example", login("g", "1"))
			c, err := s.logs.read()
			if err != nil {
				t.Fatal(err)
			}
			c.entries["bad.example"] = json.RawMessage(test.entry)
			if err := s.logs.write(c); err != nil {
				t.Fatal(err)
			}
			_, err = s.Get(t.Context(), address(t, "bad.example"))
			failed(t, err, s.Name(), "damaged login for bad.example", "docker login bad.example")
			holds(t, s, "good.example", "g", "1")
			lists(t, s, map[string]string{"good.example": "g"})
			put(t, s, "bad.example", login("b", "2"))
			holds(t, s, "bad.example", "b", "2")
		})
	}
}

func TestFileFromANewerVersion(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	put(t, s, "a.example", login("a", "1"))
	const newer = `{"version":2,"vault":"…"}`
	if err := os.WriteFile(w.loginsFile(), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	failed(t, s.Put(t.Context(), address(t, "b.example"), login("b", "2")), s.Name(), "newer version")
	_, err := s.Get(t.Context(), address(t, "a.example"))
	failed(t, err, s.Name(), "newer version")
	if text, _ := os.ReadFile(w.loginsFile()); string(text) != newer {
		t.Errorf("the newer file was changed to %q", text)
	}
}

func TestFileNowhere(t *testing.T) {
	w := newWorld(t)
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("LOCALAPPDATA", "")
	w.env.Home = ""
	s := newFile(w.env)
	holds(t, s, "a.example", "", "")
	lists(t, s, map[string]string{})
	if err := s.Erase(t.Context(), address(t, "a.example")); err != nil {
		t.Errorf("Erase: %v", err)
	}
	failed(t, s.Put(t.Context(), address(t, "a.example"), login("a", "1")), s.Name(), "HOME", "XDG_DATA_HOME")
}
