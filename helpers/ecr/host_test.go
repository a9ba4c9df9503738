// SPDX-License-Identifier: Apache-2.0

package ecr_test

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

var providers = []helpers.Provider{ecr.Private(), ecr.Public()}

// matches does what the program does with a raw address.
func matches(p helpers.Provider, raw string) bool {
	address, err := helpers.ParseAddress(raw)
	if err != nil {
		return false
	}
	_, ok := p.Match(address.Host)
	return ok
}

func TestHosts(t *testing.T) {
	for _, p := range providers {
		text, err := os.ReadFile(filepath.Join("testdata", p.Name(), "hosts.txt"))
		if err != nil {
			t.Fatal(err)
		}
		yes, no := 0, 0
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) == 0 || strings.HasPrefix(line, "#") {
				continue
			}
			want := fields[1] == "yes"
			if want {
				yes++
			} else {
				no++
			}
			if len(fields) != 2 || matches(p, fields[0]) != want {
				t.Errorf("%s: %s", p.Name(), line)
			}
		}
		if yes < 12 || no < 12 {
			t.Errorf("%s: %d and %d examples", p.Name(), yes, no)
		}
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		name, host string
		want       helpers.Target
	}{
		{"plain", host, helpers.Target{Account: account, Region: "eu-west-1", Suffix: "amazonaws.com", Anonymous: helpers.AnonymousNever}},
		{"FIPS", account + ".dkr.ecr-fips.us-gov-east-1.amazonaws.com", helpers.Target{Account: account, Region: "us-gov-east-1",
			Suffix: "amazonaws.com", FIPS: true, Anonymous: helpers.AnonymousNever}},
		{"dual-stack", account + ".dkr-ecr.eu-north-1.on.aws", helpers.Target{Account: account, Region: "eu-north-1", Suffix: "on.aws",
			Dual: true, Anonymous: helpers.AnonymousNever}},
		{"both", account + ".dkr-ecr-fips.cn-north-1.on.amazonwebservices.com.cn", helpers.Target{Account: account, Region: "cn-north-1",
			Suffix: "on.amazonwebservices.com.cn", Dual: true, FIPS: true, Anonymous: helpers.AnonymousNever}},
		{"public", "public.ecr.aws", helpers.Target{Region: "us-east-1", Anonymous: helpers.AnonymousPossible}},
		{"public dual-stack", "ecr-public.aws.com", helpers.Target{Region: "us-east-1", Dual: true, Anonymous: helpers.AnonymousPossible}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.want.Host = test.host
			var got helpers.Target
			for _, p := range providers {
				if target, ok := p.Match(test.host); ok {
					got = target
				}
			}
			if got != test.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// table repeats which hosts there are, in another notation than the product's.
var table = regexp.MustCompile(`^(?:` +
	`[0-9]{12}\.dkr\.ecr(-fips)?\.(?:` +
	`[a-z]+(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com|` +
	`cn(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com\.cn|` +
	`eusc(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.eu|` +
	`us-iso(-[a-z]+)+-[0-9]{1,2}\.c2s\.ic\.gov|` +
	`us-isob(-[a-z]+)+-[0-9]{1,2}\.sc2s\.sgov\.gov|` +
	`eu-isoe(-[a-z]+)+-[0-9]{1,2}\.cloud\.adc-e\.uk|` +
	`us-isof(-[a-z]+)+-[0-9]{1,2}\.csp\.hci\.ic\.gov)|` +
	`[0-9]{12}\.dkr-ecr(-fips)?\.(?:` +
	`[a-z]+(-[a-z]+)+-[0-9]{1,2}\.on\.aws|` +
	`cn(-[a-z]+)+-[0-9]{1,2}\.on\.amazonwebservices\.com\.cn)|` +
	`public\.ecr\.aws|ecr-public\.aws\.com)$`)

// FuzzMatch: whatever is accepted is in the table, is what normalising gives,
// and is claimed once.
func FuzzMatch(f *testing.F) {
	for _, p := range providers {
		text, err := os.ReadFile(filepath.Join("testdata", p.Name(), "hosts.txt"))
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) == 2 {
				f.Add(fields[0])
			}
		}
	}
	f.Fuzz(func(t *testing.T, host string) {
		claims := 0
		for _, p := range providers {
			target, ok := p.Match(host)
			if !ok {
				continue
			}
			claims++
			if !table.MatchString(host) {
				t.Errorf("%s claims %q", p.Name(), host)
			}
			if address, err := helpers.ParseAddress(host); err != nil || address.Host != host || target.Host != host {
				t.Errorf("%s claims %q, which normalises to %q (%v)", p.Name(), host, address.Host, err)
			}
		}
		if claims > 1 {
			t.Errorf("%q is claimed twice", host)
		}
	})
}

