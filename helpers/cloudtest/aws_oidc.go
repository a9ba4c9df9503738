// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// AWSRefresh is a refresh token and what the sign-in behind it opens: of `aws
// sso login` (with a client secret), or of `aws login` (with a role's ARN).
type AWSRefresh struct {
	Token, ClientID string
	ClientSecret    string // of SSO's registered client
	Expires         time.Time
	Account, Role   string // SSO: number and permission set
	RoleARN         string // aws login: whose session it is
}

// AddRefresh adds a refresh token.
func (a *AWS) AddRefresh(r AWSRefresh) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshes = append(a.refreshes, r)
}

// refreshRequest is the body of both services' token operations.
type refreshRequest struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	GrantType    string `json:"grantType"`
	RefreshToken string `json:"refreshToken"`
}

// oauthRefusal is an error in the JSON of RFC 6749, section 5.2, as AWS dresses
// it.
type oauthRefusal struct {
	status                int
	exception, code, text string
}

// refreshBy returns the sign-in that a request renews.
func (a *AWS) refreshBy(in refreshRequest) (AWSRefresh, *oauthRefusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.refreshes {
		switch {
		case in.RefreshToken == "" || in.RefreshToken != r.Token:
			continue
		case in.ClientID != r.ClientID || in.ClientSecret != r.ClientSecret:
			return AWSRefresh{}, &oauthRefusal{http.StatusUnauthorized, "InvalidClientException", "invalid_client", "Invalid client"}
		case !a.cloud.Now().Before(r.Expires):
			return AWSRefresh{}, &oauthRefusal{http.StatusBadRequest, "InvalidGrantException", "invalid_grant", "Refresh token has expired"}
		}
		return r, nil
	}
	return AWSRefresh{}, &oauthRefusal{http.StatusBadRequest, "InvalidGrantException", "invalid_grant", "Invalid refresh token provided"}
}

// readRefresh reads the body of a token operation at path.
func readRefresh(r *http.Request, path string) (in refreshRequest, refused *oauthRefusal) {
	if r.Method != http.MethodPost || r.URL.Path != path {
		return in, &oauthRefusal{http.StatusNotFound, "ResourceNotFoundException", "not_found", "no such operation"}
	}
	err := json.NewDecoder(io.LimitReader(r.Body, maxAWSBody)).Decode(&in)
	switch {
	case err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return in, &oauthRefusal{http.StatusBadRequest, "InvalidRequestException", "invalid_request", "Invalid request"}
	case in.GrantType != "refresh_token":
		return in, &oauthRefusal{http.StatusBadRequest, "UnsupportedGrantTypeException", "unsupported_grant_type", "Unsupported grant type"}
	}
	return in, nil
}

// serveOIDC is IAM Identity Center's OIDC service as far as it renews sign-ins
// (IAM Identity Center OIDC API Reference, CreateToken). Nobody signs here.
func (a *AWS) serveOIDC(w http.ResponseWriter, r *http.Request) {
	const action = "CreateToken"
	if a.cloud.Faulty(w, r, "sso-oidc", action) {
		return
	}
	answer, refused := a.createToken(r)
	a.answerOAuth(w, r, Record{Service: "sso-oidc", Action: action}, answer, refused)
}

func (a *AWS) createToken(r *http.Request) (any, *oauthRefusal) {
	in, refused := readRefresh(r, "/token")
	if refused != nil {
		return nil, refused
	}
	known, refused := a.refreshBy(in)
	if refused != nil {
		return nil, refused
	}
	life := a.life()
	access := "aoaAAAAA" + randomID(64)
	a.AddSSOAccess(AWSSSOAccess{Token: access, Expires: a.cloud.Now().Add(life), Account: known.Account, Role: known.Role})
	return map[string]any{"accessToken": access, "tokenType": "Bearer", "expiresIn": int(life.Seconds()), "refreshToken": known.Token}, nil
}

func (a *AWS) life() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.SessionLife
}

func (a *AWS) answerOAuth(w http.ResponseWriter, r *http.Request, record Record, answer any, refused *oauthRefusal) {
	record.Host, record.Status = apiHost(r), http.StatusOK
	if refused != nil {
		record.Status, record.Refused = refused.status, refused.text
		w.Header().Set("X-Amzn-Errortype", refused.exception)
		answer = map[string]string{"error": refused.code, "error_description": refused.text, "message": refused.text}
	}
	a.cloud.Record(record)
	writeJSON(w, record.Status, answer)
}

// serveSignin is AWS Sign-In as far as it renews the keys of `aws login` (AWS
// Sign-In API Reference, CreateOAuth2Token; the proof of possession is RFC
// 9449's). The key of the proof is not bound to the refresh token here.
func (a *AWS) serveSignin(w http.ResponseWriter, r *http.Request) {
	const action = "CreateOAuth2Token"
	if a.cloud.Faulty(w, r, "signin", action) {
		return
	}
	answer, refused := a.createOAuth2Token(r)
	a.answerOAuth(w, r, Record{Service: "signin", Action: action}, answer, refused)
}

func (a *AWS) createOAuth2Token(r *http.Request) (any, *oauthRefusal) {
	denied := func(code, text string) (any, *oauthRefusal) {
		return nil, &oauthRefusal{http.StatusForbidden, "AccessDeniedException", code, text}
	}
	in, refused := readRefresh(r, "/v1/token")
	if refused != nil {
		return nil, refused
	}
	if err := a.checkDPoP(r); err != nil {
		return denied("INVALID_REQUEST", "DPoP: "+err.Error())
	}
	known, refused := a.refreshBy(in)
	if refused != nil {
		return denied("TOKEN_EXPIRED", refused.text)
	}
	life := a.life()
	id, secret, token, _, err := a.Session(known.RoleARN, "login", life)
	if err != nil {
		return denied("INSUFFICIENT_PERMISSIONS", err.Error())
	}
	return map[string]any{"accessToken": map[string]string{"accessKeyId": id, "secretAccessKey": secret, "sessionToken": token},
		"tokenType": "aws_sigv4", "expiresIn": int(life.Seconds()), "refreshToken": known.Token}, nil
}

// The reasons of checkDPoP.
var (
	errDPoPKey = errors.New("no key in the proof")
	errDPoPFor = errors.New("the proof is for another request")
)

// checkDPoP verifies the request's proof by the key that the proof brings (RFC
// 9449, section 4.3), its time aside.
func (*AWS) checkDPoP(r *http.Request) error {
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"})).ParseWithClaims(r.Header.Get("DPoP"), claims, dpopKey)
	if err != nil {
		return err
	}
	_, path, _ := strings.Cut(claim(claims, "htu"), "://")
	if claim(claims, "htm") != r.Method || path != r.Host+r.URL.Path {
		return errDPoPFor
	}
	return nil
}

func dpopKey(token *jwt.Token) (any, error) {
	jwk, _ := token.Header["jwk"].(map[string]any)
	x, _ := jwk["x"].(string)
	y, _ := jwk["y"].(string)
	rawX, errX := base64.RawURLEncoding.DecodeString(x)
	rawY, errY := base64.RawURLEncoding.DecodeString(y)
	if errX != nil || errY != nil || len(rawX) > 32 || len(rawY) > 32 || token.Header["typ"] != "dpop+jwt" {
		return nil, errDPoPKey
	}
	point := make([]byte, 65) // SEC 1, section 2.3.3; AWS's SDK for Go leaves leading zeros out of the JWK
	point[0] = 4
	copy(point[33-len(rawX):], rawX)
	copy(point[65-len(rawY):], rawY)
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}
