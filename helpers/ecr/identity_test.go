// SPDX-License-Identifier: Apache-2.0

package ecr_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

const (
	machineRole = "arn:aws:iam::" + account + ":role/machine"
	startURL    = "https://corp.awsapps.example/start"
	legacySSO   = "[profile dev]\nsso_start_url = " + startURL + "\nsso_region = us-west-2\nsso_account_id = " + account + "\nsso_role_name = Developer\n"
)

// trustingRole lets users and roles become the role.
func trustingRole(arns ...string) func(*cloudtest.AWS) {
	return func(a *cloudtest.AWS) { a.AddRole(cloudtest.AWSRole{ARN: roleARN, Trusts: arns}) }
}

// The rarer names and combinations of the sources, through the SDK itself.
func TestRarerSources(t *testing.T) {
	const imdsVar, uriVar = "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	ssoFile, ssoText := ssoCache(startURL, "sso-token", time.Now().Add(time.Hour))
	roleBy := func(source string) string {
		return "[profile ci]\nrole_arn = " + roleARN + "\ncredential_source = " + source + "\n"
	}
	tests := []sourceTest{
		{name: "older names of the environment keys", world: world{env: map[string]string{"AWS_ACCESS_KEY": keyID, "AWS_SECRET_KEY": secret}},
			source: "AWS environment keys", identity: "access key " + keyID, bind: "env:AWS_ACCESS_KEY"},
		{name: "older name of the secret only", world: world{env: map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_KEY": secret}},
			source: "AWS environment keys", identity: "access key " + keyID, bind: "env:AWS_ACCESS_KEY_ID"},
		{name: "AWS_DEFAULT_PROFILE", world: world{credentials: keysProfile, env: map[string]string{"AWS_DEFAULT_PROFILE": "base"}},
			source: "AWS profile base (access key)", identity: "access key " + keyID},
		{name: "AWS_DEFAULT_PROFILE with a program", world: world{config: "[profile tool]\ncredential_process = " + printKeys + "\n",
			env:   map[string]string{"AWS_DEFAULT_PROFILE": "tool"},
			files: map[string]string{"keys.json": `{"Version":1,"AccessKeyId":"` + keyID + `","SecretAccessKey":"` + secret + `"}`}},
			source: "AWS profile tool (credential_process)", identity: "credential_process *", program: true},
		{name: "AWS_PROFILE wins over AWS_DEFAULT_PROFILE", world: world{credentials: keysProfile, config: "[profile tool]\ncredential_process = false\n",
			env: map[string]string{"AWS_PROFILE": "base", "AWS_DEFAULT_PROFILE": "tool"}},
			source: "AWS profile base (access key)", identity: "access key " + keyID},
		{name: "SSO without a session", world: world{config: legacySSO, files: map[string]string{ssoFile: ssoText}, env: map[string]string{"AWS_PROFILE": "dev"}},
			cloud: func(a *cloudtest.AWS) {
				a.AddSSOAccess(cloudtest.AWSSSOAccess{Token: "sso-token", Expires: time.Now().Add(time.Hour), Account: account, Role: "Developer"})
			},
			source: "AWS profile dev (SSO)", identity: "SSO role Developer in account " + account + " by " + startURL,
			session: true, asked: "sso/GetRoleCredentials/200"},
		{name: "role of a container", cloud: func(a *cloudtest.AWS) {
			trustingRole(machineRole)(a)
			a.SetContainer(cloudtest.AWSContainer{Role: machineRole})
		}, world: world{config: roleBy("EcsContainer"), env: map[string]string{uriVar: cloud.AWS().ContainerURL()}},
			choice: helpers.Choice{Profile: "ci"}, tier: helpers.TierConfigured,
			source: "AWS profile ci (role " + roleARN + ")", identity: "role " + roleARN + " as container role *", bind: "boot: host:",
			session: true, asked: "ecs/credentials/200 sts/AssumeRole/200"},
		{name: "role of an instance", cloud: func(a *cloudtest.AWS) { trustingRole(machineRole)(a); a.SetInstanceRole(machineRole) },
			world:  world{config: roleBy("Ec2InstanceMetadata"), env: map[string]string{imdsVar: cloud.AWS().MetadataURL()}},
			choice: helpers.Choice{Profile: "ci"}, tier: helpers.TierConfigured,
			source: "AWS profile ci (role " + roleARN + ")", identity: "role " + roleARN + " as instance role", bind: "boot: host:",
			session: true, asked: "imds/token/200 imds/roles/200 imds/credentials/200 sts/AssumeRole/200"},
		{name: "role of an instance, in a container with a role", cloud: func(a *cloudtest.AWS) { trustingRole(machineRole)(a); a.SetInstanceRole(machineRole) },
			world: world{config: roleBy("Ec2InstanceMetadata"),
				env: map[string]string{imdsVar: cloud.AWS().MetadataURL(), uriVar: cloud.AWS().ContainerURL()}},
			choice: helpers.Choice{Profile: "ci"}, tier: helpers.TierConfigured,
			source: "AWS profile ci (role " + roleARN + ")", identity: "role " + roleARN + " as instance role", bind: "boot: host:",
			session: true, asked: "imds/token/200 imds/roles/200 imds/credentials/200 sts/AssumeRole/200"},
		{name: "container with its token in a variable",
			world:  world{env: map[string]string{uriVar: cloud.AWS().ContainerURL(), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc"}},
			cloud:  func(a *cloudtest.AWS) { a.SetContainer(cloudtest.AWSContainer{Role: roleARN, Token: "Basic abc"}) },
			source: "ECS task role", identity: "container role *", bind: "boot: host:", session: true, asked: "ecs/credentials/200"},
		{name: "role by way of another role", cloud: func(a *cloudtest.AWS) {
			a.AddRole(cloudtest.AWSRole{ARN: machineRole, Trusts: []string{user.ARN()}})
			trustingRole(machineRole)(a)
		}, world: world{credentials: keysProfile, config: "[profile ci]\nrole_arn = " + roleARN + "\nsource_profile = hub\n" +
			"[profile hub]\nrole_arn = " + machineRole + "\nsource_profile = base\n"},
			choice: helpers.Choice{Profile: "ci"}, tier: helpers.TierConfigured,
			source: "AWS profile ci (role " + roleARN + ")", identity: "role " + roleARN + " as access key " + keyID,
			session: true, asked: "sts/AssumeRole/200 sts/AssumeRole/200"},
	}
	for _, test := range tests {
		t.Run(test.name, test.run)
	}
}

// A profile's settings for its role reach STS.
func TestRoleSettings(t *testing.T) {
	tests := []struct {
		name, settings, says string // says in the refusal, "" for minted
		left                 time.Duration
	}{
		{"external id", "external_id = x1\n", "", time.Hour},
		{"wrong external id", "external_id = x2\n", "AccessDenied", 0},
		{"no external id", "", "AccessDenied", 0},
		{"shorter session", "external_id = x1\nduration_seconds = 900\n", "", 15 * time.Minute},
		{"longer session", "external_id = x1\nduration_seconds = 7200\n", "", 2 * time.Hour},
		{"longer than the role allows", "external_id = x1\nduration_seconds = 10800\n", "MaxSessionDuration", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := world{credentials: keysProfile,
				config: "[profile ci]\nrole_arn = " + roleARN + "\nsource_profile = base\n" + test.settings}.build(t)
			a.AddRole(cloudtest.AWSRole{ARN: roleARN, Trusts: []string{user.ARN()}, ExternalID: "x1", MaxLife: 2 * time.Hour})
			choice := helpers.Choice{Profile: "ci"}
			if test.says != "" {
				if c, err := ask(t, ecr.Private(), host, choice); err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %q (%v)", c.Source, err)
				}
				return
			}
			if left := time.Until(mint(t, choice).ExpiresAt); left > test.left || left < test.left-5*time.Minute {
				t.Errorf("%v left, want %v", left, test.left)
			}
		})
	}
}

// ssoRefreshable is the cache of a sign-in whose access token has expired.
func ssoRefreshable(t *testing.T) (name, text string) {
	t.Helper()
	name, _ = ssoCache("corp", "", time.Time{})
	raw, err := json.Marshal(map[string]string{"accessToken": "old", "expiresAt": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339),
		"region": "us-west-2", "clientId": "client", "clientSecret": "hush", "refreshToken": "again"})
	if err != nil {
		t.Fatal(err)
	}
	return name, string(raw)
}

