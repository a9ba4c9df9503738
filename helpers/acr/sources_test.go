// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

const registryResource = "https://containerregistry.azure.net"

// wantToken checks a credential that host gave.
func (l lab) wantToken(host string, got helpers.Credential, err error, identity string) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("%v (%+v)", err, loop.Records())
	}
	if got.Username != "<token>" || !got.Minted || got.Identity != identity {
		l.t.Errorf("got %+v", got)
	}
	if err := l.CheckRefreshToken(host, got.Secret.Reveal()); err != nil {
		l.t.Error(err)
	}
	if life := got.ExpiresAt.Sub(got.IssuedAt); life != 3*time.Hour {
		l.t.Errorf("life %v", life)
	}
	for _, r := range loop.Records() {
		if r.Refused != "" {
			l.t.Errorf("refused on the way: %+v", r)
		}
	}
}

func TestClientSecret(t *testing.T) {
	l := newLab(t)
	l.ordinary()
	got, source, err := l.token(host, helpers.Choice{})
	l.wantToken(host, got, err, "application "+appID+" in tenant "+tenant)
	if source.Tier != helpers.TierChain || source.Program || got.NoCache {
		t.Errorf("source %+v, credential %+v", source, got)
	}
	if n := loop.Count("entra", "discovery"); n != 0 {
		t.Errorf("%d requests to find out about a known sign-in host", n)
	}
	// The secret is good for the registry only: no ARM token was asked for.
	if n := loop.Count("acr", "exchange"); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

func TestRegistryThatRefusesARM(t *testing.T) {
	l := newLab(t)
	l.ordinary()
	l.AddRegistry("corp", cloudtest.AzureRegistry{RefuseARM: true, Roles: map[string][]string{appID: {"pull"}}})
	got, _, err := l.token(host, helpers.Choice{})
	l.wantToken(host, got, err, "application "+appID+" in tenant "+tenant)
}

func TestOtherHosts(t *testing.T) {
	tests := []struct {
		name, host, cloud, authority string
	}{
		{"China", "corp.azurecr.cn", cloudtest.AzureChina, "login.chinacloudapi.cn"},
		{"US Government", "corp.azurecr.us", cloudtest.AzureGovernment, "login.microsoftonline.us"},
		{"closed Germany", "corp.azurecr.de", cloudtest.AzurePublic, "login.microsoftonline.com"},
		{"domain name label", "corp-ab12cd.azurecr.io", cloudtest.AzurePublic, "login.microsoftonline.com"},
		{"regional", "corp.eastus.geo.azurecr.io", cloudtest.AzurePublic, "login.microsoftonline.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.ordinary()
			l.AddApp(cloudtest.AzureApp{Tenant: "sovereign", ClientID: appID, Secret: secret, Cloud: test.cloud})
			l.AddRegistry(test.host, cloudtest.AzureRegistry{Roles: map[string][]string{appID: {"pull"}}})
			t.Setenv(varTenant, "sovereign")
			got, _, err := l.token(test.host, helpers.Choice{})
			l.wantToken(test.host, got, err, "application "+appID+" in tenant sovereign")
			for _, r := range loop.Records() {
				if r.Service == "entra" && r.Host != test.authority || r.Service == "acr" && r.Host != test.host {
					t.Errorf("asked %+v", r)
				}
			}
		})
	}
}

