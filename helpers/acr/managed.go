// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/metadata"
)

// managedIdentity is the identity that Azure gives to the machine, App Service
// instance or function; a client ID picks a user-assigned one. It is bound to
// machine and boot, since another may run under the same name.
func (l lookup) managedIdentity(ctx context.Context) (helpers.Credential, error) {
	ask, why := metadata.Ask(ctx, metadata.Azure, l.req)
	if !ask {
		return helpers.Credential{}, l.absent(why)
	}
	// The endpoint is on this machine and hands out tokens of this machine's
	// cloud: no authority is chosen. For Service Fabric the SDK pins the
	// endpoint's certificate, which it does for a plain client only.
	client := *l.env.HTTP
	if l.env.Getenv("IDENTITY_SERVER_THUMBPRINT") == "" {
		client.Transport = boundedTransport{client.Transport}
	}
	options := azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: &client, Retry: retry},
	}
	who := helpers.Credential{
		Identity: "system-assigned managed identity",
		BindTo:   []helpers.Binding{{Kind: helpers.BindBoot}, {Kind: helpers.BindHost}},
	}
	if l.client != "" {
		options.ID = azidentity.ClientID(l.client)
		who.Identity = "managed identity " + helpers.Line(l.client)
	}
	cred, err := azidentity.NewManagedIdentityCredential(&options)
	return l.mint(ctx, cred, err, who)
}
