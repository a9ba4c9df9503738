// SPDX-License-Identifier: Apache-2.0

package gar_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/gar"
)

// cloud is the one cloud of this process: Go reads the proxy and the roots from
// the environment once.
var cloud *cloudtest.Cloud

// Variables by which this test program plays another.
const (
	playGcloud     = "GAR_TEST_GCLOUD"     // what gcloud prints, or "ERROR: …", or "hang"
	playExecutable = "GAR_TEST_EXECUTABLE" // what a credential source's program prints, or "hang"
)

func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); strings.HasPrefix(name, "gcloud") {
		os.Exit(play(os.Getenv(playGcloud)))
	}
	if answer := os.Getenv(playExecutable); answer != "" && len(os.Args) == 2 && os.Args[1] == "print-token" {
		os.Exit(play(answer))
	}
	os.Exit(inCloud(m))
}

func play(answer string) int {
	switch {
	case answer == "hang":
		time.Sleep(time.Minute)
		return 1
	case strings.HasPrefix(answer, "ERROR"):
		fmt.Fprintln(os.Stderr, answer)
		return 1
	}
	fmt.Println(answer)
	return 0
}

func inCloud(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gar")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "GCE_", "GH", "GITHUB_", "CI", "HTTP", "http", "NO_PROXY", "no_proxy", "SSL_"} {
			if strings.HasPrefix(name, prefix) {
				os.Unsetenv(name)
			}
		}
	}
	cloud, err = cloudtest.Start(dir)
	if err != nil {
		panic(err)
	}
	defer cloud.Close()
	for name, value := range map[string]string{
		"HTTPS_PROXY": cloud.ProxyURL, "HTTP_PROXY": cloud.ProxyURL, "SSL_CERT_FILE": cloud.CAFile,
		"HOME": dir, "APPDATA": dir, "REGAUTH_METADATA": "off", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		os.Setenv(name, value)
	}
	if err := useRoots(); err != nil {
		panic(err)
	}
	return m.Run()
}

// useRoots makes Go trust the cloud's authority on systems where SSL_CERT_FILE
// is not read.
func useRoots() error {
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		return nil
	}
	transport := http.DefaultTransport.(*http.Transport)
	config := cloud.CA.ServerConfig("")
	config.RootCAs = roots(cloud.CA.PEM())
	transport.TLSClientConfig = config
	return nil
}

// world is one test's machine: nobody is signed in, nothing is on PATH.
type world struct {
	*cloudtest.Google
	home   string
	env    *helpers.Env
	choice helpers.Choice
	host   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud.Reset()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("APPDATA", home)
	t.Setenv("PATH", filepath.Join(home, "bin"))
	env := helpers.SystemEnv()
	env.Home = home
	return &world{Google: cloud.Google(), home: home, env: env, host: "us-docker.pkg.dev"}
}

// write makes a file below the home directory and returns its path.
func (w *world) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.home, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// useFile points GOOGLE_APPLICATION_CREDENTIALS at a file with that text.
func (w *world) useFile(t *testing.T, text []byte) string {
	t.Helper()
	path := w.write(t, "credentials.json", string(text))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	return path
}

// gcloudDir is gcloud's folder on this system, below the home directory.
func gcloudDir() string {
	if runtime.GOOS == "windows" {
		return "gcloud"
	}
	return ".config/gcloud"
}

// installGcloud puts this test program on PATH as gcloud, to answer so.
func (w *world) installGcloud(t *testing.T, answer string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	name := "bin/gcloud"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	path := w.write(t, name, string(text))
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(playGcloud, answer)
}

func (w *world) sources() []helpers.Source {
	provider := gar.New()
	target, _ := provider.Match(w.host)
	return provider.Sources(helpers.Request{Target: target, Choice: w.choice, Env: w.env})
}

// first asks the sources in their order until one is not absent, as the program
// does.
func (w *world) first(ctx context.Context) (helpers.Source, helpers.Credential, error) {
	var err error
	for _, source := range w.sources() {
		var found helpers.Credential
		if found, err = source.Token(ctx); !helpers.IsAbsent(err) {
			return source, found, err
		}
	}
	return helpers.Source{}, helpers.Credential{}, err
}
