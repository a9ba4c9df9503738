// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/hub"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

func TestSources(t *testing.T) {
	both := map[string]string{"DOCKERHUB_USERNAME": "acme", "DOCKERHUB_TOKEN": "dckr_pat_x"}
	tests := []struct {
		name, host string
		vars       map[string]string
		want       []envtest.Outcome
	}{
		{"both", "docker.io", both, []envtest.Outcome{{User: "acme", Secret: "dckr_pat_x"}}},
		{"neither", "docker.io", nil, []envtest.Outcome{{Error: "absent"}}},
		{"the user alone", "docker.io", map[string]string{"DOCKERHUB_USERNAME": "acme"},
			[]envtest.Outcome{{Error: "unusable"}}},
		{"the token alone", "docker.io", map[string]string{"DOCKERHUB_TOKEN": "dckr_pat_x"},
			[]envtest.Outcome{{Error: "unusable"}}},
		{"a fork's empty secrets", "docker.io", map[string]string{"DOCKERHUB_USERNAME": "", "DOCKERHUB_TOKEN": ""},
			[]envtest.Outcome{{Error: "unusable"}}},
		{"another host", "registry.example", both, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := helpers.Request{Target: helpers.Target{Host: test.host}, Env: envtest.World{Vars: test.vars}.Env()}
			sources := hub.New().Sources(req)
			if len(sources) != len(test.want) {
				t.Fatalf("got %d sources, want %d", len(sources), len(test.want))
			}
			for i, s := range sources {
				if got, err := envtest.Ask(t.Context(), s); got != test.want[i] || s.Tier != helpers.TierJob {
					t.Errorf("got %+v (%v) of tier %d, want %+v", got, err, s.Tier, test.want[i])
				}
			}
		})
	}
}

func TestJudgeLogin(t *testing.T) {
	judge := hub.New().(helpers.LoginJudge)
	req := helpers.Request{Target: helpers.Target{Host: "docker.io"}, Env: envtest.World{}.Env()}
	for secret, want := range map[string]string{"dckr_oat_x": "", "${DOCKERHUB_TOKEN}": "unusable"} {
		login := helpers.Credential{Username: "acme", Secret: helpers.NewSecret(secret)}
		if got := envtest.Result(judge.JudgeLogin(req, login)); got.Error != want {
			t.Errorf("got %+v, want error %q", got, want)
		}
	}
}
