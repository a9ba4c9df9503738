// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// appServiceHeader is the secret that an App Service instance knows.
const appServiceHeader = "loopback-identity-header"

// imdsVersions are the API versions of the token path that IMDS lists.
var imdsVersions = []string{"2018-02-01", "2019-03-11", "2019-06-01", "2019-08-01", "2020-06-01", "2021-02-01"}

// imds is the Instance Metadata Service's token path ("How to use managed
// identities for Azure resources on an Azure VM to acquire an access token").
func (a *Azure) imds(w http.ResponseWriter, r *http.Request) {
	if a.cloud.Faulty(w, r, "azure-imds", "token") {
		return
	}
	query := r.URL.Query()
	fail := func(status int, code, text string) {
		a.cloud.Record(Record{Service: "azure-imds", Action: "token", Host: r.Host, Status: status, Refused: text})
		writeJSON(w, status, map[string]string{"error": code, "error_description": text})
	}
	id, found := a.findIdentity(query.Get("client_id"))
	switch {
	case r.URL.Path != "/metadata/identity/oauth2/token":
		fail(http.StatusNotFound, "not_found", "No such metadata path")
	case r.Header.Get("Metadata") != "true":
		fail(http.StatusBadRequest, "bad_request_102", "Required metadata header not specified")
	case r.Header.Get("X-Forwarded-For") != "":
		fail(http.StatusBadRequest, "bad_request", "X-Forwarded-For is not allowed")
	case r.Method != http.MethodGet:
		fail(http.StatusMethodNotAllowed, "invalid_request", "Only GET is allowed")
	case !slices.Contains(imdsVersions, query.Get("api-version")):
		fail(http.StatusBadRequest, "invalid_request", "Required query variable 'api-version' is missing or not supported")
	case query.Get("resource") == "":
		fail(http.StatusBadRequest, "invalid_request", "Required query variable 'resource' is missing")
	case !found:
		fail(http.StatusBadRequest, "invalid_request", "Identity not found")
	default:
		a.identityToken(w, r, "azure-imds", id)
	}
}

// AppService returns IDENTITY_ENDPOINT and IDENTITY_HEADER of an App Service
// instance that has the identities of [Azure.AddManagedIdentity] ("How to use
// managed identities for App Service and Azure Functions"). The older
// MSI_ENDPOINT with its `secret` header is served at the same URL.
func (a *Azure) AppService() (endpoint, header string, err error) {
	a.mu.Lock()
	endpoint = a.appService
	a.mu.Unlock()
	if endpoint != "" {
		return endpoint, appServiceHeader, nil
	}
	base, err := a.cloud.Serve(http.HandlerFunc(a.serveAppService))
	if err != nil {
		return "", "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.appService = base + "/msi/token"
	return a.appService, appServiceHeader, nil
}

func (a *Azure) serveAppService(w http.ResponseWriter, r *http.Request) {
	if a.cloud.Faulty(w, r, "azure-appservice", "token") {
		return
	}
	query := r.URL.Query()
	version, secret, clientID := query.Get("api-version"), r.Header.Get("X-IDENTITY-HEADER"), query.Get("client_id")
	if version == "2017-09-01" {
		secret, clientID = r.Header.Get("secret"), query.Get("clientid")
	}
	fail := func(status int, text string) {
		a.cloud.Record(Record{Service: "azure-appservice", Action: "token", Host: r.Host, Status: status, Refused: text})
		writeJSON(w, status, map[string]any{"statusCode": status, "message": text})
	}
	id, found := a.findIdentity(clientID)
	switch {
	case secret != appServiceHeader:
		fail(http.StatusUnauthorized, "The identity header is missing or wrong")
	case version != "2019-08-01" && version != "2017-09-01":
		fail(http.StatusBadRequest, "The api-version is missing or not supported")
	case query.Get("resource") == "":
		fail(http.StatusBadRequest, "The resource is missing")
	case !found:
		fail(http.StatusBadRequest, "No managed identity was found for the specified parameters")
	default:
		a.identityToken(w, r, "azure-appservice", id)
	}
}

func (a *Azure) identityToken(w http.ResponseWriter, r *http.Request, service string, id AzureIdentity) {
	resource := r.URL.Query().Get("resource")
	a.cloud.Record(Record{Service: service, Action: "token", Host: r.Host, Status: http.StatusOK})
	now, life := a.cloud.Now(), a.tokenLife()
	text := func(n int64) string { return strconv.FormatInt(n, 10) }
	writeJSON(w, http.StatusOK, map[string]string{
		"access_token": a.Token(id.Cloud, id.Tenant, id.ClientID, resource), "client_id": id.ClientID, "refresh_token": "",
		"expires_in": text(int64(life / time.Second)), "expires_on": text(now.Add(life).Unix()),
		"not_before": text(now.Unix()), "resource": resource, "token_type": "Bearer",
	})
}
