// SPDX-License-Identifier: Apache-2.0

package static

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestOpenChooses(t *testing.T) {
	type setting struct {
		goos, chosen, override string
		programs               []string
		passReady, bus         bool
	}
	all := []string{"pass", "docker-credential-pass", "docker-credential-secretservice", "docker-credential-osxkeychain", "docker-credential-wincred"}
	for _, test := range []struct {
		name string
		setting
		want string
	}{
		{"macOS", setting{goos: "darwin", programs: all, passReady: true, bus: true}, "osxkeychain"},
		{"macOS without the program", setting{goos: "darwin", programs: all[:3], passReady: true, bus: true}, "the plain file"},
		{"Windows", setting{goos: "windows", programs: all, passReady: true, bus: true}, "wincred"},
		{"Linux with everything", setting{goos: "linux", programs: all, passReady: true, bus: true}, "pass"},
		{"Linux, pass without a key", setting{goos: "linux", programs: all, bus: true}, "secretservice"},
		{"Linux, the helper without pass", setting{goos: "linux", programs: all[1:], passReady: true, bus: true}, "secretservice"},
		{"Linux, pass without the helper", setting{goos: "linux", programs: []string{"pass", all[2]}, passReady: true, bus: true}, "secretservice"},
		{"Linux without a bus", setting{goos: "linux", programs: all}, "the plain file"},
		{"Linux, a bus and no helper", setting{goos: "linux", programs: all[:2], bus: true}, "the plain file"},
		{"Linux without anything", setting{goos: "linux", passReady: true, bus: true}, "the plain file"},
		{"FreeBSD", setting{goos: "freebsd", programs: all, passReady: true}, "pass"},
		{"the file was chosen", setting{goos: "darwin", programs: all, chosen: "file"}, "the plain file"},
		{"secretservice was chosen", setting{goos: "linux", programs: all, passReady: true, chosen: "secretservice"}, "secretservice"},
		{"a full name was chosen", setting{goos: "linux", chosen: "docker-credential-vault"}, "vault"},
		{"REGAUTH_STORE wins", setting{goos: "linux", programs: all, chosen: "pass", override: "file"}, "the plain file"},
		{"REGAUTH_STORE without a choice", setting{goos: "linux", override: "ecr-login"}, "ecr-login"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.env.GOOS = test.goos
			w.env.LookPath = func(name string) (string, error) {
				for _, program := range test.programs {
					if program == name {
						return filepath.Join(w.bin, name), nil
					}
				}
				return "", os.ErrNotExist
			}
			t.Setenv("REGAUTH_STORE", test.override)
			if test.passReady {
				dir := filepath.Join(w.home, ".password-store")
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, ".gpg-id"), []byte("x\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if test.bus {
				t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
			}
			s, err := Open(w.env, test.chosen)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Name(); got != test.want && (test.want != "the plain file" || !strings.HasPrefix(got, test.want)) {
				t.Errorf("%q, want %q", got, test.want)
			}
			if s.Plain() != (test.want == "the plain file") {
				t.Errorf("%s: plain %v", s.Name(), s.Plain())
			}
		})
	}
}

