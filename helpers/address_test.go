// SPDX-License-Identifier: Apache-2.0

package helpers_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
)

func TestParseAddress(t *testing.T) {
	tests := []struct {
		name, raw, host, path, webLogin string
	}{
		// Docker Hub, as docker, podman, crane, nerdctl and people write it.
		{"docker", "https://index.docker.io/v1/", "docker.io", "", ""},
		{"docker without the slash", "https://index.docker.io/v1", "docker.io", "", ""},
		{"podman", "docker.io", "docker.io", "", ""},
		{"crane, repository first", "index.docker.io/library/alpine", "docker.io", "library/alpine", ""},
		{"crane, then the host", "index.docker.io", "docker.io", "", ""},
		{"nerdctl", "registry-1.docker.io:443", "docker.io", "", ""},
		{"nerdctl with a scheme", "https://registry-1.docker.io:443", "docker.io", "", ""},
		{"the old name", "registry.hub.docker.com", "docker.io", "", ""},
		{"version 2", "https://registry-1.docker.io/v2/", "docker.io", "", ""},
		{"upper case", "HTTPS://INDEX.DOCKER.IO/v1/", "docker.io", "", ""},
		{"the CLI's web login", "https://index.docker.io/v1/access-token", "docker.io", "", "access-token"},
		{"its refresh token", "https://index.docker.io/v1/refresh-token", "docker.io", "", "refresh-token"},
		// Any other registry.
		{"a bare host", "ghcr.io", "ghcr.io", "", ""},
		{"a newline", "ghcr.io\n", "ghcr.io", "", ""},
		{"white space", " \tghcr.io\r\n", "ghcr.io", "", ""},
		{"docker logout, http", "http://ghcr.io", "ghcr.io", "", ""},
		{"docker logout, https", "https://ghcr.io", "ghcr.io", "", ""},
		{"port 443", "ghcr.io:443", "ghcr.io", "", ""},
		{"port 443 with zeros", "ghcr.io:0443", "ghcr.io", "", ""},
		{"a scheme and port 443", "https://ghcr.io:443", "ghcr.io", "", ""},
		{"http and port 443", "http://ghcr.io:443", "ghcr.io", "", ""},
		{"another port", "registry.example:5000", "registry.example:5000", "", ""},
		{"port 80", "http://registry.example:80/", "registry.example:80", "", ""},
		{"a version path", "https://registry.example/v2/", "registry.example", "", ""},
		{"trailing slashes", "registry.example///", "registry.example", "", ""},
		{"host and repository", "registry.example/team/app", "registry.example", "team/app", ""},
		{"port and repository", "registry.example:5000/team/app/", "registry.example:5000", "team/app", ""},
		{"nerdctl's name space", "registry.example:5000/team/app?ns=docker.io", "registry.example:5000", "team/app", ""},
		{"a name space alone", "registry.example?ns=docker.io", "registry.example", "", ""},
		{"a fragment", "registry.example#top", "registry.example", "", ""},
		{"helm's scheme", "oci://registry.example/charts", "registry.example", "charts", ""},
		{"skopeo's scheme", "docker://registry.example/app", "registry.example", "app", ""},
		{"localhost", "localhost:5000", "localhost:5000", "", ""},
		{"IPv4", "127.0.0.1:5000", "127.0.0.1:5000", "", ""},
		{"IPv6", "[::1]:5000", "[::1]:5000", "", ""},
		{"IPv6 written long", "[0:0:0:0:0:0:0:1]", "[::1]", "", ""},
		{"IPv6 and port 443", "https://[2001:DB8::1]:443/v2/", "[2001:db8::1]", "", ""},
		{"a web login's name elsewhere is a repository", "registry.example/v1/access-token", "registry.example", "v1/access-token", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := helpers.ParseAddress(test.raw)
			want := helpers.Address{Host: test.host, Path: test.path, WebLogin: test.webLogin}
			if err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	tests := []struct{ name, raw string }{
		{"user information", "https://user:secret@ghcr.io/"},
		{"user information without a scheme", "ghcr.io@evil.example"},
		{"a colon and an at sign", "ghcr.io:443@evil.example"},
		{"a backslash", `ghcr.io\@evil.example`},
		{"a space", "ghcr.io evil.example"},
		{"a line break", "ghcr.io\nevil.example"},
		{"a null", "ghcr.io\x00evil.example"},
		{"an escape", "ghcr.io\x1b[2K"},
		{"a Cyrillic letter", "ghсr.io"},
		{"a full-width stop", "ghcr．io"},
		{"a right-to-left mark", "ghcr.io\u202e"},
		{"a percent sign", "ghcr.io%2f.evil.example"},
		{"another scheme", "ftp://ghcr.io"},
		{"a file", "file:///etc/passwd"},
		{"no host", "https:///v2/"},
		{"only a port", ":443"},
		{"only a path", "/team/app"},
		{"an empty label", "ghcr..io"},
		{"a trailing dot", "ghcr.io."},
		{"a leading dot", ".ghcr.io"},
		{"an overlong label", strings.Repeat("a", 64) + ".example"},
		{"an overlong name", strings.Repeat("a.", 127) + "example"},
		{"an empty port", "ghcr.io:"},
		{"port 0", "ghcr.io:0"},
		{"port 65536", "ghcr.io:65536"},
		{"a port that wraps around", "ghcr.io:4294967739"},
		{"a port with a sign", "ghcr.io:+443"},
		{"two ports", "ghcr.io:443:443"},
		{"IPv6 without an end", "[::1"},
		{"IPv6 without brackets", "::1"},
		{"IPv4 in brackets", "[127.0.0.1]:5000"},
		{"an IPv6 zone", "[fe80::1%eth0]"},
		{"text behind IPv6", "[::1]evil.example"},
		{"IPv6 and an empty port", "[::1]:"},
		{"a path upwards", "ghcr.io/../../x"},
		{"an empty path segment", "ghcr.io/a//b"},
		{"a quote in the path", `ghcr.io/a"b`},
		{"longer than can be", "ghcr.io/" + strings.Repeat("a/", 4096) + "b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := helpers.ParseAddress(test.raw)
			var bad *helpers.AddressError
			if !errors.As(err, &bad) {
				t.Fatalf("got %+v, %v, want an AddressError", got, err)
			}
			if bad.Raw != test.raw || bad.Why == "" {
				t.Errorf("the error is %+v", bad)
			}
			if text := err.Error(); strings.ContainsAny(text, "\n\x00\x1b\u202e") || len(text) > 600 {
				t.Errorf("the message is not fit to be shown: %q", text)
			}
		})
	}
	for _, empty := range []string{"", " ", "\r\n"} {
		if _, err := helpers.ParseAddress(empty); !errors.Is(err, helpers.ErrNoAddress) {
			t.Errorf("%q: got %v", empty, err)
		}
	}
}

func TestAddressForms(t *testing.T) {
	tests := []struct {
		raw, text, docker, whole string
		hub                      bool
	}{
		{"index.docker.io/library/alpine", "docker.io/library/alpine", "https://index.docker.io/v1/", "docker.io", true},
		{"docker.io", "docker.io", "https://index.docker.io/v1/", "docker.io", true},
		{"https://index.docker.io/v1/access-token", "https://index.docker.io/v1/access-token",
			"https://index.docker.io/v1/access-token", "https://index.docker.io/v1/access-token", true},
		{"https://ghcr.io:443/acme/app", "ghcr.io/acme/app", "ghcr.io", "ghcr.io", false},
		{"localhost:5000", "localhost:5000", "localhost:5000", "localhost:5000", false},
	}
	for _, test := range tests {
		t.Run(test.raw, func(t *testing.T) {
			a, err := helpers.ParseAddress(test.raw)
			if err != nil {
				t.Fatal(err)
			}
			if a.String() != test.text || a.DockerKey() != test.docker ||
				a.WholeHost().String() != test.whole || a.IsHub() != test.hub {
				t.Errorf("got %q, %q, %q, %v", a, a.DockerKey(), a.WholeHost(), a.IsHub())
			}
		})
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{
		"https://index.docker.io/v1/", "registry-1.docker.io:443", "ghcr.io/acme/app?ns=x", "http://[::1]:5000/v2/",
		"https://index.docker.io/v1/refresh-token", "docker.io/v1/v1/access-token", "a@b", "[1::%25]", "x:00443/v1/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := helpers.ParseAddress(raw)
		if err != nil {
			return
		}
		twice, err := helpers.ParseAddress(once.String())
		if err != nil || twice != once {
			t.Errorf("%q gives %+v, and that gives %+v, %v", raw, once, twice, err)
		}
		if key, err := helpers.ParseAddress(once.DockerKey()); err != nil || key != once.WholeHost() {
			t.Errorf("%q gives the key %q, and that gives %+v, %v", raw, once.DockerKey(), key, err)
		}
		host := once.Host
		if host == "" || host != strings.ToLower(host) || strings.ContainsAny(host, "@/ \\?#%") ||
			strings.Contains(host, "://") || strings.HasSuffix(host, ":443") {
			t.Errorf("%q gives the host %q", raw, host)
		}
		if strings.HasPrefix(once.Path, "/") || strings.HasSuffix(once.Path, "/") || strings.ContainsAny(once.Path, "?# \\") {
			t.Errorf("%q gives the path %q", raw, once.Path)
		}
	})
}
