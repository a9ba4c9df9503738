// SPDX-License-Identifier: Apache-2.0

package cloudtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

func TestAssumeRole(t *testing.T) {
	c, a, client := awsCloud(t)
	a.AddRole(cloudtest.AWSRole{ARN: awsRole, Trusts: []string{awsUser.ARN()}, ExternalID: "x1"})
	a.AddRole(cloudtest.AWSRole{ARN: awsRole + "-other"})
	good := "Action=AssumeRole&Version=2011-06-15&RoleArn=" + url.QueryEscape(awsRole) + "&RoleSessionName=me&ExternalId=x1"
	tests := []struct{ name, form, code string }{
		{"good", good, ""},
		{"no such role", strings.Replace(good, "ci&", "gone&", 1), "AccessDenied"},
		{"not trusted", strings.Replace(good, "ci&", "ci-other&", 1), "AccessDenied"},
		{"wrong external id", strings.Replace(good, "x1", "x2", 1), "AccessDenied"},
		{"no session name", strings.Replace(good, "=me", "=", 1), "ValidationError"},
		{"too short", good + "&DurationSeconds=60", "ValidationError"},
		{"longer than the role allows", good + "&DurationSeconds=7200", "ValidationError"},
		{"no number", good + "&DurationSeconds=x", "ValidationError"},
		{"unknown action", strings.Replace(good, "AssumeRole&", "AssumeRule&", 1), "InvalidAction"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := stsCall(test.form).send(t, client)
			checkAnswer(t, c, "sts", status, body, test.code)
			if test.code == "" && !strings.Contains(body, "<AccessKeyId>ASIA") {
				t.Error(body)
			}
		})
	}
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	c, a, client := awsCloud(t)
	issuer, impostor := cloudtest.NewAWSIssuer("https://ci.example"), cloudtest.NewAWSIssuer("https://ci.example")
	other := cloudtest.NewAWSIssuer("https://other.example")
	a.AddRole(cloudtest.AWSRole{ARN: awsRole, Issuer: issuer, Subject: "job"})
	a.AddRole(cloudtest.AWSRole{ARN: awsRole + "-plain"})
	now := time.Now()
	const audience = "sts.amazonaws.com"
	good := issuer.Token("job", audience, now, time.Hour, nil)
	tests := []struct{ name, role, token, code string }{
		{"good", awsRole, good, ""},
		{"no such role", awsRole + "-gone", good, "AccessDenied"},
		{"role that trusts no provider", awsRole + "-plain", good, "AccessDenied"},
		{"another subject", awsRole, issuer.Token("evil", audience, now, time.Hour, nil), "AccessDenied"},
		{"wrong audience", awsRole, issuer.Token("job", "elsewhere", now, time.Hour, nil), "InvalidIdentityToken"},
		{"wrong issuer", awsRole, other.Token("job", audience, now, time.Hour, nil), "InvalidIdentityToken"},
		{"wrong signature", awsRole, impostor.Token("job", audience, now, time.Hour, nil), "InvalidIdentityToken"},
		{"expired", awsRole, issuer.Token("job", audience, now, -time.Minute, nil), "ExpiredTokenException"},
		{"not yet", awsRole, issuer.Token("job", audience, now, time.Hour, map[string]any{"nbf": now.Add(time.Hour).Unix()}), "InvalidIdentityToken"},
		{"without expiry", awsRole, issuer.Token("job", audience, now, time.Hour, map[string]any{"exp": nil}), "InvalidIdentityToken"},
		{"no token", awsRole, "hello", "InvalidIdentityToken"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call := stsCall("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=me&RoleArn=" + url.QueryEscape(test.role) +
				"&WebIdentityToken=" + url.QueryEscape(test.token))
			call.unsigned = true
			status, body := call.send(t, client)
			checkAnswer(t, c, "sts", status, body, test.code)
		})
	}
}

// awsGet sends a request with headers.
func awsGet(t *testing.T, client *http.Client, method, target string, header map[string]string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return awsDo(t, client, r)
}

func TestIMDS(t *testing.T) {
	c, a, client := awsCloud(t)
	const ttl, header = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token"
	const roles = "/latest/meta-data/iam/security-credentials/"
	base := a.MetadataURL()
	_, token := awsGet(t, client, http.MethodPut, base+"/latest/api/token", map[string]string{ttl: "60"})
	tests := []struct {
		name, method, path string
		header             map[string]string
		role               string
		advance            time.Duration
		status             int
	}{
		{"no TTL", http.MethodPut, "/latest/api/token", nil, awsRole, 0, 400},
		{"TTL too long", http.MethodPut, "/latest/api/token", map[string]string{ttl: "21601"}, awsRole, 0, 400},
		{"token by GET", http.MethodGet, "/latest/api/token", map[string]string{ttl: "60"}, awsRole, 0, 405},
		{"forwarded", http.MethodPut, "/latest/api/token", map[string]string{ttl: "60", "X-Forwarded-For": "1"}, awsRole, 0, 403},
		{"roles", http.MethodGet, roles, map[string]string{header: token}, awsRole, 0, 200},
		{"credentials", http.MethodGet, roles + "ci", map[string]string{header: token}, awsRole, 0, 200},
		{"roles without a token", http.MethodGet, roles, nil, awsRole, 0, 401},
		{"credentials without a token", http.MethodGet, roles + "ci", nil, awsRole, 0, 401},
		{"unknown token", http.MethodGet, roles, map[string]string{header: "x"}, awsRole, 0, 401},
		{"expired token", http.MethodGet, roles, map[string]string{header: token}, awsRole, time.Hour, 401},
		{"another role", http.MethodGet, roles + "other", map[string]string{header: token}, awsRole, 0, 404},
		{"no role", http.MethodGet, roles, map[string]string{header: token}, "", 0, 404},
		{"role that cannot be assumed", http.MethodGet, roles + "gone", map[string]string{header: token}, "gone", 0, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a.SetInstanceRole(test.role)
			c.Advance(test.advance)
			defer c.Advance(-test.advance)
			status, body := awsGet(t, client, test.method, base+test.path, test.header)
			records := c.Records()
			served := status == 200 && test.role == awsRole
			if last := records[len(records)-1]; status != test.status || last.Service != "imds" || (last.Refused == "") != served {
				t.Errorf("HTTP %d %s, recorded %+v", status, body, last)
			}
			if refused := status == 200 && !served; strings.Contains(body, `"AssumeRoleUnauthorizedAccess"`) != refused || refused && strings.Contains(body, "AccessKeyId") {
				t.Error(body) // EC2 says so with HTTP 200
			}
		})
	}
}

