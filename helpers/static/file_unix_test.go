// SPDX-License-Identifier: Apache-2.0

//go:build unix

package static

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFileModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	w := newWorld(t)
	put(t, newFile(w.env), "a.example", login("a", "1"))
	want := map[string]os.FileMode{".": 0o700, "logins.json": 0o600, "logins.json.lock": 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(w.data(), name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %04o, want %04o", name, info.Mode().Perm(), mode)
		}
	}
	if got := files(t, w.data()); len(got) != 2 {
		t.Errorf("files %v", got)
	}
}

// refusesSpoilt spoils the file or its folder: every method fails with these
// words and says how to mend it, and nothing is changed.
func refusesSpoilt(t *testing.T, spoil func(t *testing.T, dir, file string) error, words ...string) {
	t.Helper()
	w := newWorld(t)
	s := newFile(w.env)
	put(t, s, "a.example", login("a", "1"))
	before, _ := os.ReadFile(w.loginsFile())
	if err := spoil(t, w.data(), w.loginsFile()); err != nil {
		t.Fatal(err)
	}
	a := address(t, "a.example")
	_, err := s.Get(t.Context(), a)
	failed(t, err, s.Name(), words...)
	_, err = s.List(t.Context())
	failed(t, err, s.Name(), words...)
	failed(t, s.Put(t.Context(), a, login("a", "2")), s.Name(), words...)
	failed(t, s.Erase(t.Context(), a), s.Name(), words...)
	after, err := os.ReadFile(w.loginsFile())
	if err == nil && string(after) != string(before) {
		t.Errorf("the file was changed to %s", after)
	}
}

func TestFileRefusesWhatOthersReach(t *testing.T) {
	move := func(t *testing.T, from string) error {
		to := filepath.Join(t.TempDir(), "elsewhere")
		if err := os.Rename(from, to); err != nil {
			return err
		}
		return os.Symlink(to, from)
	}
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, dir, file string) error
		words []string
	}{
		{"file open to the group", func(_ *testing.T, _, file string) error { return os.Chmod(file, 0o640) }, []string{"mode 0640", "chmod 0600"}},
		{"file open to all", func(_ *testing.T, _, file string) error { return os.Chmod(file, 0o602) }, []string{"mode 0602"}},
		{"folder open to all", func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o755) }, []string{"mode 0755", "chmod 0700"}},
		{"file behind a link", func(t *testing.T, _, file string) error { return move(t, file) }, []string{"symbolic link"}},
		{"folder behind a link", func(t *testing.T, dir, _ string) error { return move(t, dir) }, []string{"symbolic link"}},
		{"a folder in the file's place", func(_ *testing.T, _, file string) error {
			_ = os.Rename(file, file+".x")
			return os.Mkdir(file, 0o700)
		}, []string{"no regular file"}},
	} {
		t.Run(test.name, func(t *testing.T) { refusesSpoilt(t, test.spoil, test.words...) })
	}
}

// nobody is a user that no test runs as.
const nobody = 65534

// TestFileRefusesWhatRootGaveAway has nothing to do for other users, who cannot
// give a file away: for them TestOwner is what looks at the owner.
func TestFileRefusesWhatRootGaveAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("NOT ROOT: whole stores that belong to another user were not tried here")
		return
	}
	t.Run("file", func(t *testing.T) {
		refusesSpoilt(t, func(_ *testing.T, _, file string) error { return os.Lchown(file, nobody, -1) }, "another user", "chown")
	})
	t.Run("folder", func(t *testing.T) {
		refusesSpoilt(t, func(_ *testing.T, dir, _ string) error { return os.Lchown(dir, nobody, -1) }, "another user", "chown")
	})
}

// owned is a file that belongs to a user of the test's choice.
type owned struct {
	fs.FileInfo
	uid int
}

func (o owned) Sys() any {
	stat := *o.FileInfo.Sys().(*syscall.Stat_t)
	stat.Uid = uint32(o.uid)
	return &stat
}

func TestOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	me := os.Geteuid()
	for _, test := range []struct {
		name  string
		info  fs.FileInfo
		wrong string
	}{
		{"as it is", info, ""},
		{"ours", owned{info, me}, ""},
		{"another's", owned{info, me + 1}, "belongs to another user"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := checkOwner(path, test.info, "0600")
			var wrong *fileError
			if errors.As(err, &wrong) != (test.wrong != "") || wrong != nil && wrong.Why != test.wrong {
				t.Errorf("got %v, want %q", err, test.wrong)
			}
		})
	}
}

// anothersFolder returns a folder that the user running the test does not own:
// one that root gave away, and the root folder for everybody else.
func anothersFolder(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		return "/"
	}
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, -1); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFileBelowAnotherUsersHome is `sudo docker login` with the user's HOME.
func TestFileBelowAnotherUsersHome(t *testing.T) {
	w := newWorld(t)
	w.env.Home = anothersFolder(t)
	below := filepath.Join(w.env.Home, "regauth-test")
	t.Setenv("XDG_DATA_HOME", below)
	s := newFile(w.env)
	failed(t, s.Put(t.Context(), address(t, "a.example"), login("a", "1")), s.Name(), "another user")
	if _, err := os.Lstat(below); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("made %s in another user's home: %v", below, err)
	}
}
