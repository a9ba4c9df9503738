// SPDX-License-Identifier: Apache-2.0

//go:build unix

// The worlds of these tests have Unix paths.

package helpers_test

import (
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
)

func TestDirs(t *testing.T) {
	xdg := map[string]string{
		"XDG_CONFIG_HOME": "/x/config", "XDG_STATE_HOME": "/x/state",
		"XDG_DATA_HOME": "/x/data", "XDG_CACHE_HOME": "/x/cache",
	}
	relative := map[string]string{
		"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "./state", "XDG_DATA_HOME": "~/data", "XDG_CACHE_HOME": "",
	}
	windows := map[string]string{"APPDATA": "/w/roaming", "LOCALAPPDATA": "/w/local"}
	usual := [4]string{"/home/me/.config", "/home/me/.local/state", "/home/me/.local/share", "/home/me/.cache"}
	tests := []struct {
		name, goos, home string
		vars             map[string]string
		want             [4]string // config, state, data, cache
	}{
		{"Linux", "linux", "/home/me", nil, usual},
		{"XDG", "linux", "/home/me", xdg, [4]string{"/x/config", "/x/state", "/x/data", "/x/cache"}},
		{"relative values do not count", "linux", "/home/me", relative, usual},
		{"no home", "linux", "", nil, [4]string{}},
		{"no home, but XDG", "linux", "", xdg, [4]string{"/x/config", "/x/state", "/x/data", "/x/cache"}},
		{"Windows' variables elsewhere", "linux", "/home/me", windows, usual},
		{"macOS", "darwin", "/home/me", windows,
			[4]string{"/home/me/.config", "/home/me/.local/state", "/home/me/.local/share", "/home/me/Library/Caches"}},
		{"Windows", "windows", "/home/me", windows, [4]string{"/w/roaming", "/w/local", "/w/local", "/w/local"}},
		{"XDG on Windows", "windows", "/home/me", xdg, [4]string{"/x/config", "/x/state", "/x/data", "/x/cache"}},
		{"bare Windows", "windows", "/home/me", nil, usual},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := &helpers.Env{GOOS: test.goos, Home: test.home, LookupEnv: func(name string) (string, bool) {
				v, ok := test.vars[name]
				return v, ok
			}}
			got := [4]string{env.ConfigDir(), env.StateDir(), env.DataDir(), env.CacheDir()}
			for i := range test.want {
				if got[i] != test.want[i] {
					t.Errorf("got %q, want %q", got[i], test.want[i])
				}
			}
		})
	}
}
