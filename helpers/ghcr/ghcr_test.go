// SPDX-License-Identifier: Apache-2.0

package ghcr_test

import (
	"slices"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/ghcr"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

// everything sets every token that GitHub's tools know.
func everything(more ...string) map[string]string {
	vars := map[string]string{
		"GH_TOKEN": "gh", "GITHUB_TOKEN": "github",
		"GH_ENTERPRISE_TOKEN": "gh-enterprise", "GITHUB_ENTERPRISE_TOKEN": "github-enterprise",
	}
	for i := 0; i < len(more); i += 2 {
		vars[more[i]] = more[i+1]
	}
	return vars
}

// jobSecrets runs the sources of the job's tier.
func jobSecrets(t *testing.T, host string, vars map[string]string) []string {
	t.Helper()
	req := helpers.Request{Target: helpers.Target{Host: host}, Env: envtest.World{Vars: vars}.Env()}
	var got []string
	for _, s := range ghcr.New().Sources(req) {
		if s.Tier == helpers.TierJob {
			outcome, _ := envtest.Ask(t.Context(), s)
			got = append(got, outcome.Secret+outcome.Error)
		}
	}
	return got
}

func TestWhichTokenGoesWhere(t *testing.T) {
	person := []string{"gh", "github"}
	job := []string{"github", "gh"}
	enterprise := []string{"gh-enterprise", "github-enterprise"}
	tests := []struct {
		name, host string
		vars       map[string]string
		want       []string
	}{
		{"a person", "ghcr.io", everything(), person},
		{"a workflow", "ghcr.io", everything("GITHUB_ACTIONS", "true"), job},
		{"GITHUB_SERVER_URL says github.com", "ghcr.io", everything("GITHUB_SERVER_URL", "https://github.com"), person},
		{"upper case and a slash", "ghcr.io", everything("GITHUB_SERVER_URL", "HTTPS://GitHub.com/"), person},
		{"empty is unset", "ghcr.io", everything("GITHUB_SERVER_URL", ""), person},
		{"the job is on another server", "ghcr.io", everything("GITHUB_SERVER_URL", "https://github.corp.example"), nil},
		{"that server's registry", "containers.github.corp.example",
			everything("GITHUB_SERVER_URL", "https://github.corp.example", "GITHUB_ACTIONS", "true"), job},
		{"its older registry", "docker.github.corp.example",
			everything("GITHUB_SERVER_URL", "https://github.corp.example"), person},
		{"a nonsense GITHUB_SERVER_URL is nowhere", "ghcr.io", everything("GITHUB_SERVER_URL", "https://x@y"), nil},
		{"a tenant", "containers.acme.ghe.com", everything("GITHUB_SERVER_URL", "https://acme.ghe.com"), person},
		{"another tenant", "containers.other.ghe.com", everything("GITHUB_SERVER_URL", "https://acme.ghe.com"), nil},
		{"a tenant by GH_HOST", "containers.acme.ghe.com", everything("GH_HOST", "acme.ghe.com"), person},
		{"a tenant by GH_HOST, not ghcr.io as well", "ghcr.io", everything("GH_HOST", "acme.ghe.com"), nil},
		{"a job outranks GH_HOST", "ghcr.io",
			everything("GH_HOST", "acme.ghe.com", "GITHUB_SERVER_URL", "https://github.com"), person},
		{"an enterprise server", "containers.github.corp.example",
			everything("GH_HOST", "github.corp.example"), enterprise},
		{"GH_HOST leaves ghcr.io alone", "ghcr.io", everything("GH_HOST", "github.corp.example"), person},
		{"both name the server", "containers.github.corp.example",
			everything("GH_HOST", "github.corp.example", "GITHUB_SERVER_URL", "https://github.corp.example"),
			append(slices.Clone(person), enterprise...)},
		{"another enterprise server", "containers.github.other.example",
			everything("GH_HOST", "github.corp.example"), nil},
		{"no enterprise token for github.com", "ghcr.io",
			map[string]string{"GH_ENTERPRISE_TOKEN": "gh-enterprise", "GH_HOST": "github.com"}, []string{"absent", "absent"}},
		{"a server without subdomains", "github.corp.example",
			everything("GITHUB_SERVER_URL", "https://github.corp.example"), person},
		{"a look-alike", "ghcr.io.evil.example", everything(), nil},
		{"GitHub's own host is not its registry", "containers.github.com", everything(), nil},
		{"a tenant's other host", "docker.acme.ghe.com", everything("GH_HOST", "acme.ghe.com"), nil},
		{"an empty host", "", everything("GITHUB_SERVER_URL", ""), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := jobSecrets(t, test.host, test.vars); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUnusableTokens(t *testing.T) {
	tests := []struct {
		name, token, want string
	}{
		{"classic", "ghp_x", "ghp_x"},
		{"of a job", "ghs_x", "ghs_x"},
		{"fine-grained", "github_pat_x", "unusable"},
		{"fine-grained, after a space", " github_pat_x", "unusable"},
		{"empty", "", "unusable"},
		{"unexpanded", "${{ secrets.TOKEN }}", "unusable"},
	}
	judge := ghcr.New().(helpers.LoginJudge)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := jobSecrets(t, "ghcr.io", map[string]string{"GH_TOKEN": test.token})
			if want := []string{test.want, "absent"}; !slices.Equal(got, want) {
				t.Errorf("from the variable: got %q, want %q", got, want)
			}
			req := helpers.Request{Target: helpers.Target{Host: "ghcr.io"}, Env: envtest.World{}.Env()}
			login := helpers.Credential{Username: "me", Secret: helpers.NewSecret(test.token)}
			if got := envtest.Result(judge.JudgeLogin(req, login)); got.Secret+got.Error != test.want {
				t.Errorf("from the store: got %+v, want %q", got, test.want)
			}
		})
	}
}

func TestUserName(t *testing.T) {
	tests := []struct {
		name, actor, want string
	}{
		{"the actor", "octocat", "octocat"},
		{"an app", "dependabot[bot]", "dependabot[bot]"},
		{"none", "", "x-access-token"},
		{"unexpanded", "${{ github.actor }}", "x-access-token"},
		{"with a colon", "a:b", "x-access-token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := envtest.World{Vars: map[string]string{"GH_TOKEN": "t", "GITHUB_ACTOR": test.actor}}.Env()
			req := helpers.Request{Target: helpers.Target{Host: "ghcr.io"}, Env: env}
			want := envtest.Outcome{User: test.want, Secret: "t"}
			if got, err := envtest.Ask(t.Context(), ghcr.New().Sources(req)[0]); got != want {
				t.Errorf("got %+v (%v), want %+v", got, err, want)
			}
		})
	}
}

