// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Google is the loopback cloud's Google Cloud: the OAuth 2.0 token endpoint,
// the Security Token Service, the IAM Service Account Credentials API and a
// machine's metadata server. Get it with [Cloud.Google]; what is added to it is
// forgotten at [Cloud.Reset], the service accounts' keys are not.
//
// Requests are recorded as services "google-oauth" (token), "google-sts"
// (token, for both of its methods), "iamcredentials" (generateAccessToken) and "gce-metadata" (token,
// email, project-id).
type Google struct {
	cloud *Cloud

	mu       sync.Mutex
	keys     map[string]*rsa.PrivateKey // by service account, kept over Reset
	metadata string                     // host:port of the metadata server once it listens

	accounts map[string]bool // service accounts; false is disabled
	users    map[string]*googleUser
	pools    map[string]GooglePool
	creators map[[2]string]bool // who, as whom: roles/iam.serviceAccountTokenCreator
	tokens   map[string]googleToken
	machine  string // the account of "this machine", "" is none
	life     time.Duration
	mute     bool
}

// googleUser is a person who once signed in with gcloud.
type googleUser struct {
	email     string // a workforce pool's person: the principal
	workforce bool
	revoked   bool
	reauth    bool
}

// googleToken is what the cloud knows about an access token.
type googleToken struct {
	principal string
	expires   time.Time
}

// googleProject is the project everything belongs to.
const googleProject = "loopback-project"

// Public values of gcloud's own OAuth client, as every credentials file of it
// has them; the secret here is made up.
const (
	googleClientID     = "764086051850-loopback.apps.googleusercontent.com"
	googleClientSecret = "loopback-client-secret"
)

// Google returns the cloud's Google Cloud, made at the first call.
func (c *Cloud) Google() *Google {
	c.mu.Lock()
	g := c.google
	if g != nil {
		c.mu.Unlock()
		return g
	}
	g = &Google{cloud: c, keys: map[string]*rsa.PrivateKey{}}
	g.forget()
	c.google = g
	c.mu.Unlock()
	for host := range googleTokenURLs {
		c.Handle(host, http.HandlerFunc(g.serveOAuth))
	}
	c.Handle("sts.googleapis.com", http.HandlerFunc(g.serveSTS))
	c.Handle("iamcredentials.googleapis.com", http.HandlerFunc(g.serveIAM))
	c.Handle("metadata.google.internal", http.HandlerFunc(g.serveMetadata))
	c.OnReset(g.forget)
	return g
}

func (g *Google) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts, g.users = map[string]bool{}, map[string]*googleUser{}
	g.pools, g.creators = map[string]GooglePool{}, map[[2]string]bool{}
	g.tokens = map[string]googleToken{}
	g.machine, g.life, g.mute = "", time.Hour, false
}

// SetTokenLife sets how long tokens issued from now on live; an hour by
// default, which is also the longest that generateAccessToken grants.
func (g *Google) SetTokenLife(life time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.life = life
}

// SetMute makes the token endpoints leave out expires_in, which RFC 6749 and
// RFC 8693 only recommend. The tokens still expire.
func (g *Google) SetMute(mute bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mute = mute
}

// AddServiceAccount makes a service account and returns its key in the JSON
// form that "gcloud iam service-accounts keys create" writes.
func (g *Google) AddServiceAccount(email string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[email] = true
	if g.keys[email] == nil {
		g.keys[email] = newRSAKey()
	}
	return g.keyFile(email, g.keys[email])
}

// ForgedKey returns a key file for the account whose private key is not its
// own, as after the key was deleted.
func (g *Google) ForgedKey(email string) []byte { return g.keyFile(email, newRSAKey()) }

func (g *Google) keyFile(email string, key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil { // only for a key of another kind
		panic(err)
	}
	return mustJSON(map[string]string{
		"type":           "service_account",
		"project_id":     googleProject,
		"private_key_id": googleKeyID(email),
		"private_key":    string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email":   email,
		"client_id":      "100000000000000000001",
		"auth_uri":       "https://accounts.google.com/o/oauth2/auth",
		"token_uri":      "https://oauth2.googleapis.com/token",
	})
}

// googleKeyID is the name of a service account's key, in Google's form.
func googleKeyID(email string) string { return strings.ReplaceAll(guid("key of "+email), "-", "") }

// Disable disables a service account: its keys and tokens stop working.
func (g *Google) Disable(email string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[email] = false
}

