// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/all"
)

// TestAKeyThatMeansNothingIsRefused: a rule's key that the provider does not
// read would look as if it had chosen the identity.
func TestAKeyThatMeansNothingIsRefused(t *testing.T) {
	no := false
	choices := map[string]helpers.Choice{
		"profile":         {Profile: "x"},
		"role_arn":        {RoleARN: "x"},
		"tenant_id":       {TenantID: "x"},
		"client_id":       {ClientID: "x"},
		"service_account": {ServiceAccount: "x"},
		"metadata":        {Metadata: &no},
		"helper":          {Helper: "x"},
		"alias":           {Alias: "x"},
	}
	everywhere := "helper alias"
	means := map[string]string{ // host → keys
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com": "profile role_arn metadata",
		"public.ecr.aws":        "profile role_arn metadata",
		"corp.azurecr.io":       "tenant_id client_id metadata",
		"europe-docker.pkg.dev": "service_account metadata",
		"ghcr.io":               "",
		"docker.io":             "",
		"registry.gitlab.com":   "",
		"quay.io":               "",
		"registry.corp.example": "",
	}
	env := &helpers.Env{LookupEnv: func(string) (string, bool) { return "", false }}
	for host, keys := range means {
		known := strings.Fields(keys + " " + everywhere)
		for key, choice := range choices {
			choice.Rule, choice.Line = host, 7
			_, _, err := all.Find(host, choice, env)
			var refused *all.ChoiceError
			want := true
			for _, k := range known {
				want = want && k != key
			}
			if got := errors.As(err, &refused); got != want {
				t.Errorf("%s with %s: %v", host, key, err)
			}
			if refused != nil && (refused.Line != 7 || !strings.Contains(refused.Why, key+" means nothing for "+host)) {
				t.Errorf("%s with %s: %v", host, key, err)
			}
		}
	}
}
