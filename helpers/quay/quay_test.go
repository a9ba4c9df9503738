// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
	"github.com/regauth/docker-credential-regauth/helpers/quay"
)

func TestRobotNames(t *testing.T) {
	tests := []struct {
		name, user string
		good       bool
	}{
		{"a robot", "acme+ci", true},
		{"dots and dashes", "acme-corp.x+ci_1", true},
		{"an OAuth token", "$oauthtoken", true},
		{"an app token", "$app", true},
		{"an access token", "$token", true},
		{"what a shell leaves of $app", "", false},
		{"a person", "alice", false},
		{"no namespace", "+ci", false},
		{"no robot", "acme+", false},
		{"two plus signs", "acme+ci+x", false},
		{"Harbor's form", "robot$ci", false},
		{"a space", "acme+c i", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := envtest.World{Vars: map[string]string{
				"QUAY_ROBOT_USERNAME": test.user, "QUAY_ROBOT_TOKEN": "s3cret",
			}}.Env()
			want := envtest.Outcome{Error: "unusable"}
			if test.good {
				want = envtest.Outcome{User: test.user, Secret: "s3cret"}
			}
			req := helpers.Request{Target: helpers.Target{Host: "quay.io"}, Env: env}
			if got, err := envtest.Ask(t.Context(), quay.New().Sources(req)[0]); got != want {
				t.Errorf("got %+v (%v), want %+v", got, err, want)
			}
		})
	}
}

// The variables name no host, so that they are for quay.io alone.
func TestOtherHosts(t *testing.T) {
	env := envtest.World{Vars: map[string]string{
		"QUAY_ROBOT_USERNAME": "acme+ci", "QUAY_ROBOT_TOKEN": "s3cret",
	}}.Env()
	for _, host := range []string{"quay.corp.example", "quay.io.evil.example", "quay.io:8443", ""} {
		req := helpers.Request{Target: helpers.Target{Host: host}, Env: env}
		if sources := quay.New().Sources(req); len(sources) != 0 {
			t.Errorf("%q gets the sources %v", host, sources)
		}
	}
}

func TestAdopt(t *testing.T) {
	adopter := quay.New().(helpers.Adopter)
	env := envtest.World{}.Env()
	if _, ok := adopter.Adopt("quay.corp.example", env, false); ok {
		t.Error("it adopts a host that nobody named")
	}
	if target, ok := adopter.Adopt("quay.corp.example", env, true); !ok || target.Host != "quay.corp.example" {
		t.Errorf("it does not adopt the configuration's host: %+v", target)
	}
}
