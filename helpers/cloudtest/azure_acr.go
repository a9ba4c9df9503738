// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// nullGUID is the user name that goes with a token in place of a password.
const nullGUID = "00000000-0000-0000-0000-000000000000"

// wantAuth is what a registry says to whoever it does not let in.
const wantAuth = "authentication required, visit https://aka.ms/acr/authorization for more information. CorrelationId: "

// registry serves one registry host ("Authenticate with an Azure container
// registry", and AAD-OAuth.md of github.com/Azure/acr for the token paths).
func (a *Azure) registry(w http.ResponseWriter, r *http.Request) {
	action := "front"
	switch r.URL.Path {
	case "/v2/", "/v2":
		action = "challenge"
	case "/oauth2/exchange":
		action = "exchange"
	case "/oauth2/token":
		action = "token"
	}
	if a.cloud.Faulty(w, r, "acr", action) {
		return
	}
	registry, ok := a.findRegistry(r.Host)
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	switch {
	case !ok:
		a.refuse(w, r, action, http.StatusNotFound, "NAME_UNKNOWN", "registry not found", "no such registry")
	case registry.Firewall:
		a.refuse(w, r, action, http.StatusForbidden, "DENIED",
			"client with IP '203.0.113.7' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.", "firewall")
	case action == "exchange":
		a.exchange(w, r, registry)
	case action == "token":
		a.token(w, r, registry)
	default:
		a.front(w, r, registry, action)
	}
}

// maxUpload bounds a request's body; a registry front takes whole layers.
const maxUpload = 1 << 30

func (a *Azure) findRegistry(host string) (AzureRegistry, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	registry, ok := a.registries[strings.TrimSuffix(strings.ToLower(host), ":443")]
	return registry, ok
}

// refuse answers in the OCI error form; reason is for the records only, the
// real service does not tell it either.
func (a *Azure) refuse(w http.ResponseWriter, r *http.Request, action string, status int, code, message, reason string) {
	a.cloud.Record(Record{Service: "acr", Action: action, Host: r.Host, Status: status, Refused: reason})
	writeJSON(w, status, map[string]any{"errors": []any{map[string]any{"code": code, "message": message, "detail": nil}}})
}

func (a *Azure) unauthorized(w http.ResponseWriter, r *http.Request, action, reason string) {
	a.refuse(w, r, action, http.StatusUnauthorized, "UNAUTHORIZED", wantAuth+guid(reason), reason)
}

// exchange trades an Entra token for a registry refresh token.
func (a *Azure) exchange(w http.ResponseWriter, r *http.Request, registry AzureRegistry) {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		a.refuse(w, r, "exchange", http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", "not a POST form")
		return
	}
	form := r.PostForm
	switch grant := form.Get("grant_type"); {
	case grant != "access_token" && grant != "access_token_refresh_token":
		a.refuse(w, r, "exchange", http.StatusBadRequest, "UNSUPPORTED", "grant_type is not supported", "grant "+grant)
		return
	case form.Get("service") != r.Host:
		a.refuse(w, r, "exchange", http.StatusBadRequest, "BAD_REQUEST", "service does not match this registry", "service "+form.Get("service"))
		return
	}
	who, tenant, reason := a.principal(r.Host, registry, form.Get("access_token"))
	if wanted := form.Get("tenant"); reason == "" && wanted != "" && !strings.EqualFold(wanted, tenant) {
		reason = "tenant is not the token's"
	}
	if reason != "" {
		a.unauthorized(w, r, "exchange", reason)
		return
	}
	a.cloud.Record(Record{Service: "acr", Action: "exchange", Host: r.Host, Status: http.StatusOK})
	claims := a.registryClaims(r.Host, who, registry.RefreshLife)
	claims["grant_type"], claims["tenant"] = "refresh_token", tenant
	claims["permissions"] = map[string]any{"Actions": permissions(registry.Roles[who]), "NotActions": nil}
	writeJSON(w, http.StatusOK, map[string]string{"refresh_token": signRS256(a.acrKey, acrKeyID, claims)})
}

// principal judges an Entra token and returns whose it is, or why the
// registry does not take it.
func (a *Azure) principal(host string, registry AzureRegistry, token string) (who, tenant, reason string) {
	claims, err := a.verify(&a.entraKey.PublicKey, token)
	audience := ""
	if list, _ := claims.GetAudience(); len(list) == 1 {
		audience = strings.TrimSuffix(list[0], "/")
	}
	who = claim(claims, "appid")
	if user := claim(claims, "upn"); user != "" {
		who = user
	}
	switch {
	case untimely(err):
		return "", "", "Entra token expired"
	case err != nil:
		return "", "", "Entra token's signature"
	case !strings.HasPrefix(claim(claims, "iss"), issuers[cloudOf(host)]):
		return "", "", "Entra token of another cloud"
	case slices.Contains(armResources, audience) && registry.RefuseARM:
		return "", "", "ARM audience"
	case audience != acrResource && !slices.Contains(armResources, audience):
		return "", "", "audience " + audience
	case len(registry.Roles[who]) == 0:
		return "", "", "no role: " + who
	}
	return who, claim(claims, "tid"), ""
}

func cloudOf(host string) string {
	switch {
	case strings.HasSuffix(host, ".cn"):
		return AzureChina
	case strings.HasSuffix(host, ".us"):
		return AzureGovernment
	}
	return AzurePublic
}

func permissions(roles []string) []string {
	names := map[string]string{"pull": "read", "push": "write", "delete": "delete"}
	var actions []string
	for _, role := range roles {
		actions = append(actions, names[role])
	}
	return actions
}

