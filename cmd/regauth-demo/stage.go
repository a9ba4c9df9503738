// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// What the demonstration is about. The account and its key are AWS's own
// documentation examples.
const (
	account   = "123456789012"
	region    = "eu-west-1"
	ecrHost   = account + ".dkr.ecr." + region + ".amazonaws.com"
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

	// locked is a repository that the demonstration's user may not push to.
	locked = "team/locked"
)

// tokenLife is how long the loopback cloud's tokens live: real ones live 12 h,
// which nobody wants to wait for.
const tokenLife = 5 * time.Second

// stage is everything the demonstration plays on.
type stage struct {
	dir       string // a temporary folder for all of it
	cloud     *cloudtest.Cloud
	address   string // where the registry listens with TLS under its real name
	plain     string // the same registry without TLS, host:port
	transport http.RoundTripper
	undo      []func()
}

// build starts the cloud and the registry, builds the helper, and sets this
// process's environment as a user's would be.
func build(ctx context.Context, opt options) (*stage, error) {
	dir, err := os.MkdirTemp("", "regauth-demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, undo: []func(){func() { _ = os.RemoveAll(dir) }}}
	if err := errors.Join(s.startCloud(opt), s.buildHelper(ctx, opt)); err != nil {
		s.close()
		return nil, err
	}
	if err := s.setEnvironment(opt); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
}

func (s *stage) startCloud(opt options) error {
	cloud, err := cloudtest.Start(s.dir)
	if err != nil {
		return err
	}
	s.cloud = cloud
	s.undo = append(s.undo, cloud.Close)
	aws := cloud.AWS()
	aws.TokenLife = tokenLife
	aws.AddUser(cloudtest.AWSUser{Account: account, Name: "demo", KeyID: accessKey, Secret: secretKey})
	front := cloud.Front(cloudtest.Front{
		Host: ecrHost, Kind: cloudtest.KindECR,
		Backend: registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		Check: func(user, password string) error {
			return aws.CheckECRToken(ecrHost, user, password)
		},
		May: mayDemo,
	})
	plain, err := cloud.Serve(front)
	if err != nil {
		return err
	}
	s.plain = strings.Replace(strings.TrimPrefix(plain, "http://"), "127.0.0.1", "localhost", 1)
	if s.address, err = cloud.ServeTLS(); err != nil {
		return err
	}
	if opt.without == "registry" {
		s.address = nobody
	}
	s.transport = dialing(s.address, cloud.CA.PEM())
	return nil
}

// nobody is a loopback address that refuses connections: the discard port.
const nobody = "127.0.0.1:9"

// mayDemo refuses what the demonstration wants refused, in ECR's words.
func mayDemo(user, repository, action string) error {
	if repository == locked && action == "push" {
		return &cloudtest.Refusal{Status: http.StatusForbidden, Code: "DENIED", Message: fmt.Sprintf(
			"User: arn:aws:iam::%s:user/demo is not authorized to perform: ecr:InitiateLayerUpload on resource: "+
				"arn:aws:ecr:%s:%s:repository/%s because no identity-based policy allows the ecr:InitiateLayerUpload action",
			account, region, account, repository)}
	}
	return nil
}

// dialing is a client's transport that finds the registry at address, whatever
// its name says, and trusts the loopback cloud's certificates.
func dialing(address string, ca []byte) http.RoundTripper {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, address)
		},
	}
}

// buildHelper builds the helper as `go install` would.
func (s *stage) buildHelper(ctx context.Context, opt options) error {
	if err := os.Mkdir(s.bin(), 0o700); err != nil || opt.without == "helper" {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", s.helper(), //nolint:gosec // our own source
		"github.com/regauth/docker-credential-regauth/cmd/docker-credential-regauth")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the helper cannot be built: %w\n%s", err, out)
	}
	return nil
}

func (s *stage) bin() string { return filepath.Join(s.dir, "bin") }

func (s *stage) helper() string {
	name := filepath.Join(s.bin(), "docker-credential-regauth")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return name
}

// variables are the demonstration's environment: a user with a key of AWS, one
// line of Docker configuration, and everything of theirs in the folder.
func (s *stage) variables(opt options) []string {
	endpoint := s.cloud.AWS().EndpointEnv()
	if opt.without == "cloud" {
		endpoint = []string{"AWS_ENDPOINT_URL_ECR=http://" + nobody}
	}
	return append(endpoint,
		"AWS_ACCESS_KEY_ID="+accessKey,
		"AWS_SECRET_ACCESS_KEY="+secretKey,
		"AWS_EC2_METADATA_DISABLED=true",
		"HOME="+s.dir, "USERPROFILE="+s.dir,
		"DOCKER_CONFIG="+s.dir,
		"REGAUTH_CONFIG="+filepath.Join(s.dir, "regauth.toml"),
		"REGAUTH_CACHE_DIR="+filepath.Join(s.dir, "cache"),
		"REGAUTH_STORE=file",
		"PATH="+s.bin()+string(os.PathListSeparator)+os.Getenv("PATH"),
	)
}

// writeConfig writes Docker's configuration: one line. To be tried by hand, the
// registry needs a second name, which Docker may reach without TLS; there an
// alias makes the helper mint for ECR when it is asked for that name.
func (s *stage) writeConfig(opt options) error {
	helpers, alias := map[string]string{ecrHost: "regauth"}, ""
	if opt.keep {
		helpers[s.plain] = "regauth"
		alias = fmt.Sprintf("[[registry]]\nmatch = %q\nalias = %q\n", s.plain, ecrHost)
	}
	config, err := json.Marshal(map[string]any{"credHelpers": helpers})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(s.dir, "config.json"), config, 0o600),
		os.WriteFile(filepath.Join(s.dir, "regauth.toml"), []byte(alias), 0o600),
	)
}

// setEnvironment makes this process, and so the client library and the helper
// that it starts, see the demonstration's world and nothing of the user's.
func (s *stage) setEnvironment(opt options) error {
	if err := s.writeConfig(opt); err != nil {
		return err
	}
	saved := os.Environ()
	s.undo = append(s.undo, func() {
		os.Clearenv()
		for _, pair := range saved {
			name, value, _ := strings.Cut(pair, "=")
			_ = os.Setenv(name, value)
		}
	})
	for _, pair := range saved {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"AWS_", "REGAUTH_", "XDG_", "DOCKER_", "REGISTRY_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
			if strings.HasPrefix(strings.ToUpper(name), prefix) {
				_ = os.Unsetenv(name)
			}
		}
	}
	for _, pair := range s.variables(opt) {
		name, value, _ := strings.Cut(pair, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// answer is what the helper prints for a `get`.
type answer struct{ ServerURL, Username, Secret string }

// get asks the helper for the registry's credential as a client does.
func (s *stage) get(ctx context.Context) (answer, time.Duration, error) {
	cmd := exec.CommandContext(ctx, s.helper(), "get") //nolint:gosec // what we just built
	cmd.Stdin = strings.NewReader(ecrHost)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	if err != nil {
		return answer{}, took, fmt.Errorf("the helper does not answer: %w: %s", err, strings.TrimSpace(stdout.String()+stderr.String()))
	}
	var got answer
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		return answer{}, took, errors.New("the helper's answer is not the protocol's JSON")
	}
	return got, took, nil
}

// minted is how many tokens the cloud has issued or refused.
func (s *stage) minted() int { return s.cloud.Count("ecr", "GetAuthorizationToken") }