// Recorded answers are whole HTTP responses.
func TestAnswers(t *testing.T) {
	for _, p := range providers {
		files, err := filepath.Glob(filepath.Join("testdata", p.Name(), "answers", "*.http"))
		if err != nil || len(files) < 4 {
			t.Fatalf("%s: %d answers, %v", p.Name(), len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			_ = resp.Body.Close()
		}
	}
}

func TestHints(t *testing.T) {
	for _, p := range providers {
		for _, host := range []string{host, "public.ecr.aws"} {
			if target, ok := p.Match(host); ok && !strings.Contains(p.Hint(target), "aws sso login") {
				t.Errorf("%s: %q", host, p.Hint(target))
			}
		}
	}
	target, _ := ecr.Private().Match(host)
	if hint := ecr.Private().Hint(target); !strings.Contains(hint, "eu-west-1") {
		t.Errorf("no region: %q", hint)
	}
}

// Inputs hold what chooses, and nothing that is a secret or rotates.
func TestInputs(t *testing.T) {
	world{}.build(t)
	in := ecr.Private().(helpers.InputLister).Inputs(request(t, ecr.Private(), host, helpers.Choice{}))
	has := strings.Join(append(in.Env, in.Files...), " ")
	for _, want := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", os.Getenv("AWS_CONFIG_FILE"), os.Getenv("AWS_SHARED_CREDENTIALS_FILE")} {
		if !strings.Contains(has, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, never := range []string{"SECRET_ACCESS_KEY", "SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN ", "SECRET_KEY"} {
		if strings.Contains(has+" ", never) {
			t.Errorf("%s is an input", never)
		}
	}
}

// Without the variables the files lie in the home directory.
func TestInputsInHome(t *testing.T) {
	env := helpers.SystemEnv()
	env.Home = t.TempDir()
	env.LookupEnv = func(string) (string, bool) { return "", false }
	in := ecr.Private().(helpers.InputLister).Inputs(helpers.Request{Env: env})
	if len(in.Files) != 2 || in.Files[0] != filepath.Join(env.Home, ".aws", "config") {
		t.Errorf("got %v", in.Files)
	}
}

func TestJudgeLogin(t *testing.T) {
	tests := []struct{ name, user, password, want string }{
		{"password of the CLI", "AWS", "eyJwYXlsb2FkIjoieCJ9", "minted"},
		{"access key", keyID, secret, "unusable"},
		{"empty", "AWS", "", "unusable"},
		{"never filled in", "AWS", "$(aws ecr get-login-password)", "unusable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			login := helpers.Credential{Username: test.user, Secret: helpers.NewSecret(test.password)}
			got, err := ecr.Private().(helpers.LoginJudge).JudgeLogin(request(t, ecr.Private(), host, helpers.Choice{}), login)
			if outcome(err) != test.want || err == nil && got.Secret != login.Secret || err != nil && !strings.Contains(next(err), "docker logout "+host) {
				t.Errorf("%s: %v", outcome(err), err)
			}
		})
	}
}

// The source is named before anything is looked up.
func TestSourceNames(t *testing.T) {
	tests := []struct {
		name   string
		env    map[string]string
		choice helpers.Choice
		want   string
	}{
		{"chain", nil, helpers.Choice{}, "AWS default chain"},
		{"AWS_PROFILE", map[string]string{"AWS_PROFILE": "dev"}, helpers.Choice{}, "AWS profile dev"},
		{"keys win over AWS_PROFILE", map[string]string{"AWS_PROFILE": "dev", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
			helpers.Choice{}, "AWS environment keys"},
		{"profile", map[string]string{"AWS_PROFILE": "dev"}, helpers.Choice{Profile: "prod"}, "AWS profile prod"},
		{"role", nil, helpers.Choice{RoleARN: roleARN}, "AWS role " + roleARN},
		{"both", nil, helpers.Choice{Profile: "prod", RoleARN: roleARN}, "AWS role " + roleARN + " from profile prod"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			world{env: test.env}.build(t)
			if got := ecr.Private().Sources(request(t, ecr.Private(), host, test.choice))[0].Name; got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
