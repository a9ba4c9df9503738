// SPDX-License-Identifier: Apache-2.0

//go:build unix

// The worlds of these tests have Unix paths.

package ghcr_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/ghcr"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

const hostsPath = "/home/me/.config/gh/hosts.yml"

const withTokens = `
github.com:
    git_protocol: https
    users:
        octocat:
            oauth_token: gho_com
        other:
            oauth_token: gho_other
    user: octocat
    oauth_token: gho_com
acme.ghe.com:
    user: tenant
    oauth_token: gho_tenant
github.corp.example:
    user: corp
    users:
        corp:
            oauth_token: gho_corp
`

const withKeyring = `
github.com:
    git_protocol: https
    users:
        octocat:
    user: octocat
`

// ghSource returns the source of the tool's tier.
func ghSource(t *testing.T, world envtest.World, host string) helpers.Source {
	t.Helper()
	sources := ghcr.New().Sources(helpers.Request{Target: helpers.Target{Host: host}, Env: world.Env()})
	last := sources[len(sources)-1]
	if last.Tier != helpers.TierTool || !last.Program {
		t.Fatalf("the last source is %+v", last)
	}
	return last
}

// gh stands for the program: it answers as told and keeps what it was asked.
type gh struct {
	out, stderr string
	asked       []helpers.Command
}

func (g *gh) programs() map[string]func(helpers.Command) ([]byte, error) {
	return map[string]func(helpers.Command) ([]byte, error){"gh": func(c helpers.Command) ([]byte, error) {
		g.asked = append(g.asked, c)
		if g.stderr != "" {
			return nil, &helpers.RunError{Program: "gh", Stderr: []byte(g.stderr), Err: errors.New("exit status 1")}
		}
		return []byte(g.out), nil
	}}
}

func TestGHLogin(t *testing.T) {
	tests := []struct {
		name, host, file string
		gh               *gh
		want             envtest.Outcome
		runs             int
	}{
		{"in the file", "ghcr.io", withTokens, &gh{out: "no"}, envtest.Outcome{User: "octocat", Secret: "gho_com"}, 0},
		{"a tenant's", "containers.acme.ghe.com", withTokens, nil, envtest.Outcome{User: "tenant", Secret: "gho_tenant"}, 0},
		{"only below the user", "containers.github.corp.example", withTokens, nil,
			envtest.Outcome{User: "corp", Secret: "gho_corp"}, 0},
		{"another server", "containers.other.ghe.com", withTokens, &gh{out: "no"}, envtest.Outcome{Error: "absent"}, 0},
		{"no file", "ghcr.io", "", &gh{out: "no"}, envtest.Outcome{Error: "absent"}, 0},
		{"an empty file", "ghcr.io", "\n", &gh{out: "no"}, envtest.Outcome{Error: "absent"}, 0},
		{"in the keyring", "ghcr.io", withKeyring, &gh{out: "gho_keyring\n"},
			envtest.Outcome{User: "octocat", Secret: "gho_keyring"}, 1},
		{"in the keyring, without gh", "ghcr.io", withKeyring, nil, envtest.Outcome{Error: "absent"}, 0},
		{"the keyring has none", "ghcr.io", withKeyring, &gh{stderr: "no oauth token found for github.com\n"},
			envtest.Outcome{Error: "absent"}, 1},
		{"the keyring is locked", "ghcr.io", withKeyring, &gh{stderr: "keyring is locked\x1b[31m"},
			envtest.Outcome{Error: "mint"}, 1},
		{"gh prints nothing", "ghcr.io", withKeyring, &gh{out: "\n"}, envtest.Outcome{Error: "unusable"}, 1},
		{"fine-grained", "ghcr.io", "github.com:\n  user: me\n  oauth_token: github_pat_x\n", nil,
			envtest.Outcome{Error: "unusable"}, 0},
		{"no user", "ghcr.io", "github.com:\n  oauth_token: gho_x\n", nil,
			envtest.Outcome{User: "x-access-token", Secret: "gho_x"}, 0},
		{"not YAML", "ghcr.io", "github.com: [gho_SECRET", nil, envtest.Outcome{Error: "unusable"}, 0},
		{"another shape", "ghcr.io", "github.com: gho_SECRET", nil, envtest.Outcome{Error: "unusable"}, 0},
		{"too large", "ghcr.io", withTokens + strings.Repeat("#", 1<<20), nil, envtest.Outcome{Error: "unusable"}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			world := envtest.World{}
			if test.file != "" {
				world.Files = map[string]string{hostsPath: test.file}
			}
			if test.gh != nil {
				world.Programs = test.gh.programs()
			}
			got, err := envtest.Ask(t.Context(), ghSource(t, world, test.host))
			if got != test.want {
				t.Errorf("got %+v (%v), want %+v", got, err, test.want)
			}
			if test.gh != nil && len(test.gh.asked) != test.runs {
				t.Errorf("gh ran %d times, want %d", len(test.gh.asked), test.runs)
			}
			if err != nil && (strings.Contains(err.Error(), "gho_") || strings.ContainsRune(err.Error(), '\x1b')) {
				t.Errorf("the error shows what it must not: %q", err)
			}
		})
	}
}

