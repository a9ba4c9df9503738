// SPDX-License-Identifier: Apache-2.0

package ecr_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

// No service sends a token or a signature to another host than the one that
// was asked.
func TestRedirects(t *testing.T) {
	ssoFile, ssoText := ssoCache(startURL, "sso-token", time.Now().Add(time.Hour))
	tests := []struct {
		name, service, says string
		world               world
	}{
		{"SSO portal", "sso", "AWS SSO did not answer GetRoleCredentials: HTTP 307 sends the request to 127.0.0.1:", world{config: legacySSO, files: map[string]string{ssoFile: ssoText},
			env: map[string]string{"AWS_PROFILE": "dev"}}},
		{"container endpoint", "ecs", "the container credentials endpoint did not answer the request: HTTP 307 sends the request to 127.0.0.1:", world{env: map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": cloud.AWS().ContainerURL(), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "token"}}},
		{"registry's API", "ecr", "AWS ECR answered GetAuthorizationToken with no error of AWS's (HTTP 307)", world{env: staticEnv}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var asked atomic.Int64
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(http.StatusForbidden)
			}))
			defer other.Close()
			test.world.build(t)
			cloud.Fail(cloudtest.Fault{Service: test.service, Status: http.StatusTemporaryRedirect,
				Header: http.Header{"Location": {other.URL + "/elsewhere"}}})
			_, err := ask(t, ecr.Private(), host, helpers.Choice{})
			if asked.Load() != 0 {
				t.Errorf("%d requests went elsewhere", asked.Load())
			}
			if outcome(err) != "mint" {
				t.Fatalf("%s: %v", outcome(err), err)
			}
			checkWords(t, err, []string{test.says}, "prox")
		})
	}
}

// An answer that is not AWS's is told by its status.
func TestForeignAnswers(t *testing.T) {
	page := "<html><body>Blocked by policy</body></html>"
	tests := []struct {
		name   string
		status int
		body   string
		says   string
		next   string
	}{
		{"page of a proxy", 403, page, "HTTP 403", "prox"},
		{"redirect without a place", 307, "", "HTTP 307", "prox"},
		{"redirect of another kind", 302, "", "HTTP 302", "prox"},
		{"no reason", 400, "{}", "HTTP 400", "prox"},
		{"gateway's trouble", 502, page, "HTTP 502", "something else"},
		{"trouble without a code", 503, "{}", "HTTP 503", "try again"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			world{env: staticEnv}.build(t)
			cloud.Fail(cloudtest.Fault{Service: "ecr", Status: test.status, Body: test.body})
			_, err := ask(t, ecr.Private(), host, helpers.Choice{})
			if outcome(err) != "mint" {
				t.Fatalf("%s: %v", outcome(err), err)
			}
			checkWords(t, err, []string{"AWS ECR", test.says}, test.next)
			if strings.Contains(err.Error()+next(err), "UnknownError") || strings.Contains(next(err), "AWS_ACCESS_KEY_ID") {
				t.Errorf("%v; %s", err, next(err))
			}
		})
	}
}

// What a program prints may be another's keys the next time, and a relative
// path is another file elsewhere: neither is kept.
func TestNotKept(t *testing.T) {
	keys := map[string]string{"keys.json": `{"Version":1,"AccessKeyId":"` + keyID + `","SecretAccessKey":"` + secret + `"}`}
	tests := []struct {
		name  string
		world world
		kept  bool
	}{
		{"keys in a profile", world{credentials: keysProfile, env: map[string]string{"AWS_PROFILE": "base"}}, true},
		{"credential_process", world{config: "[default]\ncredential_process = " + printKeys + "\n", files: keys}, false},
		{"role behind a credential_process", world{files: keys, env: map[string]string{"AWS_PROFILE": "ci"},
			config: "[profile tool]\ncredential_process = " + printKeys + "\n[profile ci]\nsource_profile = tool\nrole_arn = " + roleARN + "\n"}, false},
		{"relative credentials file", world{credentials: keysProfile,
			env: map[string]string{"AWS_PROFILE": "base", "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(".aws", "credentials")}}, false},
		{"relative config file", world{credentials: keysProfile,
			env: map[string]string{"AWS_PROFILE": "base", "AWS_CONFIG_FILE": filepath.Join(".aws", "config")}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trustingRole(user.ARN())(test.world.build(t))
			t.Chdir(os.Getenv("HOME"))
			if c := mint(t, helpers.Choice{}); c.NoCache == test.kept {
				t.Errorf("%s: NoCache is %v", c.Source, c.NoCache)
			}
		})
	}
}

// A program behind a source_profile gets no standard input and writes nothing
// to standard error either, and what it says is kept.
func TestProcessBehindARole(t *testing.T) {
	say := onSystem("read line && echo has $line >&2; echo please log in >&2; exit 3", "echo please log in 1>&2 & exit 3")
	trustingRole(user.ARN())(world{env: map[string]string{"AWS_PROFILE": "ci"}, config: "[profile tool]\ncredential_process = " + say +
		"\n[profile ci]\nsource_profile = tool\nrole_arn = " + roleARN + "\n"}.build(t))
	replace := func(file **os.File, text string) *os.File {
		own, err := os.CreateTemp(t.TempDir(), "std")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := own.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		before := *file
		*file = own
		t.Cleanup(func() { *file = before; _ = own.Close() })
		return own
	}
	replace(&os.Stdin, "input\n")
	stderr := replace(&os.Stderr, "")
	_, failed := ask(t, ecr.Private(), host, helpers.Choice{})
	if text, err := os.ReadFile(stderr.Name()); err != nil || len(text) > 0 {
		t.Errorf("standard error: %q (%v)", text, err)
	}
	if outcome(failed) != "mint" {
		t.Fatalf("%s: %v", outcome(failed), failed)
	}
	checkWords(t, failed, []string{"credential_process failed: please log in"}, "aws sts get-caller-identity --profile tool")
}

// The role behind a program is assumed as its profile says.
func TestRoleBehindAProcess(t *testing.T) {
	a := world{env: map[string]string{"AWS_PROFILE": "ci"},
		files: map[string]string{"keys.json": `{"Version":1,"AccessKeyId":"` + keyID + `","SecretAccessKey":"` + secret + `"}`},
		config: "[profile tool]\ncredential_process = " + printKeys + "\n[profile middle]\nsource_profile = tool\nrole_arn = " + machineRole +
			"\n[profile ci]\nsource_profile = middle\nrole_arn = " + roleARN + "\nexternal_id = us\nduration_seconds = 900\n"}.build(t)
	a.AddRole(cloudtest.AWSRole{ARN: machineRole, Trusts: []string{user.ARN()}})
	a.AddRole(cloudtest.AWSRole{ARN: roleARN, Trusts: []string{machineRole}, ExternalID: "us"})
	c := mint(t, helpers.Choice{})
	if got := served(); got != "sts/AssumeRole/200 sts/AssumeRole/200 ecr/GetAuthorizationToken/200" {
		t.Errorf("asked %s", got)
	}
	if left := time.Until(c.ExpiresAt); left > 16*time.Minute {
		t.Errorf("%v left", left)
	}
}