// An SSO session whose access token has expired is renewed once, where the
// session's region says, and kept.
func TestSSORefresh(t *testing.T) {
	file, text := ssoRefreshable(t)
	refresh := cloudtest.AWSRefresh{Token: "again", ClientID: "client", ClientSecret: "hush", Expires: time.Now().Add(time.Hour),
		Account: account, Role: "Developer"}
	signedIn := world{config: ssoConfig, files: map[string]string{file: text}, env: map[string]string{"AWS_PROFILE": "dev"}}
	t.Run("renewed", func(t *testing.T) {
		signedIn.build(t).AddRefresh(refresh)
		mint(t, helpers.Choice{})
		c := mint(t, helpers.Choice{})
		const once, each = "sso-oidc/CreateToken/200 ", "sso/GetRoleCredentials/200 ecr/GetAuthorizationToken/200"
		if got := served(); got != once+each+" "+each || c.Source != "AWS profile dev (SSO)" {
			t.Errorf("%s asked %s", c.Source, got)
		}
		if at := cloud.Records()[0].Host; at != "oidc.us-west-2.amazonaws.com" {
			t.Errorf("asked %s", at)
		}
		if kept, err := os.ReadFile(filepath.Join(os.Getenv("HOME"), filepath.FromSlash(file))); err != nil || strings.Contains(string(kept), `"old"`) {
			t.Errorf("kept %s (%v)", kept, err)
		}
	})
	t.Run("at the variable's endpoint", func(t *testing.T) {
		a := signedIn.build(t)
		a.AddRefresh(refresh)
		for _, pair := range a.EndpointEnv() {
			name, value, _ := strings.Cut(pair, "=")
			t.Setenv(name, value)
		}
		mint(t, helpers.Choice{})
		if at := cloud.Records()[0]; at.Service != "sso-oidc" || at.Host != "127.0.0.1" {
			t.Errorf("asked %+v", at)
		}
	})
	t.Run("refused", func(t *testing.T) {
		signedIn.build(t)
		_, err := ask(t, ecr.Private(), host, helpers.Choice{})
		if outcome(err) != "mint" || served() != "sso-oidc/CreateToken/400" {
			t.Fatalf("%s: %v, asked %s", outcome(err), err, served())
		}
		checkWords(t, err, []string{"AWS profile dev (SSO)", "AWS SSO refused CreateToken: InvalidGrantException"}, "aws sso login --profile dev")
		for _, hidden := range []string{"again", "hush"} {
			if strings.Contains(err.Error(), hidden) {
				t.Errorf("%q shows %s", err, hidden)
			}
		}
	})
}

