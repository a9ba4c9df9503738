// SPDX-License-Identifier: Apache-2.0

package ecr_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

const jsonType = "application/x-amz-json-1.1"

// Every way in which there is no token has its kind of error, a cause in one
// line and the next command.
func TestRefused(t *testing.T) {
	issuer := cloudtest.NewAWSIssuer("https://oidc.example")
	now := time.Now()
	webEnv := map[string]string{"AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": "$HOME/token"}
	webRole := func(a *cloudtest.AWS) { a.AddRole(cloudtest.AWSRole{ARN: roleARN, Issuer: issuer, Subject: "app"}) }
	webToken := func(subject, audience string, life time.Duration) map[string]string {
		return map[string]string{"token": issuer.Token(subject, audience, now, life, nil)}
	}
	oldFile, oldText := ssoCache("corp", "sso-token", now.Add(-time.Hour))
	newFile, newText := ssoCache("corp", "sso-token", now.Add(time.Hour))
	dev := map[string]string{"AWS_PROFILE": "dev"}
	fault := func(f cloudtest.Fault) func(*cloudtest.AWS) {
		return func(*cloudtest.AWS) { cloud.Fail(f) }
	}
	ecrAnswers := func(status int, body string) func(*cloudtest.AWS) {
		return fault(cloudtest.Fault{Service: "ecr", Status: status, Body: body, Header: http.Header{"Content-Type": {jsonType}}})
	}
	imdsEnv := map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.AWS().MetadataURL()}
	tests := []struct {
		name    string
		world   world
		cloud   func(a *cloudtest.AWS)
		choice  helpers.Choice
		outcome string
		says    []string // in the error's text
		next    string   // contained in its advice
	}{
		// Nothing there.
		{name: "nothing at all", outcome: "absent", says: []string{"no keys in the environment", "REGAUTH_METADATA=off"}},
		{name: "metadata disabled by AWS's variable", outcome: "absent", says: []string{"AWS_EC2_METADATA_DISABLED"},
			world: world{env: map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}}},
		{name: "metadata disabled by the configuration", outcome: "absent", says: []string{"metadata = false"},
			world: world{env: imdsEnv}, choice: helpers.Choice{Metadata: new(bool)}},
		{name: "instance without a role", outcome: "absent", says: []string{"no role of this machine"}, world: world{env: imdsEnv}},
		{name: "another cloud's metadata service", outcome: "absent", says: []string{"no role of this machine"}, world: world{env: imdsEnv},
			cloud: fault(cloudtest.Fault{Service: "imds", Status: 404})},
		{name: "half a key", outcome: "unusable", says: []string{"AWS_SECRET_ACCESS_KEY is not"}, next: "set AWS_SECRET_ACCESS_KEY",
			world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID}}},
		{name: "empty key", outcome: "unusable", says: []string{"AWS_ACCESS_KEY_ID is set but empty"}, next: "unset it",
			world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}}},
		{name: "unexpanded key", outcome: "unusable", says: []string{"unexpanded"}, next: "AWS_SECRET_ACCESS_KEY",
			world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": "${SECRET}"}}},
		{name: "masked key", outcome: "unusable", says: []string{"mask"}, next: "AWS_SECRET_ACCESS_KEY",
			world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": "***"}}},

		// Configuration.
		{name: "AWS_PROFILE names none", outcome: "mint", says: []string{"no profile gone", "AWS_PROFILE"}, next: "aws configure sso --profile gone",
			world: world{env: map[string]string{"AWS_PROFILE": "gone"}}},
		{name: "AWS_DEFAULT_PROFILE names none, which the SDK passes over", outcome: "absent", says: []string{"none in the profile gone"},
			world: world{env: map[string]string{"AWS_DEFAULT_PROFILE": "gone"}}},
		{name: "configured profile is not there", outcome: "mint", says: []string{"no profile gone"}, next: "--profile gone",
			world: world{env: staticEnv}, choice: helpers.Choice{Profile: "gone"}},
		{name: "configured profile is empty", outcome: "mint", says: []string{"AWS profile bare", "holds no keys"}, next: "--profile bare",
			world: world{config: "[profile bare]\nregion = eu-west-1\n"}, choice: helpers.Choice{Profile: "bare"}},
		{name: "MFA", outcome: "mint", says: []string{"MFA", "never asks"}, next: "export-credentials --profile mfa",
			world:  world{credentials: keysProfile, config: "[profile mfa]\nrole_arn = " + roleARN + "\nsource_profile = base\nmfa_serial = arn:aws:iam::" + account + ":mfa/me\n"},
			choice: helpers.Choice{Profile: "mfa"}},
		{name: "role without keys", outcome: "mint", says: []string{"no AWS identity", roleARN}, next: "aws sso login",
			choice: helpers.Choice{RoleARN: roleARN}},
		{name: "profile wants the instance role", outcome: "mint", says: []string{"metadata service is not asked"}, next: "metadata = true",
			world:  world{config: "[profile ec2]\nrole_arn = " + roleARN + "\ncredential_source = Ec2InstanceMetadata\n"},
			choice: helpers.Choice{Profile: "ec2"}},

		// SSO.
		{name: "SSO expired", outcome: "mint", says: []string{"AWS profile dev (SSO)", "missing or has expired"}, next: "aws sso login --profile dev",
			world: world{config: ssoConfig, files: map[string]string{oldFile: oldText}, env: dev}},
		{name: "SSO never signed in", outcome: "mint", says: []string{"missing or has expired"}, next: "aws sso login --profile dev",
			world: world{config: ssoConfig, env: dev}},
		{name: "SSO session ended at the portal", outcome: "mint", says: []string{"UnauthorizedException", "AWS SSO"}, next: "aws sso login --profile dev",
			world: world{config: ssoConfig, files: map[string]string{newFile: newText}, env: dev}},
		{name: "SSO role not assigned", outcome: "mint", says: []string{"ForbiddenException"}, next: "assigned",
			world: world{config: ssoConfig, files: map[string]string{newFile: newText}, env: dev},
			cloud: func(a *cloudtest.AWS) {
				a.AddSSOAccess(cloudtest.AWSSSOAccess{Token: "sso-token", Expires: now.Add(time.Hour), Account: account, Role: "Other"})
			}},

		// STS.
		{name: "role does not trust", outcome: "mint", says: []string{"AWS STS refused AssumeRole: AccessDenied", "user/me"}, next: "trust policy",
			world: world{env: staticEnv}, choice: helpers.Choice{RoleARN: roleARN}},
		{name: "web identity of another subject", outcome: "mint", says: []string{"AccessDenied", "AssumeRoleWithWebIdentity"}, next: "trust policy",
			world: world{env: webEnv, files: webToken("evil", "sts.amazonaws.com", time.Hour)}, cloud: webRole},
		{name: "web identity for another audience", outcome: "mint", says: []string{"InvalidIdentityToken", "audience"}, next: "audience",
			world: world{env: webEnv, files: webToken("app", "elsewhere", time.Hour)}, cloud: webRole},
		{name: "web identity expired", outcome: "mint", says: []string{"ExpiredTokenException"}, next: "token in",
			world: world{env: webEnv, files: webToken("app", "sts.amazonaws.com", -time.Minute)}, cloud: webRole},
		{name: "web identity file missing", outcome: "mint", says: []string{"token"}, next: "token in", world: world{env: webEnv}, cloud: webRole},

		// Programs, containers, machines.
		{name: "credential_process fails", outcome: "mint", says: []string{"credential_process failed: please log in"}, next: "aws sts get-caller-identity",
			world: world{config: "[default]\ncredential_process = " + onSystem("echo please log in >&2; exit 3", "echo please log in 1>&2 & exit 3") + "\n"}},
		{name: "credential_process prints nonsense", outcome: "mint", says: []string{"credential_process failed"}, next: "aws sts get-caller-identity",
			world: world{config: "[default]\ncredential_process = echo " + secret + "\n"}},
		{name: "container endpoint refuses", outcome: "mint", says: []string{"ECS task role", "AccessDenied"}, next: "role of this task",
			world: world{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": cloud.AWS().ContainerURL()}},
			cloud: func(a *cloudtest.AWS) { a.SetContainer(cloudtest.AWSContainer{Role: roleARN, Token: "x"}) }},
		{name: "container endpoint on a foreign host", outcome: "mint", says: []string{"only loopback"}, next: "~/.aws/config",
			world: world{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://203.0.113.9/credentials"}}},
		{name: "metadata service broken", outcome: "mint", says: []string{"EC2"}, next: "",
			world: world{env: imdsEnv}, cloud: fault(cloudtest.Fault{Service: "imds", Action: "roles", Status: 500})},
		{name: "instance role that EC2 cannot assume", outcome: "mint", says: []string{"EC2 instance role gone", "AssumeRoleUnauthorizedAccess"}, next: "instance profile",
			world: world{env: imdsEnv}, cloud: func(a *cloudtest.AWS) { a.SetInstanceRole("gone") }},
		{name: "profile wants a container's role outside of one", outcome: "mint", says: []string{"EcsContainer"}, next: "~/.aws/config",
			world:  world{config: "[profile ecs]\nrole_arn = " + roleARN + "\ncredential_source = EcsContainer\n"},
			choice: helpers.Choice{Profile: "ecs"}},
		{name: "SSO without a session, expired", outcome: "mint", says: []string{"AWS profile dev (SSO)", "missing or has expired"}, next: "aws sso login --profile dev",
			world: world{config: legacySSO, env: dev}},

		// ECR.
		{name: "key unknown", outcome: "mint", says: []string{"AWS ECR refused GetAuthorizationToken: UnrecognizedClientException"}, next: "AWS_ACCESS_KEY_ID",
			world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": secret}}},
		{name: "wrong secret", outcome: "mint", says: []string{"InvalidSignatureException"}, next: "AWS_SECRET_ACCESS_KEY",
			world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": "wrong"}}},
		{name: "clock wrong", outcome: "mint", says: []string{"Signature expired"}, next: "clock",
			world: world{env: staticEnv}, cloud: ecrAnswers(400, `{"__type":"InvalidSignatureException","message":"Signature expired: 20300101T000000Z is now earlier than 20300101T010000Z"}`)},
		{name: "not permitted", outcome: "mint", says: []string{"AccessDeniedException", "ecr:GetAuthorizationToken", "user/me"}, next: "allow ecr:GetAuthorizationToken",
			world: world{env: staticEnv}, cloud: func(a *cloudtest.AWS) { a.DenyECR(user.ARN()) }},
		{name: "throttled", outcome: "mint", says: []string{"ThrottlingException"}, next: "wait a minute",
			world: world{env: staticEnv}, cloud: ecrAnswers(400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`)},
		{name: "HTTP 429", outcome: "mint", says: []string{"AWS ECR"}, next: "wait a minute", world: world{env: staticEnv}, cloud: ecrAnswers(429, `{}`)},
		{name: "server error", outcome: "mint", says: []string{"ServerException"}, next: "health",
			world: world{env: staticEnv}, cloud: ecrAnswers(500, `{"__type":"ServerException","message":"oops"}`)},
		{name: "nonsense", outcome: "mint", says: []string{"unreadable"}, next: "prox",
			world: world{env: staticEnv}, cloud: ecrAnswers(200, `<html>Please sign in to the hotel</html>`)},
		{name: "empty answer", outcome: "mint", says: []string{"holds no token"}, next: "prox", world: world{env: staticEnv}, cloud: ecrAnswers(200, `{}`)},
		{name: "token for another registry", outcome: "mint", says: []string{"a token for 999999999999.dkr.ecr.eu-west-1.amazonaws.com, not for " + host}, next: "AWS_ENDPOINT_URL_ECR",
			world: world{env: staticEnv}, cloud: ecrAnswers(200, `{"authorizationData":[{"authorizationToken":"QVdTOnB3","expiresAt":1893456000,"proxyEndpoint":"https://999999999999.dkr.ecr.eu-west-1.amazonaws.com"}]}`)},
		{name: "token for another region", outcome: "mint", says: []string{"not for " + host}, next: "",
			world: world{env: staticEnv}, cloud: ecrAnswers(200, `{"authorizationData":[{"authorizationToken":"QVdTOnB3","expiresAt":1893456000,"proxyEndpoint":"https://`+account+`.dkr.ecr.us-east-1.amazonaws.com"}]}`)},
		{name: "token without an expiry", outcome: "mint", says: []string{"no expiry"}, next: "",
			world: world{env: staticEnv}, cloud: ecrAnswers(200, `{"authorizationData":[{"authorizationToken":"QVdTOnB3","proxyEndpoint":"https://`+host+`"}]}`)},
		{name: "token without a password", outcome: "mint", says: []string{"no user and password"}, next: "",
			world: world{env: staticEnv}, cloud: ecrAnswers(200, `{"authorizationData":[{"authorizationToken":"QVdT","expiresAt":1893456000,"proxyEndpoint":"https://`+host+`"}]}`)},
		{name: "token not base64", outcome: "mint", says: []string{"not base64"}, next: "",
			world: world{env: staticEnv}, cloud: ecrAnswers(200, `{"authorizationData":[{"authorizationToken":"*","expiresAt":1893456000,"proxyEndpoint":"https://`+host+`"}]}`)},
		{name: "nobody answers", outcome: "mint", says: []string{"AWS ECR cannot be reached"}, next: "connection",
			world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:1"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := test.world.build(t)
			if test.cloud != nil {
				test.cloud(a)
			}
			_, err := ask(t, ecr.Private(), host, test.choice)
			if got := outcome(err); got != test.outcome {
				t.Fatalf("%s: %v\nasked %s", got, err, served())
			}
			checkWords(t, err, test.says, test.next)
		})
	}
}

func checkWords(t *testing.T, err error, says []string, want string) {
	t.Helper()
	text := err.Error()
	for _, part := range says {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
	if advice := next(err); !strings.Contains(advice, want) || advice == "" && !helpers.IsAbsent(err) {
		t.Errorf("advice %q, want %q (%s)", advice, want, text)
	}
	if strings.ContainsAny(text+next(err), "\n\r\x1b") || strings.Contains(text, secret) {
		t.Errorf("unfit for one line, or the secret: %q", text)
	}
}

// A service that never answers costs no more than the deadline.
func TestDeadline(t *testing.T) {
	for _, test := range []struct{ service, says string }{{"ecr", "AWS ECR gave no answer in time"}, {"sts", "AWS STS gave no answer in time"}} {
		t.Run(test.service, func(t *testing.T) {
			a := world{env: staticEnv}.build(t)
			a.AddRole(cloudtest.AWSRole{ARN: roleARN, Trusts: []string{user.ARN()}})
			cloud.Fail(cloudtest.Fault{Service: test.service, Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			choice := helpers.Choice{RoleARN: roleARN}
			_, err := ecr.Private().Sources(request(t, ecr.Private(), host, choice))[0].Token(ctx)
			if outcome(err) != "mint" || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v", outcome(err), err)
			}
		})
	}
}

// Throttling and trouble that pass are waited out.
func TestRetries(t *testing.T) {
	for status, code := range map[int]string{400: "ThrottlingException", 429: "TooManyRequestsException", 500: "ServerException", 503: ""} {
		world{env: staticEnv}.build(t)
		cloud.Fail(cloudtest.Fault{Service: "ecr", Status: status, Times: 1, Body: `{"__type":"` + code + `"}`})
		mint(t, helpers.Choice{})
		if n := cloud.Count("ecr", ""); n != 2 {
			t.Errorf("after HTTP %d: %d requests", status, n)
		}
	}
}

// What a container's metadata probe finds may be another cloud's service; what
// the configuration turns on is asked without any sign.
func TestMetadataByChoice(t *testing.T) {
	world{env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.AWS().MetadataURL()}}.build(t).SetInstanceRole(roleARN)
	yes := true
	if c := mint(t, helpers.Choice{Metadata: &yes}); c.Source != "EC2 instance role ci" {
		t.Errorf("source %q", c.Source)
	}
}

// Where the configuration forbids it, nobody asks the metadata service, not
// even the SDK for a profile that wants it.
func TestMetadataNotAsked(t *testing.T) {
	for _, test := range []struct{ name, config string }{
		{"by the chain", ""}, {"for a role", "[default]\nrole_arn = " + roleARN + "\ncredential_source = Ec2InstanceMetadata\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			world{config: test.config, env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.AWS().MetadataURL()}}.build(t).
				SetInstanceRole(roleARN)
			if c, err := ask(t, ecr.Private(), host, helpers.Choice{Metadata: new(bool)}); err == nil || served() != "" {
				t.Errorf("got %q (%v), asked %s", c.Source, err, served())
			}
		})
	}
}

// Docker shows a helper's standard error: neither the SDK nor a program that
// fails may write there.
func TestSilent(t *testing.T) {
	for _, w := range []world{
		{env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.AWS().MetadataURL()}},
		{config: "[default]\ncredential_process = " + onSystem("echo noise >&2; exit 1", "echo noise 1>&2 & exit 1") + "\n"},
	} {
		w.build(t)
		cloud.Fail(cloudtest.Fault{Service: "imds", Status: 404})
		stderr, err := os.CreateTemp(t.TempDir(), "stderr")
		if err != nil {
			t.Fatal(err)
		}
		before := os.Stderr
		os.Stderr = stderr
		_, failed := ask(t, ecr.Private(), host, helpers.Choice{})
		os.Stderr = before
		text, err := os.ReadFile(stderr.Name())
		if err != nil || len(text) > 0 || failed == nil {
			t.Errorf("standard error: %q (%v, %v)", text, err, failed)
		}
	}
}
