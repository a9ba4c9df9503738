// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// codeDetails marks a refusal that Docker Hub's token server words in its own
// way: {"details": "…"} in place of the specification's errors.
const codeDetails = "details"

// frontScope is what a token may be for, in the distribution project's grammar
// "type:name:action,action".
type frontScope struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// String returns the scope as a token request spells it.
func (s frontScope) String() string {
	return s.Type + ":" + s.Name + ":" + strings.Join(s.Actions, ",")
}

// action is the most telling of the scope's actions.
func (s frontScope) action() string { return s.Actions[len(s.Actions)-1] }

// parseFrontScope splits at the first and the last colon: a name may hold one.
func parseFrontScope(text string) (frontScope, bool) {
	kind, rest, ok := strings.Cut(text, ":")
	last := strings.LastIndex(rest, ":")
	if !ok || last < 0 {
		return frontScope{}, false
	}
	return frontScope{kind, rest[:last], strings.Split(rest[last+1:], ",")}, true
}

// neededScopes says what a request of the distribution API needs.
func neededScopes(r *http.Request) []frontScope {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if path == "_catalog" {
		return []frontScope{{"registry", "catalog", []string{"*"}}}
	}
	name := ""
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if at := strings.LastIndex(path, part); at > len(name) {
			name = path[:at]
		}
	}
	if name == "" {
		return nil
	}
	need := frontScope{"repository", name, []string{"pull"}}
	switch r.Method {
	case http.MethodPut, http.MethodPost, http.MethodPatch:
		need.Actions = []string{"pull", "push"}
	case http.MethodDelete:
		need.Actions = []string{"delete"}
	}
	if from := r.URL.Query().Get("from"); from != "" && r.Method == http.MethodPost {
		return []frontScope{need, {"repository", from, []string{"pull"}}}
	}
	return []frontScope{need}
}

// frontClaims is what an access token carries.
type frontClaims struct {
	jwt.RegisteredClaims
	Access []frontScope `json:"access"`
}

func (c *frontClaims) covers(need frontScope) bool {
	for _, action := range need.Actions {
		if !slices.ContainsFunc(c.Access, func(s frontScope) bool {
			return s.Type == need.Type && s.Name == need.Name && slices.Contains(s.Actions, action)
		}) {
			return false
		}
	}
	return true
}

// frontTokens issues and judges a front's access tokens.
type frontTokens struct {
	key []byte

	mu     sync.Mutex
	opaque map[string]*frontClaims
}

func newFrontTokens() *frontTokens {
	return &frontTokens{key: []byte(rand.Text()), opaque: map[string]*frontClaims{}}
}

func (t *frontTokens) issue(claims *frontClaims, opaque bool) string {
	if opaque {
		token := rand.Text() + rand.Text()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.opaque[token] = claims
		return token
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(t.key)
	if err != nil { // only for a key of another kind
		panic(err)
	}
	return text
}

func (t *frontTokens) judge(token string, now time.Time) (*frontClaims, error) {
	t.mu.Lock()
	claims := t.opaque[token]
	t.mu.Unlock()
	if claims != nil {
		if now.After(claims.ExpiresAt.Time) {
			return nil, ErrExpired
		}
		return claims, nil
	}
	claims = &frontClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithExpirationRequired())
	if _, err := parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return t.key, nil }); err != nil {
		return nil, fmt.Errorf("judging an access token: %w", err)
	}
	return claims, nil
}

// errNoPost says that a token endpoint does not answer POST.
var errNoPost = &Refusal{http.StatusNotFound, "", "404 page not found"}

// serveToken is the token endpoint: GET with Basic or nothing, and POST as
// OAuth2 (distribution's token and oauth specifications).
func (g *gate) serveToken(w http.ResponseWriter, r *http.Request) {
	if g.cloud.Faulty(w, r, "registry", "token") {
		return
	}
	user, asked, err := g.applicant(r)
	if err == nil {
		var granted []frontScope
		if granted, err = g.grant(user, asked); err == nil {
			g.record("token", http.StatusOK, "")
			writeJSON(w, http.StatusOK, g.tokenAnswer(user, granted))
			return
		}
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = &Refusal{http.StatusBadRequest, "UNSUPPORTED", err.Error()}
	}
	g.record("token", refusal.Status, err.Error())
	refusal.write(w)
}

// applicant says who asks for a token ("" is anonymous), and for what.
func (g *gate) applicant(r *http.Request) (user string, asked []frontScope, err error) {
	if err := r.ParseForm(); err != nil {
		return "", nil, fmt.Errorf("reading the form: %w", err)
	}
	for _, text := range r.Form["scope"] {
		for word := range strings.FieldsSeq(text) {
			if s, ok := parseFrontScope(word); ok {
				asked = append(asked, s)
			}
		}
	}
	if r.Method == http.MethodPost {
		user, err = g.postApplicant(r.PostForm)
		return user, asked, err
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return "", asked, nil
	}
	if err := g.check(user, password); err != nil {
		if g.manner.lenient && len(asked) > 0 {
			return "", asked, nil
		}
		return "", nil, err
	}
	return user, asked, nil
}

// postApplicant judges the OAuth2 grants: an identity token, or a password.
func (g *gate) postApplicant(form url.Values) (string, error) {
	if !g.manner.refresh {
		return "", errNoPost
	}
	switch form.Get("grant_type") {
	case "refresh_token":
		if g.CheckIdentity == nil {
			return "", g.manner.wrong()
		}
		user, err := g.CheckIdentity(form.Get("refresh_token"))
		return user, g.worded(err)
	case "password":
		user := form.Get("username")
		return user, g.check(user, form.Get("password"))
	}
	return "", &Refusal{http.StatusBadRequest, "UNSUPPORTED", "unsupported grant_type"}
}

// grant is the part of what was asked that user may do. Some registries answer
// an error in place of a token with nothing in it.
func (g *gate) grant(user string, asked []frontScope) ([]frontScope, error) {
	granted := []frontScope{}
	for _, s := range asked {
		given := frontScope{Type: s.Type, Name: s.Name, Actions: []string{}}
		for _, action := range s.Actions {
			if s.Type == "repository" && g.may(user, s.Name, action) != nil {
				continue
			}
			given.Actions = append(given.Actions, action)
		}
		granted = append(granted, given)
		refusal := g.manner.unentitled
		if user == "" {
			refusal = g.manner.anonymous
		}
		if len(given.Actions) == 0 && refusal != nil {
			return nil, refusal
		}
	}
	return granted, nil
}

func (g *gate) tokenAnswer(user string, granted []frontScope) map[string]any {
	now := g.cloud.Now()
	token := g.tokens.issue(&frontClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: g.Host, Subject: user, Audience: jwt.ClaimStrings{g.manner.service}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(g.manner.life)),
		},
		Access: granted,
	}, g.manner.opaque)
	answer := map[string]any{"token": token}
	if !g.manner.mute {
		answer["access_token"] = token
		answer["expires_in"] = int(g.manner.life / time.Second)
		answer["issued_at"] = now.UTC().Format(time.RFC3339)
	}
	return answer
}