func TestPassReadyElsewhere(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	t.Setenv("PASSWORD_STORE_DIR", dir)
	if passReady(w.env) {
		t.Error("an empty folder is taken for a password store")
	}
	if err := os.WriteFile(filepath.Join(dir, ".gpg-id"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !passReady(w.env) {
		t.Error("PASSWORD_STORE_DIR is not looked at")
	}
}

func TestSessionBusBelowRuntimeDir(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if sessionBus(w.env) {
		t.Error("a bus without a socket")
	}
	if err := os.WriteFile(filepath.Join(dir, "bus"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !sessionBus(w.env) {
		t.Error("the bus in XDG_RUNTIME_DIR is not seen")
	}
}

// TestPlatformKeychainBesideOlderFile: logins from before there was a keychain
// stay in use, and move or go with the next login or logout.
func TestPlatformKeychainBesideOlderFile(t *testing.T) {
	w := newWorld(t)
	w.env.GOOS = "windows"
	older := newFile(w.env)
	for _, host := range []string{"a.example", "b.example", "c.example"} {
		put(t, older, host, login("old", "old-"+host))
	}
	w.install(t, "wincred")
	s, err := Open(w.env, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != "wincred" || s.Plain() {
		t.Fatalf("%s, plain %v", s.Name(), s.Plain())
	}
	put(t, s, "a.example", login("new", "new-a"))
	if err := s.Erase(t.Context(), address(t, "b.example")); err != nil {
		t.Fatal(err)
	}
	holds(t, s, "a.example", "new", "new-a")
	holds(t, s, "b.example", "", "")
	holds(t, s, "c.example", "old", "old-c.example")
	holds(t, s, "d.example", "", "")
	lists(t, s, map[string]string{"a.example": "new", "c.example": "old"})
	lists(t, older, map[string]string{"c.example": "old"})

	put(t, older, "a.example", login("stray", "stray-a")) // by a session without the keychain
	holds(t, s, "a.example", "new", "new-a")
	lists(t, s, map[string]string{"a.example": "new", "c.example": "old"})

	t.Setenv("FAKE_MODE", "locked")
	_, err = s.Get(t.Context(), address(t, "c.example"))
	failed(t, err, "wincred", "locked")
	if listed, err := s.List(t.Context()); err == nil || listed["c.example"] != "old" {
		t.Errorf("List beside a locked keychain: %v, %v", listed, err)
	}
	if err := s.Erase(t.Context(), address(t, "a.example")); err == nil {
		t.Error("a locked keychain erased a login")
	}
	t.Setenv("FAKE_MODE", "")
	holds(t, s, "a.example", "", "")

	if err := os.WriteFile(w.loginsFile(), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	failed(t, s.Erase(t.Context(), address(t, "e.example")), older.Name(), "damaged", "docker login e.example", "aside")
	put(t, s, "e.example", login("e", "5"))
	holds(t, s, "e.example", "e", "5")
	holds(t, s, "c.example", "", "") // no longer an error
	if text, err := os.ReadFile(w.loginsFile() + ".corrupt-1"); err != nil || string(text) != "damaged" {
		t.Errorf("moved aside: %q, %v", text, err)
	}
}

func TestLoops(t *testing.T) {
	w := newWorld(t)
	w.install(t, "other")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := func(name string, to string) {
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		if err := os.Symlink(to, filepath.Join(w.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("docker-credential-link", self)
	link("docker-credential-chain", filepath.Join(w.bin, "docker-credential-link"))
	hard := filepath.Join(w.bin, "docker-credential-hard")
	if err := os.Link(self, hard); err != nil {
		t.Logf("no hard link can be made here: %v", err)
		link("docker-credential-hard", self)
	}
	for _, test := range []struct{ name, mark, want string }{
		{"other", "", ""},
		{"nowhere", "", ""},
		{"desktop.exe", "", ""},
		{"regauth", "", "this program itself"},
		{"RegAuth.exe", "", "this program itself"},
		{"link", "", "this program itself"},
		{"chain", "", "this program itself"},
		{"hard", "", "this program itself"},
		{"other", "1", "REGAUTH_DELEGATE is set"},
		{"", "", "no name"},
		{"../link", "", "no name"},
		{`..\link`, "", "no name"},
		{"..", "", "no name"},
		{"a b", "", "no name"},
		{"a\nb", "", "no name"},
		{strings.Repeat("a", 101), "", "no name"},
	} {
		t.Run(test.name+test.mark, func(t *testing.T) {
			t.Setenv(delegateVariable, test.mark)
			err := Loops(w.env, test.name)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			failed(t, err, prefix+strings.ReplaceAll(test.name, "\n", " "), test.want)
			if _, err := NewHelper(w.env, test.name); err == nil {
				t.Error("NewHelper takes it")
			}
			if _, err := Open(w.env, test.name); err == nil && test.name != "" {
				t.Error("Open takes it")
			}
		})
	}
}

func TestPlatformChoiceLoops(t *testing.T) {
	w := newWorld(t)
	w.env.GOOS = "windows"
	w.install(t, "wincred")
	t.Setenv(delegateVariable, "1")
	if s, err := Open(w.env, ""); err == nil {
		t.Errorf("a delegate's child opened %s", s.Name())
	}
	if s, err := Open(w.env, "file"); err != nil || !s.Plain() {
		t.Errorf("the file asks nobody: %v", err)
	}
}
