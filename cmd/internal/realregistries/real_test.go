// SPDX-License-Identifier: Apache-2.0

//go:build realregistries

package realregistries

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// program is the helper's main package, as `go install` names it.
const program = "github.com/regauth/docker-credential-regauth/cmd/docker-credential-regauth"

// limit bounds everything that is done for one image.
const limit = 2 * time.Minute

// TestRealRegistries pulls nothing: it asks for each image's manifest by HEAD,
// which Docker Hub does not count as a pull.
func TestRealRegistries(t *testing.T) {
	images := listed(os.Getenv("REGAUTH_REAL_HOSTS"))
	if len(images) == 0 {
		t.Fatal("REGAUTH_REAL_HOSTS is empty: nothing would be tested; list image references, separated by commas")
	}
	helper := build(t)
	t.Setenv("REGAUTH_CACHE_DIR", t.TempDir()) // leave no token behind, and start without one
	for _, image := range images {
		t.Run(image, func(t *testing.T) {
			ref, err := name.ParseReference(image)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			minted := get(ctx, t, helper, ref.Context().RegistryStr())
			head(ctx, t, ref, minted)
			kept := get(ctx, t, helper, ref.Context().RegistryStr())
			head(ctx, t, ref, kept)
		})
	}
}

// listed splits a list at commas and drops white space and empty entries.
func listed(text string) []string {
	var images []string
	for _, image := range strings.Split(text, ",") {
		if image = strings.TrimSpace(image); image != "" {
			images = append(images, image)
		}
	}
	return images
}

// build compiles the helper and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docker-credential-regauth")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, program).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// get asks the helper as Docker does. What a failing helper prints holds no
// secret; what a succeeding one prints is one, and is never shown.
func get(ctx context.Context, t *testing.T, helper, host string) authn.AuthConfig {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, helper, "get")
	cmd.Stdin = strings.NewReader(host)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("get %s: %v\nstdout: %s\nstderr: %s", host, err, &stdout, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("get %s succeeded and still wrote to stderr: %s", host, &stderr)
	}
	var answer struct{ Username, Secret string }
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		t.Fatalf("get %s answered something that is not JSON: %v", host, err)
	}
	if answer.Secret == "" {
		t.Fatalf("get %s answered with an empty secret", host)
	}
	if answer.Username == "<token>" { // a refresh token, by Docker's convention
		return authn.AuthConfig{IdentityToken: answer.Secret}
	}
	return authn.AuthConfig{Username: answer.Username, Password: answer.Secret}
}

// head asks the registry for the manifest with the credential.
func head(ctx context.Context, t *testing.T, ref name.Reference, credential authn.AuthConfig) {
	t.Helper()
	_, err := remote.Head(ref, remote.WithContext(ctx), remote.WithAuth(authn.FromConfig(credential)))
	if err == nil {
		return
	}
	var refusal *transport.Error
	if errors.As(err, &refusal) && (refusal.StatusCode == http.StatusUnauthorized || refusal.StatusCode == http.StatusForbidden) {
		t.Fatalf("the registry refused the credential for %s: %v", ref, err)
	}
	t.Fatalf("HEAD %s: %v", ref, err)
}
