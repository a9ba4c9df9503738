// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// entraKeyID and acrKeyID name the signing keys in JWT headers.
const (
	entraKeyID = "loopback-entra"
	acrKeyID   = "LOOP:BACK:ACR"
)

// AzureIssuer is an identity provider outside of Azure (a Kubernetes cluster, a
// CI system) whose tokens an application may accept; see [AzureFederation].
type AzureIssuer struct {
	URL string
	key *rsa.PrivateKey
}

// NewAzureIssuer makes a provider with a key of its own.
func NewAzureIssuer(url string) *AzureIssuer {
	return &AzureIssuer{URL: url, key: newRSAKey()}
}

// Token signs a token for subject, for the audience that Entra expects, valid
// for an hour from now. extra replaces or adds claims.
func (i *AzureIssuer) Token(subject string, now time.Time, extra map[string]any) string {
	claims := jwt.MapClaims{
		"iss": i.URL, "sub": subject, "aud": defaultFederationAudience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range extra {
		claims[name] = value
	}
	return signRS256(i.key, "issuer", claims)
}

func signRS256(key *rsa.PrivateKey, kid string, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil { // only for a key of another kind
		panic(err)
	}
	return signed
}

// Token signs an Entra access token as the token endpoint of the tenant's cloud
// would for principal (a client ID, or a user's name when it holds an @), with
// resource as its audience. It is what az and azd print.
func (a *Azure) Token(cloud, tenant, principal, resource string) string {
	now := a.cloud.Now()
	claims := jwt.MapClaims{
		"aud": strings.TrimSuffix(resource, "/.default"),
		"iss": issuers[cloud] + tenant + "/", "tid": tenant, "oid": guid("oid" + principal), "sub": guid("oid" + principal),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(a.tokenLife()).Unix(), "ver": "1.0",
	}
	if strings.Contains(principal, "@") {
		claims["upn"], claims["appid"] = principal, "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	} else {
		claims["appid"] = principal
	}
	return signRS256(a.entraKey, entraKeyID, claims)
}

// verify checks signature and time of a token signed by key and returns its
// claims; they are returned too when only the time is wrong.
func (a *Azure) verify(key any, text string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256", "PS256"}),
		jwt.WithTimeFunc(a.cloud.Now), jwt.WithExpirationRequired())
	_, err := parser.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return key, nil })
	return claims, err
}

// peek reads header and claims without checking anything.
func peek(text string) (header map[string]any, claims jwt.MapClaims, ok bool) {
	claims = jwt.MapClaims{}
	token, _, err := jwt.NewParser().ParseUnverified(text, claims)
	if err != nil {
		return nil, nil, false
	}
	return token.Header, claims, true
}

func claim(claims jwt.MapClaims, name string) string {
	text, _ := claims[name].(string)
	return text
}

func hasAudience(claims jwt.MapClaims, wanted ...string) bool {
	audience, err := claims.GetAudience()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(wanted, a) })
}

// jwk is an RSA key as RFC 7517 writes it.
func jwk(kid string, key *rsa.PublicKey) map[string]string {
	return map[string]string{
		"kty": "RSA", "use": "sig", "kid": kid,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
}
