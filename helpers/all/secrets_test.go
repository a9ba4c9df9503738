// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/all"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

// The hosts that the variables of everySecret name.
const (
	jobRegistry = "registry.job.example:5050"
	jobProxy    = "gitlab.job.example"
	harborHost  = "harbor.job.example"
	ghServer    = "github.job.example"
)

// canary is the value that the variable has in these tests.
func canary(name string) string { return "value-of-" + name + "-end" }

// carried lists the variables whose values are in the text.
func carried(text string) []string {
	var names []string
	for _, name := range secretVariables {
		if strings.Contains(text, canary(name)) {
			names = append(names, name)
		}
	}
	return names
}

// secretVariables lists every variable with a secret that any provider or cloud
// SDK knows.
var secretVariables = []string{
	"GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN",
	"DOCKERHUB_TOKEN", "DOCKERHUB_PASSWORD", "DOCKER_PASSWORD",
	"CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "CI_JOB_TOKEN", "CI_DEPENDENCY_PROXY_PASSWORD",
	"QUAY_ROBOT_TOKEN", "QUAY_PASSWORD", "HARBOR_PASSWORD",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_PASSWORD", "IDENTITY_HEADER", "MSI_SECRET",
	"CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN",
	"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN", "CI_JOB_JWT", "CI_JOB_JWT_V2",
}

// everySecret sets every variable with a secret to its canary.
func everySecret() map[string]string {
	vars := map[string]string{
		// what the secrets are bound to
		"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GH_HOST": ghServer,
		"CI_REGISTRY": "https://Registry.Job.Example:5050/", "CI_DEPENDENCY_PROXY_SERVER": "gitlab.job.example:443",
		"HARBOR_HOST": harborHost, "HARBOR_URL": "https://harbor.job.example/",
		// the user names that go with them
		"GITHUB_ACTOR": "octocat", "DOCKERHUB_USERNAME": "acme", "CI_REGISTRY_USER": "gitlab-ci-token",
		"CI_DEPLOY_USER": "deploy", "CI_DEPENDENCY_PROXY_USER": "gitlab-ci-token",
		"QUAY_ROBOT_USERNAME": "acme+ci", "HARBOR_USERNAME": "robot$acme+ci", "QUAY_USERNAME": "acme+ci",
		// whom the secrets of the clouds belong to
		"AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID": "66666666-7777-8888-9999-000000000000",
		"IDENTITY_ENDPOINT": "http://" + identityHost + "/token",
		"REGAUTH_METADATA":  "off",
	}
	for _, name := range secretVariables {
		vars[name] = canary(name)
	}
	return vars
}

