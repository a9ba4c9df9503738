// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"fmt"
	"net/http"
	"strings"
)

// front guards /v2/: it asks for a token, and hands on what the token allows.
func (a *Azure) front(w http.ResponseWriter, r *http.Request, registry AzureRegistry, action string) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	repository, wanted := asked(r)
	if err := a.allowed(r, registry, repository, wanted); err != nil {
		challenge := fmt.Sprintf(`Bearer realm="https://%s/oauth2/token",service="%s"`, r.Host, r.Host)
		if repository != "" {
			scope := strings.Replace(wanted, "push", "pull,push", 1)
			challenge += fmt.Sprintf(`,scope="repository:%s:%s"`, repository, scope)
		}
		if r.Header.Get("Authorization") != "" {
			challenge += `,error="invalid_token"`
		}
		w.Header().Set("Www-Authenticate", challenge)
		a.unauthorized(w, r, action, err.Error())
		return
	}
	a.cloud.Record(Record{Service: "acr", Action: action, Host: r.Host, Status: http.StatusOK})
	switch {
	case action == "challenge":
		writeJSON(w, http.StatusOK, map[string]any{})
	case registry.Front != nil:
		registry.Front.ServeHTTP(w, r)
	default:
		writeJSON(w, http.StatusNotFound, map[string]any{"errors": []any{map[string]any{
			"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}}})
	}
}

// asked reads repository and action from a request to the distribution API.
func asked(r *http.Request) (repository, action string) {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if before, _, ok := strings.Cut(path, part); ok {
			repository = before
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return repository, "pull"
	case http.MethodDelete:
		if !strings.Contains(path, "/uploads/") {
			return repository, "delete"
		}
	}
	return repository, "push"
}

func (a *Azure) allowed(r *http.Request, registry AzureRegistry, repository, action string) error {
	header := r.Header.Get("Authorization")
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		if repository == "" {
			_, err := a.registryToken(r.Host, token, "access_token")
			return err
		}
		return a.CheckAccessToken(r.Host, token, repository, action)
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return fmt.Errorf("no token")
	}
	who, reason := a.login(r.Host, registry, user, password)
	if reason != "" {
		return fmt.Errorf("%s", reason)
	}
	if repository == "" {
		return nil
	}
	for _, entry := range granted([]string{"repository:" + repository + ":" + action}, registry, who) {
		if len(entry.Actions) > 0 {
			return nil
		}
	}
	return fmt.Errorf("insufficient scope: no %s on %s", action, repository)
}
