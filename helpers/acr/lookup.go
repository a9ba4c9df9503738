// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// The Azure SDK's variables (azidentity, "Environment variables").
const (
	varTenant      = "AZURE_TENANT_ID"
	varClient      = "AZURE_CLIENT_ID"
	varSecret      = "AZURE_CLIENT_SECRET"
	varCertificate = "AZURE_CLIENT_CERTIFICATE_PATH"
	varFederated   = "AZURE_FEDERATED_TOKEN_FILE"
	varAuthority   = "AZURE_AUTHORITY_HOST"
)

// lookup is one source at work on one request. Presence is judged from the
// environment here, before the SDK is asked for anything, so that an absent
// source costs nothing and can say why it is absent.
type lookup struct {
	req    helpers.Request
	env    *helpers.Env
	source string
	cloud  azureCloud
	tenant string // configured, else AZURE_TENANT_ID
	client string // configured, else AZURE_CLIENT_ID
}

func newLookup(req helpers.Request, source string) lookup {
	l := lookup{req: req, env: req.Env, source: source, cloud: cloudOf(req.Target), tenant: req.Choice.TenantID, client: req.Choice.ClientID}
	if l.tenant == "" {
		l.tenant = strings.TrimSpace(req.Env.Getenv(varTenant))
	}
	if l.client == "" {
		l.client = strings.TrimSpace(req.Env.Getenv(varClient))
	}
	return l
}

func (l lookup) absent(why string) error { return helpers.Absent(l.source, why) }

func (l lookup) unusable(why, next string) error {
	return &helpers.UnusableError{Source: l.source, Why: why, Next: next}
}

// application reports whether tenant and client ID are there to go with the
// key that variable names, and whether it is a key for this cloud's sign-in.
func (l lookup) application(variable string) error {
	own := strings.TrimSpace(l.env.Getenv(varClient))
	switch {
	case l.req.Choice.ClientID != "" && own != "" && !strings.EqualFold(own, l.req.Choice.ClientID) && variable != varFederated:
		return l.absent(variable + " belongs to another application than the configured client_id")
	case l.client == "":
		return l.unusable(variable+" is set, but "+varClient+" is not", "set "+varClient)
	case l.tenant == "":
		return l.unusable(variable+" is set, but "+varTenant+" is not", "set "+varTenant)
	}
	return l.authorityFits()
}

// authorityFits keeps a token of one cloud from going to a registry of another.
func (l lookup) authorityFits() error {
	host := l.ownAuthority()
	for _, other := range clouds {
		if other.name != l.cloud.name && slices.Contains(other.authorities, host) {
			return l.absent(varAuthority + " signs in to " + other.name + ", and " + l.req.Target.Host + " is in " + l.cloud.name)
		}
	}
	return nil
}

// ownAuthority returns the host of AZURE_AUTHORITY_HOST, in lower case, "" when
// it is unset or no URL; the SDK refuses the latter.
func (l lookup) ownAuthority() string {
	u, err := url.Parse(strings.TrimSpace(l.env.Getenv(varAuthority)))
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// clientOptions are the SDK's options for sign-in at the registry's cloud, or
// at AZURE_AUTHORITY_HOST. Every credential made with them disables instance
// discovery, which asks Microsoft's public cloud whether a sign-in host is
// genuine: the host is out of our own table or the user's own choice, and a
// sovereign network may not reach any other.
func (l lookup) clientOptions() azcore.ClientOptions {
	config := l.cloud.config
	if own := strings.TrimSpace(l.env.Getenv(varAuthority)); own != "" {
		config.ActiveDirectoryAuthorityHost = own
	}
	client := *l.env.HTTP
	client.Transport = boundedTransport{client.Transport}
	return azcore.ClientOptions{Cloud: config, Transport: &client, Retry: retry}
}

// retry keeps the SDK's patience below ours: the defaults wait for minutes.
var retry = policy.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second}

// boundedTransport keeps the SDK, which reads bodies whole, from reading more
// than any token answer holds.
type boundedTransport struct{ base http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := b.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxBody)
	}
	return resp, err
}