func (a *Azure) registryClaims(host, who string, life time.Duration) jwt.MapClaims {
	now := a.cloud.Now()
	return jwt.MapClaims{
		"jti": guid(now.String()), "sub": who, "iss": "Azure Container Registry", "aud": host, "version": "1.0",
		"rid": strings.ReplaceAll(guid(host), "-", ""),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(),
	}
}

// token issues access tokens, as every client of a registry asks for them:
// GET with Basic (Docker's token authentication), POST with a refresh token or
// a password (its OAuth2 form).
func (a *Azure) token(w http.ResponseWriter, r *http.Request, registry AzureRegistry) {
	if r.ParseForm() != nil {
		a.refuse(w, r, "token", http.StatusBadRequest, "BAD_REQUEST", "unreadable form", "form")
		return
	}
	who, reason := "", ""
	user, password, basic := r.BasicAuth()
	switch {
	case r.Method == http.MethodGet && basic:
		who, reason = a.login(r.Host, registry, user, password)
	case r.Method == http.MethodGet && registry.Anonymous:
	case r.Method == http.MethodGet:
		reason = "anonymous"
	case r.PostForm.Get("grant_type") == "refresh_token":
		who, reason = a.login(r.Host, registry, nullGUID, r.PostForm.Get("refresh_token"))
	case r.PostForm.Get("grant_type") == "password":
		who, reason = a.login(r.Host, registry, r.PostForm.Get("username"), r.PostForm.Get("password"))
	default:
		a.refuse(w, r, "token", http.StatusBadRequest, "UNSUPPORTED", "grant_type is not supported", "grant")
		return
	}
	switch {
	case r.Form.Get("service") != r.Host:
		a.refuse(w, r, "token", http.StatusBadRequest, "BAD_REQUEST", "service does not match this registry", "service")
	case reason == notRegistered:
		a.refuse(w, r, "token", http.StatusUnauthorized, "UNAUTHORIZED", "Application not registered with AAD.", reason)
	case reason != "":
		a.unauthorized(w, r, "token", reason)
	default:
		a.cloud.Record(Record{Service: "acr", Action: "token", Host: r.Host, Status: http.StatusOK})
		claims := a.registryClaims(r.Host, who, registry.AccessLife)
		claims["grant_type"] = "access_token"
		claims["access"] = granted(r.Form["scope"], registry, who)
		writeJSON(w, http.StatusOK, map[string]string{"access_token": signRS256(a.acrKey, acrKeyID, claims)})
	}
}

const notRegistered = "not a known application"

// login checks user name and password of the three kinds that a registry
// knows: a refresh token, its own tokens and admin user, a service principal.
func (a *Azure) login(host string, registry AzureRegistry, user, password string) (who, reason string) {
	if user == nullGUID {
		who, err := a.refreshToken(host, password)
		if err != nil {
			return "", err.Error()
		}
		return who, ""
	}
	if wanted, ok := registry.Passwords[user]; ok {
		if wanted != password {
			return "", "wrong password"
		}
		return user, ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, app := range a.apps {
		if strings.EqualFold(app.ClientID, user) {
			if app.Secret != password || len(registry.Roles[app.ClientID]) == 0 {
				return "", "wrong secret or no role"
			}
			return app.ClientID, ""
		}
	}
	return "", notRegistered
}

// access is one entry of an access token's claim of that name (Docker registry
// token specification).
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// granted cuts the asked scopes down to what who may do.
func granted(scopes []string, registry AzureRegistry, who string) []access {
	allowed := slices.Clone(registry.Roles[who])
	if registry.Anonymous {
		allowed = append(allowed, "pull")
	}
	entries := []access{}
	for _, scope := range strings.Fields(strings.Join(scopes, " ")) {
		kind, rest, _ := strings.Cut(scope, ":")
		colon := strings.LastIndexByte(rest, ':')
		if colon < 0 {
			continue
		}
		entry := access{Type: kind, Name: rest[:colon], Actions: []string{}}
		for _, action := range strings.Split(rest[colon+1:], ",") {
			if slices.Contains(allowed, action) || kind == "registry" && slices.Contains(allowed, "pull") {
				entry.Actions = append(entry.Actions, action)
			}
		}
		entries = append(entries, entry)
	}
	return entries
}

// CheckRefreshToken reports why token is no refresh token of the registry host
// that is valid now, or nil.
func (a *Azure) CheckRefreshToken(host, token string) error {
	_, err := a.refreshToken(host, token)
	return err
}

func (a *Azure) refreshToken(host, token string) (who string, err error) {
	claims, err := a.registryToken(host, token, "refresh_token")
	return claim(claims, "sub"), err
}

func (a *Azure) registryToken(host, token, grant string) (jwt.MapClaims, error) {
	claims, err := a.verify(&a.acrKey.PublicKey, token)
	switch {
	case err != nil:
		return claims, fmt.Errorf("%s: %w", grant, err)
	case claim(claims, "grant_type") != grant:
		return claims, errors.New("not a " + grant)
	case !hasAudience(claims, host):
		return claims, errors.New(grant + " of another registry")
	}
	return claims, nil
}

// CheckAccessToken reports why token does not allow action ("pull", "push",
// "delete") on the repository of the registry host now, or nil.
func (a *Azure) CheckAccessToken(host, token, repository, action string) error {
	claims, err := a.registryToken(host, token, "access_token")
	if err != nil {
		return err
	}
	var entries []access
	text, err := json.Marshal(claims["access"])
	if err == nil {
		err = json.Unmarshal(text, &entries)
	}
	if err != nil {
		return fmt.Errorf("access claim: %w", err)
	}
	for _, entry := range entries {
		if entry.Type == "repository" && entry.Name == repository && slices.Contains(entry.Actions, action) {
			return nil
		}
	}
	return fmt.Errorf("insufficient scope: no %s on %s", action, repository)
}