func TestAuthorityHost(t *testing.T) {
	t.Run("another name of the same cloud", func(t *testing.T) {
		l := newLab(t)
		l.ordinary()
		l.AddApp(cloudtest.AzureApp{Tenant: tenant, ClientID: appID, Secret: secret, Cloud: cloudtest.AzureChina})
		l.AddRegistry("corp.azurecr.cn", cloudtest.AzureRegistry{Roles: map[string][]string{appID: {"pull"}}})
		t.Setenv(varAuthority, "https://login.partner.microsoftonline.cn/")
		got, _, err := l.token("corp.azurecr.cn", helpers.Choice{})
		l.wantToken("corp.azurecr.cn", got, err, "application "+appID+" in tenant "+tenant)
		if first := loop.Records()[0]; first.Host != "login.partner.microsoftonline.cn" {
			t.Errorf("asked %+v first", first)
		}
	})
	t.Run("another cloud", func(t *testing.T) {
		l := newLab(t)
		l.ordinary()
		t.Setenv(varAuthority, "https://login.microsoftonline.com/")
		_, err := l.one(secretName, "corp.azurecr.cn", helpers.Choice{})
		if !helpers.IsAbsent(err) || !strings.Contains(err.Error(), "AzureChinaCloud") {
			t.Errorf("%v", err)
		}
		if n := loop.Count("", ""); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("the user's own is asked, and nobody else about it", func(t *testing.T) {
		l := newLab(t)
		l.ordinary()
		const own = "login.private.example"
		t.Setenv(varAuthority, "https://"+own+"/")
		_, err := l.one(secretName, host, helpers.Choice{})
		wantFailure(t, err, secretName, own, "check "+varAuthority+" and the connection to "+own)
		if loop.Count("", "") == 0 {
			t.Error("nobody was asked")
		}
		for _, r := range loop.Records() {
			if r.Host != own+":443" {
				t.Errorf("asked %+v", r)
			}
		}
	})
	t.Run("nobody answers at the user's own", func(t *testing.T) {
		l := newLab(t)
		l.ordinary()
		t.Setenv(varAuthority, "https://127.0.0.1:1/")
		_, err := l.one(secretName, host, helpers.Choice{})
		wantFailure(t, err, secretName, "127.0.0.1:1", "check "+varAuthority+" and the connection to 127.0.0.1:1")
	})
	t.Run("plain HTTP", func(t *testing.T) {
		l := newLab(t)
		l.ordinary()
		t.Setenv(varAuthority, "http://login.microsoftonline.com/")
		_, err := l.one(secretName, host, helpers.Choice{})
		if _, ok := errors.AsType[*helpers.MintError](err); !ok || loop.Count("", "") != 0 {
			t.Errorf("%v, %+v", err, loop.Records())
		}
	})
}

// certificate makes a certificate and the PEM file that az and the SDK want.
func certificate(t *testing.T) (*x509.Certificate, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "ci"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestClientCertificate(t *testing.T) {
	cert, text := certificate(t)
	for _, chain := range []string{"", "true"} {
		t.Run("send chain "+chain, func(t *testing.T) {
			l := newLab(t)
			l.AddApp(cloudtest.AzureApp{Tenant: tenant, ClientID: appID, Certificates: []*x509.Certificate{cert}})
			l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{appID: {"pull"}}})
			l.setenv(map[string]string{varTenant: tenant, varClient: appID, varCertificate: l.write("ci.pem", text, 0o600), "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": chain})
			got, source, err := l.token(host, helpers.Choice{})
			l.wantToken(host, got, err, "application "+appID+" in tenant "+tenant)
			if source.Name != certificateName {
				t.Errorf("from %s", source.Name)
			}
		})
	}
}

func TestWorkloadIdentity(t *testing.T) {
	issuer := cloudtest.NewAzureIssuer("https://oidc.aks.example/1")
	const subject = "system:serviceaccount:ci:builder"
	setup := func(t *testing.T) (lab, string) {
		l := newLab(t)
		for _, id := range []string{appID, "configured"} {
			l.AddApp(cloudtest.AzureApp{Tenant: tenant, ClientID: id, Federated: []cloudtest.AzureFederation{{Issuer: issuer, Subject: subject}}})
		}
		l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{appID: {"pull"}, "configured": {"pull"}}})
		path := l.write("token", issuer.Token(subject, time.Now(), nil), 0o600)
		l.setenv(map[string]string{varTenant: tenant, varClient: appID, varFederated: path, varAuthority: "https://login.microsoftonline.com/"})
		return l, path
	}
	t.Run("environment", func(t *testing.T) {
		l, path := setup(t)
		got, source, err := l.token(host, helpers.Choice{})
		l.wantToken(host, got, err, "application "+appID+" in tenant "+tenant)
		if source.Name != federatedName || len(got.BindTo) != 1 || got.BindTo[0] != (helpers.Binding{Kind: helpers.BindClaims, Arg: path}) || got.NoCache {
			t.Errorf("from %s, bound to %v", source.Name, got.BindTo)
		}
	})
	t.Run("configured client", func(t *testing.T) {
		l, _ := setup(t)
		got, source, err := l.token(host, helpers.Choice{ClientID: "configured"})
		l.wantToken(host, got, err, "application configured in tenant "+tenant)
		if source.Tier != helpers.TierConfigured {
			t.Errorf("tier %d", source.Tier)
		}
	})
	t.Run("no file", func(t *testing.T) {
		l, _ := setup(t)
		t.Setenv(varFederated, "/no/such/token")
		_, _, err := l.token(host, helpers.Choice{})
		if failed, ok := errors.AsType[*helpers.MintError](err); !ok || !strings.Contains(failed.Cause, "/no/such/token") {
			t.Errorf("%v", err)
		}
	})
}

