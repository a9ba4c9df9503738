// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// loop is the one loopback cloud: proxy and certificate variables are read
// once in a process.
var loop *cloudtest.Cloud

func TestMain(m *testing.M) {
	switch strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") {
	case "az", "azd":
		os.Exit(play())
	}
	os.Exit(withCloud(m))
}

// playTool is the variable that tells this test program, run as az or azd, what
// to do: a [tool] in JSON.
const playTool = "ACR_TEST_TOOL"

// tool is a stand-in for az or azd.
type tool struct {
	Wants  string // its arguments begin so, or it fails
	Log    string // file that its arguments are written to, if any
	Stdout string
	Stderr string
	Exit   int
}

func play() int {
	var plan tool
	if err := json.Unmarshal([]byte(os.Getenv(playTool)), &plan); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	args := strings.Join(os.Args[1:], " ")
	if plan.Log != "" {
		if err := os.WriteFile(plan.Log, []byte(args), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
	}
	if !strings.HasPrefix(args, plan.Wants) {
		fmt.Fprintln(os.Stderr, "unrecognized arguments: "+args)
		return 2
	}
	fmt.Fprintln(os.Stdout, plan.Stdout)
	fmt.Fprintln(os.Stderr, plan.Stderr)
	return plan.Exit
}

func withCloud(m *testing.M) int {
	dir, err := os.MkdirTemp("", "acr")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	loop, err = cloudtest.Start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer loop.Close()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"AZURE_", "AZD_", "IDENTITY_", "MSI_", "IMDS_", "REGAUTH_", "NO_PROXY", "no_proxy", "KUBERNETES_"} {
			if strings.HasPrefix(name, prefix) {
				_ = os.Unsetenv(name)
			}
		}
	}
	for name, value := range map[string]string{
		"HTTPS_PROXY": loop.ProxyURL, "HTTP_PROXY": loop.ProxyURL, "https_proxy": loop.ProxyURL, "http_proxy": loop.ProxyURL,
		"SSL_CERT_FILE": loop.CAFile, "REGAUTH_METADATA": "off",
	} {
		_ = os.Setenv(name, value)
	}
	useRoots()
	return m.Run()
}

// useRoots makes Go trust the cloud's authority on systems where SSL_CERT_FILE
// is not read.
func useRoots() {
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		return
	}
	config := loop.CA.ServerConfig("")
	config.RootCAs = x509.NewCertPool()
	config.RootCAs.AppendCertsFromPEM(loop.CA.PEM())
	http.DefaultTransport.(*http.Transport).TLSClientConfig = config
}

const (
	tenant = "11111111-2222-3333-4444-555555555555"
	appID  = "aaaaaaaa-0000-0000-0000-000000000001"
	secret = "s3cret~VALUE"
	host   = "corp.azurecr.io"
)

// lab is a fresh state of the cloud and an environment of our own.
type lab struct {
	*cloudtest.Azure
	t    *testing.T
	env  *helpers.Env
	home string
}

func newLab(t *testing.T) lab {
	t.Helper()
	loop.Reset()
	home := t.TempDir()
	t.Setenv("HOME", home)
	env := helpers.SystemEnv()
	env.Home = home
	azure := loop.Azure()
	// Microsoft's library keeps managed identity tokens for the life of the
	// process while five minutes of them remain.
	azure.SetTokenLife(4 * time.Minute)
	return lab{azure, t, env, home}
}

// ordinary sets up an application with a secret that may pull from host.
func (l lab) ordinary() {
	l.t.Helper()
	l.AddApp(cloudtest.AzureApp{Tenant: tenant, ClientID: appID, Secret: secret})
	l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{appID: {"pull"}}})
	l.setenv(map[string]string{varTenant: tenant, varClient: appID, varSecret: secret})
}

func (l lab) setenv(vars map[string]string) {
	l.t.Helper()
	for name, value := range vars {
		l.t.Setenv(name, value)
	}
}

func (l lab) write(name, text string, mode os.FileMode) string {
	l.t.Helper()
	path := filepath.Join(l.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// program puts this test program on PATH under name, to do as planned.
func (l lab) program(name string, plan tool) {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		l.t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	dir := filepath.Dir(l.write("bin/"+name, string(text), 0o700))
	said, err := json.Marshal(plan)
	if err != nil {
		l.t.Fatal(err)
	}
	l.setenv(map[string]string{playTool: string(said), "PATH": dir + string(os.PathListSeparator) + os.Getenv("PATH")})
	l.env.LookPath = exec.LookPath
}

func (l lab) request(host string, choice helpers.Choice) helpers.Request {
	l.t.Helper()
	target, ok := New().Match(host)
	if !ok {
		l.t.Fatalf("%s does not match", host)
	}
	return helpers.Request{Target: target, Choice: choice, Env: l.env}
}

// token asks the sources in turn as the program does: an absent or unusable
// one is passed over.
func (l lab) token(host string, choice helpers.Choice) (helpers.Credential, helpers.Source, error) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	var last error
	for _, source := range New().Sources(l.request(host, choice)) {
		got, err := source.Token(ctx)
		if err == nil {
			return got, source, nil
		}
		if _, failed := err.(*helpers.MintError); failed { //nolint:errorlint // the type a Source promises
			return helpers.Credential{}, source, err
		}
		last = err
	}
	return helpers.Credential{}, helpers.Source{}, last
}

// one asks a single source.
func (l lab) one(name, host string, choice helpers.Choice) (helpers.Credential, error) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	for _, source := range New().Sources(l.request(host, choice)) {
		if source.Name == name {
			return source.Token(ctx)
		}
	}
	l.t.Fatalf("no source %s", name)
	return helpers.Credential{}, nil
}
