// SPDX-License-Identifier: Apache-2.0

package harbor_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/harbor"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

func request(host string, vars map[string]string) helpers.Request {
	all := map[string]string{"HARBOR_USERNAME": "robot$acme+ci", "HARBOR_PASSWORD": "s3cret"}
	maps.Copy(all, vars)
	return helpers.Request{Target: helpers.Target{Host: host}, Env: envtest.World{Vars: all}.Env()}
}

// The secret goes to the one host that the variables name.
func TestBinding(t *testing.T) {
	const host = "harbor.example"
	tests := []struct {
		name string
		vars map[string]string
		want bool
	}{
		{"HARBOR_HOST", map[string]string{"HARBOR_HOST": "harbor.example"}, true},
		{"HARBOR_URL", map[string]string{"HARBOR_URL": "https://Harbor.Example:443/"}, true},
		{"both", map[string]string{"HARBOR_HOST": "harbor.example", "HARBOR_URL": "https://harbor.example"}, true},
		{"one of them empty", map[string]string{"HARBOR_HOST": "", "HARBOR_URL": "https://harbor.example"}, true},
		{"neither", nil, false},
		{"both empty", map[string]string{"HARBOR_HOST": "", "HARBOR_URL": ""}, false},
		{"another host", map[string]string{"HARBOR_HOST": "other.example"}, false},
		{"they disagree", map[string]string{"HARBOR_HOST": "harbor.example", "HARBOR_URL": "https://other.example"}, false},
		{"another port", map[string]string{"HARBOR_HOST": "harbor.example:8443"}, false},
		{"one of them no address", map[string]string{"HARBOR_HOST": "harbor.example", "HARBOR_URL": "a@b"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sources := harbor.New().Sources(request(host, test.vars))
			if (len(sources) == 1) != test.want {
				t.Fatalf("got %d sources", len(sources))
			}
			for _, s := range sources {
				want := envtest.Outcome{User: "robot$acme+ci", Secret: "s3cret"}
				if got, err := envtest.Ask(t.Context(), s); got != want {
					t.Errorf("got %+v (%v)", got, err)
				}
			}
		})
	}
	if sources := harbor.New().Sources(request("", map[string]string{"HARBOR_HOST": ""})); len(sources) != 0 {
		t.Error("an empty host equals an empty variable")
	}
}

func TestRobotNames(t *testing.T) {
	tests := []struct {
		name, user string
		good       bool
	}{
		{"a project's robot", "robot$acme+ci", true},
		{"a system robot", "robot$ci", true},
		{"another prefix", "robot_acme+ci", true},
		{"a prefix with plus", "robot+acme+ci", true},
		{"a person", "alice", true},
		{"a person called robota", "robota", true},
		{"eaten whole", "robot", false},
		{"eaten up to the plus", "robot+ci", false},
		{"nothing after the dollar", "robot$", false},
		{"no project", "robot$+ci", false},
	}
	judge := harbor.New().(helpers.LoginJudge)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := request("harbor.example", map[string]string{
				"HARBOR_HOST": "harbor.example", "HARBOR_USERNAME": test.user,
			})
			_, fromJob := harbor.New().Sources(req)[0].Token(t.Context())
			login := helpers.Credential{Username: test.user, Secret: helpers.NewSecret("s3cret")}
			_, stored := judge.JudgeLogin(req, login)
			for _, err := range []error{fromJob, stored} {
				var unusable *helpers.UnusableError
				if errors.As(err, &unusable) == test.good {
					t.Fatalf("got %v", err)
				}
				if !test.good && !strings.Contains(unusable.Next, "single quotes") {
					t.Errorf("the advice is %q", unusable.Next)
				}
			}
		})
	}
}

func TestAdopt(t *testing.T) {
	adopter := harbor.New().(helpers.Adopter)
	req := request("harbor.example", map[string]string{"HARBOR_HOST": "harbor.example"})
	if _, ok := adopter.Adopt("harbor.example", req.Env, false); ok {
		t.Error("it adopts a host that the configuration does not name")
	}
	if _, ok := adopter.Adopt("harbor.example", req.Env, true); !ok {
		t.Error("it does not adopt the configuration's host")
	}
	if _, ok := adopter.Adopt("", req.Env, true); ok {
		t.Error("it adopts no host at all")
	}
}
