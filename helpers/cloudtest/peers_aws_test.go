// SPDX-License-Identifier: Apache-2.0

//go:build peers

package cloudtest_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// awsPeer finds another project's program on PATH or where CI keeps them.
func awsPeer(t *testing.T, name, install string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	home, _ := os.UserHomeDir()
	path, err := exec.LookPath(filepath.Join(home, ".cache", "regauth-ci", "bin", name))
	if err != nil {
		t.Fatalf("%s is missing; install it with: %s", name, install)
	}
	return path
}

// awsMachine is the environment of a program that reaches the loopback cloud by
// the real host names, through its proxy, and nothing else.
func awsMachine(t *testing.T, c *cloudtest.Cloud, more ...string) []string {
	t.Helper()
	home := t.TempDir()
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "HTTPS_PROXY=" + c.ProxyURL, "HTTP_PROXY=" + c.ProxyURL,
		"NO_PROXY=127.0.0.1", "SSL_CERT_FILE=" + c.CAFile, "AWS_CA_BUNDLE=" + c.CAFile, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ECR_DISABLE_CACHE=true"}
	for _, name := range []string{"PYENV_ROOT", "PYENV_VERSION"} { // aws may be a shim
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	if os.Getenv("PYENV_ROOT") == "" {
		if own, err := os.UserHomeDir(); err == nil {
			env = append(env, "PYENV_ROOT="+filepath.Join(own, ".pyenv"))
		}
	}
	return append(env, more...)
}

// runPeer runs a program to its end.
func runPeer(t *testing.T, env []string, stdin, program string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errOut strings.Builder
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, strings.NewReader(stdin), &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

func awsKeyEnv(u cloudtest.AWSUser) []string {
	return []string{"AWS_ACCESS_KEY_ID=" + u.KeyID, "AWS_SECRET_ACCESS_KEY=" + u.Secret}
}

const (
	installECRLogin = "go install github.com/awslabs/amazon-ecr-credential-helper/ecr-login/cli/docker-credential-ecr-login@latest"
	installAWS      = "apt-get install -y awscli, or pip install awscli"
)

// AWS's own credential helper takes its passwords from the loopback cloud.
func TestPeerECRLogin(t *testing.T) {
	helper := awsPeer(t, "docker-credential-ecr-login", installECRLogin)
	for _, host := range []string{awsHost, awsAccount + ".dkr.ecr.cn-north-1.amazonaws.com.cn", "public.ecr.aws"} {
		t.Run(host, func(t *testing.T) {
			c, a, _ := awsCloud(t)
			user := awsUser
			if strings.HasSuffix(host, ".cn") {
				user.Partition = "aws-cn"
			}
			a.AddUser(user)
			out, errOut, err := runPeer(t, awsMachine(t, c, awsKeyEnv(user)...), host, helper, "get")
			var answer struct{ Username, Secret string }
			if err != nil || json.Unmarshal([]byte(out), &answer) != nil {
				t.Fatalf("%v: %s%s\n%+v", err, out, errOut, c.Records())
			}
			if err := a.CheckECRToken(host, answer.Username, answer.Secret); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("wrong secret", func(t *testing.T) {
		c, _, _ := awsCloud(t)
		user := awsUser
		user.Secret = "wrong"
		if out, _, err := runPeer(t, awsMachine(t, c, awsKeyEnv(user)...), awsHost, helper, "get"); err == nil {
			t.Errorf("got %s", out)
		}
		if c.Count("ecr", "GetAuthorizationToken") == 0 || c.Records()[0].Refused == "" {
			t.Errorf("recorded %+v", c.Records())
		}
	})
}

// The aws CLI, another SDK than ours, signs for and reads the loopback cloud.
func TestPeerAWSCLI(t *testing.T) {
	cli := awsPeer(t, "aws", installAWS)
	c, a, _ := awsCloud(t)
	env := awsMachine(t, c, append(awsKeyEnv(awsUser), "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1")...)
	t.Run("get-login-password", func(t *testing.T) {
		out, errOut, err := runPeer(t, env, "", cli, "ecr", "get-login-password", "--region", "eu-west-1")
		if err != nil {
			t.Fatalf("%v: %s\n%+v", err, errOut, c.Records())
		}
		if err := a.CheckECRToken(awsHost, "AWS", strings.TrimSpace(out)); err != nil {
			t.Error(err)
		}
	})
	t.Run("get-caller-identity", func(t *testing.T) {
		out, errOut, err := runPeer(t, env, "", cli, "sts", "get-caller-identity", "--output", "json")
		if err != nil || !strings.Contains(out, awsUser.ARN()) {
			t.Fatalf("%v: %s%s\n%+v", err, out, errOut, c.Records())
		}
	})
	t.Run("assume-role", func(t *testing.T) {
		a.AddRole(cloudtest.AWSRole{ARN: awsRole, Trusts: []string{awsUser.ARN()}})
		out, errOut, err := runPeer(t, env, "", cli, "sts", "assume-role", "--role-arn", awsRole, "--role-session-name", "me", "--output", "json")
		if err != nil || !strings.Contains(out, "ASIA") {
			t.Fatalf("%v: %s%s", err, out, errOut)
		}
	})
	t.Run("wrong secret", func(t *testing.T) {
		user := awsUser
		user.Secret = "wrong"
		out, errOut, err := runPeer(t, append(env, awsKeyEnv(user)...), "", cli, "sts", "get-caller-identity")
		if err == nil || !strings.Contains(errOut, "SignatureDoesNotMatch") {
			t.Errorf("%v: %s%s", err, out, errOut)
		}
	})
}
