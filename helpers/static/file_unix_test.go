// SPDX-License-Identifier: Apache-2.0

//go:build unix

package static

import (
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

// TestFileRefusesWhatOthersReach spoils the file or its folder in one way each:
// every method fails and says how to mend it, and nothing is changed.
func TestFileRefusesWhatOthersReach(t *testing.T) {
	chown := func(t *testing.T, path string) {
		if os.Geteuid() != 0 {
			t.Skip("LOUD: only root can give a file away; this case was not tested")
		}
		if err := os.Lchown(path, 65534, -1); err != nil {
			t.Fatal(err)
		}
	}
	move := func(t *testing.T, from string) string {
		to := filepath.Join(t.TempDir(), "elsewhere")
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
		return to
	}
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, dir, file string) error
		words []string
	}{
		{"file open to the group", func(_ *testing.T, _, file string) error { return os.Chmod(file, 0o640) }, []string{"mode 0640", "chmod 0600"}},
		{"file open to all", func(_ *testing.T, _, file string) error { return os.Chmod(file, 0o602) }, []string{"mode 0602"}},
		{"folder open to all", func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o755) }, []string{"mode 0755", "chmod 0700"}},
		{"file of another", func(t *testing.T, _, file string) error { chown(t, file); return nil }, []string{"another user", "chown"}},
		{"folder of another", func(t *testing.T, dir, _ string) error { chown(t, dir); return nil }, []string{"another user", "chown"}},
		{"file behind a link", func(t *testing.T, _, file string) error { move(t, file); return nil }, []string{"symbolic link"}},
		{"folder behind a link", func(t *testing.T, dir, _ string) error { move(t, dir); return nil }, []string{"symbolic link"}},
		{"a folder in the file's place", func(_ *testing.T, _, file string) error {
			_ = os.Rename(file, file+".x")
			return os.Mkdir(file, 0o700)
		}, []string{"no regular file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			s := newFile(w.env)
			put(t, s, "a.example", login("a", "1"))
			before, _ := os.ReadFile(w.loginsFile())
			if err := test.spoil(t, w.data(), w.loginsFile()); err != nil {
				t.Fatal(err)
			}
			a := address(t, "a.example")
			_, err := s.Get(t.Context(), a)
			failed(t, err, s.Name(), test.words...)
			_, err = s.List(t.Context())
			failed(t, err, s.Name(), test.words...)
			failed(t, s.Put(t.Context(), a, login("a", "2")), s.Name(), test.words...)
			failed(t, s.Erase(t.Context(), a), s.Name(), test.words...)
			after, err := os.ReadFile(w.loginsFile())
			if err == nil && string(after) != string(before) {
				t.Errorf("the file was changed to %s", after)
			}
		})
	}
}

// TestFileBelowAnotherUsersHome is `sudo docker login` with the user's HOME.
func TestFileBelowAnotherUsersHome(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("LOUD: only root can give a folder away; this was not tested")
	}
	w := newWorld(t)
	if err := os.Chown(w.home, 65534, -1); err != nil {
		t.Fatal(err)
	}
	s := newFile(w.env)
	failed(t, s.Put(t.Context(), address(t, "a.example"), login("a", "1")), s.Name(), "another user")
	if got := files(t, w.home); len(got) > 0 {
		t.Errorf("made %v in another user's home", got)
	}
}
