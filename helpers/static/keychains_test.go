// SPDX-License-Identifier: Apache-2.0

//go:build keychains

package static

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

// These tests use the real keychains of a Linux machine without a desktop:
//
//	apt-get install pass gpg gnome-keyring dbus golang-docker-credential-helpers
//	go test -tags keychains ./helpers/static/

// realWorld is a world with the system's programs on PATH.
func realWorld(t *testing.T, programs ...string) *world {
	t.Helper()
	path := os.Getenv("PATH")
	w := newWorld(t)
	t.Setenv("PATH", path)
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test needs %s: %v", program, err)
		}
	}
	return w
}

// shortDir is a temporary folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "k") //nolint:usetesting // a test's own folder has too long a name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// sh runs a script and returns its output.
func sh(t *testing.T, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "bash", "-euc", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// startPass makes a key without a passphrase and a password store.
func startPass(t *testing.T) *world {
	w := realWorld(t, "pass", "gpg", "gpgconf", "docker-credential-pass")
	t.Setenv("GNUPGHOME", filepath.Join(shortDir(t), "g"))
	t.Setenv("PASSWORD_STORE_DIR", filepath.Join(w.home, "store"))
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--kill", "gpg-agent").Run() })
	sh(t, `mkdir -m700 "$GNUPGHOME"
		gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <test@example.test>' default default never
		pass init "$(gpg --list-keys --with-colons | awk -F: '/^fpr/{print $10;exit}')"`)
	return w
}

// startSecretService runs a bus of its own with an unlocked keyring on it.
func startSecretService(t *testing.T) *world {
	w := realWorld(t, "dbus-run-session", "gnome-keyring-daemon", "docker-credential-secretservice")
	t.Setenv("XDG_RUNTIME_DIR", shortDir(t))
	session := exec.Command("dbus-run-session", "--", "bash", "-c",
		`printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
		echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat >/dev/null`)
	stdin, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = session.Wait()
	})
	bus, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(bus))
	return w
}

// realKeychains are the keychains and how each is started.
var realKeychains = []struct {
	name  string
	start func(t *testing.T) *world
}{
	{"pass", startPass},
	{"secretservice", startSecretService},
}

func TestRealKeychainRoundTrip(t *testing.T) {
	for _, real := range realKeychains {
		t.Run(real.name, func(t *testing.T) {
			w := real.start(t)
			s, err := NewHelper(w.env, real.name)
			if err != nil {
				t.Fatal(err)
			}
			roundTrip(t, s)
		})
	}
}

// TestRealKeychainIsThePlatforms: it is found without being named, and what
// Docker's own program stored is there too.
func TestRealKeychainIsThePlatforms(t *testing.T) {
	for _, real := range realKeychains {
		t.Run(real.name, func(t *testing.T) {
			w := real.start(t)
			s, err := Open(w.env, "")
			if err != nil {
				t.Fatal(err)
			}
			if s.Name() != real.name {
				t.Fatalf("opened %s", s.Name())
			}
			program := client.NewShellProgramFunc(prefix + real.name)
			err = client.Store(program, &credentials.Credentials{ServerURL: "ghcr.io", Username: "u", Secret: "theirs"})
			if err != nil {
				t.Fatal(err)
			}
			holds(t, s, "ghcr.io", "u", "theirs")
			put(t, s, "a.example", login("u", "ours"))
			got, err := client.Get(program, "a.example")
			if err != nil || got.Secret != "ours" {
				t.Errorf("Docker's program finds %+v, %v", got, err)
			}
		})
	}
}

func TestRealKeychainExpiry(t *testing.T) {
	for _, real := range realKeychains {
		t.Run(real.name, func(t *testing.T) {
			w := real.start(t)
			s, err := NewHelper(w.env, real.name)
			if err != nil {
				t.Fatal(err)
			}
			short := login("oauth2accesstoken", "ya29.x")
			short.StoredAt, short.ExpiresAt = w.now, w.now.Add(time.Hour)
			put(t, s, "gcr.io", short)
			holds(t, s, "gcr.io", "oauth2accesstoken", "ya29.x")
			w.now = w.now.Add(time.Hour)
			holds(t, s, "gcr.io", "", "")
			lists(t, s, map[string]string{})
		})
	}
}

// TestRealPassWithoutItsKey is a password store that can no longer be read.
func TestRealPassWithoutItsKey(t *testing.T) {
	w := startPass(t)
	s, err := NewHelper(w.env, "pass")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a.example", login("u", "s3cret"))
	t.Setenv("GNUPGHOME", shortDir(t))
	_, err = s.Get(t.Context(), address(t, "a.example"))
	failed(t, err, "pass")
	noSecret(t, err)
	failed(t, s.Put(t.Context(), address(t, "b.example"), login("u", "s3cret")), "pass")
}

// TestRealSecretServiceGone is a desktop session that has ended.
func TestRealSecretServiceGone(t *testing.T) {
	w := startSecretService(t)
	s, err := NewHelper(w.env, "secretservice")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a.example", login("u", "s3cret"))
	bus := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(w.home, "gone"))
	_, err = s.Get(t.Context(), address(t, "a.example"))
	failed(t, err, "secretservice")
	if err := s.Erase(t.Context(), address(t, "a.example")); !isTombstone(err) {
		t.Errorf("Erase: %v", err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", bus)
	holds(t, s, "a.example", "", "")
	lists(t, s, map[string]string{})
	put(t, s, "a.example", login("u", "new"))
	holds(t, s, "a.example", "u", "new")
}

func isTombstone(err error) bool {
	var tombstone *TombstoneError
	return errors.As(err, &tombstone)
}
