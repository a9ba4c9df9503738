// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestDemo plays the demonstration whole, and once without each of its parts:
// a demonstration that succeeds without its helper shows nothing.
func TestDemo(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		code   int
		stdout []string // in this order
		stderr string
	}{
		{
			name: "whole", code: 0,
			stdout: []string{
				"user AWS, secret ***", "0 requests", "is in the registry", "the same image came back",
				`403 DENIED "Your authorization token has expired`, "minted a new token, 1 request",
				`403 DENIED "User: arn:aws:iam::`,
			},
		},
		{name: "without the helper", args: []string{"-without", "helper"}, code: 1, stderr: "the helper does not answer"},
		{name: "without the cloud", args: []string{"-without", "cloud"}, code: 1, stderr: "regauth: 123456789012.dkr.ecr.eu-west-1.amazonaws.com: "},
		{name: "without the registry", args: []string{"-without", "registry"}, code: 1, stderr: "the push failed"},
		{name: "without something else", args: []string{"-without", "docker"}, code: 2, stderr: "knows helper, cloud and registry"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(tt.args, &stdout, &stderr); code != tt.code {
				t.Fatalf("exit code %d, want %d\n%s%s", code, tt.code, &stdout, &stderr)
			}
			rest := stdout.String()
			for _, want := range tt.stdout {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is not there or not in its place:\n%s", want, &stdout)
				}
				rest = after
			}
			if !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("stderr does not say %q:\n%s", tt.stderr, &stderr)
			}
			if lines := strings.Count(stdout.String(), "\n"); lines > 15 {
				t.Errorf("%d lines are no dozen", lines)
			}
			if strings.Contains(stdout.String()+stderr.String(), secretKey) {
				t.Error("a secret is shown")
			}
		})
	}
}
