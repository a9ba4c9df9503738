// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// errNoGoogleToken says that a token is none of this cloud's.
var errNoGoogleToken = errors.New("not an access token of this cloud")

// CheckToken judges an access token by the cloud's clock and returns whose it
// is. The error is [ErrExpired] for one that has run out. A registry's front
// asks it for the user name oauth2accesstoken. A service account's self-signed
// JWT counts as a token, as it does for Google's APIs.
func (g *Google) CheckToken(token string) (email string, err error) {
	g.mu.Lock()
	known, ok := g.tokens[token]
	g.mu.Unlock()
	if !ok {
		return g.checkSelfSigned(token)
	}
	if !g.cloud.Now().Before(known.expires) {
		return "", ErrExpired
	}
	if g.disabled(known.principal) {
		return "", fmt.Errorf("%s is disabled", known.principal)
	}
	return known.principal, nil
}

// CheckLogin judges a user name and password as Artifact Registry does: an
// access token under oauth2accesstoken (or the older names _token and
// _dcgcr_…), a service account key under _json_key or _json_key_base64
// (cloud.google.com/artifact-registry/docs/docker/authentication).
func (g *Google) CheckLogin(user, password string) (email string, err error) {
	switch {
	case user == "_json_key":
		return g.checkKey([]byte(password))
	case user == "_json_key_base64":
		return g.checkKey(decodeBase64(password))
	case user == "oauth2accesstoken", user == "_token", strings.HasPrefix(user, "_dcgcr_"):
		return g.CheckToken(password)
	}
	return "", fmt.Errorf("%q is no user name of this registry", user)
}

func (g *Google) checkKey(file []byte) (string, error) {
	var key struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal(file, &key); err != nil {
		return "", fmt.Errorf("reading a key: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.keys[key.Email]
	if own == nil || !g.accounts[key.Email] || !strings.Contains(string(g.keyFile(key.Email, own)), string(mustJSON(key.Key))) {
		return "", errors.New("not a key of an enabled service account")
	}
	return key.Email, nil
}

func (g *Google) disabled(principal string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	enabled, known := g.accounts[principal]
	return known && !enabled
}