func TestContainerCredentials(t *testing.T) {
	c, a, client := awsCloud(t)
	issuer := cloudtest.NewAWSIssuer("https://cluster.example")
	now := time.Now()
	plain := cloudtest.AWSContainer{Role: awsRole}
	secret := cloudtest.AWSContainer{Role: awsRole, Token: "tok"}
	pod := cloudtest.AWSContainer{Role: awsRole, Issuer: issuer}
	tests := []struct {
		name      string
		container cloudtest.AWSContainer
		path      string
		token     string
		status    int
	}{
		{"open", plain, "", "", 200},
		{"another path", plain, "x", "", 404},
		{"token", secret, "", "tok", 200},
		{"no token", secret, "", "", 401},
		{"wrong token", secret, "", "tik", 401},
		{"pod", pod, "", issuer.Token("pod", "pods.eks.amazonaws.com", now, time.Hour, nil), 200},
		{"pod without a token", pod, "", "", 401},
		{"pod token for STS", pod, "", issuer.Token("pod", "sts.amazonaws.com", now, time.Hour, nil), 401},
		{"pod token expired", pod, "", issuer.Token("pod", "pods.eks.amazonaws.com", now, -time.Minute, nil), 401},
		{"role that is none", cloudtest.AWSContainer{Role: "x"}, "", "", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a.SetContainer(test.container)
			header := map[string]string{}
			if test.token != "" {
				header["Authorization"] = test.token
			}
			status, body := awsGet(t, client, http.MethodGet, a.ContainerURL()+test.path, header)
			records := c.Records()
			if last := records[len(records)-1]; status != test.status || last.Service != "ecs" || (last.Refused == "") != (status == 200) {
				t.Errorf("HTTP %d %s, recorded %+v", status, body, last)
			}
		})
	}
}

func TestSSOPortal(t *testing.T) {
	c, a, client := awsCloud(t)
	a.AddSSOAccess(cloudtest.AWSSSOAccess{Token: "tok", Expires: time.Now().Add(time.Hour), Account: awsAccount, Role: "Dev"})
	a.AddSSOAccess(cloudtest.AWSSSOAccess{Token: "old", Expires: time.Now().Add(-time.Hour), Account: awsAccount, Role: "Dev"})
	const base = "https://portal.sso.us-west-2.amazonaws.com/federation/credentials?account_id=" + awsAccount + "&role_name="
	tests := []struct {
		name, url, token string
		status           int
	}{
		{"good", base + "Dev", "tok", 200},
		{"no token", base + "Dev", "", 401},
		{"unknown token", base + "Dev", "x", 401},
		{"expired token", base + "Dev", "old", 401},
		{"another role", base + "Admin", "tok", 403},
		{"another operation", "https://portal.sso.us-west-2.amazonaws.com/assignment/roles", "tok", 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := awsGet(t, client, http.MethodGet, test.url, map[string]string{"X-Amz-Sso_bearer_token": test.token})
			records := c.Records()
			if last := records[len(records)-1]; status != test.status || last.Service != "sso" || (last.Refused == "") != (status == 200) {
				t.Errorf("HTTP %d %s, recorded %+v", status, body, last)
			}
		})
	}
}

// The plain listeners take any region in scope, and make tokens for it.
func TestAWSEndpointEnv(t *testing.T) {
	c, a, client := awsCloud(t)
	env := map[string]string{}
	for _, pair := range a.EndpointEnv() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	if env["AWS_EC2_METADATA_SERVICE_ENDPOINT"]+env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] != "" {
		t.Error("metadata endpoints without a role")
	}
	call := ecrCall()
	call.url, call.region = env["AWS_ENDPOINT_URL_ECR"], "ap-south-1"
	status, body := call.send(t, client)
	checkAnswer(t, c, "ecr", status, body, "")
	if !strings.Contains(body, "dkr.ecr.ap-south-1.amazonaws.com") {
		t.Error(body)
	}
	call = stsCall(whoAmI)
	call.url = env["AWS_ENDPOINT_URL_STS"]
	status, body = call.send(t, client)
	checkAnswer(t, c, "sts", status, body, "")
	call.service = "ecr"
	status, body = call.send(t, client)
	checkAnswer(t, c, "sts", status, body, "SignatureDoesNotMatch")
	a.SetInstanceRole(awsRole)
	a.SetContainer(cloudtest.AWSContainer{Role: awsRole})
	if len(a.EndpointEnv()) != 8 {
		t.Errorf("got %v", a.EndpointEnv())
	}
}
