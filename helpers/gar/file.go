// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// maxFile bounds a credentials file, in bytes.
const maxFile = 1 << 20

// file is a credentials file of Application Default Credentials, as found.
type file struct {
	path  string
	named bool   // by GOOGLE_APPLICATION_CREDENTIALS
	wrong string // what is wrong with that variable's value, "" when nothing is
	text  []byte // nil when it cannot be read or is too large
	err   error  // why not
	creds *credentials
}

// credentials are the parts of a credentials file that say what it is and
// whose. The secrets in it are read by Google's library alone.
type credentials struct {
	Type           string `json:"type"`
	UniverseDomain string `json:"universe_domain"`
	ClientEmail    string `json:"client_email"`
	Account        string `json:"account"`
	Audience       string `json:"audience"`
	Impersonation  string `json:"service_account_impersonation_url"`
	Source         struct {
		File        string `json:"file"`
		URL         string `json:"url"`
		Environment string `json:"environment_id"`
		Executable  *struct {
			Command string `json:"command"`
		} `json:"executable"`
		Format struct {
			Type string `json:"type"`
		} `json:"format"`
	} `json:"credential_source"`
	SourceCredentials *credentials `json:"source_credentials"`
	// Web and Installed are in the file of an OAuth client, which people take
	// for a key; it identifies a program, and nobody who may pull.
	Web       json.RawMessage `json:"web"`
	Installed json.RawMessage `json:"installed"`
}

// gcloudDir is gcloud's folder, where it also writes the well-known credentials
// file: $CLOUDSDK_CONFIG, %APPDATA%\gcloud, ~/.config/gcloud. "" when there is
// no home either.
func gcloudDir(env *helpers.Env) string {
	if dir := env.Getenv(varConfigDir); dir != "" {
		return dir
	}
	if env.GOOS == "windows" {
		if dir := env.Getenv("APPDATA"); dir != "" {
			return filepath.Join(dir, "gcloud")
		}
		return ""
	}
	if env.Home == "" {
		return ""
	}
	return filepath.Join(env.Home, ".config", "gcloud")
}

// filePath is the file that Application Default Credentials are read from, ""
// when there is no such place.
func filePath(env *helpers.Env) string {
	if path := trimmed(env.Getenv(varADC)); path != "" && !isContent(path) {
		return path
	}
	if dir := gcloudDir(env); dir != "" {
		return filepath.Join(dir, "application_default_credentials.json")
	}
	return ""
}

// isContent reports whether a variable holds a key in place of a key's path.
// Such a value must never be shown.
func isContent(value string) bool { return strings.ContainsAny(value, "{}\n\r") || len(value) > 4096 }

// findFile reads the credentials file, if there is one. It never fails: what
// went wrong is kept for the source that needs it.
func findFile(env *helpers.Env) file {
	value := trimmed(env.Getenv(varADC))
	f := file{path: filePath(env), named: value != ""}
	switch why := helpers.CheckSecret(value); {
	case f.named && why != "":
		f.wrong = why
		return f
	case f.named && isContent(value):
		f.wrong = "holds a key itself, and should hold the path of its file"
		return f
	case f.path == "":
		return f
	}
	text, err := env.ReadFile(f.path)
	if f.err = err; err != nil || len(text) > maxFile {
		return f
	}
	f.text = text
	var creds credentials
	if f.err = json.Unmarshal(f.text, &creds); f.err == nil {
		f.creds = &creds
	}
	return f
}

// runs reports whether a token from this file needs a program to be run.
func (f file) runs() bool {
	for c := f.creds; c != nil; c = c.SourceCredentials {
		if c.Source.Executable != nil {
			return true
		}
	}
	return false
}

// innermost is what the chain of impersonations begins with.
func (c *credentials) innermost() *credentials {
	for c.SourceCredentials != nil {
		c = c.SourceCredentials
	}
	return c
}

// target is the service account that the file impersonates, "" when none.
func (c *credentials) target() string {
	_, after, _ := strings.Cut(c.Impersonation, "/serviceAccounts/")
	email, _, _ := strings.Cut(after, ":")
	if !isEmail(email) {
		return ""
	}
	return email
}

// isEmail reports whether text is an address that is safe in a URL, a message
// and a command. Service accounts have letters, digits, dots and hyphens only.
func isEmail(text string) bool {
	name, domain, ok := strings.Cut(text, "@")
	if !ok || name == "" || domain == "" || name[0] == '-' || len(text) > 254 {
		return false
	}
	for _, c := range []byte(name + domain) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(".-_+", c) < 0 {
			return false
		}
	}
	return true
}

func trimmed(text string) string { return strings.TrimSpace(text) }