// allowed says which variables' secrets may go to which host. Every host that
// is not here gets none.
var allowed = map[string][]string{
	"ghcr.io":                  {"GITHUB_TOKEN", "GH_TOKEN"},
	"containers." + ghServer:   {"GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"},
	"docker." + ghServer:       {"GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"},
	"docker.io":                {"DOCKERHUB_TOKEN"},
	jobRegistry:                {"CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "CI_JOB_TOKEN"},
	jobProxy:                   {"CI_DEPENDENCY_PROXY_PASSWORD"},
	"quay.io":                  {"QUAY_ROBOT_TOKEN"},
	harborHost + " configured": {"HARBOR_PASSWORD"},
	"europe-docker.pkg.dev":    {googleToken},
}

// googleToken is an access token that a job gives to gcloud. It is a cloud's and
// not a registry's, so that every registry of that cloud may have it.
const googleToken = "CLOUDSDK_AUTH_ACCESS_TOKEN"

// yielded collects the secrets of the job's variables that the provider gives
// for the host, in order.
func yielded(t *testing.T, host string, choice helpers.Choice, vars map[string]string) []string {
	t.Helper()
	env := envtest.World{Vars: vars}.Env()
	p, target, err := all.Find(host, choice, env)
	if err != nil {
		return nil
	}
	var got []string
	for _, s := range p.Sources(helpers.Request{Target: target, Choice: choice, Env: env}) {
		if s.Tier != helpers.TierJob {
			continue // the other tiers look at files, tools or the network
		}
		if c, err := s.Token(t.Context()); err == nil {
			got = append(got, c.Secret.Reveal())
		}
	}
	return got
}

// everyHost lists every host of the table's examples and of allowed, with what
// looks like them.
func everyHost(t *testing.T) []string {
	t.Helper()
	hosts := map[string]bool{
		"github.com": true, "gitlab.com": true, "registry.gitlab.com": true, ghServer: true, "job.example": true,
		"registry.job.example": true, "gitlab.job.example:5050": true, "containers.job.example": true,
		"containers." + ghServer + ":8443": true, "registry." + ghServer: true,
	}
	for name := range allowed {
		host, _, _ := strings.Cut(name, " ")
		hosts[host] = true
	}
	for _, p := range all.All() {
		for _, e := range examples(t, p) {
			hosts[e.host] = true
		}
	}
	delete(hosts, "")
	for _, host := range slices.Collect(maps.Keys(hosts)) {
		bare, _, _ := strings.Cut(host, ":")
		if !strings.Contains(bare, ".") || strings.HasPrefix(bare, "[") {
			continue
		}
		for _, like := range lookAlikes(bare) {
			if address, err := helpers.ParseAddress(like); err == nil && address.Host != bare {
				hosts[address.Host] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// destinations says which variables' secrets may be sent where to mint a token.
// The cloud decides on it, not the registry.
var destinations = map[string][]string{
	"login.microsoftonline.com": {"AZURE_CLIENT_SECRET"},
	"login.microsoftonline.us":  {"AZURE_CLIENT_SECRET"},
	"login.chinacloudapi.cn":    {"AZURE_CLIENT_SECRET"},
	identityHost:                {"IDENTITY_HEADER"},
	toAWS:                       {"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"},
}

// mayGo lists the secrets that the host may be given.
func mayGo(host, provider string) []string {
	may := allowed[host]
	if provider != "" {
		may = append(slices.Clone(may), allowed[host+" configured"]...)
	}
	if host == ghServer && provider == "ghcr" {
		may = allowed["containers."+ghServer] // a server that serves images itself
	}
	if underOne(host, domains["gar"]) {
		may = append(slices.Clone(may), googleToken)
	}
	return may
}

// checkHost asks every source of every tier that the host has. No credential
// and no error holds a secret that is not the host's.
func checkHost(t *testing.T, host, provider string, env *helpers.Env) {
	t.Helper()
	choice := helpers.Choice{Provider: provider}
	p, target, err := all.Find(host, choice, env)
	if err != nil {
		return
	}
	for _, s := range p.Sources(helpers.Request{Target: target, Choice: choice, Env: env}) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		c, err := s.Token(ctx)
		cancel()
		for _, name := range carried(c.Username + " " + c.Secret.Reveal()) {
			if !slices.Contains(mayGo(host, provider), name) {
				t.Errorf("%s gets the secret of %s from %s (configured provider: %q)", host, name, s.Name, provider)
			}
		}
		if err != nil && len(carried(err.Error())) > 0 {
			t.Errorf("%s: the error of %s holds a secret: %v", host, s.Name, err)
		}
	}
}

// With every variable set at once, each secret goes to the one registry that
// its variables name, whatever the configuration says of the others, and to
// nobody else on the way.
func TestEverySecretStaysHome(t *testing.T) {
	world := &network{}
	env := world.env(t, everySecret())
	hosts := everyHost(t)
	if len(hosts) < 200 {
		t.Fatalf("there are only %d hosts to ask for", len(hosts))
	}
	choices := []string{""}
	for _, p := range all.All() {
		choices = append(choices, p.Name())
	}
	arrived := map[string]bool{}
	for _, host := range hosts {
		for _, provider := range choices {
			checkHost(t, host, provider, env)
			for _, sent := range world.take() {
				arrived[sent.to] = true
				for _, name := range carried(sent.text) {
					arrived[sent.to+" "+name] = true
					if !slices.Contains(destinations[sent.to], name) {
						t.Errorf("%s: the secret of %s is sent to %s (configured provider: %q)", host, name, sent.to, provider)
					}
				}
			}
		}
	}
	checkArrived(t, arrived)
}

// checkArrived wants every source to have come as far as to send what it may:
// else there would have been nothing to see.
func checkArrived(t *testing.T, arrived map[string]bool) {
	t.Helper()
	if !arrived[toPrograms] || !arrived["corp.azurecr.io"] {
		t.Error("no program was run, or no registry of Azure's was asked")
	}
	for to, names := range destinations {
		for _, name := range names {
			if !arrived[to+" "+name] {
				t.Errorf("%s was never sent to %s", name, to)
			}
		}
	}
}

// And it does go there, or the test above would prove nothing.
func TestEverySecretArrives(t *testing.T) {
	vars := everySecret()
	for name, want := range allowed {
		t.Run(name, func(t *testing.T) {
			host, configured, _ := strings.Cut(name, " ")
			choice := helpers.Choice{}
			if configured != "" {
				choice.Provider = "harbor"
			}
			var names []string
			for _, secret := range yielded(t, host, choice, vars) {
				names = append(names, carried(secret)...)
			}
			if !slices.Equal(names, want) {
				t.Errorf("got %q, want %q", names, want)
			}
		})
	}
}

// Which source wins, host by host.
func TestPrecedence(t *testing.T) {
	github := map[string]string{"GH_TOKEN": "gh", "GITHUB_TOKEN": "github", "GH_ENTERPRISE_TOKEN": "enterprise"}
	gitlab := map[string]string{
		"CI_REGISTRY_USER": "u", "CI_REGISTRY_PASSWORD": "registry", "CI_DEPLOY_USER": "u",
		"CI_DEPLOY_PASSWORD": "deploy", "CI_JOB_TOKEN": "job",
	}
	tests := []struct {
		name, host string
		base       map[string]string
		more       map[string]string
		want       string // the first secret, "" for none
	}{
		{"a person's GH_TOKEN", "ghcr.io", github, nil, "gh"},
		{"a workflow's GITHUB_TOKEN", "ghcr.io", github, map[string]string{"GITHUB_ACTIONS": "true"}, "github"},
		{"GITHUB_ACTIONS has to be true", "ghcr.io", github, map[string]string{"GITHUB_ACTIONS": "1"}, "gh"},
		{"an empty GH_TOKEN", "ghcr.io", github, map[string]string{"GH_TOKEN": ""}, "github"},
		{"a fine-grained GH_TOKEN", "ghcr.io", github, map[string]string{"GH_TOKEN": "github_pat_x"}, "github"},
		{"GITHUB_SERVER_URL elsewhere", "ghcr.io", github, map[string]string{"GITHUB_SERVER_URL": "https://github.example"}, ""},
		{"GITHUB_SERVER_URL here", "containers.github.example", github, map[string]string{"GITHUB_SERVER_URL": "https://github.example"}, "gh"},
		{"GITHUB_SERVER_URL without a scheme", "containers.github.example", github, map[string]string{"GITHUB_SERVER_URL": "GitHub.Example"}, "gh"},
		{"GH_HOST elsewhere", "ghcr.io", github, map[string]string{"GH_HOST": "github.example"}, "gh"},
		{"GH_HOST here", "containers.github.example", github, map[string]string{"GH_HOST": "github.example"}, "enterprise"},
		{"GH_HOST with a scheme", "containers.github.example", github, map[string]string{"GH_HOST": "https://GitHub.Example/"}, "enterprise"},
		{"GH_HOST and GITHUB_SERVER_URL", "containers.github.example", github,
			map[string]string{"GH_HOST": "github.example", "GITHUB_SERVER_URL": "https://github.example"}, "gh"},
		{"a tenant", "containers.acme.ghe.com", github, map[string]string{"GITHUB_SERVER_URL": "https://acme.ghe.com"}, "gh"},
		{"a tenant, without a word", "containers.acme.ghe.com", github, nil, ""},
		{"a job on GitLab.com", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "registry.gitlab.com"}, "registry"},
		{"no CI_REGISTRY", "registry.gitlab.com", gitlab, nil, ""},
		{"an empty CI_REGISTRY", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": ""}, ""},
		{"CI_REGISTRY with a scheme", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "https://registry.gitlab.com"}, "registry"},
		{"CI_REGISTRY with port 443", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "registry.gitlab.com:443"}, "registry"},
		{"CI_REGISTRY in upper case", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "REGISTRY.GITLAB.COM"}, "registry"},
		{"CI_REGISTRY with a path", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "registry.gitlab.com/acme"}, "registry"},
		{"CI_REGISTRY with another port", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "registry.gitlab.com:5050"}, ""},
		{"CI_REGISTRY elsewhere", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "registry.example"}, ""},
		{"CI_REGISTRY with user information", "registry.gitlab.com", gitlab, map[string]string{"CI_REGISTRY": "u@registry.gitlab.com"}, ""},
		{"CI_REGISTRY names Docker Hub", "docker.io", gitlab, map[string]string{"CI_REGISTRY": "docker.io"}, ""},
		{"CI_REGISTRY names Quay", "quay.io", gitlab, map[string]string{"CI_REGISTRY": "quay.io"}, ""},
		{"the deploy token next", "registry.example", gitlab,
			map[string]string{"CI_REGISTRY": "registry.example", "CI_REGISTRY_PASSWORD": ""}, "deploy"},
		{"the job token last", "registry.example", gitlab,
			map[string]string{"CI_REGISTRY": "registry.example", "CI_REGISTRY_PASSWORD": "", "CI_DEPLOY_PASSWORD": "***"}, "job"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			vars := maps.Clone(test.base)
			maps.Copy(vars, test.more)
			got := append(yielded(t, test.host, helpers.Choice{}, vars), "")[0]
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A source of a higher rank comes first in every provider's list.
func TestSourcesAreInOrder(t *testing.T) {
	env := envtest.World{Vars: everySecret()}.Env()
	for _, host := range everyHost(t) {
		p, target, err := all.Find(host, helpers.Choice{}, env)
		if err != nil {
			t.Fatal(err)
		}
		last := helpers.Tier(0)
		for _, s := range p.Sources(helpers.Request{Target: target, Env: env}) {
			if s.Tier < last || s.Name == "" || s.Token == nil || s.Tier == helpers.TierStored {
				t.Errorf("%s: the source %q of tier %d follows tier %d", host, s.Name, s.Tier, last)
			}
			last = s.Tier
		}
	}
}
