// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/sha1" // x5t is a SHA-1 thumbprint by definition (RFC 7515 4.1.7)
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// defaultFederationAudience is the audience that Entra asks of a foreign token.
const defaultFederationAudience = "api://AzureADTokenExchange"

// assertionType is RFC 7523's value of client_assertion_type.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// acrResource is the audience of tokens meant for Azure Container Registry.
const acrResource = "https://containerregistry.azure.net"

// armResources are Azure Resource Manager's audiences in the three clouds.
var armResources = []string{
	"https://management.azure.com", "https://management.core.windows.net",
	"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn",
	"https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net",
}

// entra is the sign-in service of one cloud. Wire format: Microsoft identity
// platform, "OAuth 2.0 client credentials flow", and its v1 predecessor; error
// codes: "Microsoft Entra authentication and authorization error codes".
type entra struct {
	azure *Azure
	cloud string
}

// entraError is one refusal.
type entraError struct {
	status int
	oauth  string // RFC 6749's error
	code   int    // AADSTS number
	text   string
}

func refuse(status int, oauth string, code int, format string, args ...any) *entraError {
	return &entraError{status, oauth, code, fmt.Sprintf(format, args...)}
}

// ServeHTTP answers below /TENANT/, whoever that is; every other path is refused
// with AADSTS900561.
func (e *entra) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	rest = strings.TrimSuffix(rest, "/")
	action := map[string]string{
		"discovery/instance":                    "discovery",
		"v2.0/.well-known/openid-configuration": "configuration",
		".well-known/openid-configuration":      "configuration",
		"discovery/v2.0/keys":                   "keys",
		"discovery/keys":                        "keys",
		"oauth2/v2.0/token":                     "token",
		"oauth2/token":                          "token",
	}[rest]
	if e.azure.cloud.Faulty(w, r, "entra", action) {
		return
	}
	switch action {
	case "discovery":
		e.discovery(w, r)
	case "configuration":
		e.configuration(w, r, tenant)
	case "keys":
		e.served(r, action)
		writeJSON(w, http.StatusOK, map[string]any{"keys": []any{jwk(entraKeyID, &e.azure.entraKey.PublicKey)}})
	case "token":
		e.token(w, r, tenant, rest == "oauth2/token")
	default:
		e.fail(w, r, action, refuse(http.StatusNotFound, "invalid_request", 900561, "The endpoint does not exist."))
	}
}

func (e *entra) served(r *http.Request, action string) {
	e.azure.cloud.Record(Record{Service: "entra", Action: action, Host: r.Host, Status: http.StatusOK})
}

func (e *entra) fail(w http.ResponseWriter, r *http.Request, action string, bad *entraError) {
	now := e.azure.cloud.Now().UTC()
	code := strconv.Itoa(bad.code)
	e.azure.cloud.Record(Record{Service: "entra", Action: action, Host: r.Host, Status: bad.status, Refused: "AADSTS" + code + ": " + bad.text})
	trace, correlation := guid("trace"+bad.text), guid("correlation"+bad.text)
	stamp := now.Format("2006-01-02 15:04:05Z")
	writeJSON(w, bad.status, map[string]any{
		"error": bad.oauth,
		"error_description": fmt.Sprintf("AADSTS%s: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			code, bad.text, trace, correlation, stamp),
		"error_codes": []int{bad.code}, "timestamp": stamp, "trace_id": trace, "correlation_id": correlation,
		"error_uri": "https://" + r.Host + "/error?code=" + code,
	})
}

func (e *entra) discovery(w http.ResponseWriter, r *http.Request) {
	endpoint, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	known := false
	var metadata []any
	for _, cloud := range []string{AzurePublic, AzureChina, AzureGovernment} {
		hosts := entraHosts[cloud]
		known = known || err == nil && slices.Contains(hosts, endpoint.Host)
		metadata = append(metadata, map[string]any{
			"preferred_network": hosts[0], "preferred_cache": hosts[len(hosts)-1], "aliases": hosts,
		})
	}
	if !known {
		e.fail(w, r, "discovery", refuse(http.StatusBadRequest, "invalid_instance", 50049, "Unknown or invalid instance."))
		return
	}
	e.served(r, "discovery")
	tenant, _, _ := strings.Cut(strings.TrimPrefix(endpoint.Path, "/"), "/")
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + endpoint.Host + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1", "metadata": metadata,
	})
}

