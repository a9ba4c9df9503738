// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeWorld is a World whose environment is the map.
func fakeWorld(env map[string]string) World {
	return World{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Hostname:  func() (string, error) { return env["hostname"], nil },
		BootID:    func() string { return env["boot"] },
	}
}

func openAt(t *testing.T, dir string, env map[string]string) *Cache {
	t.Helper()
	c, err := Open(dir, fakeWorld(env))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func entry(inputs ...Input) Entry {
	return Entry{
		Host: "r.example", Key: "r.example", Identity: "role ci", Source: "test",
		Username: "AWS", Secret: "s3cret", Issued: start, Expires: start.Add(12 * time.Hour), Inputs: inputs,
	}
}

func put(t *testing.T, c *Cache, e Entry) {
	t.Helper()
	if err := c.Put(e, start); err != nil {
		t.Fatal(err)
	}
}

func TestState(t *testing.T) {
	hours := func(h float64) time.Time { return start.Add(time.Duration(h * float64(time.Hour))) }
	tests := []struct {
		name string
		life time.Duration
		now  time.Time
		want State
	}{
		{"just issued", 12 * time.Hour, start, Fresh},
		{"before half", 12 * time.Hour, hours(5.99), Fresh},
		{"past half", 12 * time.Hour, hours(6.01), Aging},
		{"a quarter of an hour left of twelve", 12 * time.Hour, hours(11.76), Dying},
		{"a fifth is less than a quarter of an hour", 10 * time.Minute, start.Add(7 * time.Minute), Aging},
		{"less than a fifth left", 10 * time.Minute, start.Add(8*time.Minute + time.Second), Dying},
		{"at the end", time.Hour, hours(1), Expired},
		{"long past", time.Hour, hours(9), Expired},
		{"issued in the future", time.Hour, start.Add(-time.Second), Expired},
		{"no life", 0, start, Expired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Entry{Issued: start, Expires: start.Add(tt.life)}
			if got := e.State(tt.now); got != tt.want {
				t.Errorf("state is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPutThenLookup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openAt(t, dir, nil)
	put(t, c, entry())
	got := openAt(t, dir, nil).Lookup("r.example", "r.example", start)
	if len(got) != 1 || !reflect.DeepEqual(got[0].Secret, "s3cret") || got[0].Username != "AWS" {
		t.Fatalf("found %d entries", len(got))
	}
	for name, found := range map[string][]Entry{
		"another host":  c.Lookup("s.example", "s.example", start),
		"another key":   c.Lookup("r.example", "r.example/team", start),
		"when it ended": c.Lookup("r.example", "r.example", start.Add(12*time.Hour)),
		"clock is back": c.Lookup("r.example", "r.example", start.Add(-time.Minute)),
	} {
		if len(found) != 0 {
			t.Errorf("%s: a token was found", name)
		}
	}
}

func TestEntriesOfTwoIdentitiesLiveSideBySide(t *testing.T) {
	env := map[string]string{"AWS_PROFILE": "a"}
	c := openAt(t, filepath.Join(t.TempDir(), "c"), env)
	for _, profile := range []string{"a", "b"} {
		env["AWS_PROFILE"] = profile
		e := entry(Input{Kind: InputEnv, Name: "AWS_PROFILE"})
		e.Identity, e.Secret = "profile "+profile, "of "+profile
		put(t, c, e)
	}
	for _, profile := range []string{"a", "b", "a"} {
		env["AWS_PROFILE"] = profile
		got := c.Lookup("r.example", "r.example", start)
		if len(got) != 1 || got[0].Secret != "of "+profile {
			t.Errorf("with profile %s: %d entries", profile, len(got))
		}
	}
}

func TestInputsDecideAHit(t *testing.T) {
	jwt := func(sub, exp string) string {
		payload := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"i","sub":"` + sub + `","aud":["a"],"exp":` + exp + `}`))
		return "e30." + payload + ".sig"
	}
	write := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		input  func(dir string) Input
		before func(t *testing.T, dir string, env map[string]string)
		change func(t *testing.T, dir string, env map[string]string)
		hit    bool
	}{
		{
			"variable unchanged", func(string) Input { return Input{Kind: InputEnv, Name: "V"} },
			func(_ *testing.T, _ string, env map[string]string) { env["V"] = "1" },
			func(*testing.T, string, map[string]string) {}, true,
		},
		{
			"variable changed", func(string) Input { return Input{Kind: InputEnv, Name: "V"} },
			func(_ *testing.T, _ string, env map[string]string) { env["V"] = "1" },
			func(_ *testing.T, _ string, env map[string]string) { env["V"] = "2" }, false,
		},
		{
			"variable appears, even empty", func(string) Input { return Input{Kind: InputEnv, Name: "V"} },
			func(*testing.T, string, map[string]string) {},
			func(_ *testing.T, _ string, env map[string]string) { env["V"] = "" }, false,
		},
		{
			"variable goes", func(string) Input { return Input{Kind: InputEnv, Name: "V"} },
			func(_ *testing.T, _ string, env map[string]string) { env["V"] = "" },
			func(_ *testing.T, _ string, env map[string]string) { delete(env, "V") }, false,
		},
		{
			"file touched", func(dir string) Input { return Input{Kind: InputFile, Name: filepath.Join(dir, "f")} },
			func(t *testing.T, dir string, _ map[string]string) { write(t, filepath.Join(dir, "f"), "x") },
			func(t *testing.T, dir string, _ map[string]string) { write(t, filepath.Join(dir, "f"), "x") }, true,
		},
		{
			"file changed", func(dir string) Input { return Input{Kind: InputFile, Name: filepath.Join(dir, "f")} },
			func(t *testing.T, dir string, _ map[string]string) { write(t, filepath.Join(dir, "f"), "x") },
			func(t *testing.T, dir string, _ map[string]string) { write(t, filepath.Join(dir, "f"), "y") }, false,
		},
		{
			"file appears", func(dir string) Input { return Input{Kind: InputFile, Name: filepath.Join(dir, "f")} },
			func(*testing.T, string, map[string]string) {},
			func(t *testing.T, dir string, _ map[string]string) { write(t, filepath.Join(dir, "f"), "") }, false,
		},
		{
			"another boot", func(string) Input { return Input{Kind: InputBoot} },
			func(_ *testing.T, _ string, env map[string]string) { env["boot"] = "1" },
			func(_ *testing.T, _ string, env map[string]string) { env["boot"] = "2" }, false,
		},
		{
			"another machine", func(string) Input { return Input{Kind: InputHost} },
			func(_ *testing.T, _ string, env map[string]string) { env["hostname"] = "a" },
			func(_ *testing.T, _ string, env map[string]string) { env["hostname"] = "b" }, false,
		},
		{
			"token renewed", func(dir string) Input { return Input{Kind: InputClaims, Name: filepath.Join(dir, "t")} },
			func(t *testing.T, dir string, _ map[string]string) {
				write(t, filepath.Join(dir, "t"), jwt("pod", "1"))
			},
			func(t *testing.T, dir string, _ map[string]string) {
				write(t, filepath.Join(dir, "t"), jwt("pod", "2"))
			}, true,
		},
		{
			"token of another subject", func(dir string) Input { return Input{Kind: InputClaims, Name: filepath.Join(dir, "t")} },
			func(t *testing.T, dir string, _ map[string]string) {
				write(t, filepath.Join(dir, "t"), jwt("pod", "1"))
			},
			func(t *testing.T, dir string, _ map[string]string) {
				write(t, filepath.Join(dir, "t"), jwt("dop", "1"))
			}, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, env := t.TempDir(), map[string]string{}
			c := openAt(t, filepath.Join(dir, "cache"), env)
			tt.before(t, dir, env)
			put(t, c, entry(tt.input(dir)))
			tt.change(t, dir, env)
			if hit := len(c.Lookup("r.example", "r.example", start)) == 1; hit != tt.hit {
				t.Errorf("hit is %v, want %v", hit, tt.hit)
			}
		})
	}
}

func TestNothingToBindToIsNotKept(t *testing.T) {
	for _, kind := range []string{InputBoot, InputHost, InputClaims} {
		c := openAt(t, filepath.Join(t.TempDir(), "c"), nil)
		if err := c.Put(entry(Input{Kind: kind, Name: "/no/such/file"}), start); err == nil {
			t.Errorf("%s: an entry without its binding was kept", kind)
		}
		if got := c.List(); len(got) != 0 {
			t.Errorf("%s: %d entries were kept", kind, len(got))
		}
	}
}

func TestNoValueOfAnInputIsWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	c := openAt(t, dir, map[string]string{"V": "canary-value"})
	put(t, c, entry(Input{Kind: InputEnv, Name: "V"}))
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "canary-value") {
			t.Errorf("%s holds the variable's value", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no modes; the profile's ACL protects the folder")
		return
	}
	dir := filepath.Join(t.TempDir(), "c")
	c := openAt(t, dir, nil)
	put(t, c, entry())
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "CACHEDIR.TAG")); err != nil || !strings.HasPrefix(string(text), "Signature: 8a477f597d28d172789f06886806bc55") {
		t.Errorf("no CACHEDIR.TAG: %v", err)
	}
}

// only returns the path of the one entry file below dir.
func only(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "tokens", "*", "*.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d entry files, %v", len(found), err)
	}
	return found[0]
}

func TestDamageIsAMiss(t *testing.T) {
	mangle := func(f func(t *testing.T, path string) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := f(t, path); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name string
		do   func(t *testing.T, path string)
	}{
		{"empty", mangle(func(_ *testing.T, p string) error { return os.Truncate(p, 0) })},
		{"cut short", mangle(func(_ *testing.T, p string) error { return os.Truncate(p, 40) })},
		{"garbage", mangle(func(_ *testing.T, p string) error { return os.WriteFile(p, []byte("\x00\xff{"), 0o600) })},
		{"readable by others", mangle(func(_ *testing.T, p string) error { return os.Chmod(p, 0o644) })},
		{"a link", mangle(func(t *testing.T, p string) error {
			to := filepath.Join(t.TempDir(), "elsewhere")
			return errors.Join(os.Rename(p, to), os.Symlink(to, p))
		})},
		{"a folder", mangle(func(_ *testing.T, p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) })},
		{"another host's name", mangle(func(_ *testing.T, p string) error {
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			var e Entry
			if err := json.Unmarshal(text, &e); err != nil {
				return err
			}
			e.Host, e.Key = "evil.example", "evil.example"
			text, err = json.Marshal(e)
			return errors.Join(err, os.WriteFile(p, text, 0o600))
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "c")
			c := openAt(t, dir, nil)
			put(t, c, entry())
			tt.do(t, only(t, dir))
			for _, host := range []string{"r.example", "evil.example"} {
				if got := c.Lookup(host, host, start); len(got) != 0 {
					t.Errorf("%s: a damaged entry was used", host)
				}
			}
		})
	}
}

func TestFoldersThatAreNotOurs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no modes; the profile's ACL protects the folder")
		return
	}
	open := func(dir string) error { _, err := Open(dir, fakeWorld(nil)); return err }
	wide := filepath.Join(t.TempDir(), "wide")
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Mkdir(wide, 0o755), os.Chmod(wide, 0o755), os.Symlink(t.TempDir(), link)); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"open to others": wide, "a link": link, "relative": "cache"} {
		if open(dir) == nil {
			t.Errorf("%s: the folder was used", name)
		}
	}
	if names, _ := os.ReadDir(wide); len(names) != 0 {
		t.Error("something was created in a refused folder")
	}
	if os.Geteuid() != 0 {
		t.Log("not root: a folder of another user cannot be made here; .ci/run does it as root")
		return
	}
	home := t.TempDir()
	data := filepath.Join(home, "data")
	if err := errors.Join(os.Mkdir(data, 0o755), os.Symlink(data, filepath.Join(home, ".linked")),
		os.Chown(data, 12345, 12345), os.Chown(home, 12345, 12345), os.Chmod(home, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".cache", ".linked"} {
		if open(filepath.Join(home, dir, "regauth")) == nil {
			t.Errorf("%s: a cache was made in another user's home", dir)
		}
	}
	for _, dir := range []string{filepath.Join(home, ".cache"), filepath.Join(data, "regauth")} {
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%s: another user's home was written to", dir)
		}
	}
}

func TestDropAndMarks(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c"), nil)
	put(t, c, entry())
	e := entry()
	e.Key = "r.example/team-*"
	put(t, c, e)
	mark := Mark{Host: "r.example", Username: "AWS"}
	if err := c.Answered("r.example", mark, "s", start); err != nil {
		t.Fatal(err)
	}
	if got := c.Marks(); len(got) != 1 || got[0].Host != mark.Host || got[0].Username != mark.Username {
		t.Errorf("marks are %v", got)
	}
	for _, tt := range []struct {
		user, secret string
		want         bool
	}{{"AWS", "s", true}, {"AWS", "s3cret", true}, {"AWS", "", false}, {"me", "s", false}, {"AWSs", "", false}} {
		if got := c.Gave("r.example", tt.user, tt.secret, start.Add(time.Minute)); got != tt.want {
			t.Errorf("gave %s %s: %v", tt.user, tt.secret, got)
		}
		late := tt.secret == "s3cret" && tt.want // a kept token stays known
		if got := c.Gave("r.example", tt.user, tt.secret, start.Add(time.Hour)); got != late {
			t.Errorf("an hour later, gave %s %s: %v", tt.user, tt.secret, got)
		}
	}
	if err := c.Drop("r.example"); err != nil {
		t.Fatal(err)
	}
	if len(c.List()) != 0 || len(c.Marks()) != 0 {
		t.Error("something is left after Drop")
	}
}

func TestPutRemovesWhatExpired(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	c := openAt(t, dir, nil)
	e := entry()
	e.Host, e.Key, e.Expires = "old.example", "old.example", start.Add(time.Minute)
	put(t, c, e)
	late := start.Add(time.Hour)
	if err := os.Chtimes(only(t, dir), start, start); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(entry(), late); err != nil {
		t.Fatal(err)
	}
	if got := c.List(); len(got) != 1 || got[0].Host != "r.example" {
		t.Errorf("%d entries are left", len(got))
	}
}

func TestLiveAreThoseThatALookupFinds(t *testing.T) {
	env := map[string]string{"V": "1"}
	c := openAt(t, filepath.Join(t.TempDir(), "c"), env)
	put(t, c, entry(Input{Kind: InputEnv, Name: "V"}))
	if got := c.Live(start); len(got) != 1 {
		t.Errorf("%d are live, want 1", len(got))
	}
	if got := c.Live(start.Add(12 * time.Hour)); len(got) != 0 {
		t.Error("an expired one is live")
	}
	env["V"] = "2"
	if got := c.Live(start); len(got) != 0 {
		t.Error("one of another identity is live")
	}
}

func TestRemember(t *testing.T) {
	env := map[string]string{"boot": "1"}
	c := openAt(t, filepath.Join(t.TempDir(), "c"), env)
	asked := 0
	ask := func() bool { asked++; return true }
	for range 3 {
		if !c.Remember("m", ask) {
			t.Fatal("the answer is lost")
		}
	}
	env["boot"] = "2"
	c.Remember("m", ask)
	if asked != 2 {
		t.Errorf("asked %d times, want once per boot", asked)
	}
}

func TestNilCacheIsOff(t *testing.T) {
	var c *Cache
	if err := errors.Join(c.Put(entry(), start), c.Drop("r.example"), c.Answered("r.example", Mark{}, "", start), c.Forget("r.example")); err != nil {
		t.Error(err)
	}
	if len(c.Lookup("r.example", "r.example", start))+len(c.List())+len(c.Marks())+len(c.Live(start)) != 0 {
		t.Error("a cache that is off found something")
	}
	if !c.Remember("m", func() bool { return true }) {
		t.Error("the question was not asked")
	}
}

func FuzzDecode(f *testing.F) {
	text, err := json.Marshal(entry(Input{Kind: InputEnv, Name: "V", Tag: "-"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"host":"a","key":"a","username":"u"}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := decode(text)
		if err != nil {
			return
		}
		if e.Host == "" || e.Key == "" {
			t.Error("an entry without its host was read")
		}
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if back, err := decode(again); err != nil || !reflect.DeepEqual(back.State(start), e.State(start)) {
			t.Errorf("written and read again it differs: %v", err)
		}
	})
}

func FuzzOwner(f *testing.F) {
	f.Add("e30.eyJpc3MiOiJpIiwic3ViIjoicyIsImF1ZCI6ImEifQ.x")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if text, ok := owner(token); ok && strings.Count(text, "\x00") < 2 {
			t.Error("an owner lacks a claim")
		}
	})
}