// AddUser makes a person's account and returns the credentials file that
// "gcloud auth application-default login" writes.
func (g *Google) AddUser(email string) []byte {
	refresh := "1//fake-" + rand.Text()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users[refresh] = &googleUser{email: email}
	return mustJSON(map[string]string{
		"type": "authorized_user", "account": email, "quota_project_id": googleProject,
		"client_id": googleClientID, "client_secret": googleClientSecret, "refresh_token": refresh,
		"universe_domain": "googleapis.com",
	})
}

// AddWorkforceUser makes a person of a workforce pool's provider
// ("//iam.googleapis.com/locations/global/workforcePools/POOL/providers/PROVIDER")
// and returns the credentials file that gcloud writes at such a sign-in, and
// how IAM names the person, which is also the name for [Google.RevokeUser].
func (g *Google) AddWorkforceUser(provider, subject string) (file []byte, principal string) {
	refresh := "1//workforce-" + rand.Text()
	principal = GooglePool{Provider: provider}.Principal(subject)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users[refresh] = &googleUser{email: principal, workforce: true}
	return mustJSON(map[string]string{
		"type": "external_account_authorized_user", "audience": provider, "refresh_token": refresh,
		"token_url": "https://sts.googleapis.com/v1/oauthtoken", "token_info_url": "https://sts.googleapis.com/v1/introspect",
		"client_id": googleClientID, "client_secret": googleClientSecret, "universe_domain": "googleapis.com",
	}), principal
}

// RevokeUser ends the sign-ins of a person.
func (g *Google) RevokeUser(email string) {
	g.eachUser(email, func(u *googleUser) { u.revoked = true })
}

// RequireReauth makes the organisation's session length run out for a person:
// refresh tokens answer invalid_rapt until the next sign-in.
func (g *Google) RequireReauth(email string) {
	g.eachUser(email, func(u *googleUser) { u.reauth = true })
}

func (g *Google) eachUser(email string, do func(*googleUser)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, user := range g.users {
		if user.email == email {
			do(user)
		}
	}
}

// AllowImpersonation grants principal (a service account's or user's address,
// or a pool's "principal://…/subject/…", see [GooglePool.Principal])
// roles/iam.serviceAccountTokenCreator on the service account as.
func (g *Google) AllowImpersonation(principal, as string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.creators[[2]string{principal, as}] = true
}

// AttachServiceAccount makes email the account of the machine whose metadata
// server this is; "" takes it away.
func (g *Google) AttachServiceAccount(email string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.machine = email
	if email != "" {
		g.accounts[email] = true
	}
}

// Token issues an access token for principal, as gcloud prints it.
func (g *Google) Token(principal string) string {
	token, _ := g.issue(principal, g.tokenLife())
	return token
}

func (g *Google) tokenLife() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.life
}

func (g *Google) issue(principal string, life time.Duration) (string, time.Time) {
	token := "ya29.fake" + rand.Text() + rand.Text()
	expires := g.cloud.Now().Add(life)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens[token] = googleToken{principal: principal, expires: expires}
	return token, expires
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil { // the values are ours
		panic(err)
	}
	return text
}

// tokenAnswer is the answer of the token endpoints.
func (g *Google) tokenAnswer(principal string, life time.Duration, more map[string]any) map[string]any {
	token, _ := g.issue(principal, life)
	answer := map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(life / time.Second)}
	for name, value := range more {
		answer[name] = value
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mute {
		delete(answer, "expires_in")
	}
	return answer
}

// oauthError is an error answer in the form of RFC 6749 section 5.2.
type oauthError struct {
	status             int
	code, text, detail string // detail is Google's error_subtype
}

func (g *Google) refuseOAuth(w http.ResponseWriter, r *http.Request, service string, e *oauthError) {
	g.cloud.Record(Record{Service: service, Action: "token", Host: r.Host, Status: e.status, Refused: e.code + ": " + e.text})
	body := map[string]string{"error": e.code, "error_description": e.text}
	if e.detail != "" {
		body["error_subtype"] = e.detail
	}
	writeJSON(w, e.status, body)
}

func badGrant(text string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_grant", text, ""}
}

// form reads a form, or the same fields in JSON, which the Security Token
// Service takes too.
func form(r *http.Request) (url.Values, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		err := r.ParseForm()
		return r.PostForm, err
	}
	var fields map[string]any
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	values := url.Values{}
	for name, value := range fields {
		values.Set(snake(name), fmt.Sprint(value))
	}
	return values, nil
}

// snake turns grantType into grant_type.
func snake(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
