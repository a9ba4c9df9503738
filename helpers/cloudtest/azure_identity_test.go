// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"net/http"
	"testing"
)

func TestManagedIdentityEndpoints(t *testing.T) {
	l := newAzureLab(t)
	l.AddManagedIdentity(AzureIdentity{Tenant: testTenant, ClientID: "system", System: true})
	l.AddManagedIdentity(AzureIdentity{Tenant: testTenant, ClientID: "user"})
	site, secret, err := l.AppService()
	if err != nil {
		t.Fatal(err)
	}
	if again, _, _ := l.AppService(); again != site {
		t.Errorf("a second endpoint %s", again)
	}
	machine := "http://169.254.169.254/metadata/identity/oauth2/token"
	ask := "?api-version=2018-02-01&resource=" + acrResource
	site19, site17 := site+"?api-version=2019-08-01&resource="+acrResource, site+"?api-version=2017-09-01&resource="+acrResource
	metadata := map[string]string{"Metadata": "true"}
	header := map[string]string{"X-IDENTITY-HEADER": secret}
	tests := []struct {
		name    string
		url     string
		header  map[string]string
		service string
		status  int
		refused string
		client  string
	}{
		{"system", machine + ask, metadata, "azure-imds", 200, "", "system"},
		{"user", machine + ask + "&client_id=user", metadata, "azure-imds", 200, "", "user"},
		{"no Metadata header", machine + ask, nil, "azure-imds", 400, "Required metadata header not specified", ""},
		{"forwarded", machine + ask, map[string]string{"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}, "azure-imds", 400, "X-Forwarded-For", ""},
		{"no api-version", machine + "?resource=" + acrResource, metadata, "azure-imds", 400, "api-version", ""},
		{"no resource", machine + "?api-version=2018-02-01", metadata, "azure-imds", 400, "resource", ""},
		{"unknown identity", machine + ask + "&client_id=nobody", metadata, "azure-imds", 400, "Identity not found", ""},
		{"other path", "http://169.254.169.254/latest/api/token", metadata, "azure-imds", 404, "No such metadata path", ""},
		{"site", site19, header, "azure-appservice", 200, "", "system"},
		{"site, user", site19 + "&client_id=user", header, "azure-appservice", 200, "", "user"},
		{"site, older version", site17 + "&clientid=user", map[string]string{"secret": secret}, "azure-appservice", 200, "", "user"},
		{"site without header", site19, nil, "azure-appservice", 401, "identity header", ""},
		{"site with wrong header", site19, map[string]string{"X-IDENTITY-HEADER": "x"}, "azure-appservice", 401, "identity header", ""},
		{"site, unknown version", site + "?resource=" + acrResource, header, "azure-appservice", 400, "api-version", ""},
		{"site, no resource", site + "?api-version=2019-08-01", header, "azure-appservice", 400, "resource", ""},
		{"site, unknown identity", site19 + "&client_id=nobody", header, "azure-appservice", 400, "No managed identity", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := l.send(t, http.MethodGet, test.url, nil, test.header)
			l.wantRecord(t, test.service, "token", test.status, test.refused)
			token, _ := body["access_token"].(string)
			if status != test.status || (token != "") != (status == http.StatusOK) {
				t.Fatalf("HTTP %d %v", status, body)
			}
			if token == "" {
				return
			}
			claims, err := l.verify(&l.entraKey.PublicKey, token)
			if err != nil || claim(claims, "appid") != test.client || !hasAudience(claims, acrResource) {
				t.Errorf("%v, claims %v, want %s", err, claims, test.client)
			}
		})
	}
}

func TestOneIdentityNeedsNoName(t *testing.T) {
	l := newAzureLab(t)
	l.AddManagedIdentity(AzureIdentity{Tenant: testTenant, ClientID: "only"})
	status, body := l.send(t, http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+acrResource,
		nil, map[string]string{"Metadata": "true"})
	if status != http.StatusOK || body["client_id"] != "only" {
		t.Errorf("HTTP %d %v", status, body)
	}
	l.cloud.Reset()
	status, _ = l.send(t, http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+acrResource,
		nil, map[string]string{"Metadata": "true"})
	if status != http.StatusBadRequest {
		t.Errorf("HTTP %d after Reset: identities are not forgotten", status)
	}
}
