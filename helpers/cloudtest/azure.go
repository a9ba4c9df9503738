// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The clouds that Microsoft runs apart from each other: a tenant, its sign-in
// host and its registries belong to one of them.
const (
	AzurePublic     = "public"
	AzureChina      = "china"
	AzureGovernment = "usgov"
)

// entraHosts are the sign-in hosts of each cloud, the preferred one first
// (learn.microsoft.com/entra/identity-platform/authentication-national-cloud).
var entraHosts = map[string][]string{
	AzurePublic:     {"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"},
	AzureChina:      {"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
	AzureGovernment: {"login.microsoftonline.us", "login.usgovcloudapi.net"},
}

// issuers are what each cloud writes into `iss`, before the tenant.
var issuers = map[string]string{
	AzurePublic:     "https://sts.windows.net/",
	AzureChina:      "https://sts.chinacloudapi.cn/",
	AzureGovernment: "https://login.microsoftonline.us/",
}

// Azure is the loopback cloud's Azure: Entra ID, the two managed identity
// endpoints and Azure Container Registry. Get it with [Cloud.Azure]; what is
// added to it is forgotten at [Cloud.Reset], its signing keys are not.
//
// Requests are recorded as services "entra" (actions discovery, configuration,
// keys, token), "azure-imds" (token), "azure-appservice" (token) and "acr"
// (challenge, exchange, token, front).
type Azure struct {
	cloud    *Cloud
	entraKey *rsa.PrivateKey
	acrKey   *rsa.PrivateKey

	mu         sync.Mutex
	apps       []AzureApp
	identities []AzureIdentity
	registries map[string]AzureRegistry
	served     map[string]bool // hosts handed to Cloud.Handle
	life       time.Duration
	appService string // URL of the App Service endpoint once it listens
}

// AzureApp is an application registration with its service principal.
type AzureApp struct {
	Tenant   string // tenant ID or domain
	ClientID string
	Cloud    string // AzurePublic when empty
	// Secret and the time it stops working (zero: never).
	Secret        string
	SecretExpires time.Time
	Certificates  []*x509.Certificate
	Federated     []AzureFederation
}

// AzureFederation is a federated identity credential: whose tokens an
// application accepts in place of a secret.
type AzureFederation struct {
	Issuer   *AzureIssuer
	Subject  string
	Audience string // "api://AzureADTokenExchange" when empty
}

// AzureIdentity is a managed identity assigned to "this machine".
type AzureIdentity struct {
	Tenant   string
	ClientID string
	Cloud    string // AzurePublic when empty
	// System marks the system-assigned identity, which answers when a request
	// names none.
	System bool
}

// AzureRegistry is one registry's settings.
type AzureRegistry struct {
	// Roles maps who (an application's or managed identity's client ID, or a
	// user's name) to what they may do: "pull", "push", "delete".
	Roles map[string][]string
	// Passwords are the admin user and repository-scoped tokens; their names
	// need Roles too.
	Passwords map[string]string
	// RefuseARM is the policy azureADAuthenticationAsArm set to disabled.
	RefuseARM bool
	// Firewall makes every request fail as from an address not allowed.
	Firewall  bool
	Anonymous bool // anonymous pull is enabled
	// RefreshLife and AccessLife are 3 h and 75 min when zero, as Azure's.
	RefreshLife, AccessLife time.Duration
	// Front serves what lies below /v2/ once the request's token allows it;
	// nil answers 404 there.
	Front http.Handler
}

// Azure returns the cloud's Azure, made at the first call.
func (c *Cloud) Azure() *Azure {
	c.mu.Lock()
	a := c.azure
	if a != nil {
		c.mu.Unlock()
		return a
	}
	a = &Azure{cloud: c, entraKey: newRSAKey(), acrKey: newRSAKey(), served: map[string]bool{}}
	a.forget()
	c.azure = a
	c.mu.Unlock()
	for cloud, hosts := range entraHosts {
		for _, host := range hosts {
			c.Handle(host, &entra{azure: a, cloud: cloud})
		}
	}
	c.OnReset(a.forget)
	return a
}

// newRSAKey makes a key. crypto/rand does not fail since Go 1.24, and
// rsa.GenerateKey only for sizes it refuses.
func newRSAKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func (a *Azure) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apps, a.identities, a.life = nil, nil, time.Hour
	a.registries = map[string]AzureRegistry{}
}

// SetTokenLife sets how long the Entra tokens issued from now on live; an hour
// by default. Microsoft's libraries keep a token in the process while more
// than five minutes of it remain.
func (a *Azure) SetTokenLife(life time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.life = life
}

// AddApp registers an application; its tenant exists from then on.
func (a *Azure) AddApp(app AzureApp) {
	if app.Cloud == "" {
		app.Cloud = AzurePublic
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apps = append(a.apps, app)
}

// AddManagedIdentity assigns an identity to this machine, so that
// 169.254.169.254 (through the proxy) and the App Service endpoint answer for
// it. That address is Azure's from then on: a cloud that is to serve two
// vendors' metadata gives the others a listener of their own.
func (a *Azure) AddManagedIdentity(id AzureIdentity) {
	if id.Cloud == "" {
		id.Cloud = AzurePublic
	}
	a.mu.Lock()
	a.identities = append(a.identities, id)
	a.mu.Unlock()
	a.serve("169.254.169.254", http.HandlerFunc(a.imds))
}

// AddRegistry makes a registry: a name for NAME.azurecr.io, or a whole host
// name for the other clouds and regional endpoints. A second call for the same
// host replaces its settings.
func (a *Azure) AddRegistry(name string, registry AzureRegistry) {
	host := name
	if !strings.Contains(host, ".") {
		host += ".azurecr.io"
	}
	if registry.RefreshLife == 0 {
		registry.RefreshLife = 3 * time.Hour
	}
	if registry.AccessLife == 0 {
		registry.AccessLife = 75 * time.Minute
	}
	a.mu.Lock()
	a.registries[host] = registry
	a.mu.Unlock()
	a.serve(host, http.HandlerFunc(a.registry))
}

func (a *Azure) serve(host string, handler http.Handler) {
	a.mu.Lock()
	known := a.served[host]
	a.served[host] = true
	a.mu.Unlock()
	if !known {
		a.cloud.Handle(host, handler)
	}
}

func (a *Azure) findApp(tenant, clientID, cloud string) (app AzureApp, tenantKnown, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range a.identities {
		tenantKnown = tenantKnown || id.Cloud == cloud && strings.EqualFold(id.Tenant, tenant)
	}
	for _, app := range a.apps {
		if app.Cloud != cloud || !strings.EqualFold(app.Tenant, tenant) {
			continue
		}
		tenantKnown = true
		if strings.EqualFold(app.ClientID, clientID) {
			return app, true, true
		}
	}
	return AzureApp{}, tenantKnown, false
}

// findIdentity returns the identity that a request names, or without a name
// the system-assigned one, or the only one.
func (a *Azure) findIdentity(clientID string) (AzureIdentity, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.identities, func(id AzureIdentity) bool {
		if clientID == "" {
			return id.System || len(a.identities) == 1
		}
		return strings.EqualFold(id.ClientID, clientID)
	})
	if i < 0 {
		return AzureIdentity{}, false
	}
	return a.identities[i], true
}

func (a *Azure) tokenLife() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.life
}

// guid makes a stable identifier in the form of a GUID.
func guid(of string) string {
	sum := sha256.Sum256([]byte(of))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
