// SPDX-License-Identifier: Apache-2.0

// Package acr answers for Azure Container Registry in all of Microsoft's
// clouds: it gets an Entra ID token for the registry service with the Azure
// SDK's own credentials, trades it at the registry for a refresh token, and
// answers that under the user name <token>.
package acr

import (
	"context"
	"path/filepath"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// tokenUser is the user name under which Docker takes a secret as an OAuth2
// refresh token (docker-credential-helpers, "identity token").
const tokenUser = "<token>"

// nullGUID is the user name that Azure documents for a registry token given in
// place of a password ("az acr login --expose-token").
const nullGUID = "00000000-0000-0000-0000-000000000000"

type provider struct{}

// New returns the provider for Azure Container Registry. It is also a
// [helpers.LoginJudge] and a [helpers.InputLister].
func New() helpers.Provider { return provider{} }

// Name implements [helpers.Provider].
func (provider) Name() string { return "acr" }

// Hint implements [helpers.Provider].
func (provider) Hint(t helpers.Target) string {
	if c := cloudOf(t); c.name != publicCloud {
		return "az cloud set --name " + c.name + " && az login"
	}
	return "az login"
}

// Sources implements [helpers.Provider]. The order is that of the Azure SDK's
// DefaultAzureCredential. A tenant_id or client_id in the configuration makes
// all of them configured sources, narrowed to that tenant and client.
func (provider) Sources(req helpers.Request) []helpers.Source {
	chain, tool := helpers.TierChain, helpers.TierTool
	if req.Choice.TenantID != "" || req.Choice.ClientID != "" {
		chain, tool = helpers.TierConfigured, helpers.TierConfigured
	}
	source := func(tier helpers.Tier, name string, token func(lookup, context.Context) (helpers.Credential, error)) helpers.Source {
		l := newLookup(req, name)
		return helpers.Source{Tier: tier, Name: name, Program: name == azName || name == azdName, Mints: true,
			Token: func(ctx context.Context) (helpers.Credential, error) { return token(l, ctx) }}
	}
	return []helpers.Source{
		source(chain, secretName, lookup.clientSecret),
		source(chain, certificateName, lookup.clientCertificate),
		source(chain, federatedName, lookup.workloadIdentity),
		source(chain, managedName, lookup.managedIdentity),
		source(tool, azName, lookup.azCLI),
		source(tool, azdName, lookup.azdCLI),
	}
}

// Names of the sources.
const (
	secretName      = "Azure client secret"
	certificateName = "Azure client certificate"
	federatedName   = "Azure workload identity"
	managedName     = "Azure managed identity"
	azName          = "az CLI"
	azdName         = "azd CLI"
)

// inputVars choose an identity. AZURE_CLIENT_SECRET, the certificate's
// password, IDENTITY_HEADER and MSI_SECRET are secrets and not among them.
var inputVars = []string{
	varTenant, varClient, varCertificate, varFederated, varAuthority, "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
	"AZURE_REGIONAL_AUTHORITY_NAME", "AZURE_CONFIG_DIR", "AZD_CONFIG_DIR", "IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT",
	"IDENTITY_SERVER_THUMBPRINT",
}

// Inputs implements [helpers.InputLister]. The token caches of az and azd
// rotate and are left out.
func (provider) Inputs(req helpers.Request) helpers.Inputs {
	in := helpers.Inputs{Env: inputVars}
	if dir := azDir(req.Env); filepath.IsAbs(dir) {
		for _, name := range []string{"azureProfile.json", "config", "clouds.config"} {
			in.Files = append(in.Files, filepath.Join(dir, name))
		}
	}
	if dir := azdDir(req.Env); filepath.IsAbs(dir) {
		in.Files = append(in.Files, filepath.Join(dir, "auth.json"), filepath.Join(dir, "config.json"))
	}
	return in
}
