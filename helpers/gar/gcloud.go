// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// gcloud is the account that gcloud is signed in to, by the command that
// Google documents for other programs. It refreshes a token that runs out by
// itself; it is not forced to, which would cost a second each time.
func (s source) gcloud(ctx context.Context) (helpers.Credential, error) {
	if _, err := s.env.LookPath("gcloud"); err != nil {
		return helpers.Credential{}, s.absent("gcloud is not on PATH")
	}
	who, signedIn := gcloudAccount(s.env)
	if !signedIn {
		return helpers.Credential{}, s.absent("nobody is signed in to gcloud")
	}
	out, err := s.env.Run(ctx, helpers.Command{
		Args: []string{"gcloud", "config", "config-helper", "--format=json(credential)"},
		Env:  []string{"CLOUDSDK_CORE_DISABLE_PROMPTS=1"},
	})
	if err != nil {
		return helpers.Credential{}, s.gcloudFailed(ctx, err)
	}
	var answer struct {
		Credential struct {
			Token   string `json:"access_token"`
			Expires string `json:"token_expiry"` // RFC 3339, or null
		} `json:"credential"`
	}
	if json.Unmarshal(out, &answer) != nil || answer.Credential.Token == "" {
		return helpers.Credential{}, &helpers.MintError{Source: s.name, Cause: "gcloud's answer holds no token", Next: "gcloud auth login"}
	}
	expires, err := time.Parse(time.RFC3339, answer.Credential.Expires)
	if err != nil {
		expires = time.Time{}
	}
	return s.answer(who, answer.Credential.Token, expires), nil
}

// gcloudFailed quotes gcloud's first line, which says what is wrong.
func (s source) gcloudFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return s.late(ctx, err, "gcloud")
	}
	failed := &helpers.MintError{Source: s.name, Cause: "gcloud failed and did not say why", Next: "gcloud auth login", Err: err}
	var ran *helpers.RunError
	if !errors.As(err, &ran) {
		return failed
	}
	for line := range strings.Lines(string(ran.Stderr)) {
		line = trimmed(line)
		if rest, ok := strings.CutPrefix(line, "ERROR: "); ok {
			if _, after, named := strings.Cut(rest, ") "); named && strings.HasPrefix(rest, "(") {
				rest = after
			}
			failed.Cause = "gcloud says " + helpers.Show(rest)
			return failed
		}
	}
	return failed
}

// activeConfig is the file of gcloud's configuration in use ("Managing gcloud
// CLI configurations").
func activeConfig(env *helpers.Env, dir string) string {
	name := trimmed(env.Getenv(varConfigName))
	if name == "" {
		text, err := env.ReadFile(filepath.Join(dir, "active_config"))
		if name = trimmed(string(text)); err != nil || name == "" {
			name = "default"
		}
	}
	return filepath.Join(dir, "configurations", "config_"+filepath.Base(name))
}

// gcloudAccount says whose token gcloud would give, as far as its files and
// variables tell, and whether anybody is signed in at all. Without a name the
// answer is not kept.
func gcloudAccount(env *helpers.Env) (who helpers.Credential, signedIn bool) {
	dir := gcloudDir(env)
	if dir == "" {
		return helpers.Credential{}, false
	}
	text, err := env.ReadFile(activeConfig(env, dir))
	if err != nil {
		text = nil
	}
	properties := parseProperties(string(text))
	choose := func(variable, property string) string {
		if value := trimmed(env.Getenv(variable)); value != "" {
			return value
		}
		return properties[property]
	}
	account := choose(varAccount, "core.account")
	override := choose(varCredFile, "auth.credential_file_override")
	override += choose(varTokenFile, "auth.access_token_file")
	if _, err := env.ReadFile(filepath.Join(dir, "credentials.db")); err != nil && account == "" && override == "" {
		return helpers.Credential{}, false
	}
	switch {
	case account == "" || override != "":
		who.NoCache = true
	default:
		who.Identity = "gcloud account " + helpers.Line(account)
	}
	if target := choose(varImpersonate, "auth.impersonate_service_account"); target != "" && who.Identity != "" {
		who.Identity = accountWords(helpers.Line(target)) + " as " + who.Identity
	}
	return who, true
}

// parseProperties reads gcloud's INI files into "section.name".
func parseProperties(text string) map[string]string {
	found, section := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = trimmed(line)
		if rest, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(rest, "]")
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			found[section+"."+trimmed(name)] = trimmed(value)
		}
	}
	return found
}
