// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"errors"
	"sync"
)

// account is who may enter one of the registries whose secrets a person makes
// by hand: one user, whose password is replaced by rotate.
type account struct {
	user   string
	prefix string // what the registry's tokens begin with
	// env is what the scripts give the helper: the names of the variables for
	// user and password, and whatever else tells that job.
	userVariable, passwordVariable string
	more                           map[string]string
	file                           string

	mu       sync.Mutex
	password string
}

var errWrong = errors.New("wrong user or password")

func (a *account) check(user, password string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if user != a.user || password != a.password {
		return errWrong
	}
	return nil
}

// rotate makes a new password; the old one is refused from now on.
func (a *account) rotate() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.password = a.prefix + rand.Text() + rand.Text()[:10]
}

func (a *account) env() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	env := map[string]string{a.userVariable: a.user, a.passwordVariable: a.password}
	for name, value := range a.more {
		env[name] = value
	}
	return env
}

// newAccounts are the people and jobs of the lab, by registry host.
func newAccounts() map[string]*account {
	accounts := map[string]*account{
		"ghcr.io": {
			user: "octo", prefix: "ghp_", file: "ghcr",
			userVariable: "GITHUB_ACTOR", passwordVariable: "GITHUB_TOKEN",
		},
		"docker.io": {
			user: "acme", prefix: "dckr_pat_", file: "hub",
			userVariable: "DOCKERHUB_USERNAME", passwordVariable: "DOCKERHUB_TOKEN",
		},
		"registry.gitlab.com": {
			user: "gitlab-ci-token", prefix: "glcbt-64_", file: "gitlab",
			userVariable: "CI_REGISTRY_USER", passwordVariable: "CI_REGISTRY_PASSWORD",
			more: map[string]string{"CI_REGISTRY": "registry.gitlab.com", "CI_SERVER_HOST": "gitlab.com", "GITLAB_CI": "true"},
		},
		"quay.io": {
			user: "acme+robot", prefix: "", file: "quay",
			userVariable: "QUAY_ROBOT_USERNAME", passwordVariable: "QUAY_ROBOT_TOKEN",
		},
	}
	for _, a := range accounts {
		a.rotate()
	}
	return accounts
}