func TestAdopt(t *testing.T) {
	adopter := ghcr.New().(helpers.Adopter)
	tests := []struct {
		name, host string
		vars       map[string]string
		configured bool
		want       bool
	}{
		{"the job's server", "containers.github.corp.example", map[string]string{"GITHUB_SERVER_URL": "https://github.corp.example"}, false, true},
		{"gh's server", "containers.github.corp.example", map[string]string{"GH_HOST": "github.corp.example"}, false, true},
		{"its older registry", "docker.github.corp.example", map[string]string{"GH_HOST": "github.corp.example"}, false, true},
		{"the server itself", "github.corp.example", map[string]string{"GH_HOST": "github.corp.example"}, false, false},
		{"another name below it", "registry.github.corp.example", map[string]string{"GH_HOST": "github.corp.example"}, false, false},
		{"nobody named it", "containers.github.corp.example", nil, false, false},
		{"configured", "github.corp.example", nil, true, true},
		{"empty variables", "containers.", map[string]string{"GITHUB_SERVER_URL": "", "GH_HOST": ""}, false, false},
		{"no host", "", nil, true, false},
		{"GitHub's own names are in the table or not at all", "containers.github.com", map[string]string{"GITHUB_SERVER_URL": "https://github.com"}, false, false},
		{"a name below GitHub's", "containers.x.github.com", map[string]string{"GITHUB_SERVER_URL": "https://x.github.com"}, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, got := adopter.Adopt(test.host, envtest.World{Vars: test.vars}.Env(), test.configured); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestHint(t *testing.T) {
	for host, want := range map[string]string{
		"ghcr.io":                        "gh auth login --hostname github.com --scopes read:packages",
		"containers.acme.ghe.com":        "gh auth login --hostname acme.ghe.com --scopes read:packages",
		"containers.github.corp.example": "gh auth login --hostname github.corp.example --scopes read:packages",
	} {
		if got := ghcr.New().Hint(helpers.Target{Host: host}); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}
