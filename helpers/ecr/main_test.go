// SPDX-License-Identifier: Apache-2.0

package ecr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/ecr"
)

// cloud answers for every host of AWS through the proxy; nothing leaves the
// machine.
var cloud *cloudtest.Cloud

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ecr")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if cloud, err = cloudtest.Start(dir); err != nil {
		panic(err)
	}
	defer cloud.Close()
	cloud.AWS()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"HOME": dir, "HTTPS_PROXY": cloud.ProxyURL, "HTTP_PROXY": cloud.ProxyURL, "SSL_CERT_FILE": cloud.CAFile,
		"AWS_CA_BUNDLE": cloud.CAFile, // SSL_CERT_FILE is for Unix only
		"SSL_CERT_DIR":  dir, "REGAUTH_METADATA": "off",
		"AWS_CONFIG_FILE": filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none"),
	} {
		_ = os.Setenv(name, value)
	}
	return m.Run()
}

const (
	account = "123456789012"
	host    = account + ".dkr.ecr.eu-west-1.amazonaws.com"
	apiHost = "api.ecr.eu-west-1.amazonaws.com"
	keyID   = "AKIAIOSFODNN7EXAMPLE"
	secret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	roleARN = "arn:aws:iam::" + account + ":role/ci"
)

var user = cloudtest.AWSUser{Account: account, Name: "me", KeyID: keyID, Secret: secret}

// staticEnv gives the user's key.
var staticEnv = map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret}

// world is what a test finds on its machine.
type world struct {
	config, credentials string
	env                 map[string]string
	files               map[string]string // below HOME
}

// build makes the world and empties the cloud but for the user.
func (w world) build(t *testing.T) *cloudtest.AWS {
	t.Helper()
	cloud.Reset()
	home := t.TempDir()
	files := map[string]string{".aws/config": w.config, ".aws/credentials": w.credentials}
	for name, text := range w.files {
		files[name] = text
	}
	for name, text := range files {
		path := filepath.Join(home, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "$HOME", home)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, ".aws", "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, ".aws", "credentials"))
	for name, value := range w.env {
		t.Setenv(name, strings.ReplaceAll(value, "$HOME", home))
	}
	a := cloud.AWS()
	a.AddUser(user)
	return a
}

// onSystem chooses a command for the system's shell.
func onSystem(unix, windows string) string {
	if runtime.GOOS == "windows" {
		return windows
	}
	return unix
}

// printKeys is a credential_process that prints keys.json of the home directory.
var printKeys = onSystem(`cat "$HOME/keys.json"`, `type $HOME\keys.json`)

// request is for host, by the choice of a configuration.
func request(t *testing.T, p helpers.Provider, host string, choice helpers.Choice) helpers.Request {
	t.Helper()
	target, ok := p.Match(host)
	if !ok {
		t.Fatalf("%s is not matched", host)
	}
	return helpers.Request{Target: target, Choice: choice, Env: helpers.SystemEnv()}
}

// ask runs the one source there is.
func ask(t *testing.T, p helpers.Provider, host string, choice helpers.Choice) (helpers.Credential, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sources := p.Sources(request(t, p, host, choice))
	if len(sources) != 1 {
		t.Fatalf("%d sources", len(sources))
	}
	return sources[0].Token(ctx)
}

// mint asks for the private registry and wants a password that it takes.
func mint(t *testing.T, choice helpers.Choice) helpers.Credential {
	t.Helper()
	c, err := ask(t, ecr.Private(), host, choice)
	if err != nil {
		t.Fatalf("no credential: %v\nrecords: %+v", err, cloud.Records())
	}
	if err := cloud.AWS().CheckECRToken(host, c.Username, c.Secret.Reveal()); err != nil {
		t.Fatalf("the registry refuses the password: %v", err)
	}
	if !c.Minted || c.IssuedAt.IsZero() || c.ExpiresAt.Location() != time.UTC {
		t.Errorf("minted %v, issued at %v, expires at %v", c.Minted, c.IssuedAt, c.ExpiresAt)
	}
	return c
}

// outcome names the kind of an error.
func outcome(err error) string {
	var unusable *helpers.UnusableError
	var failed *helpers.MintError
	switch {
	case err == nil:
		return "minted"
	case helpers.IsAbsent(err):
		return "absent"
	case errors.As(err, &unusable):
		return "unusable"
	case errors.As(err, &failed):
		return "mint"
	}
	return fmt.Sprintf("untyped %T", err)
}

// next is an error's advice.
func next(err error) string {
	var unusable *helpers.UnusableError
	var failed *helpers.MintError
	switch {
	case errors.As(err, &unusable):
		return unusable.Next
	case errors.As(err, &failed):
		return failed.Next
	}
	return ""
}

// served lists what the cloud was asked, as SERVICE/ACTION/STATUS.
func served() string {
	var list []string
	for _, r := range cloud.Records() {
		list = append(list, fmt.Sprintf("%s/%s/%d", r.Service, r.Action, r.Status))
	}
	return strings.Join(list, " ")
}
