// SPDX-License-Identifier: Apache-2.0

package doors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// program is a Program with only the given variables and a home of its own.
func program(t *testing.T, variables map[string]string, stdin io.Reader) (p *Program, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	env := helpers.SystemEnv()
	env.Home = t.TempDir()
	all := map[string]string{
		"REGAUTH_STORE": "file", "REGAUTH_METADATA": "off",
		"XDG_CACHE_HOME": env.Home, "XDG_STATE_HOME": env.Home, "XDG_DATA_HOME": env.Home, "XDG_CONFIG_HOME": env.Home,
	}
	for name, value := range variables {
		all[name] = value
	}
	env.LookupEnv = func(name string) (string, bool) { v, ok := all[name]; return v, ok }
	return &Program{Name: "docker-credential-regauth", Stdin: stdin, Stdout: stdout, Stderr: stderr, Env: env}, stdout, stderr
}

func TestGetTakesRawAndTerminatedInput(t *testing.T) {
	for _, input := range []string{"ghcr.io", "ghcr.io\n", "ghcr.io\r\n", "  ghcr.io  "} {
		p, stdout, stderr := program(t, map[string]string{"GITHUB_TOKEN": "ghp_x", "GITHUB_ACTOR": "me"}, strings.NewReader(input))
		if code := p.Run(context.Background(), []string{"get"}); code != 0 || stderr.Len() != 0 {
			t.Fatalf("%q: exit %d, stderr %q", input, code, stderr)
		}
		if got, want := stdout.String(), `{"ServerURL":"ghcr.io","Username":"me","Secret":"ghp_x"}`+"\n"; got != want {
			t.Errorf("%q: got %q", input, got)
		}
	}
}

func TestASecretOfAnyLengthRoundTrips(t *testing.T) {
	secret := strings.Repeat("a long secret \\ \" <&> ", 20_000) // 440 kB, in one line
	login, err := json.Marshal(map[string]string{"ServerURL": "r.example", "Username": "u", "Secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	p, stdout, _ := program(t, nil, bytes.NewReader(login))
	if code := p.Run(context.Background(), []string{"store"}); code != 0 {
		t.Fatalf("store: exit %d, %s", code, stdout)
	}
	p.Stdin = strings.NewReader("r.example")
	stdout.Reset()
	if code := p.Run(context.Background(), []string{"get"}); code != 0 {
		t.Fatalf("get: exit %d, %s", code, stdout)
	}
	var got struct{ Secret string }
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil || got.Secret != secret {
		t.Errorf("the secret came back with %d of %d bytes, %v", len(got.Secret), len(secret), err)
	}
}

// endless is a standard input that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestInputThatCannotBeUsed(t *testing.T) {
	for name, stdin := range map[string]io.Reader{"endless": endless{}, "broken": broken{}} {
		for verb, want := range map[string]int{"get": 1, "store": 1, "erase": 0} {
			p, stdout, stderr := program(t, nil, stdin)
			if code := p.Run(context.Background(), []string{verb}); code != want {
				t.Errorf("%s %s: exit %d, want %d", name, verb, code, want)
			}
			if !strings.HasPrefix(stderr.String(), "regauth: ") || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("%s %s: stderr %q", name, verb, stderr)
			}
			if verb == "erase" && stdout.Len() != 0 {
				t.Errorf("%s: erase printed %q", name, stdout)
			}
		}
	}
}

func TestListDoesNotReadItsInput(t *testing.T) {
	reader, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	p, stdout, _ := program(t, nil, reader)
	if code := p.Run(context.Background(), []string{"list"}); code != 0 || stdout.String() != "{}\n" {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

// full is a standard output that cannot be written.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAnAnswerThatCannotBeWrittenIsNoSuccess(t *testing.T) {
	p, _, stderr := program(t, map[string]string{"GITHUB_TOKEN": "ghp_x"}, strings.NewReader("ghcr.io"))
	p.Stdout = full{}
	if code := p.Run(context.Background(), []string{"get"}); code != 1 || !strings.Contains(stderr.String(), "cannot be written") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestCacheDir(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"own variable", map[string]string{"REGAUTH_CACHE_DIR": "/x", "RUNNER_TEMP": "/r"}, "/x"},
		{"the job's folder", map[string]string{"RUNNER_TEMP": "/r", "XDG_CACHE_HOME": "/c"}, "/r/regauth"},
		{"a relative one is none", map[string]string{"RUNNER_TEMP": "r", "XDG_CACHE_HOME": "/c"}, "/c/regauth"},
		{"none", map[string]string{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := &helpers.Env{GOOS: "linux", LookupEnv: func(n string) (string, bool) { v, ok := tt.env[n]; return v, ok }}
			if got := cacheDir(env); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