// clientSecret is AZURE_CLIENT_SECRET with tenant and client ID.
func (l lookup) clientSecret(ctx context.Context) (helpers.Credential, error) {
	secret, set := l.env.LookupEnv(varSecret)
	if !set {
		return helpers.Credential{}, l.halfSet()
	}
	if why := helpers.CheckSecret(secret); why != "" {
		return helpers.Credential{}, l.unusable(varSecret+" "+why, "set "+varSecret+" or unset it")
	}
	if err := l.application(varSecret); err != nil {
		return helpers.Credential{}, err
	}
	cred, err := azidentity.NewClientSecretCredential(l.tenant, l.client, strings.TrimSpace(secret),
		&azidentity.ClientSecretCredentialOptions{ClientOptions: l.clientOptions(), DisableInstanceDiscovery: true})
	return l.mint(ctx, cred, err, l.applicationIdentity())
}

// halfSet says that no secret is set, and what that makes of the rest: an
// application without any key is a mistake worth a warning, unless a managed
// identity is what the client ID names.
func (l lookup) halfSet() error {
	for _, name := range []string{varCertificate, varFederated, "IDENTITY_ENDPOINT", "MSI_ENDPOINT"} {
		if l.env.Getenv(name) != "" {
			return l.absent(varSecret + " is not set")
		}
	}
	if l.env.Getenv(varClient) == "" || l.env.Getenv(varTenant) == "" {
		return l.absent(varSecret + " is not set")
	}
	return l.unusable(varClient+" and "+varTenant+" are set, but none of "+varSecret+", "+varCertificate+" and "+varFederated,
		"set "+varSecret)
}

// clientCertificate is AZURE_CLIENT_CERTIFICATE_PATH: PEM or PKCS#12 with the
// private key in it.
func (l lookup) clientCertificate(ctx context.Context) (helpers.Credential, error) {
	path := l.env.Getenv(varCertificate)
	if path == "" {
		return helpers.Credential{}, l.absent(varCertificate + " is not set")
	}
	if err := l.application(varCertificate); err != nil {
		return helpers.Credential{}, err
	}
	data, err := l.env.ReadFile(path)
	if err != nil {
		return helpers.Credential{}, &helpers.MintError{Source: l.source, Err: err,
			Cause: varCertificate + " names " + helpers.Show(path) + ", which cannot be read", Next: "check " + varCertificate}
	}
	certs, key, err := azidentity.ParseCertificates(data, []byte(l.env.Getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD")))
	if err != nil {
		return helpers.Credential{}, &helpers.MintError{Source: l.source, Err: err,
			Cause: "no certificate with its private key can be read from " + helpers.Show(path),
			Next:  "check " + varCertificate + " and AZURE_CLIENT_CERTIFICATE_PASSWORD; openssl 3 writes a PKCS#12 that can be read with -legacy only"}
	}
	chain := strings.ToLower(l.env.Getenv("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"))
	cred, err := azidentity.NewClientCertificateCredential(l.tenant, l.client, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: l.clientOptions(), DisableInstanceDiscovery: true,
			SendCertificateChain: chain == "1" || chain == "true"})
	who := l.applicationIdentity()
	who.NoCache = helpers.RelativePath(l.env, varCertificate)
	return l.mint(ctx, cred, err, who)
}

// workloadIdentity is AZURE_FEDERATED_TOKEN_FILE, as the AKS webhook and CI
// systems set it.
func (l lookup) workloadIdentity(ctx context.Context) (helpers.Credential, error) {
	path := l.env.Getenv(varFederated)
	if path == "" {
		return helpers.Credential{}, l.absent(varFederated + " is not set")
	}
	if err := l.application(varFederated); err != nil {
		return helpers.Credential{}, err
	}
	if _, err := l.env.ReadFile(path); err != nil {
		return helpers.Credential{}, &helpers.MintError{Source: l.source, Err: err,
			Cause: varFederated + " names " + helpers.Show(path) + ", which cannot be read", Next: "check " + varFederated}
	}
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: l.clientOptions(), DisableInstanceDiscovery: true, TenantID: l.tenant, ClientID: l.client, TokenFilePath: path,
	})
	who := l.applicationIdentity()
	who.BindTo = []helpers.Binding{{Kind: helpers.BindClaims, Arg: path}}
	who.NoCache = !filepath.IsAbs(path)
	return l.mint(ctx, cred, err, who)
}

// applicationIdentity says whose token an application's is.
func (l lookup) applicationIdentity() helpers.Credential {
	return helpers.Credential{Identity: "application " + helpers.Line(l.client) + " in tenant " + helpers.Line(l.tenant)}
}
