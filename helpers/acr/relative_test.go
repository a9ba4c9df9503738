// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"crypto/x509"
	"path/filepath"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// A relative path is another file in another working directory, so that nothing
// found by it is kept.
func TestRelativePathsAreNotKept(t *testing.T) {
	const user = "ana@corp.example"
	cert, text := certificate(t)
	tests := []struct {
		name   string
		change func(l lab)
		kept   bool
	}{
		{"az's own folder", func(lab) {}, true},
		{"relative AZURE_CONFIG_DIR", func(l lab) { l.t.Setenv("AZURE_CONFIG_DIR", ".azure") }, false},
		{"absolute certificate", func(l lab) {
			l.setenv(map[string]string{varTenant: tenant, varClient: appID, varCertificate: l.write("ci.pem", text, 0o600)})
		}, true},
		{"relative certificate", func(l lab) {
			l.write("ci.pem", text, 0o600)
			l.setenv(map[string]string{varTenant: tenant, varClient: appID, varCertificate: "ci.pem"})
		}, false},
		{"relative AZD_CONFIG_DIR", func(l lab) {
			l.setenv(map[string]string{"AZURE_CONFIG_DIR": filepath.Join(l.home, "none"), "AZD_CONFIG_DIR": ".azd"})
			l.write(".azd/auth.json", `{"auth":{"account":{"currentUser":{"homeAccountId":"oid.tid"}}}}`, 0o600)
			l.program("azd", tool{Stdout: `{"token":"` + l.Token(cloudtest.AzurePublic, tenant, user, registryResource) + `","expiresOn":"2099-01-01T00:00:00Z"}`})
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			t.Chdir(l.home)
			l.AddApp(cloudtest.AzureApp{Tenant: tenant, ClientID: appID, Certificates: []*x509.Certificate{cert}})
			l.AddRegistry("corp", cloudtest.AzureRegistry{Roles: map[string][]string{user: {"pull"}, appID: {"pull"}}})
			l.program("az", tool{Stdout: `{"accessToken":"` + l.Token(cloudtest.AzurePublic, tenant, user, registryResource) + `","expires_on":4070908800}`})
			l.write(".azure/azureProfile.json", profile(user, "user", publicCloud), 0o600)
			test.change(l)
			got, source, err := l.token(host, helpers.Choice{})
			if err != nil || got.NoCache == test.kept {
				t.Errorf("%s: NoCache is %v (%v)", source.Name, got.NoCache, err)
			}
		})
	}
}
