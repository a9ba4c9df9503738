// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// azDir is where az keeps its settings ("Azure CLI configuration").
func azDir(env *helpers.Env) string { return toolDir(env, "AZURE_CONFIG_DIR", ".azure") }

// azdDir is where azd keeps its settings.
func azdDir(env *helpers.Env) string { return toolDir(env, "AZD_CONFIG_DIR", ".azd") }

func toolDir(env *helpers.Env, variable, name string) string {
	if dir := env.Getenv(variable); dir != "" {
		return dir
	}
	if env.Home == "" {
		return ""
	}
	return filepath.Join(env.Home, name)
}

// account is a subscription in azureProfile.json, which az writes at sign-in.
type account struct {
	Default     bool   `json:"isDefault"`
	Tenant      string `json:"tenantId"`
	Environment string `json:"environmentName"`
	User        struct {
		Name string `json:"name"`
		Type string `json:"type"` // "user" or "servicePrincipal"
	} `json:"user"`
}

// azAccount returns the account that az uses by default, or why it has none.
func azAccount(env *helpers.Env) (acct account, why string) {
	text, err := env.ReadFile(filepath.Join(azDir(env), "azureProfile.json"))
	if err != nil {
		return account{}, "nobody is signed in (az has no azureProfile.json)"
	}
	var profile struct {
		Subscriptions []account `json:"subscriptions"`
	}
	// az writes the file with a byte order mark.
	if json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &profile) != nil {
		return account{}, "azureProfile.json cannot be read as JSON"
	}
	for _, found := range profile.Subscriptions {
		if found.Default {
			return found, ""
		}
	}
	return account{}, "nobody is signed in (azureProfile.json names no default account)"
}

// azCLI is the account that az is signed in to.
func (l lookup) azCLI(ctx context.Context) (helpers.Credential, error) {
	if _, err := l.env.LookPath("az"); err != nil {
		return helpers.Credential{}, l.absent("az is not on PATH")
	}
	acct, why := azAccount(l.env)
	client := l.req.Choice.ClientID
	switch {
	case why != "":
		return helpers.Credential{}, l.absent(why)
	case acct.Environment != "" && acct.Environment != l.cloud.name:
		return helpers.Credential{}, l.absent("az is signed in to " + helpers.Line(acct.Environment) + ", and " + l.req.Target.Host + " is in " + l.cloud.name)
	case client != "" && !strings.EqualFold(client, acct.User.Name):
		return helpers.Credential{}, l.absent("az is not signed in as the configured client_id")
	}
	tenant := acct.Tenant
	if l.req.Choice.TenantID != "" {
		tenant = l.req.Choice.TenantID
	}
	who := helpers.Credential{Identity: "az account " + helpers.Line(acct.User.Name) + " in tenant " + helpers.Line(tenant)}
	switch acct.User.Name {
	case "":
		who.NoCache = true
	case "systemAssignedIdentity", "userAssignedIdentity": // az login --identity
		who.BindTo = []helpers.Binding{{Kind: helpers.BindBoot}, {Kind: helpers.BindHost}}
	}
	who.NoCache = who.NoCache || helpers.RelativePath(l.env, "AZURE_CONFIG_DIR")
	cred, err := azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: l.req.Choice.TenantID})
	return l.mint(ctx, cred, err, who)
}

// azdCLI is the account that the Azure Developer CLI is signed in to.
func (l lookup) azdCLI(ctx context.Context) (helpers.Credential, error) {
	if _, err := l.env.LookPath("azd"); err != nil {
		return helpers.Credential{}, l.absent("azd is not on PATH")
	}
	home, signedIn := azdAccount(l.env)
	switch {
	case !signedIn:
		return helpers.Credential{}, l.absent("nobody is signed in (azd has no current user)")
	case l.req.Choice.ClientID != "":
		return helpers.Credential{}, l.absent("azd does not tell whether it is signed in as the configured client_id")
	}
	// azd may use az's account in place of its own.
	who := helpers.Credential{NoCache: home == "" || helpers.RelativePath(l.env, "AZD_CONFIG_DIR", "AZURE_CONFIG_DIR")}
	if home != "" {
		who.Identity = "azd account " + helpers.Line(home)
	}
	if l.req.Choice.TenantID != "" && home != "" {
		who.Identity += " in tenant " + helpers.Line(l.req.Choice.TenantID)
	}
	cred, err := azidentity.NewAzureDeveloperCLICredential(&azidentity.AzureDeveloperCLICredentialOptions{TenantID: l.req.Choice.TenantID})
	return l.mint(ctx, cred, err, who)
}

// azdAccount reads azd's auth.json, which names the current user and holds no
// secret, and the switch that makes it use az instead.
func azdAccount(env *helpers.Env) (home string, signedIn bool) {
	type settings struct {
		Auth struct {
			UseAz   string `json:"useAzCliAuth"`
			Account struct {
				User struct {
					Home   string `json:"homeAccountId"`
					Client string `json:"clientId"`
					Tenant string `json:"tenantId"`
				} `json:"currentUser"`
			} `json:"account"`
		} `json:"auth"`
	}
	for _, name := range []string{"auth.json", "config.json"} {
		text, err := env.ReadFile(filepath.Join(azdDir(env), name))
		var s settings
		if err != nil || json.Unmarshal(text, &s) != nil {
			continue
		}
		user := s.Auth.Account.User
		switch {
		case user.Home != "":
			return user.Home, true
		case user.Client != "":
			return user.Client + " of " + user.Tenant, true
		case strings.EqualFold(s.Auth.UseAz, "true"):
			return "", true
		}
	}
	return "", false
}
