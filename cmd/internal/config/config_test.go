// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

const sample = `
timeout = "5s"
store   = "pass"

[[registry]]
match    = "123456789012.dkr.ecr.*.amazonaws.com/team-*"
profile  = "team"

[[registry]]
match    = "123456789012.dkr.ecr.*.amazonaws.com"
role_arn = "arn:aws:iam::123456789012:role/ci"

[[registry]]
match    = "registry.corp.example:5000"
provider = "gitlab"
metadata = false

[[registry]]
match = "images.corp.example"
alias = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"

[[registry]]
match  = "docker.io/my-org"
helper = "pass"
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("config.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChoose(t *testing.T) {
	c := parse(t, sample)
	if c.Timeout != 5*time.Second || c.Store != "pass" {
		t.Errorf("timeout %v, store %q", c.Timeout, c.Store)
	}
	no := false
	tests := []struct {
		name, address string
		want          helpers.Choice
		key           string
	}{
		{
			"path rule first", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team-a/app",
			helpers.Choice{Profile: "team", Line: 5}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team-*",
		},
		{
			"another path", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/other/team-a",
			helpers.Choice{RoleARN: "arn:aws:iam::123456789012:role/ci", Line: 9}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
		},
		{
			"host only", "https://123456789012.DKR.ecr.us-east-1.amazonaws.com/v2/",
			helpers.Choice{RoleARN: "arn:aws:iam::123456789012:role/ci", Line: 9}, "123456789012.dkr.ecr.us-east-1.amazonaws.com",
		},
		{"star within one label", "123456789012.dkr.ecr.a.b.amazonaws.com", helpers.Choice{}, "123456789012.dkr.ecr.a.b.amazonaws.com"},
		{"port", "registry.corp.example:5000", helpers.Choice{Provider: "gitlab", Metadata: &no, Line: 13}, "registry.corp.example:5000"},
		{"other port", "registry.corp.example", helpers.Choice{}, "registry.corp.example"},
		{"alias", "images.corp.example/x", helpers.Choice{Alias: "123456789012.dkr.ecr.eu-west-1.amazonaws.com", Line: 18}, "images.corp.example"},
		{"hub path", "index.docker.io/my-org/app", helpers.Choice{Helper: "pass", Line: 22}, "docker.io/my-org"},
		{"hub itself", "https://index.docker.io/v1/", helpers.Choice{}, "docker.io"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address, err := helpers.ParseAddress(tt.address)
			if err != nil {
				t.Fatal(err)
			}
			got, key := c.Choose(address)
			if (got.Metadata == nil) != (tt.want.Metadata == nil) || got.Metadata != nil && *got.Metadata != *tt.want.Metadata {
				t.Error("metadata differs")
			}
			rule := got.Rule
			got.Rule, got.Metadata, tt.want.Metadata = "", nil, nil
			if got != tt.want || key != tt.key {
				t.Errorf("rule %q: got %+v, key %q", rule, got, key)
			}
		})
	}
}

func TestFaultsNameTheirLine(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		says       string
	}{
		{"unknown key", "[[registry]]\nmatch = \"a.example\"\nprofil = \"x\"\n", 3, `unknown key "profil"`},
		{"unknown table", "\n[registrys]\nmatch = \"a\"\n", 2, `unknown key "registrys"`},
		{"no match", "[[registry]]\nmatch = \"a.example\"\n\n[[registry]]\nprofile = \"x\"\n", 4, "has no match"},
		{"bad pattern", "[[registry]]\nmatch = \"a.**.example\"\n", 1, "'**' means nothing"},
		{"pattern with user", "[[registry]]\nmatch = \"me@a.example\"\n", 1, "match"},
		{"alias of many hosts", "[[registry]]\nmatch = \"*.example\"\nalias = \"ghcr.io\"\n", 1, "alias needs a match without '*'"},
		{"alias with path", "[[registry]]\nmatch = \"a.example\"\nalias = \"ghcr.io/x\"\n", 1, "is not a registry's host name"},
		{"wrong type", "[[registry]]\nmatch = 3\n", 2, `the value of "match" is of the wrong kind`},
		{"wrong type of a switch", "[[registry]]\nmatch = \"a\"\nmetadata = \"yes\"\n", 3, `the value of "metadata" is of the wrong kind`},
		{"single brackets", "\n[registry]\nmatch = \"a\"\n", 2, "begin each with [[registry]]"},
		{"inline", "registry = [{match = \"a\"}]\n", 1, "begin each with [[registry]]"},
		{"broken", "[[registry\n", 1, ""},
		{"no duration", "\n\ntimeout = \"soon\"\n", 3, `timeout "soon" is no duration`},
		{"negative", "timeout = \"-1s\"\n", 1, "is no duration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("config.toml", []byte(tt.text))
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("got %v", err)
			}
			if fault.Line != tt.line || !strings.Contains(fault.Error(), tt.says) {
				t.Errorf("got %q, want line %d saying %q", fault, tt.line, tt.says)
			}
		})
	}
}

func TestPatternFitsWholeHosts(t *testing.T) {
	tests := []struct {
		match, address string
		want           bool
	}{
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"a.*.c", "a.b", false},
		{"a.b", "a.b.c", false},
		{"*.b", "x.a.b", false},
		{"a.b/x", "a.b/xy", false},
		{"a.b/x", "a.b/x/y", true},
		{"a.b/*/y", "a.b/x/z/y", false},
		{"a.b/x", "a.b", false},
		{"a*b*c.example", "aXbYc.example", true},
		{"ab*bc.example", "abc.example", false},
	}
	for _, tt := range tests {
		p, err := compile(tt.match)
		if err != nil {
			t.Fatal(err)
		}
		address, err := helpers.ParseAddress(tt.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(address); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.match, tt.address, got)
		}
	}
}

// envFor is an environment with only the given variables and home.
func envFor(home string, variables map[string]string) *helpers.Env {
	env := helpers.SystemEnv()
	env.Home = home
	env.LookupEnv = func(name string) (string, bool) { v, ok := variables[name]; return v, ok }
	return env
}

func TestLoad(t *testing.T) {
	home := t.TempDir()
	if c, err := Load(envFor(home, nil)); err != nil || c.File != "" || c.Timeout != DefaultTimeout {
		t.Fatalf("without a file: %+v, %v", c, err)
	}
	dir := filepath.Join(home, ".config", "regauth")
	path := filepath.Join(dir, "config.toml")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(path, []byte(sample), 0o600)); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	if runtime.GOOS == "windows" {
		variables["XDG_CONFIG_HOME"] = filepath.Join(home, ".config")
	}
	if c, err := Load(envFor(home, variables)); err != nil || c.File != path || c.Store != "pass" {
		t.Fatalf("with a file: %+v, %v", c, err)
	}
	if _, err := Load(envFor(home, map[string]string{"REGAUTH_CONFIG": filepath.Join(home, "none.toml")})); err == nil {
		t.Error("a file that REGAUTH_CONFIG names and that is missing was passed over")
	}
	if _, err := Load(envFor(home, map[string]string{"REGAUTH_CONFIG": dir})); err == nil {
		t.Error("a folder was read as a file")
	}
}

func TestUntrustedFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no modes")
		return
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	env := envFor(t.TempDir(), map[string]string{"REGAUTH_CONFIG": path})
	for _, mode := range []os.FileMode{0o622, 0o620, 0o666} {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(env); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Log("not root: a file of another user cannot be made here; .ci/run does it as root")
		return
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, 12345, 12345)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(env); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("another user's file: %v", err)
	}
}

func FuzzPatternNeverCrossesADot(f *testing.F) {
	f.Add("*.example.com/team-*", "a.example.com/team-b/c")
	f.Add("123.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.evil.com.amazonaws.com")
	f.Add("docker.io/*", "https://index.docker.io/v1/")
	f.Add("a*b*c.example", "aXbYc.example")
	f.Fuzz(func(t *testing.T, match, text string) {
		p, err := compile(match)
		if err != nil {
			return
		}
		address, err := helpers.ParseAddress(text)
		if err != nil || !p.matches(address) {
			return
		}
		if strings.Count(p.hostText(), ".") != strings.Count(address.Host, ".") {
			t.Errorf("%q matches %q across a dot", match, text)
		}
		segments := strings.Split(address.Path, "/")
		for i, want := range p.path {
			if !fits(want, segments[i]) {
				t.Errorf("%q matches %q across a slash", match, text)
			}
		}
		if p.literalHost() && p.hostText() != address.Host {
			t.Errorf("%q without a star matches the host of %q", match, text)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("[[registry]]\nmatch=\"*\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) || strings.ContainsAny(fault.Why, "\n\r\x1b") {
				t.Errorf("the fault is not one clean line: %q", err)
			}
			return
		}
		if c.Timeout <= 0 {
			t.Error("a configuration without a limit")
		}
	})
}
