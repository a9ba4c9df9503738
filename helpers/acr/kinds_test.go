// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"crypto/sha1" // how Service Fabric names a certificate
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// The PKCS#12 files of testdata/acr/pkcs12, see the README there.
const (
	legacyPKCS12  = "testdata/acr/pkcs12/legacy.p12"
	modernPKCS12  = "testdata/acr/pkcs12/modern.p12"
	pkcs12Secret  = "fixture"
	varPassphrase = "AZURE_CLIENT_CERTIFICATE_PASSWORD"
)

// fixtureCertificate is the certificate in those files.
func fixtureCertificate(t *testing.T) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(legacyPKCS12)
	if err != nil {
		t.Fatal(err)
	}
	certs, _, err := azidentity.ParseCertificates(data, []byte(pkcs12Secret))
	if err != nil || len(certs) != 1 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	return certs[0]
}

func TestPKCS12(t *testing.T) {
	cert := fixtureCertificate(t)
	tests := []struct {
		name, file, password string
		cause, next          string // "" is a token
	}{
		{"as openssl -legacy writes it", legacyPKCS12, pkcs12Secret, "", ""},
		{"wrong password", legacyPKCS12, "other", "legacy.p12", varPassphrase},
		{"no password", legacyPKCS12, "", "legacy.p12", varPassphrase},
		{"as openssl 3 writes it", modernPKCS12, pkcs12Secret, "modern.p12", "-legacy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.AddApp(cloudtest.AzureApp{Tenant: tenant, ClientID: appID, Certificates: []*x509.Certificate{cert}})
			l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{appID: {"pull"}}})
			l.setenv(map[string]string{varTenant: tenant, varClient: appID, varCertificate: test.file, varPassphrase: test.password})
			got, source, err := l.token(host, helpers.Choice{})
			if test.cause != "" {
				wantFailure(t, err, certificateName, test.cause, test.next)
				return
			}
			l.wantToken(host, got, err, "application "+appID+" in tenant "+tenant)
			if source.Name != certificateName {
				t.Errorf("from %s", source.Name)
			}
		})
	}
}

// endpoint is what a kind of machine serves its identity at: a request that
// judge refuses, with a status and a reason, gets no token.
func (l lab) endpoint(judge func(r *http.Request) (status int, why string), seen *[]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		if status, why := judge(r); why != "" {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "refused", "error_description": why})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": l.Token(cloudtest.AzurePublic, tenant, "system", registryResource), "token_type": "Bearer",
			"resource": registryResource, "expires_on": time.Now().Add(4 * time.Minute).Unix(),
		})
	})
}

// TestMSIEndpoint is Azure Machine Learning, where MSI_SECRET goes with
// MSI_ENDPOINT, and Cloud Shell, where it does not.
func TestMSIEndpoint(t *testing.T) {
	t.Run("machine learning", func(t *testing.T) {
		for _, client := range []string{"system", "user"} {
			l := newLab(t)
			for _, id := range []string{"system", "user"} {
				l.AddManagedIdentity(cloudtest.AzureIdentity{Tenant: tenant, ClientID: id, System: id == "system"})
			}
			l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{client: {"pull"}}})
			url, header, err := l.AppService()
			if err != nil {
				t.Fatal(err)
			}
			l.setenv(map[string]string{"MSI_ENDPOINT": url, "MSI_SECRET": header})
			identity := "system-assigned managed identity"
			if client == "user" {
				t.Setenv(varClient, client)
				identity = "managed identity user"
			}
			got, source, err := l.token(host, helpers.Choice{})
			l.wantToken(host, got, err, identity)
			if source.Name != managedName || len(got.BindTo) != 2 || loop.Count("azure-appservice", "token") != 1 {
				t.Errorf("from %s, bound to %v, %+v", source.Name, got.BindTo, loop.Records())
			}
		}
	})
	t.Run("machine learning, wrong secret", func(t *testing.T) {
		l := newLab(t)
		url, _, err := l.AppService()
		if err != nil {
			t.Fatal(err)
		}
		l.setenv(map[string]string{"MSI_ENDPOINT": url, "MSI_SECRET": "other"})
		_, _, err = l.token(host, helpers.Choice{})
		wantFailure(t, err, managedName, "identity header is missing or wrong", "identity")
	})
	t.Run("Cloud Shell", func(t *testing.T) {
		l := newLab(t)
		l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{"system": {"pull"}}})
		var seen []string
		url, err := loop.Serve(l.endpoint(func(r *http.Request) (int, string) {
			if r.Method != http.MethodPost || r.Header.Get("Metadata") != "true" || r.PostFormValue("resource") != registryResource {
				return http.StatusBadRequest, "not what Cloud Shell takes"
			}
			return 0, ""
		}, &seen))
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("MSI_ENDPOINT", url+"/oauth2/token")
		got, source, err := l.token(host, helpers.Choice{})
		l.wantToken(host, got, err, "system-assigned managed identity")
		if source.Name != managedName || strings.Join(seen, ", ") != "POST /oauth2/token" {
			t.Errorf("from %s, asked %q", source.Name, seen)
		}
	})
}

