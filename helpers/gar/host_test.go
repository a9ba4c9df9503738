// SPDX-License-Identifier: Apache-2.0

package gar_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/gar"
)

func match(raw string) (helpers.Target, bool) {
	address, err := helpers.ParseAddress(raw)
	if err != nil {
		return helpers.Target{}, false
	}
	return gar.New().Match(address.Host)
}

func hosts(t testing.TB) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "gar", "hosts.txt"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) == 2 {
			found[fields[0]] = fields[1] == "yes"
		}
	}
	return found
}

func TestMatch(t *testing.T) {
	for raw, want := range hosts(t) {
		t.Run(raw, func(t *testing.T) {
			target, ok := match(raw)
			if ok != want {
				t.Fatalf("matched %t, want %t", ok, want)
			}
			if ok && (target.Anonymous != helpers.AnonymousPossible || target.Host == "") {
				t.Errorf("target %+v", target)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		name, raw, suffix, region, registry string
	}{
		{"location", "europe-west4-docker.pkg.dev", "pkg.dev", "europe-west4", ""},
		{"regional endpoint", "docker.europe-west9.rep.pkg.dev", "pkg.dev", "europe-west9", ""},
		{"gcr.io", "gcr.io", "gcr.io", "", ""},
		{"regional gcr.io", "eu.gcr.io", "gcr.io", "", "eu"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, ok := match(tt.raw)
			if !ok || target.Suffix != tt.suffix || target.Region != tt.region || target.Registry != tt.registry {
				t.Errorf("%+v, %t", target, ok)
			}
		})
	}
}

// FuzzMatch holds that no host is taken whose last labels are not Google's, and
// that none with a port is.
func FuzzMatch(f *testing.F) {
	for raw := range hosts(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, host string) {
		target, ok := gar.New().Match(host)
		if !ok {
			return
		}
		labels := strings.Split(host, ".")
		switch n := len(labels); {
		case target.Host != host || strings.ContainsAny(host, ":/@ ") || host != strings.ToLower(host):
			t.Fatalf("%q matched as %+v", host, target)
		case host == "gcr.io", n == 3 && strings.HasSuffix(host, ".gcr.io"):
		case n == 3 && strings.HasSuffix(host, "-docker.pkg.dev"):
		case n == 5 && strings.HasPrefix(host, "docker.") && strings.HasSuffix(host, ".rep.pkg.dev"):
		default:
			t.Fatalf("%q matched as %+v", host, target)
		}
	})
}

// TestAnswers reads the recorded answers as a client would.
func TestAnswers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "gar", "answers", "*.http"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d answers, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			resp, err := http.ReadResponse(bufio.NewReader(f), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var body map[string]any
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				t.Fatal(err)
			}
			if (resp.StatusCode == http.StatusOK) != (body["errors"] == nil && body["error"] == nil) {
				t.Errorf("status %d with %v", resp.StatusCode, body)
			}
		})
	}
}

func TestJudgeLogin(t *testing.T) {
	key := `{"type":"service_account","private_key":"x"}`
	tests := []struct {
		name, user, secret string
		why                string // "" is fine
	}{
		{"key", "_json_key", key, ""},
		{"key in base64", "_json_key_base64", base64.StdEncoding.EncodeToString([]byte(key)), ""},
		{"key in folded base64", "_json_key_base64", base64.StdEncoding.EncodeToString([]byte(key))[:20] + "\n" + base64.StdEncoding.EncodeToString([]byte(key))[20:], ""},
		{"access token", "oauth2accesstoken", "ya29.x", ""},
		{"older user name", "_token", "ya29.x", ""},
		{"docker-credential-gcr's user name", "_dcgcr_2_0_0_token", "ya29.x", ""},
		{"anything else", "me", "secret", ""},
		{"path for a key", "_json_key", "/home/me/key.json", "no service account key"},
		{"base64 under _json_key", "_json_key", base64.StdEncoding.EncodeToString([]byte(key)), "no service account key"},
		{"key under _json_key_base64", "_json_key_base64", key, "in base64"},
		{"something else in base64", "_json_key_base64", base64.StdEncoding.EncodeToString([]byte("secret")), "in base64"},
		{"user credentials for a key", "_json_key", `{"type":"authorized_user"}`, "no service account key"},
		{"empty", "oauth2accesstoken", " ", "empty"},
		{"unexpanded", "oauth2accesstoken", "$(gcloud auth print-access-token)", "unexpanded"},
	}
	judge := gar.New().(helpers.LoginJudge)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			login := helpers.Credential{Username: tt.user, Secret: helpers.NewSecret(tt.secret)}
			got, err := judge.JudgeLogin(helpers.Request{Target: helpers.Target{Host: "gcr.io"}, Env: helpers.SystemEnv()}, login)
			why, next, kind := told(err)
			switch {
			case tt.why == "" && (err != nil || got.Username != tt.user || got.Secret != login.Secret):
				t.Errorf("%+v, %v", got, err)
			case tt.why != "" && (kind != "unusable" || !strings.Contains(why, tt.why) || !strings.Contains(next, "docker login")):
				t.Errorf("%s %q, next %q", kind, why, next)
			}
		})
	}
}
