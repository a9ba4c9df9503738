// SPDX-License-Identifier: Apache-2.0

package ecr_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

// Each spelling of a registry asks the API host of its region, partition and
// kind, by its real name.
func TestAPIHosts(t *testing.T) {
	tests := []struct{ name, host, api, partition string }{
		{"plain", host, apiHost, ""},
		{"FIPS", account + ".dkr.ecr-fips.us-east-1.amazonaws.com", "api.ecr-fips.us-east-1.amazonaws.com", ""},
		{"dual-stack", account + ".dkr-ecr.us-west-2.on.aws", "ecr.us-west-2.api.aws", ""},
		{"FIPS and dual-stack", account + ".dkr-ecr-fips.us-west-2.on.aws", "ecr-fips.us-west-2.api.aws", ""},
		{"GovCloud", account + ".dkr.ecr.us-gov-west-1.amazonaws.com", "api.ecr.us-gov-west-1.amazonaws.com", "aws-us-gov"},
		{"GovCloud FIPS", account + ".dkr.ecr-fips.us-gov-west-1.amazonaws.com", "api.ecr-fips.us-gov-west-1.amazonaws.com", "aws-us-gov"},
		{"China", account + ".dkr.ecr.cn-north-1.amazonaws.com.cn", "api.ecr.cn-north-1.amazonaws.com.cn", "aws-cn"},
		{"China dual-stack", account + ".dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "ecr.cn-north-1.api.amazonwebservices.com.cn", "aws-cn"},
		{"European sovereign cloud", account + ".dkr.ecr.eusc-de-east-1.amazonaws.eu", "api.ecr.eusc-de-east-1.amazonaws.eu", "aws-eusc"},
		{"iso", account + ".dkr.ecr.us-iso-east-1.c2s.ic.gov", "api.ecr.us-iso-east-1.c2s.ic.gov", "aws-iso"},
		{"iso-b", account + ".dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "api.ecr.us-isob-east-1.sc2s.sgov.gov", "aws-iso-b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := world{env: staticEnv}.build(t)
			partitioned := user
			partitioned.Partition = test.partition
			a.AddUser(partitioned)
			c, err := ask(t, ecr.Private(), test.host, helpers.Choice{})
			if err != nil {
				t.Fatalf("%v\n%+v", err, cloud.Records())
			}
			if err := a.CheckECRToken(test.host, c.Username, c.Secret.Reveal()); err != nil {
				t.Error(err)
			}
			if records := cloud.Records(); len(records) != 1 || records[0].Host != test.api {
				t.Errorf("asked %+v, want %s", records, test.api)
			}
		})
	}
}

// The user's endpoint variable wins over what the host name says.
func TestEndpointVariable(t *testing.T) {
	a := world{env: staticEnv}.build(t)
	for _, pair := range a.EndpointEnv() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	for _, host := range []string{host, account + ".dkr-ecr-fips.us-west-2.on.aws"} {
		c, err := ask(t, ecr.Private(), host, helpers.Choice{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.CheckECRToken(host, c.Username, c.Secret.Reveal()); err != nil {
			t.Error(err)
		}
	}
	for _, r := range cloud.Records() {
		if r.Host != "127.0.0.1" {
			t.Errorf("asked %s", r.Host)
		}
	}
}

// A registry of another account is asked for by its account, in its region,
// and STS where the user's own region says.
func TestOtherAccount(t *testing.T) {
	a := world{env: staticEnv, config: "[default]\nregion = ap-southeast-2\n"}.build(t)
	a.AddRole(cloudtest.AWSRole{ARN: roleARN, Trusts: []string{user.ARN()}})
	const other = "210987654321.dkr.ecr.us-east-2.amazonaws.com"
	c, err := ask(t, ecr.Private(), other, helpers.Choice{RoleARN: roleARN})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.CheckECRToken(other, c.Username, c.Secret.Reveal()); err != nil {
		t.Error(err)
	}
	if err := a.CheckECRToken(host, c.Username, c.Secret.Reveal()); err == nil {
		t.Error("the password opens another account's registry")
	}
	var hosts []string
	for _, r := range cloud.Records() {
		hosts = append(hosts, r.Host)
	}
	if want := []string{"sts.ap-southeast-2.amazonaws.com", "api.ecr.us-east-2.amazonaws.com"}; !slices.Equal(hosts, want) {
		t.Errorf("asked %v, want %v", hosts, want)
	}
}

// The end of a short session is the end of the password.
func TestShortSession(t *testing.T) {
	a := world{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": cloud.AWS().ContainerURL()}}.build(t)
	a.SetContainer(cloudtest.AWSContainer{Role: roleARN})
	a.SessionLife = 20 * time.Minute
	if c := mint(t, helpers.Choice{}); time.Until(c.ExpiresAt) > 20*time.Minute {
		t.Errorf("%v left of a session of 20 minutes", time.Until(c.ExpiresAt))
	}
	a.SessionLife, a.TokenLife = time.Hour, 5*time.Second
	if c := mint(t, helpers.Choice{}); time.Until(c.ExpiresAt) > 5*time.Second {
		t.Errorf("%v left of a token of 5 seconds", time.Until(c.ExpiresAt))
	}
}

func TestPublic(t *testing.T) {
	tests := []struct{ name, host, api string }{
		{"public.ecr.aws", "public.ecr.aws", "api.ecr-public.us-east-1.amazonaws.com"},
		{"dual-stack", "ecr-public.aws.com", "ecr-public.us-east-1.api.aws"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := world{env: staticEnv, config: "[default]\nregion = eu-west-1\n"}.build(t)
			c, err := ask(t, ecr.Public(), test.host, helpers.Choice{})
			if err != nil {
				t.Fatalf("%v\n%+v", err, cloud.Records())
			}
			if err := a.CheckECRToken(test.host, c.Username, c.Secret.Reveal()); err != nil {
				t.Error(err)
			}
			if records := cloud.Records(); len(records) != 1 || records[0].Service != "ecr-public" || records[0].Host != test.api {
				t.Errorf("asked %+v", records)
			}
		})
	}
}

func TestPublicRefused(t *testing.T) {
	for _, action := range []string{"ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"} {
		t.Run(action, func(t *testing.T) {
			world{env: staticEnv}.build(t).Deny(user.ARN(), action)
			_, err := ask(t, ecr.Public(), "public.ecr.aws", helpers.Choice{})
			if outcome(err) != "mint" {
				t.Fatalf("%s: %v", outcome(err), err)
			}
			checkWords(t, err, []string{"AWS ECR Public refused", action}, "sts:GetServiceBearerToken")
		})
	}
	t.Run("no identity", func(t *testing.T) {
		world{}.build(t)
		if _, err := ask(t, ecr.Public(), "public.ecr.aws", helpers.Choice{}); !helpers.IsAbsent(err) {
			t.Error(err)
		}
	})
	t.Run("empty answer", func(t *testing.T) {
		world{env: staticEnv}.build(t)
		cloud.Fail(cloudtest.Fault{Service: "ecr-public", Status: 200, Body: "{}"})
		if _, err := ask(t, ecr.Public(), "public.ecr.aws", helpers.Choice{}); outcome(err) != "mint" || !strings.Contains(err.Error(), "no token") {
			t.Error(err)
		}
	})
}