// TestServiceFabric is a node whose endpoint is known by the thumbprint of its
// certificate, which no authority signed.
func TestServiceFabric(t *testing.T) {
	tests := []struct {
		name, thumbprint string // "" is the endpoint's own
		works            bool
	}{
		{"the endpoint's certificate", "", true},
		{"another certificate", strings.Repeat("00", sha1.Size), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{"system": {"pull"}}})
			var seen []string
			server := httptest.NewUnstartedServer(l.endpoint(func(r *http.Request) (int, string) {
				if r.Header.Get("Secret") != "fabric" || r.URL.Query().Get("api-version") == "" || r.URL.Query().Get("resource") != registryResource {
					return http.StatusBadRequest, "not what Service Fabric takes"
				}
				return 0, ""
			}, &seen))
			cert, text := certificate(t)
			server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair(t, text)}}
			server.StartTLS()
			t.Cleanup(server.Close)
			sum := sha1.Sum(cert.Raw)
			thumbprint := hex.EncodeToString(sum[:])
			if test.thumbprint != "" {
				thumbprint = test.thumbprint
			}
			l.setenv(map[string]string{"IDENTITY_ENDPOINT": server.URL + "/metadata/identity/oauth2/token", "IDENTITY_HEADER": "fabric",
				"IDENTITY_SERVER_THUMBPRINT": thumbprint})
			got, source, err := l.token(host, helpers.Choice{})
			if !test.works {
				wantFailure(t, err, managedName, "IDENTITY_SERVER_THUMBPRINT", "identity")
				if len(seen) != 0 || loop.Count("", "") != 0 {
					t.Errorf("a stranger was asked %q, %+v", seen, loop.Records())
				}
				return
			}
			l.wantToken(host, got, err, "system-assigned managed identity")
			if source.Name != managedName || len(seen) != 1 {
				t.Errorf("from %s, asked %q", source.Name, seen)
			}
		})
	}
}

// TestRefusedKinds are settings that the SDK refuses before it asks anybody.
func TestRefusedKinds(t *testing.T) {
	fabric := map[string]string{"IDENTITY_ENDPOINT": "https://127.0.0.1:1/", "IDENTITY_HEADER": "fabric", "IDENTITY_SERVER_THUMBPRINT": strings.Repeat("00", sha1.Size)}
	tests := []struct {
		name        string
		vars        map[string]string
		client      string
		cause, next string
	}{
		{"a client ID in Service Fabric", fabric, "user", "user-assigned", "unset AZURE_CLIENT_ID"},
		{"a client ID in Cloud Shell", map[string]string{"MSI_ENDPOINT": "http://127.0.0.1:1/"}, "user", "user-assigned", "unset AZURE_CLIENT_ID"},
		{"a thumbprint that is none", map[string]string{"IDENTITY_ENDPOINT": "https://127.0.0.1:1/", "IDENTITY_HEADER": "fabric", "IDENTITY_SERVER_THUMBPRINT": "x"},
			"", "IDENTITY_SERVER_THUMBPRINT", "check IDENTITY_ENDPOINT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.setenv(test.vars)
			t.Setenv(varClient, test.client)
			_, err := l.one(managedName, host, helpers.Choice{})
			wantFailure(t, err, managedName, test.cause, test.next)
		})
	}
}

// pair is a certificate with its key for a server.
func pair(t *testing.T, text string) tls.Certificate {
	t.Helper()
	key, rest := pem.Decode([]byte(text))
	if key == nil {
		t.Fatal("no key")
	}
	made, err := tls.X509KeyPair(rest, pem.EncodeToMemory(key))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestArc is Azure Arc as far as it goes without its agent: the endpoint is
// asked, and names a file that holds the key to the token. A file outside of
// the agent's own folder, which only root may write to, is not read.
func TestArc(t *testing.T) {
	l := newLab(t)
	l.AddRegistry("corp", cloudtest.AzureRegistry{})
	stolen := l.write("stolen.key", secret, 0o600)
	var sent []string
	url, err := loop.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Metadata")+" "+r.Header.Get("Authorization")+" "+r.URL.Query().Get("resource"))
		w.Header().Set("WWW-Authenticate", "Basic realm="+stolen)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	if err != nil {
		t.Fatal(err)
	}
	l.setenv(map[string]string{"IDENTITY_ENDPOINT": url + "/metadata/identity/oauth2/token", "IMDS_ENDPOINT": url})
	_, _, err = l.token(host, helpers.Choice{})
	wantFailure(t, err, managedName, "", "identity")
	if strings.Join(sent, ", ") != "true  "+registryResource || loop.Count("", "") != 0 {
		t.Errorf("asked %q, %+v", sent, loop.Records())
	}
}

// TestNoSigns are variables of other libraries, or without meaning alone, that
// Microsoft's library for Go does not follow: they do not make this a machine
// of Azure's.
func TestNoSigns(t *testing.T) {
	for _, name := range []string{"AZURE_POD_IDENTITY_AUTHORITY_HOST", "IMDS_ENDPOINT"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.AddManagedIdentity(cloudtest.AzureIdentity{Tenant: tenant, ClientID: "system", System: true})
			t.Setenv(name, "http://127.0.0.1:1")
			if _, err := l.one(managedName, host, helpers.Choice{}); !helpers.IsAbsent(err) || loop.Count("", "") != 0 {
				t.Errorf("%v, %+v", err, loop.Records())
			}
		})
	}
}
