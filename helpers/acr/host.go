// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// publicCloud is what az calls the worldwide cloud.
const publicCloud = "AzureCloud"

// scope asks Entra for a token whose audience is the registry service, in every
// cloud (azcontainerregistry's cloud configuration since 0.2.0 and Kubernetes'
// acr-credential-provider agree). Resource Manager's audience would do with
// most registries too, but it opens the whole subscription and registries can
// refuse it.
const scope = "https://containerregistry.azure.net/.default"

// azureCloud is one of the clouds that Microsoft runs apart from each other.
type azureCloud struct {
	suffix string // of login servers
	name   string // as az calls it, in azureProfile.json and `az cloud set`
	config cloud.Configuration
	// authorities are the sign-in hosts, lower case.
	authorities []string
}

// clouds is the table of login server suffixes (az cloud show, acrLoginServerEndpoint).
// Azure Germany was closed in 2021; what still answers there is public Azure.
var clouds = []azureCloud{
	{"azurecr.io", publicCloud, cloud.AzurePublic, publicAuthorities},
	{"azurecr.cn", "AzureChinaCloud", cloud.AzureChina, []string{"login.chinacloudapi.cn", "login.partner.microsoftonline.cn"}},
	{"azurecr.us", "AzureUSGovernment", cloud.AzureGovernment, []string{"login.microsoftonline.us", "login.usgovcloudapi.net"}},
	{"azurecr.de", publicCloud, cloud.AzurePublic, publicAuthorities},
}

var publicAuthorities = []string{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"}

// Match implements [helpers.Provider]. Login servers are NAME.azurecr.io, with
// a domain name label NAME-HASH.azurecr.io, and NAME.REGION.geo.azurecr.io for
// one replica; the same in the other clouds (Microsoft Learn, "Container
// registry endpoint reference"). Data endpoints (NAME.REGION.data.azurecr.io)
// serve redirects with their own signatures and never get a token.
func (provider) Match(host string) (helpers.Target, bool) {
	labels := strings.Split(host, ".")
	if len(labels) < 3 {
		return helpers.Target{}, false
	}
	suffix := strings.Join(labels[len(labels)-2:], ".")
	if !slices.ContainsFunc(clouds, func(c azureCloud) bool { return c.suffix == suffix }) {
		return helpers.Target{}, false
	}
	target := helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible, Suffix: suffix, Registry: labels[0]}
	switch {
	case !helpers.IsLabel(labels[0]):
		return helpers.Target{}, false
	case len(labels) == 3 && labels[0] != "data" && labels[0] != "geo":
		return target, true
	case len(labels) == 5 && labels[2] == "geo" && helpers.IsLabel(labels[1]):
		target.Region = labels[1]
		return target, true
	}
	return helpers.Target{}, false
}

// cloudOf returns the cloud of a matched target.
func cloudOf(t helpers.Target) azureCloud {
	for _, c := range clouds {
		if c.suffix == t.Suffix {
			return c
		}
	}
	return clouds[0]
}
