// SPDX-License-Identifier: Apache-2.0

package ghcr

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/given"
)

// maxHostsFile bounds gh's hosts file, in bytes.
const maxHostsFile = 1 << 20

// ghHost is what gh's hosts file says of one GitHub server (cli/cli, package
// internal/config; written by gh auth login).
type ghHost struct {
	User       string `yaml:"user"`
	OAuthToken string `yaml:"oauth_token"` // "" when the token is in the keyring
	Users      map[string]struct {
		OAuthToken string `yaml:"oauth_token"`
	} `yaml:"users"`
}

func (h ghHost) token() string {
	return cmp.Or(h.OAuthToken, h.Users[h.User].OAuthToken)
}

// hostsFile returns the absolute path of gh's hosts file, "" when there is no
// place for one. The order is gh's (gh help environment); a relative
// GH_CONFIG_DIR is left out, since it would make the folder we are called from
// decide whose token is used.
func hostsFile(env *helpers.Env) string {
	dir := ""
	if own := env.Getenv("GH_CONFIG_DIR"); own != "" {
		if !filepath.IsAbs(own) {
			return ""
		}
		dir = own
	} else if config := env.ConfigDir(); config != "" {
		dir = filepath.Join(config, "gh")
		if env.GOOS == "windows" && config == env.Getenv("APPDATA") {
			dir = filepath.Join(config, "GitHub CLI")
		}
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "hosts.yml")
}

// ghSource is the gh CLI's login for server: read from its hosts file, or asked
// of gh when that file names the server and leaves the token to the keyring.
func ghSource(env *helpers.Env, server string) helpers.Source {
	name := "gh CLI (" + helpers.Line(server) + ")"
	return helpers.Source{
		Tier: helpers.TierTool, Name: name, Program: true,
		Token: func(ctx context.Context) (helpers.Credential, error) {
			return ghLogin(ctx, env, name, server)
		},
	}
}

func ghLogin(ctx context.Context, env *helpers.Env, name, server string) (helpers.Credential, error) {
	none := helpers.Credential{}
	host, err := readHost(env, name, server)
	if err != nil {
		return none, err
	}
	token := host.token()
	if token == "" {
		if token, err = askGH(ctx, env, name, server); err != nil {
			return none, err
		}
	}
	c, why := given.Judge(helpers.Credential{
		Username: cmp.Or(host.User, actor(env)), Secret: helpers.NewSecret(token),
	}, env)
	next := signIn(server)
	if why == "" {
		var better string
		why, better = checkToken(c)
		next = cmp.Or(better, next)
	}
	if why != "" {
		return none, &helpers.UnusableError{Source: name, Why: why, Next: next}
	}
	return c, nil
}

// readHost returns what gh's hosts file says of server, an AbsentError when it
// says nothing. The parser's own messages quote the file, which holds tokens,
// so none of them is passed on.
func readHost(env *helpers.Env, name, server string) (ghHost, error) {
	path := hostsFile(env)
	if path == "" {
		return ghHost{}, helpers.Absent(name, "gh has no configuration folder here")
	}
	text, err := env.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ghHost{}, helpers.Absent(name, "gh has no hosts file")
	}
	var hosts map[string]ghHost
	if err != nil || len(text) > maxHostsFile || yaml.Unmarshal(text, &hosts) != nil {
		return ghHost{}, &helpers.UnusableError{
			Source: name, Why: "gh's hosts file " + helpers.Line(path) + " cannot be read", Next: signIn(server),
		}
	}
	host, found := hosts[server]
	if !found {
		return ghHost{}, helpers.Absent(name, "gh is not signed in to "+helpers.Line(server))
	}
	return host, nil
}

// askGH runs gh for a token that it keeps in the keyring. gh would rather
// answer with the token of a variable, so those are emptied: a variable's
// secret goes only where Sources lets it.
func askGH(ctx context.Context, env *helpers.Env, name, server string) (string, error) {
	if _, err := env.LookPath("gh"); err != nil {
		return "", helpers.Absent(name, "its token is in the keyring, and gh is not on PATH")
	}
	out, err := env.Run(ctx, helpers.Command{
		Args: []string{"gh", "auth", "token", "--hostname", server},
		Env: []string{
			"GH_TOKEN=", "GITHUB_TOKEN=", "GH_ENTERPRISE_TOKEN=", "GITHUB_ENTERPRISE_TOKEN=",
			"GH_PROMPT_DISABLED=1", "GH_NO_UPDATE_NOTIFIER=1",
		},
	})
	if err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	said := ""
	var failed *helpers.RunError
	if errors.As(err, &failed) {
		said = helpers.Line(string(failed.Stderr))
	}
	if strings.HasPrefix(said, "no oauth token") { // cli/cli, pkg/cmd/auth/token
		return "", helpers.Absent(name, "gh holds no token for "+helpers.Line(server))
	}
	cause := "gh auth token failed"
	switch {
	case ctx.Err() != nil:
		cause = "gh did not answer in time"
	case said != "":
		cause += ": " + said
	}
	return "", &helpers.MintError{Source: name, Cause: cause, Next: signIn(server), Err: err}
}