// gh prefers a variable's token to the one it keeps, whatever host it is asked
// for; so it must not see the variables.
func TestGHDoesNotSeeTheVariables(t *testing.T) {
	program := &gh{out: "gho_keyring"}
	world := envtest.World{
		Vars:     map[string]string{"GH_ENTERPRISE_TOKEN": "elsewhere"},
		Files:    map[string]string{hostsPath: withKeyring},
		Programs: program.programs(),
	}
	if _, err := ghSource(t, world, "ghcr.io").Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := program.asked[0]
	if want := []string{"gh", "auth", "token", "--hostname", "github.com"}; !slices.Equal(asked.Args, want) {
		t.Errorf("ran %q, want %q", asked.Args, want)
	}
	for _, name := range []string{"GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"} {
		if !slices.Contains(asked.Env, name+"=") {
			t.Errorf("%s is not emptied", name)
		}
	}
}

func TestGHDeadline(t *testing.T) {
	world := envtest.World{Files: map[string]string{hostsPath: withKeyring}, Programs: (&gh{}).programs()}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ghSource(t, world, "ghcr.io").Token(ctx)
	var mint *helpers.MintError
	if !errors.As(err, &mint) || !errors.Is(err, context.Canceled) || mint.Cause != "gh did not answer in time" {
		t.Errorf("got %v", err)
	}
}

func TestGHFileUnreadable(t *testing.T) {
	world := envtest.World{Unreadable: []string{hostsPath}}
	if got, err := envtest.Ask(t.Context(), ghSource(t, world, "ghcr.io")); got.Error != "unusable" {
		t.Errorf("got %+v (%v)", got, err)
	}
}

func TestInputs(t *testing.T) {
	tests := []struct {
		name  string
		world envtest.World
		want  []string
	}{
		{"the usual place", envtest.World{}, []string{hostsPath}},
		{"XDG", envtest.World{Vars: map[string]string{"XDG_CONFIG_HOME": "/xdg"}}, []string{"/xdg/gh/hosts.yml"}},
		{"gh's own variable", envtest.World{Vars: map[string]string{"GH_CONFIG_DIR": "/own", "XDG_CONFIG_HOME": "/xdg"}},
			[]string{"/own/hosts.yml"}},
		{"a relative one is nobody's", envtest.World{Vars: map[string]string{"GH_CONFIG_DIR": "own"}}, nil},
		{"Windows", envtest.World{GOOS: "windows", Vars: map[string]string{"APPDATA": "/appdata"}},
			[]string{"/appdata/GitHub CLI/hosts.yml"}},
		{"Windows with XDG", envtest.World{GOOS: "windows", Vars: map[string]string{"APPDATA": "/appdata", "XDG_CONFIG_HOME": "/xdg"}},
			[]string{"/xdg/gh/hosts.yml"}},
		{"no home", envtest.World{Homeless: true}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lister := ghcr.New().(helpers.InputLister)
			got := lister.Inputs(helpers.Request{Target: helpers.Target{Host: "ghcr.io"}, Env: test.world.Env()})
			if !slices.Equal(got.Files, test.want) {
				t.Errorf("got the files %q, want %q", got.Files, test.want)
			}
			for _, name := range got.Env {
				if strings.Contains(name, "TOKEN") {
					t.Errorf("%s holds a secret and must not be an input", name)
				}
			}
		})
	}
}
