// SPDX-License-Identifier: Apache-2.0

package static

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// roleVariable makes this test binary, started anew, play a part of its own.
const roleVariable = "STATIC_TEST_ROLE"

func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), prefix) {
		os.Exit(fakeHelper(os.Args[1], os.Stdin, os.Stdout))
	}
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	os.Exit(m.Run())
}

// world is a place of its own for one test: an empty home, an empty PATH, a
// clock that stands still.
type world struct {
	env  *helpers.Env
	home string
	bin  string // the one folder on PATH
	now  time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{home: filepath.Join(t.TempDir(), "home"), bin: t.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	if err := os.Mkdir(w.home, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
		"PASSWORD_STORE_DIR", "REGAUTH_STORE", delegateVariable, "FAKE_MODE",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("XDG_DATA_HOME", filepath.Join(w.home, ".local", "share"))
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each helper ends a second late under -race
	t.Setenv("HOME", w.home)
	t.Setenv("PATH", w.bin)
	w.env = helpers.SystemEnv()
	w.env.Home = w.home
	w.env.Now = func() time.Time { return w.now }
	return w
}

// data is the folder of our files.
func (w *world) data() string { return filepath.Join(w.home, ".local", "share", "regauth") }

func (w *world) loginsFile() string { return filepath.Join(w.data(), "logins.json") }

// install puts docker-credential-NAME, played by this test binary, on PATH. It
// is a copy, because a link would rightly be taken for ourselves.
func (w *world) install(t *testing.T, name string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	w.program(t, prefix+name, from)
	t.Setenv("FAKE_STORE", filepath.Join(t.TempDir(), "fake.json"))
}

// program puts an executable file on PATH.
func (w *world) program(t *testing.T, name string, content io.Reader) {
	t.Helper()
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	to, err := os.OpenFile(filepath.Join(w.bin, name), os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, content)
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
}

func address(t *testing.T, raw string) helpers.Address {
	t.Helper()
	a, err := helpers.ParseAddress(raw)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func login(user, secret string) Login {
	return Login{Username: user, Secret: helpers.NewSecret(secret)}
}

func put(t *testing.T, s Store, raw string, l Login) {
	t.Helper()
	if err := s.Put(t.Context(), address(t, raw), l); err != nil {
		t.Fatalf("Put %s: %v", raw, err)
	}
}

// holds checks that the store answers with this login, or that it is absent
// when user is empty.
func holds(t *testing.T, s Store, raw, user, secret string) {
	t.Helper()
	got, err := s.Get(t.Context(), address(t, raw))
	switch {
	case user == "" && !helpers.IsAbsent(err):
		t.Errorf("Get %s: user %q, error %v; want it absent", raw, got.Username, err)
	case user != "" && err != nil:
		t.Errorf("Get %s: %v", raw, err)
	case got.Username != user || got.Secret.Reveal() != secret:
		t.Errorf("Get %s: %q %q, want %q %q", raw, got.Username, got.Secret.Reveal(), user, secret)
	}
}

func lists(t *testing.T, s Store, want map[string]string) {
	t.Helper()
	got, err := s.List(t.Context())
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	if got == nil || !maps.Equal(got, want) {
		t.Errorf("List: %v, want %v", got, want)
	}
}

// failed checks that err is a MintError of the source that says all of words.
func failed(t *testing.T, err error, source string, words ...string) {
	t.Helper()
	var mint *helpers.MintError
	if !errors.As(err, &mint) {
		t.Fatalf("error %v (%T), want a MintError", err, err)
	}
	if mint.Source != source {
		t.Errorf("source %q, want %q", mint.Source, source)
	}
	for _, word := range words {
		if !strings.Contains(mint.Cause+" | "+mint.Next, word) {
			t.Errorf("error %q, next %q: no word of %q", mint.Cause, mint.Next, word)
		}
	}
}

// fakeHelper is a credential helper that keeps logins as pass does, by host and
// user, and misbehaves as FAKE_MODE says.
func fakeHelper(verb string, stdin io.Reader, stdout io.Writer) int {
	text, _ := io.ReadAll(stdin)
	say := func(code int, said any) int {
		fmt.Fprintln(stdout, said)
		return code
	}
	if os.Getenv(delegateVariable) != "1" {
		return say(1, "started without the mark of a delegate")
	}
	mode := os.Getenv("FAKE_MODE")
	switch mode {
	case "locked", "locked-" + verb:
		return say(1, "the keychain is \x1b[1mlocked\nsecond line")
	case "echo":
		return say(1, "bad input: "+string(text))
	case "parrot":
		var c credentials.Credentials
		_ = json.Unmarshal(text, &c)
		return say(1, "cannot keep "+c.Secret)
	case "leak":
		return say(1, `{"ServerURL":"x","Username":"u","Secret":"s3cret"}`)
	case "garbage":
		return say(0, "no JSON at all")
	case "hang":
		time.Sleep(time.Hour)
	case "silent":
		return 3
	case "stderr":
		fmt.Fprintln(os.Stderr, "gpg: decryption failed")
		return 2
	}
	kept := map[string]map[string]string{}
	if file, err := os.ReadFile(os.Getenv("FAKE_STORE")); err == nil {
		if err := json.Unmarshal(file, &kept); err != nil {
			return say(1, err)
		}
	}
	code := serveFake(kept, verb, mode, text, stdout)
	file, _ := json.Marshal(kept)
	if err := os.WriteFile(os.Getenv("FAKE_STORE"), file, 0o600); err != nil {
		return say(1, err)
	}
	return code
}

func serveFake(kept map[string]map[string]string, verb, mode string, text []byte, stdout io.Writer) int {
	host := strings.TrimSpace(string(text))
	users := slices.Sorted(maps.Keys(kept[host]))
	switch verb {
	case "store":
		var c credentials.Credentials
		if json.Unmarshal(text, &c) != nil {
			return 1
		}
		if kept[c.ServerURL] == nil {
			kept[c.ServerURL] = map[string]string{}
		}
		kept[c.ServerURL][c.Username] = c.Secret
	case "get":
		switch {
		case len(users) > 0:
			_ = json.NewEncoder(stdout).Encode(credentials.Credentials{ServerURL: host, Username: users[0], Secret: kept[host][users[0]]})
		case mode == "empty":
			fmt.Fprintf(stdout, "{\"ServerURL\":%q,\"Username\":\"\",\"Secret\":\"\"}\n", host)
		default:
			fmt.Fprintln(stdout, credentials.NewErrCredentialsNotFound())
			return 1
		}
	case "erase":
		if len(users) == 0 {
			fmt.Fprintln(stdout, map[bool]string{true: "Error: not in the password store", false: credentials.NewErrCredentialsNotFound().Error()}[mode == "empty"])
			return 1
		}
		delete(kept, host)
	case "list":
		all := map[string]string{}
		for host, users := range kept {
			all[host] = slices.Min(slices.Collect(maps.Keys(users)))
		}
		_ = json.NewEncoder(stdout).Encode(all)
	}
	return 0
}

// files lists the folder's files.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
