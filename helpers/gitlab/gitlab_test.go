// SPDX-License-Identifier: Apache-2.0

package gitlab_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/gitlab"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

// job is what a GitLab job has, with every secret there can be.
func job(more map[string]string) map[string]string {
	vars := map[string]string{
		"CI_REGISTRY":      "registry.gitlab.com",
		"CI_REGISTRY_USER": "gitlab-ci-token", "CI_REGISTRY_PASSWORD": "registry-secret",
		"CI_DEPLOY_USER": "gitlab+deploy-token-1", "CI_DEPLOY_PASSWORD": "deploy-secret",
		"CI_JOB_TOKEN":               "job-secret",
		"CI_DEPENDENCY_PROXY_SERVER": "gitlab.com:443",
		"CI_DEPENDENCY_PROXY_USER":   "gitlab-ci-token", "CI_DEPENDENCY_PROXY_PASSWORD": "proxy-secret",
	}
	maps.Copy(vars, more)
	return vars
}

func TestSources(t *testing.T) {
	registry := []string{"registry-secret", "deploy-secret", "job-secret"}
	tests := []struct {
		name, host string
		vars       map[string]string
		want       []string // secrets in order, an error as such
	}{
		{"GitLab.com", "registry.gitlab.com", nil, registry},
		{"the dependency proxy", "gitlab.com", nil, []string{"proxy-secret"}},
		{"another registry", "registry.corp.example", nil, nil},
		{"a scheme and upper case", "registry.corp.example",
			map[string]string{"CI_REGISTRY": "HTTPS://Registry.Corp.Example/"}, registry},
		{"GitLab.com, while the job is elsewhere", "registry.gitlab.com",
			map[string]string{"CI_REGISTRY": "registry.corp.example"}, nil},
		{"the port counts", "gitlab.corp.example",
			map[string]string{"CI_REGISTRY": "gitlab.corp.example:5050"}, nil},
		{"the same port", "gitlab.corp.example:5050",
			map[string]string{"CI_REGISTRY": "gitlab.corp.example:5050"}, registry},
		{"port 443 is none", "gitlab.corp.example",
			map[string]string{"CI_REGISTRY": "gitlab.corp.example:443"}, registry},
		{"an empty variable names nothing", "", map[string]string{"CI_REGISTRY": "", "CI_DEPENDENCY_PROXY_SERVER": ""}, nil},
		{"a look-alike", "registry.gitlab.com.evil.example", nil, nil},
		{"user information names nothing", "evil.example",
			map[string]string{"CI_REGISTRY": "registry.gitlab.com@evil.example"}, nil},
		{"a proxy on the registry's host comes last", "registry.gitlab.com",
			map[string]string{"CI_DEPENDENCY_PROXY_SERVER": "registry.gitlab.com"},
			append(slices.Clone(registry), "proxy-secret")},
		{"an empty password is named", "registry.gitlab.com", map[string]string{"CI_REGISTRY_PASSWORD": ""},
			[]string{"unusable", "deploy-secret", "job-secret"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := envtest.World{Vars: job(test.vars)}.Env()
			req := helpers.Request{Target: helpers.Target{Host: test.host}, Env: env}
			var got []string
			for _, s := range gitlab.New().Sources(req) {
				outcome, _ := envtest.Ask(t.Context(), s)
				got = append(got, outcome.Secret+outcome.Error)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// The job token has no user variable: GitLab fixes the name.
func TestJobTokenUser(t *testing.T) {
	env := envtest.World{Vars: map[string]string{"CI_REGISTRY": "r.example", "CI_JOB_TOKEN": "t"}}.Env()
	sources := gitlab.New().Sources(helpers.Request{Target: helpers.Target{Host: "r.example"}, Env: env})
	want := envtest.Outcome{User: "gitlab-ci-token", Secret: "t"}
	if got, err := envtest.Ask(t.Context(), sources[2]); got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}

func TestAdopt(t *testing.T) {
	tests := []struct {
		name, host string
		vars       map[string]string
		configured bool
		want       bool
	}{
		{"the job's registry", "registry.corp.example", map[string]string{"CI_REGISTRY": "registry.corp.example"}, false, true},
		{"the job's dependency proxy", "gitlab.com", job(nil), false, true},
		{"nobody's", "registry.corp.example", job(nil), false, false},
		{"no variables", "registry.corp.example", nil, false, false},
		{"configured", "registry.corp.example", nil, true, true},
		{"an empty host and an empty variable", "", map[string]string{"CI_REGISTRY": ""}, false, false},
		{"an empty host, configured", "", nil, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			adopter := gitlab.New().(helpers.Adopter)
			target, got := adopter.Adopt(test.host, envtest.World{Vars: test.vars}.Env(), test.configured)
			if got != test.want {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			if got && (target.Host != test.host || target.Anonymous != helpers.AnonymousPossible) {
				t.Errorf("the target is %+v", target)
			}
		})
	}
}