const loginSession = "arn:aws:iam::" + account + ":user/me"

// loginCache is the file that `aws login` writes, with keys of roleARN's.
func loginCache(t *testing.T, a *cloudtest.AWS, expires time.Time) string {
	t.Helper()
	id, key, token, _, err := a.Session(roleARN, "login", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(proof)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"accessToken": map[string]any{"accessKeyId": id, "secretAccessKey": key, "sessionToken": token, "accountId": account,
			"expiresAt": expires.UTC().Format(time.RFC3339)},
		"tokenType": "aws_sigv4", "refreshToken": "again", "clientId": "arn:aws:signin:::devtools/same-device",
		"dpopKey": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The sign-in of `aws login`: as it is, renewed, and refused.
func TestAWSLogin(t *testing.T) {
	refresh := cloudtest.AWSRefresh{Token: "again", ClientID: "arn:aws:signin:::devtools/same-device",
		Expires: time.Now().Add(time.Hour), RoleARN: roleARN}
	powerless := refresh
	powerless.RoleARN = ""
	sum := sha256.Sum256([]byte(loginSession))
	file := hex.EncodeToString(sum[:]) + ".json"
	tests := []struct {
		name    string
		dir     string // of the cache below HOME, "" for the standard one
		life    time.Duration
		refresh *cloudtest.AWSRefresh
		absent  bool
		asked   string
		says    string // in the refusal
	}{
		{name: "lasts", life: 40 * time.Minute, asked: "ecr/GetAuthorizationToken/200"},
		{name: "in a cache of its own", dir: "elsewhere", life: 40 * time.Minute, asked: "ecr/GetAuthorizationToken/200"},
		{name: "renewed", life: -time.Minute, refresh: &refresh, asked: "signin/CreateOAuth2Token/200 ecr/GetAuthorizationToken/200"},
		{name: "ended", life: -time.Minute, asked: "signin/CreateOAuth2Token/403", says: "session has expired"},
		{name: "not permitted", life: -time.Minute, refresh: &powerless, asked: "signin/CreateOAuth2Token/403", says: "insufficient permissions"},
		{name: "never signed in", absent: true, says: "not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := world{config: "[profile me]\nlogin_session = " + loginSession + "\nregion = eu-central-1\n",
				env: map[string]string{"AWS_PROFILE": "me"}}.build(t)
			dir := filepath.Join(os.Getenv("HOME"), ".aws", "login", "cache")
			if test.dir != "" {
				dir = filepath.Join(os.Getenv("HOME"), test.dir)
				t.Setenv("AWS_LOGIN_CACHE_DIRECTORY", dir)
			}
			if !test.absent {
				writeFile(t, filepath.Join(dir, file), loginCache(t, a, time.Now().Add(test.life)))
			}
			if test.refresh != nil {
				a.AddRefresh(*test.refresh)
			}
			c, err := ask(t, ecr.Private(), host, helpers.Choice{})
			if got := served(); got != test.asked {
				t.Errorf("asked %s, want %s (%v)", got, test.asked, err)
			}
			if test.says != "" {
				if outcome(err) != "mint" {
					t.Fatalf("%s: %v", outcome(err), err)
				}
				checkWords(t, err, []string{"AWS profile me (aws login): the sign-in of aws login does not work", test.says}, "aws login --profile me")
				return
			}
			if err != nil || c.Source != "AWS profile me (aws login)" || c.Identity != "login "+loginSession {
				t.Fatalf("source %q, identity %q (%v)", c.Source, c.Identity, err)
			}
			if left := time.Until(c.ExpiresAt); left > time.Hour || test.refresh == nil && left > test.life {
				t.Errorf("%v left", left)
			}
		})
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
