// SPDX-License-Identifier: Apache-2.0

//go:build peers

package cloudtest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// acrEnv finds docker-credential-acr-env, another project's helper: PATH, or
// where .ci/run installs the programs of the tests.
func acrEnv(t *testing.T) string {
	t.Helper()
	const name = "docker-credential-acr-env"
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	home, err := os.UserHomeDir()
	path := filepath.Join(home, ".cache", "regauth-ci", "bin", name)
	if _, missing := os.Stat(path); err != nil || missing != nil {
		t.Fatalf("%s is missing: go install github.com/chrismellard/docker-credential-acr-env@latest", name)
	}
	return path
}

// TestPeerACREnv runs a program that knows nothing of us, with Microsoft's
// older library, against the loopback cloud: what it gets is what it would get
// from Azure.
func TestPeerACREnv(t *testing.T) {
	program := acrEnv(t)
	l := newAzureLab(t)
	issuer := NewAzureIssuer("https://oidc.aks.example/1")
	setup := func(registry AzureRegistry) {
		l.cloud.Reset()
		l.AddApp(AzureApp{Tenant: testTenant, ClientID: testApp, Secret: "s3cret", Federated: []AzureFederation{{Issuer: issuer, Subject: "job"}}})
		registry.Roles = map[string][]string{testApp: {"pull"}}
		l.AddRegistry("corp", registry)
	}
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(issuer.Token("job", time.Now(), nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		env      []string
		registry AzureRegistry
		works    bool
		refused  string
	}{
		{"client secret", []string{"AZURE_CLIENT_SECRET=s3cret"}, AzureRegistry{}, true, ""},
		{"federated token file", []string{"AZURE_FEDERATED_TOKEN_FILE=" + tokenFile}, AzureRegistry{}, true, ""},
		{"wrong secret", []string{"AZURE_CLIENT_SECRET=other"}, AzureRegistry{}, false, "AADSTS7000215"},
		{"ARM audience where forbidden", []string{"AZURE_CLIENT_SECRET=s3cret"}, AzureRegistry{RefuseARM: true}, false, "ARM audience"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			setup(test.registry)
			home := t.TempDir()
			cmd := exec.CommandContext(t.Context(), program, "get")
			cmd.Stdin = strings.NewReader(testHost)
			cmd.Env = append([]string{"HOME=" + home, "PATH=/nowhere", "HTTPS_PROXY=" + l.cloud.ProxyURL, "HTTP_PROXY=" + l.cloud.ProxyURL,
				"SSL_CERT_FILE=" + l.cloud.CAFile, "AZURE_TENANT_ID=" + testTenant, "AZURE_CLIENT_ID=" + testApp}, test.env...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if (err == nil) != test.works {
				t.Fatalf("%v\n%s%s\n%+v", err, &stdout, &stderr, l.cloud.Records())
			}
			if !test.works {
				last := l.cloud.Records()[l.cloud.Count("", "")-1]
				if !strings.Contains(last.Refused, test.refused) {
					t.Errorf("recorded %+v", last)
				}
				return
			}
			var answer struct{ Username, Secret string }
			if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
				t.Fatalf("%v: %s", err, &stdout)
			}
			if err := l.CheckRefreshToken(testHost, answer.Secret); err != nil || answer.Username != "<token>" {
				t.Errorf("%s, %v", answer.Username, err)
			}
		})
	}
}