func TestManagedIdentity(t *testing.T) {
	roles := map[string][]string{"system": {"pull"}, "user": {"pull"}, "configured": {"pull"}}
	yes := true
	tests := []struct {
		name       string
		appService bool
		client     string
		choice     helpers.Choice
		identity   string
		service    string
	}{
		{"machine, system", false, "", helpers.Choice{Metadata: &yes}, "system-assigned managed identity", "azure-imds"},
		{"machine, user", false, "user", helpers.Choice{Metadata: &yes}, "managed identity user", "azure-imds"},
		{"machine, configured", false, "user", helpers.Choice{Metadata: &yes, ClientID: "configured"}, "managed identity configured", "azure-imds"},
		{"site, system", true, "", helpers.Choice{}, "system-assigned managed identity", "azure-appservice"},
		{"site, user", true, "user", helpers.Choice{}, "managed identity user", "azure-appservice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.AddManagedIdentity(cloudtest.AzureIdentity{Tenant: tenant, ClientID: "system", System: true})
			l.AddManagedIdentity(cloudtest.AzureIdentity{Tenant: tenant, ClientID: "user"})
			l.AddManagedIdentity(cloudtest.AzureIdentity{Tenant: tenant, ClientID: "configured"})
			l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: roles})
			if test.client != "" {
				t.Setenv(varClient, test.client)
			}
			if test.appService {
				endpoint, header, err := l.AppService()
				if err != nil {
					t.Fatal(err)
				}
				l.setenv(map[string]string{"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": header})
			}
			got, source, err := l.token(host, test.choice)
			l.wantToken(host, got, err, test.identity)
			if source.Name != managedName || len(got.BindTo) != 2 || loop.Count(test.service, "token") != 1 {
				t.Errorf("from %s, bound to %v, %+v", source.Name, got.BindTo, loop.Records())
			}
		})
	}
}

func TestManagedIdentityMissing(t *testing.T) {
	yes := true
	l := newLab(t)
	l.AddRegistry("corp", cloudtest.AzureRegistry{})
	if _, err := l.one(managedName, host, helpers.Choice{}); !helpers.IsAbsent(err) || loop.Count("", "") != 0 {
		t.Errorf("without a sign of Azure: %v, %+v", err, loop.Records())
	}
	l.AddManagedIdentity(cloudtest.AzureIdentity{Tenant: tenant, ClientID: "one"})
	l.AddManagedIdentity(cloudtest.AzureIdentity{Tenant: tenant, ClientID: "two"})
	if _, err := l.one(managedName, host, helpers.Choice{Metadata: &yes}); !helpers.IsAbsent(err) {
		t.Errorf("a machine without a system-assigned identity: %v", err)
	}
	t.Setenv(varClient, "three")
	if _, err := l.one(managedName, host, helpers.Choice{Metadata: &yes}); err == nil || helpers.IsAbsent(err) {
		t.Errorf("a user-assigned identity that is not assigned: %v", err)
	}
	t.Setenv(varClient, "")
	loop.Fail(cloudtest.Fault{Service: "azure-imds", Status: 400,
		Body: `{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"}`})
	_, err := l.one(managedName, host, helpers.Choice{Metadata: &yes})
	failed, ok := errors.AsType[*helpers.MintError](err)
	if !ok || !strings.Contains(failed.Next, varClient) {
		t.Errorf("several identities: %v", err)
	}
}
