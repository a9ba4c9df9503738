// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// googleTokenURLs are the hosts of the OAuth 2.0 token endpoint and the paths
// that it has there: today's and the ones that older credentials files name.
var googleTokenURLs = map[string][]string{
	"oauth2.googleapis.com": {"/token"},
	"accounts.google.com":   {"/o/oauth2/token"},
	"www.googleapis.com":    {"/oauth2/v4/token", "/oauth2/v3/token"},
}

// jwtBearer is the grant of service accounts ("Using OAuth 2.0 for server to
// server applications", RFC 7523).
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// longestJWT is how far apart iat and exp may be, and skew how far a clock may
// be off.
const (
	longestJWT = time.Hour
	googleSkew = 5 * time.Minute
)

// serveOAuth is the token endpoint.
func (g *Google) serveOAuth(w http.ResponseWriter, r *http.Request) {
	const service = "google-oauth"
	if g.cloud.Faulty(w, r, service, "token") {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	values, err := form(r)
	if err != nil || r.Method != http.MethodPost || !slices.Contains(googleTokenURLs[r.Host], r.URL.Path) {
		g.refuseOAuth(w, r, service, &oauthError{http.StatusNotFound, "invalid_request", "no such endpoint, or not a POST form", ""})
		return
	}
	var principal string
	var refused *oauthError
	switch grant := values.Get("grant_type"); grant {
	case jwtBearer:
		principal, refused = g.serviceAccount(values.Get("assertion"))
	case "refresh_token":
		principal, refused = g.refresh(values, false)
	default:
		refused = &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: " + grant, ""}
	}
	if refused != nil {
		g.refuseOAuth(w, r, service, refused)
		return
	}
	g.cloud.Record(Record{Service: service, Action: "token", Host: r.Host, Status: http.StatusOK})
	writeJSON(w, http.StatusOK, g.tokenAnswer(principal, g.tokenLife(), nil))
}

// refresh judges a refresh token of gcloud's OAuth client, of a workforce
// pool's person or of anybody else: each kind has an endpoint of its own.
func (g *Google) refresh(values url.Values, workforce bool) (string, *oauthError) {
	if values.Get("client_id") != googleClientID || values.Get("client_secret") != googleClientSecret {
		return "", &oauthError{http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.", ""}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	user := g.users[values.Get("refresh_token")]
	switch {
	case user == nil || user.revoked || user.workforce != workforce:
		return "", badGrant("Token has been expired or revoked.")
	case user.reauth:
		return "", &oauthError{http.StatusBadRequest, "invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt"}
	}
	return user.email, nil
}

// serviceAccount judges a service account's signed assertion.
func (g *Google) serviceAccount(assertion string) (string, *oauthError) {
	claims, err := g.verifyKey(assertion)
	email := claim(claims, "iss")
	switch {
	case errors.Is(err, errNoAccount):
		return "", badGrant("Invalid grant: account not found")
	case errors.Is(err, errUntimely):
		return "", badGrant("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. " +
			"Check your iat and exp values in the JWT claim.")
	case err != nil:
		return "", badGrant("Invalid JWT Signature.")
	case !hasAudience(claims, tokenURLs()...):
		return "", badGrant("Invalid JWT: Failed audience check.")
	case claim(claims, "scope") == "":
		return "", &oauthError{http.StatusBadRequest, "invalid_scope", "Invalid OAuth scope or ID token audience provided.", ""}
	}
	return email, nil
}

// tokenURLs are the audiences that an assertion may have.
func tokenURLs() []string {
	var urls []string
	for host, paths := range googleTokenURLs {
		for _, path := range paths {
			urls = append(urls, "https://"+host+path)
		}
	}
	return urls
}

// Why a service account's JWT is refused.
var (
	errNoAccount = errors.New("no such service account, or it is disabled")
	errUntimely  = errors.New("iat and exp are missing, more than an hour apart, or not now")
)

// verifyKey checks that text is a JWT signed by the enabled service account
// that it names as its issuer, for an hour at most around now.
func (g *Google) verifyKey(text string) (jwt.MapClaims, error) {
	header, claims, ok := peek(text)
	if !ok {
		return nil, errors.New("not a JWT")
	}
	email := claim(claims, "iss")
	g.mu.Lock()
	key, enabled := g.keys[email], g.accounts[email]
	g.mu.Unlock()
	if key == nil || !enabled {
		return claims, errNoAccount
	}
	if kid, named := header["kid"]; named && kid != googleKeyID(email) {
		return claims, fmt.Errorf("no key %v", kid)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	if _, err := parser.Parse(text, func(*jwt.Token) (any, error) { return &key.PublicKey, nil }); err != nil {
		return claims, fmt.Errorf("verifying: %w", err)
	}
	return claims, g.timely(claims, longestJWT)
}

// timely checks iat and exp against the cloud's clock.
func (g *Google) timely(claims jwt.MapClaims, longest time.Duration) error {
	issued, _ := claims.GetIssuedAt()
	expires, _ := claims.GetExpirationTime()
	now := g.cloud.Now()
	if issued == nil || expires == nil || expires.Sub(issued.Time) > longest ||
		issued.After(now.Add(googleSkew)) || !expires.After(now) {
		return errUntimely
	}
	return nil
}

// checkSelfSigned judges a service account's self-signed JWT, which Google's
// APIs take in place of an access token (AIP-4111).
func (g *Google) checkSelfSigned(text string) (string, error) {
	if strings.Count(text, ".") != 2 {
		return "", errNoGoogleToken
	}
	claims, err := g.verifyKey(text)
	switch {
	case errors.Is(err, errUntimely):
		return "", ErrExpired
	case err != nil:
		return "", err
	case claim(claims, "scope") == "" && !hasAudience(claims, "https://artifactregistry.googleapis.com/"):
		return "", errors.New("a self-signed JWT without scope or audience")
	}
	return claim(claims, "iss"), nil
}

// decodeBase64 returns nil for what is none.
func decodeBase64(text string) []byte {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil
	}
	return decoded
}
