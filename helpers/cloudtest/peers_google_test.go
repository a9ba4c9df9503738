// SPDX-License-Identifier: Apache-2.0

//go:build peers

package cloudtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gcrHelper finds docker-credential-gcr, Google's own helper, which "go
// install" calls v2: on PATH, or where .ci/run installs the programs of the
// tests.
func gcrHelper(t *testing.T) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"docker-credential-gcr", "v2"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		if path, err := exec.LookPath(filepath.Join(home, ".cache", "regauth-ci", "bin", name)); err == nil {
			return path
		}
	}
	t.Fatal("docker-credential-gcr is missing: go install github.com/GoogleCloudPlatform/docker-credential-gcr/v2@v2.2.1")
	return ""
}

// TestPeerGCR runs a program that knows nothing of us, with another library of
// Google's than ours, against the loopback cloud: what it gets is what it would
// get from Google.
func TestPeerGCR(t *testing.T) {
	program := gcrHelper(t)
	lab := newGoogleLab(t)
	metadata := strings.TrimSuffix(strings.TrimPrefix(lab.base, "http://"), "/computeMetadata/v1/")
	folder := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return "GOOGLE_APPLICATION_CREDENTIALS=" + path
	}
	tests := []struct {
		name    string
		setup   func(l googleLab) (env string)
		who     string // whose token it gets; "" is none
		asked   string // which service; a key is signed with, and nobody asked
		refused string // part of the record, or of the judgement of its token
	}{
		{"service account key", func(l googleLab) string { return file("key.json", l.key) }, testAccount, "", ""},
		{"deleted service account key", func(l googleLab) string { return file("key.json", l.ForgedKey(testAccount)) }, "", "", "verifying"},
		{"user", func(l googleLab) string { return file("user.json", l.user) }, testPerson, "google-oauth", ""},
		{"revoked user", func(l googleLab) string { l.RevokeUser(testPerson); return file("user.json", l.user) }, "", "google-oauth", "revoked"},
		{"workload identity", func(l googleLab) string {
			_ = file("token", []byte(l.exchanging(nil, nil).Get("subject_token")))
			return file("external.json", mustJSON(map[string]any{"type": "external_account", "audience": testProvider,
				"subject_token_type": jwtTypes[0], "token_url": stsURL, "credential_source": map[string]string{"file": filepath.Join(folder, "token")}}))
		}, lab.pool.Principal("repo:acme/app"), "google-sts", ""},
		{"metadata server", func(l googleLab) string { l.AttachServiceAccount(testAccount); return "GCE_METADATA_HOST=" + metadata },
			testAccount, "gce-metadata", ""},
		{"metadata server without an account", func(l googleLab) string { return "GCE_METADATA_HOST=" + metadata }, "", "gce-metadata", "not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := lab.fresh()
			cmd := exec.CommandContext(t.Context(), program, "get")
			cmd.Stdin = strings.NewReader("us-docker.pkg.dev")
			cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=/nowhere", "HTTPS_PROXY=" + lab.azureLab.cloud.ProxyURL,
				"SSL_CERT_FILE=" + lab.azureLab.cloud.CAFile, tt.setup(lab)}
			cmd.WaitDelay = time.Second
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			ran := cmd.Run()
			if n := lab.Google.cloud.Count(tt.asked, ""); (n > 0) != (tt.asked != "") {
				t.Errorf("asked: %+v", lab.records())
			}
			said := ""
			for _, record := range lab.records() {
				said += record.Refused
			}
			who := ""
			if ran == nil {
				var answer struct{ Username, Secret string }
				if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
					t.Fatalf("%v: %s", err, &stdout)
				}
				var err error
				if who, err = lab.CheckLogin(answer.Username, answer.Secret); err != nil {
					said += err.Error()
				}
			}
			var exit *exec.ExitError
			if who != tt.who || !strings.Contains(said, tt.refused) || ran != nil && !errors.As(ran, &exit) {
				t.Errorf("token of %q, refused %q, %v\n%s%s", who, said, ran, &stdout, &stderr)
			}
		})
	}
}
