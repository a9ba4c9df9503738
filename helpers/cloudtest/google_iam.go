// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// googleError is an error in the form of Google's APIs (AIP-193).
type googleError struct {
	status       int
	code, text   string // code is the gRPC name, e.g. PERMISSION_DENIED
	reason, what string // ErrorInfo's reason and the permission that it names
}

func (g *Google) refuseAPI(w http.ResponseWriter, r *http.Request, service, action string, e *googleError) {
	g.cloud.Record(Record{Service: service, Action: action, Host: r.Host, Status: e.status, Refused: e.code + ": " + e.text})
	body := map[string]any{"code": e.status, "message": e.text, "status": e.code}
	if e.reason != "" {
		body["details"] = []any{map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": e.reason, "domain": "iam.googleapis.com",
			"metadata": map[string]string{"permission": e.what},
		}}
	}
	writeJSON(w, e.status, map[string]any{"error": body})
}

// serveIAM is iamcredentials.googleapis.com: generateAccessToken of the IAM
// Service Account Credentials API.
func (g *Google) serveIAM(w http.ResponseWriter, r *http.Request) {
	const service, action = "iamcredentials", "generateAccessToken"
	if g.cloud.Faulty(w, r, service, action) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	token, expires, refused := g.generateAccessToken(r)
	if refused != nil {
		g.refuseAPI(w, r, service, action, refused)
		return
	}
	g.cloud.Record(Record{Service: service, Action: action, Host: r.Host, Status: http.StatusOK})
	writeJSON(w, http.StatusOK, map[string]string{"accessToken": token, "expireTime": expires.UTC().Format(time.RFC3339)})
}

func (g *Google) generateAccessToken(r *http.Request) (token string, expires time.Time, refused *googleError) {
	no := func(status int, code, text string) (string, time.Time, *googleError) {
		return "", time.Time{}, &googleError{status: status, code: code, text: text}
	}
	account, ok := strings.CutPrefix(r.URL.Path, "/v1/projects/-/serviceAccounts/")
	account, verb := strings.CutSuffix(account, ":generateAccessToken")
	if !ok || !verb || r.Method != http.MethodPost {
		return no(http.StatusNotFound, "NOT_FOUND", "Method not found.")
	}
	bearer, _ := bearerToken(r)
	caller, err := g.CheckToken(bearer)
	if err != nil {
		return no(http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials. "+
			"Expected OAuth 2 access token, login cookie or other valid authentication credential.")
	}
	var wish struct {
		Scope     []string `json:"scope"`
		Lifetime  string   `json:"lifetime"`
		Delegates []string `json:"delegates"`
	}
	if json.NewDecoder(r.Body).Decode(&wish) != nil || len(wish.Scope) == 0 {
		return no(http.StatusBadRequest, "INVALID_ARGUMENT", "scope is required")
	}
	life := time.Hour
	if wish.Lifetime != "" {
		life, err = time.ParseDuration(wish.Lifetime)
	}
	if err != nil || life <= 0 || life > time.Hour {
		return no(http.StatusBadRequest, "INVALID_ARGUMENT", "The lifetime must be a number of seconds, 3600s at most.")
	}
	if refused := g.mayImpersonate(caller, append(slices.Clone(wish.Delegates), account)); refused != nil {
		return "", time.Time{}, refused
	}
	token, expires = g.issue(account, min(life, g.tokenLife()))
	return token, expires, nil
}

// mayImpersonate checks the chain of delegates: each needs the role on the
// next.
func (g *Google) mayImpersonate(caller string, chain []string) *googleError {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, next := range chain {
		next = strings.TrimPrefix(next, "projects/-/serviceAccounts/")
		enabled, known := g.accounts[next]
		switch {
		case known && !enabled:
			return &googleError{status: http.StatusBadRequest, code: "FAILED_PRECONDITION", text: fmt.Sprintf("Service account %s is disabled.", next)}
		case !known || !g.creators[[2]string{caller, next}]:
			return &googleError{http.StatusForbidden, "PERMISSION_DENIED",
				"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
				"IAM_PERMISSION_DENIED", "iam.serviceAccounts.getAccessToken"}
		}
		caller = next
	}
	return nil
}

// ServeMetadata starts the metadata server of "this machine", once, and returns
// its address as GCE_METADATA_HOST takes it: "127.0.0.1:PORT". Its real address
// is served by Azure's metadata, see [Azure.AddManagedIdentity].
func (g *Google) ServeMetadata() (host string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.metadata == "" {
		base, err := g.cloud.Serve(http.HandlerFunc(g.serveMetadata))
		if err != nil {
			return "", err
		}
		g.metadata = strings.TrimPrefix(base, "http://")
	}
	return g.metadata, nil
}

// serveMetadata is the metadata server ("About VM metadata": the header that
// requests need and that answers carry, and the refusal of forwarded ones).
func (g *Google) serveMetadata(w http.ResponseWriter, r *http.Request) {
	const service = "gce-metadata"
	path := strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/")
	parts := strings.Split(path, "/")
	action := parts[len(parts)-1]
	w.Header().Set("Metadata-Flavor", "Google")
	w.Header().Set("Server", "Metadata Server for VM")
	if g.cloud.Faulty(w, r, service, action) {
		return
	}
	refuse := func(status int, why string) {
		g.cloud.Record(Record{Service: service, Action: action, Host: r.Host, Status: status, Refused: why})
		http.Error(w, why, status)
	}
	switch {
	case r.Header.Get("X-Forwarded-For") != "":
		refuse(http.StatusForbidden, "forwarded request (X-Forwarded-For)")
		return
	case r.Header.Get("Metadata-Flavor") != "Google":
		refuse(http.StatusForbidden, "missing required header \"Metadata-Flavor\": \"Google\"")
		return
	case r.Method != http.MethodGet:
		refuse(http.StatusMethodNotAllowed, "not a GET")
		return
	}
	g.mu.Lock()
	email := g.machine
	g.mu.Unlock()
	owner := path == "instance/service-accounts/default/"+action || path == "instance/service-accounts/"+email+"/"+action
	switch {
	case path == "project/project-id":
		_, _ = w.Write([]byte(googleProject))
	case owner && email != "" && g.disabled(email):
		refuse(http.StatusForbidden, "the service account is disabled")
		return
	case owner && email != "" && action == "email":
		_, _ = w.Write([]byte(email))
	case owner && email != "" && action == "token":
		writeJSON(w, http.StatusOK, g.tokenAnswer(email, g.tokenLife(), nil))
	default:
		refuse(http.StatusNotFound, "not found: "+path)
		return
	}
	g.cloud.Record(Record{Service: service, Action: action, Host: r.Host, Status: http.StatusOK})
}