func (e *entra) configuration(w http.ResponseWriter, r *http.Request, tenant string) {
	if _, known, _ := e.azure.findApp(tenant, "", e.cloud); !known {
		e.fail(w, r, "configuration", noTenant(tenant))
		return
	}
	e.served(r, "configuration")
	base := "https://" + r.Host + "/" + tenant
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": base + "/v2.0", "token_endpoint": base + "/oauth2/v2.0/token",
		"authorization_endpoint": base + "/oauth2/v2.0/authorize", "jwks_uri": base + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_types_supported":              []string{"code", "id_token"}, "subject_types_supported": []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func noTenant(tenant string) *entraError {
	return refuse(http.StatusBadRequest, "invalid_request", 90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", tenant)
}

func (e *entra) token(w http.ResponseWriter, r *http.Request, tenant string, v1 bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		e.fail(w, r, "token", refuse(http.StatusBadRequest, "invalid_request", 900561, "The endpoint only accepts POST requests."))
		return
	}
	app, tenantKnown, found := e.azure.findApp(tenant, r.PostForm.Get("client_id"), e.cloud)
	bad := (*entraError)(nil)
	var resource string
	switch {
	case !tenantKnown:
		bad = noTenant(tenant)
	case r.PostForm.Get("grant_type") != "client_credentials":
		bad = refuse(http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", r.PostForm.Get("grant_type"))
	case !found:
		bad = refuse(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory '%s'.", r.PostForm.Get("client_id"), tenant)
	default:
		if bad = e.authenticate(r, app); bad == nil {
			resource, bad = askedResource(r.PostForm, tenant, v1)
		}
	}
	if bad != nil {
		e.fail(w, r, "token", bad)
		return
	}
	e.served(r, "token")
	writeJSON(w, http.StatusOK, e.issue(app, resource, v1))
}

// issue answers as the two versions of the endpoint do: v1 writes its numbers
// as strings and says more.
func (e *entra) issue(app AzureApp, resource string, v1 bool) map[string]any {
	token := e.azure.Token(e.cloud, app.Tenant, app.ClientID, resource)
	seconds := int64(e.azure.tokenLife() / time.Second)
	if !v1 {
		return map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
	}
	now := e.azure.cloud.Now().Unix()
	text := func(n int64) string { return strconv.FormatInt(n, 10) }
	return map[string]any{
		"token_type": "Bearer", "expires_in": text(seconds), "ext_expires_in": text(seconds),
		"expires_on": text(now + seconds), "not_before": text(now), "resource": resource, "access_token": token,
	}
}

// askedResource returns the audience that a request asks for: `scope` of the
// v2 endpoint, which must be RESOURCE/.default, or `resource` of v1.
func askedResource(form url.Values, tenant string, v1 bool) (string, *entraError) {
	resource := form.Get("resource")
	if !v1 {
		resource = ""
		for _, scope := range strings.Fields(form.Get("scope")) {
			if slices.Contains([]string{"openid", "offline_access", "profile"}, scope) {
				continue // MSAL adds these to every request
			}
			name, ok := strings.CutSuffix(scope, "/.default")
			if !ok {
				return "", refuse(http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)
			}
			resource = name
		}
	}
	trimmed := strings.TrimSuffix(resource, "/")
	switch {
	case resource == "" && v1:
		return "", refuse(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'resource'.")
	case resource == "":
		return "", refuse(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'scope'.")
	case trimmed != acrResource && !slices.Contains(armResources, trimmed):
		return "", refuse(http.StatusBadRequest, "invalid_resource", 500011, "The resource principal named %s was not found in the tenant named %s.", resource, tenant)
	}
	return resource, nil
}

func (e *entra) authenticate(r *http.Request, app AzureApp) *entraError {
	form := r.PostForm
	if secret := form.Get("client_secret"); secret != "" {
		switch {
		case app.Secret == "" || secret != app.Secret:
			return refuse(http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID)
		case !app.SecretExpires.IsZero() && e.azure.cloud.Now().After(app.SecretExpires):
			return refuse(http.StatusUnauthorized, "invalid_client", 7000222, "The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", app.ClientID)
		}
		return nil
	}
	assertion := form.Get("client_assertion")
	if assertion == "" || form.Get("client_assertion_type") != assertionType {
		return refuse(http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	header, claims, ok := peek(assertion)
	if !ok {
		return refuse(http.StatusUnauthorized, "invalid_client", 50027, "JWT token is invalid or malformed.")
	}
	if claim(claims, "iss") == app.ClientID || header["x5t"] != nil || header["x5t#S256"] != nil {
		return e.certificate(r, app, assertion, header)
	}
	return e.federated(app, assertion, claims)
}

// certificate judges an assertion that a registered certificate's key signed
// ("Microsoft identity platform application authentication certificate
// credentials").
func (e *entra) certificate(r *http.Request, app AzureApp, assertion string, header map[string]any) *entraError {
	for _, cert := range app.Certificates {
		short, long := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
		if !isThumbprint(header["x5t"], short[:]) && !isThumbprint(header["x5t#S256"], long[:]) {
			continue
		}
		claims, err := e.azure.verify(cert.PublicKey, assertion)
		base := "https://" + r.Host + "/" + app.Tenant
		switch {
		case untimely(err):
			return e.outOfTime(claims)
		case err != nil:
			return refuse(http.StatusUnauthorized, "invalid_client", 700027, "Client assertion contains an invalid signature. [Reason - The key was found, but use of the key to verify the signature failed.]")
		case claim(claims, "iss") != app.ClientID || claim(claims, "sub") != app.ClientID:
			return refuse(http.StatusUnauthorized, "invalid_client", 700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
		case !hasAudience(claims, base+"/oauth2/v2.0/token", base+"/oauth2/token", base+"/v2.0"):
			return refuse(http.StatusUnauthorized, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
		}
		return nil
	}
	return refuse(http.StatusUnauthorized, "invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]")
}

// isThumbprint compares a header to a hash. RFC 7515 wants base64url without
// padding; Microsoft's own Go library sends plain base64, which Entra takes too.
func isThumbprint(header any, sum []byte) bool {
	return header == base64.RawURLEncoding.EncodeToString(sum) || header == base64.StdEncoding.EncodeToString(sum)
}

// federated judges a token of a foreign issuer ("Workload identity
// federation": issuer, subject and audience must all match one record).
func (e *entra) federated(app AzureApp, assertion string, claims jwt.MapClaims) *entraError {
	bad := refuse(http.StatusUnauthorized, "invalid_client", 700211, "No matching federated identity record found for presented assertion issuer '%s'.", claim(claims, "iss"))
	for _, record := range app.Federated {
		if record.Issuer.URL != claim(claims, "iss") {
			continue
		}
		audience := record.Audience
		if audience == "" {
			audience = defaultFederationAudience
		}
		checked, err := e.azure.verify(&record.Issuer.key.PublicKey, assertion)
		switch {
		case record.Subject != claim(claims, "sub"):
			bad = refuse(http.StatusUnauthorized, "invalid_client", 700213, "No matching federated identity record found for presented assertion subject '%s'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.", claim(claims, "sub"))
		case !hasAudience(claims, audience):
			bad = refuse(http.StatusUnauthorized, "invalid_client", 700212, "No matching federated identity record found for presented assertion audience '%v'.", claims["aud"])
		case untimely(err):
			return e.outOfTime(checked)
		case err != nil:
			return refuse(http.StatusUnauthorized, "invalid_client", 50013, "Assertion failed signature validation.")
		default:
			return nil
		}
	}
	return bad
}

// untimely reports whether time is all that is wrong with a token.
func untimely(err error) bool {
	return !errors.Is(err, jwt.ErrTokenSignatureInvalid) &&
		(errors.Is(err, jwt.ErrTokenExpired) || errors.Is(err, jwt.ErrTokenNotValidYet))
}

func (e *entra) outOfTime(claims jwt.MapClaims) *entraError {
	const layout = "2006-01-02T15:04:05.0000000Z"
	show := func(t *jwt.NumericDate, _ error) string {
		if t == nil {
			return "unset"
		}
		return t.UTC().Format(layout)
	}
	return refuse(http.StatusUnauthorized, "invalid_client", 700024, "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s.",
		e.azure.cloud.Now().UTC().Format(layout), show(claims.GetNotBefore()), show(claims.GetExpirationTime()))
}
