// SPDX-License-Identifier: Apache-2.0

package ecr_test

import (
	"crypto/sha1" // how the SSO cache names its files
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

const keysProfile = "[base]\naws_access_key_id = " + keyID + "\naws_secret_access_key = " + secret + "\n"

const ssoConfig = `[profile dev]
sso_session = corp
sso_account_id = ` + account + `
sso_role_name = Developer
region = eu-central-1

[sso-session corp]
sso_start_url = https://corp.awsapps.example/start
sso_region = us-west-2
sso_registration_scopes = sso:account:access
`

// ssoCache is the file that `aws sso login` writes.
func ssoCache(session, token string, expires time.Time) (name, text string) {
	sum := sha1.Sum([]byte(session))
	return ".aws/sso/cache/" + hex.EncodeToString(sum[:]) + ".json",
		fmt.Sprintf(`{"accessToken":%q,"expiresAt":%q,"region":"us-west-2"}`, token, expires.UTC().Format(time.RFC3339))
}

// Every source that the SDK knows, through the SDK itself.
func TestSources(t *testing.T) {
	issuer := cloudtest.NewAWSIssuer("https://oidc.eks.example/id/ABC")
	subject := "system:serviceaccount:team:app"
	now := time.Now()
	ssoFile, ssoText := ssoCache("corp", "sso-token", now.Add(time.Hour))
	irsa := issuer.Token(subject, "sts.amazonaws.com", now, time.Hour, nil)
	pod := issuer.Token(subject, "pods.eks.amazonaws.com", now, time.Hour, nil)
	trusting := func(a *cloudtest.AWS) {
		a.AddRole(cloudtest.AWSRole{ARN: roleARN, Trusts: []string{user.Name, "arn:aws:iam::" + account + ":user/me"}})
	}
	tests := []sourceTest{
		{name: "environment keys", world: world{env: staticEnv},
			source: "AWS environment keys", identity: "access key " + keyID, bind: "env:AWS_ACCESS_KEY_ID"},
		{name: "environment keys win over a profile", world: world{env: staticEnv, credentials: "[default]\ncredential_process = false\n"},
			source: "AWS environment keys", identity: "access key " + keyID, bind: "env:AWS_ACCESS_KEY_ID"},
		{name: "default profile", world: world{credentials: strings.Replace(keysProfile, "base", "default", 1)},
			source: "AWS profile default (access key)", identity: "access key " + keyID},
		{name: "AWS_PROFILE", world: world{credentials: keysProfile, env: map[string]string{"AWS_PROFILE": "base"}},
			source: "AWS profile base (access key)", identity: "access key " + keyID},
		{name: "configured profile wins over environment keys", world: world{credentials: keysProfile,
			env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_SECRET_ACCESS_KEY": "wrong"}},
			choice: helpers.Choice{Profile: "base"}, tier: helpers.TierConfigured,
			source: "AWS profile base (access key)", identity: "access key " + keyID},
		{name: "profile with role_arn and source_profile", cloud: trusting,
			world: world{credentials: keysProfile, config: "[profile ci]\nrole_arn = " + roleARN + "\nsource_profile = base\n",
				env: map[string]string{"AWS_PROFILE": "ci"}},
			source: "AWS profile ci (role " + roleARN + ")", identity: "role " + roleARN + " as access key " + keyID,
			session: true, asked: "sts/AssumeRole/200"},
		{name: "profile with role_arn and credential_source", cloud: trusting,
			world:  world{config: "[profile ci]\nrole_arn = " + roleARN + "\ncredential_source = Environment\n", env: staticEnv},
			choice: helpers.Choice{Profile: "ci"}, tier: helpers.TierConfigured,
			source: "AWS profile ci (role " + roleARN + ")", identity: "role " + roleARN + " as access key " + keyID,
			bind: "env:AWS_ACCESS_KEY_ID", session: true, asked: "sts/AssumeRole/200"},
		{name: "configured role_arn", cloud: trusting, world: world{env: staticEnv},
			choice: helpers.Choice{RoleARN: roleARN}, tier: helpers.TierConfigured,
			source: "role " + roleARN + " from AWS environment keys", identity: "role " + roleARN + " as access key " + keyID,
			bind: "env:AWS_ACCESS_KEY_ID", session: true, asked: "sts/AssumeRole/200"},
		{name: "configured role_arn and profile", cloud: trusting, world: world{credentials: keysProfile},
			choice: helpers.Choice{RoleARN: roleARN, Profile: "base"}, tier: helpers.TierConfigured,
			source: "role " + roleARN + " from AWS profile base (access key)", identity: "role " + roleARN + " as access key " + keyID,
			session: true, asked: "sts/AssumeRole/200"},
		{name: "SSO session", world: world{config: ssoConfig, files: map[string]string{ssoFile: ssoText}, env: map[string]string{"AWS_PROFILE": "dev"}},
			cloud: func(a *cloudtest.AWS) {
				a.AddSSOAccess(cloudtest.AWSSSOAccess{Token: "sso-token", Expires: now.Add(time.Hour), Account: account, Role: "Developer"})
			},
			source: "AWS profile dev (SSO)", identity: "SSO role Developer in account " + account + " by https://corp.awsapps.example/start",
			session: true, asked: "sso/GetRoleCredentials/200"},
		{name: "IRSA web identity", world: world{files: map[string]string{"token": irsa},
			env: map[string]string{"AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": "$HOME/token"}},
			cloud:  func(a *cloudtest.AWS) { a.AddRole(cloudtest.AWSRole{ARN: roleARN, Issuer: issuer, Subject: subject}) },
			source: "web identity role " + roleARN, identity: "role " + roleARN, bind: "claims:$HOME/token",
			session: true, asked: "sts/AssumeRoleWithWebIdentity/200"},
		{name: "web identity in a profile", world: world{files: map[string]string{"token": irsa},
			config: "[profile pod]\nrole_arn = " + roleARN + "\nweb_identity_token_file = $HOME/token\n"},
			choice: helpers.Choice{Profile: "pod"}, tier: helpers.TierConfigured,
			cloud:  func(a *cloudtest.AWS) { a.AddRole(cloudtest.AWSRole{ARN: roleARN, Issuer: issuer}) },
			source: "AWS profile pod (web identity role " + roleARN + ")", identity: "role " + roleARN, bind: "claims:$HOME/token",
			session: true, asked: "sts/AssumeRoleWithWebIdentity/200"},
		{name: "credential_process", world: world{config: "[default]\ncredential_process = " + printKeys + "\n",
			files: map[string]string{"keys.json": `{"Version":1,"AccessKeyId":"` + keyID + `","SecretAccessKey":"` + secret + `"}`}},
			source: "AWS profile default (credential_process)", identity: "credential_process *", program: true},
		{name: "role behind a credential_process", cloud: trusting,
			world: world{config: "[profile tool]\ncredential_process = " + printKeys + "\n[profile ci]\nsource_profile = tool\nrole_arn = " + roleARN + "\n",
				files: map[string]string{"keys.json": `{"Version":1,"AccessKeyId":"` + keyID + `","SecretAccessKey":"` + secret + `"}`}},
			choice: helpers.Choice{Profile: "ci"}, tier: helpers.TierConfigured,
			source: "AWS profile ci (role " + roleARN + ")", identity: "role " + roleARN + " as credential_process *",
			program: true, session: true, asked: "sts/AssumeRole/200"},
		{name: "ECS by relative URI", world: world{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v1/credentials"}},
			cloud:  func(a *cloudtest.AWS) { a.SetContainer(cloudtest.AWSContainer{Role: roleARN}) },
			source: "ECS task role", identity: "container role *", bind: "boot: host:", session: true, asked: "ecs/credentials/200"},
		{name: "container by full URI with a token file", world: world{files: map[string]string{"token": "Basic abc"},
			env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": cloud.AWS().ContainerURL(), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "$HOME/token"}},
			cloud:  func(a *cloudtest.AWS) { a.SetContainer(cloudtest.AWSContainer{Role: roleARN, Token: "Basic abc"}) },
			source: "ECS task role", identity: "container role *", bind: "boot: host:", session: true, asked: "ecs/credentials/200"},
		{name: "EKS Pod Identity", world: world{files: map[string]string{"token": pod},
			env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": cloud.AWS().ContainerURL(), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "$HOME/token"}},
			cloud:  func(a *cloudtest.AWS) { a.SetContainer(cloudtest.AWSContainer{Role: roleARN, Issuer: issuer}) },
			source: "EKS Pod Identity role", identity: "container role *", bind: "boot: host: claims:$HOME/token",
			session: true, asked: "ecs/credentials/200"},
		{name: "EC2 instance role", world: world{env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.AWS().MetadataURL()}},
			cloud:  func(a *cloudtest.AWS) { a.SetInstanceRole(roleARN) },
			source: "EC2 instance role ci", identity: "instance role ci", bind: "boot: host:", session: true,
			asked: "imds/token/200 imds/roles/200 imds/token/200 imds/roles/200 imds/credentials/200"},
	}
	for _, test := range tests {
		t.Run(test.name, test.run)
	}
}

// sourceTest is a source at work, and what is to be said about it.
type sourceTest struct {
	name   string
	world  world
	cloud  func(a *cloudtest.AWS)
	choice helpers.Choice
	tier   helpers.Tier // TierChain when zero

	source, identity string
	bind             string // kinds
	program          bool
	session          bool   // the password ends with an hour's session
	asked            string // before the ECR request
}

func (test sourceTest) run(t *testing.T) {
	a := test.world.build(t)
	if test.cloud != nil {
		test.cloud(a)
	}
	if test.tier == 0 {
		test.tier = helpers.TierChain
	}
	source := ecr.Private().Sources(request(t, ecr.Private(), host, test.choice))[0]
	if source.Tier != test.tier || source.Program != test.program {
		t.Errorf("tier %v, program %v", source.Tier, source.Program)
	}
	c := mint(t, test.choice)
	want := strings.TrimSpace(test.asked + " ecr/GetAuthorizationToken/200")
	if got := served(); got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
	if c.Source != test.source || !like(test.identity, c.Identity) {
		t.Errorf("source %q, identity %q", c.Source, c.Identity)
	}
	if got := binds(c); got != test.bind {
		t.Errorf("bound to %q, want %q", got, test.bind)
	}
	checkEnd(t, c, test.session)
}

// checkEnd wants twelve hours, or the end of an hour's session.
func checkEnd(t *testing.T, c helpers.Credential, session bool) {
	t.Helper()
	left := time.Until(c.ExpiresAt)
	if session && (left > time.Hour+time.Minute || left < 50*time.Minute) || !session && left < 11*time.Hour {
		t.Errorf("%v left", left)
	}
}

// like compares, where a '*' at the end stands for a hash.
func like(pattern, text string) bool {
	prefix, found := strings.CutSuffix(pattern, "*")
	return text == pattern || found && strings.HasPrefix(text, prefix) && len(text) == len(prefix)+16
}

func binds(c helpers.Credential) string {
	var list []string
	for _, b := range c.BindTo {
		list = append(list, b.Kind+":"+strings.Replace(b.Arg, os.Getenv("HOME"), "$HOME", 1))
	}
	return strings.Join(list, " ")
}

// Session keys in the environment carry no end; a variable that tools set
// tells it.
func TestSessionKeys(t *testing.T) {
	a := world{}.build(t)
	id, secret, token, expires, err := a.Session(roleARN, "me", 20*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token,
		"AWS_CREDENTIAL_EXPIRATION": expires.Format(time.RFC3339)} {
		t.Setenv(name, value)
	}
	c := mint(t, helpers.Choice{})
	if !c.ExpiresAt.Equal(expires) || c.Source != "AWS environment session keys" || c.Identity != "access key "+id {
		t.Errorf("got %v, %q, %q, want %v", c.ExpiresAt, c.Source, c.Identity, expires)
	}
	cloud.Advance(21 * time.Minute)
	if err := a.CheckECRToken(host, c.Username, c.Secret.Reveal()); err == nil {
		t.Error("the password outlives its session")
	}
}

// A relative token file cannot be bound to, so nothing is cached.
func TestRelativeTokenFile(t *testing.T) {
	issuer := cloudtest.NewAWSIssuer("https://ci.example")
	a := world{files: map[string]string{"token": issuer.Token("job", "sts.amazonaws.com", time.Now(), time.Hour, nil)},
		env: map[string]string{"AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": "token"}}.build(t)
	a.AddRole(cloudtest.AWSRole{ARN: roleARN, Issuer: issuer})
	t.Chdir(os.Getenv("HOME"))
	if c := mint(t, helpers.Choice{}); !c.NoCache {
		t.Error("a credential bound to a relative path may be cached")
	}
}

// Identities stay the same while their sessions rotate.
func TestIdentityIsStable(t *testing.T) {
	a := world{env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.AWS().MetadataURL()}}.build(t)
	a.SetInstanceRole(roleARN)
	first, second := mint(t, helpers.Choice{}), mint(t, helpers.Choice{})
	if first.Identity != second.Identity || first.Secret == second.Secret {
		t.Errorf("identities %q and %q", first.Identity, second.Identity)
	}
}
