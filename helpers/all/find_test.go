// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/all"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

const ecrHost = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

func TestFind(t *testing.T) {
	tests := []struct {
		name, host, provider string
		vars                 map[string]string
		want                 string
	}{
		{"private ECR", ecrHost, "", nil, "ecr"},
		{"public ECR", "public.ecr.aws", "", nil, "ecr-public"},
		{"ACR", "corp.azurecr.io", "", nil, "acr"},
		{"GAR", "europe-docker.pkg.dev", "", nil, "gar"},
		{"GHCR", "ghcr.io", "", nil, "ghcr"},
		{"Docker Hub", "docker.io", "", nil, "hub"},
		{"GitLab", "registry.gitlab.com", "", nil, "gitlab"},
		{"Quay", "quay.io", "", nil, "quay"},
		{"anything else", "registry.example", "", nil, "static"},
		{"named by the job", "registry.example", "", map[string]string{"CI_REGISTRY": "https://Registry.Example:443/"}, "gitlab"},
		{"the job's GitHub server", "containers.github.example", "", map[string]string{"GITHUB_SERVER_URL": "https://github.example"}, "ghcr"},
		{"gh's GitHub server", "containers.github.example", "", map[string]string{"GH_HOST": "github.example"}, "ghcr"},
		{"the table outranks the job", ecrHost, "", map[string]string{"CI_REGISTRY": ecrHost}, "ecr"},
		{"the table outranks the job for Docker Hub", "docker.io", "", map[string]string{"CI_REGISTRY": "docker.io"}, "hub"},
		{"the table outranks the job for a later line", "quay.io", "", map[string]string{"CI_REGISTRY": "quay.io"}, "quay"},
		{"a variable that names another host", "registry.example", "", map[string]string{"CI_REGISTRY": "registry.other.example"}, "static"},
		{"Harbor's variables name no provider", "harbor.example", "", map[string]string{"HARBOR_HOST": "harbor.example"}, "static"},
		{"configured", "harbor.example", "harbor", nil, "harbor"},
		{"a GitLab of one's own", "registry.example", "gitlab", nil, "gitlab"},
		{"a Quay of one's own", "quay.example", "quay", nil, "quay"},
		{"a GitHub of one's own", "github.example", "ghcr", nil, "ghcr"},
		{"the configuration outranks the job", "registry.example", "harbor", map[string]string{"CI_REGISTRY": "registry.example"}, "harbor"},
		{"the configuration takes a host away from a cloud", ecrHost, "static", nil, "static"},
		{"the configuration says what the table says", ecrHost, "ecr", nil, "ecr"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			choice := helpers.Choice{Rule: test.host, Line: 3, Provider: test.provider}
			got, target, err := all.Find(test.host, choice, envtest.World{Vars: test.vars}.Env())
			if err != nil || got.Name() != test.want || target.Host != test.host || target.Anonymous == 0 {
				t.Errorf("got %v, %+v, %v, want %s", got, target, err, test.want)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	tests := []struct {
		name, host, provider string
		says                 []string
	}{
		{"a cloud's provider for a foreign host", "registry.example", "ecr", []string{"line 7", `"registry.*"`, `"ecr"`, "registry.example"}},
		{"another cloud's provider", ecrHost, "acr", []string{"line 7", `"acr"`}},
		{"a look-alike", "corp.azurecr.io.evil.example", "acr", []string{"line 7"}},
		{"Google's provider", "evilpkg.dev", "gar", []string{"line 7"}},
		{"Docker Hub is one host", "hub.example", "hub", []string{"line 7"}},
		{"an unknown name", "registry.example", "artifactory", []string{"line 7", `"artifactory"`, "ecr, ", "gitlab, ", "static"}},
		{"a name with another case", ecrHost, "ECR", []string{"line 7", "there is no provider"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			choice := helpers.Choice{Rule: "registry.*", Line: 7, Provider: test.provider}
			p, _, err := all.Find(test.host, choice, envtest.World{}.Env())
			var refused *all.ChoiceError
			if !errors.As(err, &refused) || refused.Line != 7 || p != nil {
				t.Fatalf("got %v, %v", p, err)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
	for _, provider := range []string{"", "gitlab", "static"} {
		_, _, err := all.Find("", helpers.Choice{Provider: provider}, envtest.World{Vars: map[string]string{"CI_REGISTRY": ""}}.Env())
		if !errors.Is(err, helpers.ErrNoAddress) {
			t.Errorf("no host at all gives %v", err)
		}
	}
}
