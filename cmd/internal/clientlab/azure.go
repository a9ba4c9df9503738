// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// The service principal of the lab.
const (
	azureTenant = "72f988bf-0000-4000-8000-2d7cd011db47"
	azureClient = "11111111-2222-3333-4444-555555555555"
	azureSecret = "a-client-secret~of.the.lab"
)

// settleAzure registers a service principal with a secret, which may pull from
// and push to the registry. The registry's tokens live so long, at most the
// three hours that Azure's do.
func (l *lab) settleAzure(life time.Duration) {
	azure := l.cloud.Azure()
	azure.AddApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: azureClient, Secret: azureSecret})
	azure.AddRegistry(acrHost, cloudtest.AzureRegistry{
		Roles:       map[string][]string{azureClient: {"pull", "push", "delete"}},
		Front:       l.registry,
		RefreshLife: min(life, 3*time.Hour),
	})
	l.env["acr"] = map[string]string{
		"AZURE_TENANT_ID": azureTenant, "AZURE_CLIENT_ID": azureClient, "AZURE_CLIENT_SECRET": azureSecret,
	}
}

// refuseAzure takes the service principal's role at the registry away.
func (l *lab) refuseAzure() {
	l.cloud.Azure().AddRegistry(acrHost, cloudtest.AzureRegistry{Front: l.registry})
}
