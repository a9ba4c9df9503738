// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Front makes any registry behave as a cloud's registry at its door: it
// challenges, lets in, grants and refuses as the [Kind] does, and hands what
// it let through to Backend. It is registered with [Cloud.Front].
//
// A private ECR registry whose tokens the loopback cloud issues:
//
//	cloud.Front(cloudtest.Front{
//		Host: host, Kind: cloudtest.KindECR, Backend: registry.New(),
//		Check: func(user, password string) error {
//			return cloud.AWS().CheckECRToken(host, user, password)
//		},
//	})
type Front struct {
	// Host is the registry's real name; Aliases are more names of it.
	Host    string
	Aliases []string
	// Kind is whose manners it has.
	Kind Kind
	// Backend is the registry itself. It sees no credential. [Proxy] makes one
	// of a registry that runs elsewhere.
	Backend http.Handler
	// Extra serves every path that is neither /v2/ nor the token endpoint
	// (ACR's /oauth2/exchange); nil is 404.
	Extra http.Handler

	// Check says who may enter with user and password; it is asked each time,
	// so that a token the cloud has let expire is refused from then on. An
	// error that is [ErrExpired] is told as the registry tells an expired
	// token, a [*Refusal] as it says itself, any other as a wrong credential.
	Check func(user, password string) error
	// CheckIdentity says whose identity (refresh) token this is. It is asked
	// for POST grant_type=refresh_token; nil means that this registry knows no
	// such tokens.
	CheckIdentity func(token string) (user string, err error)
	// May says whether the user ("" is anonymous) may do the action ("pull",
	// "push", "delete") in the repository. Nil: who entered may do everything,
	// anonymous nothing.
	May func(user, repository, action string) error
	// Life is how long an access token of the token endpoint lives; zero is
	// what the registry is known for.
	Life time.Duration
}

// ErrExpired says that a credential was good once.
var ErrExpired = errors.New("the token has expired")

// Refusal is an answer that refuses: its status, and the code and message of
// the OCI distribution-spec error body. An empty Code sends Message as plain
// text.
type Refusal struct { //nolint:errname // it is an answer, and an error only on its way there
	Status        int
	Code, Message string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Proxy is a Backend: the registry at rawURL ("http://127.0.0.1:5000"). It
// keeps the host name the client used, so that upload locations lead back to
// the front.
func Proxy(rawURL string) (http.Handler, error) {
	target, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("proxying to %q: %w", rawURL, err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
			r.Out.Header[name] = r.In.Header[name]
		}
	}}, nil
}

// Front registers f under its host names, and returns its handler, which
// [Cloud.Serve] can offer over plain HTTP as well.
func (c *Cloud) Front(f Front) http.Handler {
	g := &gate{Front: f, cloud: c, manner: manners[f.Kind], tokens: newFrontTokens()}
	if g.manner.service == "" {
		g.manner.service = f.Host
	}
	if f.Life > 0 {
		g.manner.life = f.Life
	}
	c.Handle(f.Host, g)
	for _, alias := range f.Aliases {
		c.Handle(alias, g)
	}
	return g
}

// gate is a Front at work.
type gate struct {
	Front
	cloud  *Cloud
	manner manner
	tokens *frontTokens
}

// ServeHTTP implements [http.Handler].
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case g.manner.realm != "" && r.URL.Path == g.realmPath():
		g.serveToken(w, r)
	case r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/"):
		g.serveRegistry(w, r)
	case g.Extra != nil:
		g.Extra.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// serveRegistry lets a request of the distribution API through, or refuses it.
func (g *gate) serveRegistry(w http.ResponseWriter, r *http.Request) {
	needs := neededScopes(r)
	action := "ping"
	if len(needs) > 0 {
		action = needs[0].action()
	}
	if g.cloud.Faulty(w, r, "registry", action) {
		return
	}
	if err := g.enter(r, needs); err != nil {
		g.refuse(w, r, action, err, needs)
		return
	}
	g.record(action, http.StatusOK, "")
	out := r.Clone(r.Context())
	out.Header.Del("Authorization")
	out.Header.Set("X-Forwarded-Host", r.Host)
	out.Header.Set("X-Forwarded-Proto", g.scheme(r))
	g.Backend.ServeHTTP(w, out)
}

// enter says why a request may not pass.
func (g *gate) enter(r *http.Request, needs []frontScope) error {
	if g.manner.realm == "" {
		return g.enterBasic(r, needs)
	}
	token, ok := bearerToken(r)
	if !ok {
		return &challenged{}
	}
	claims, err := g.tokens.judge(token, g.cloud.Now())
	if err != nil {
		return &challenged{code: "invalid_token", cause: err}
	}
	if g.manner.late {
		return g.entitled(claims.Subject, needs)
	}
	for _, need := range needs {
		if !claims.covers(need) {
			return &challenged{code: "insufficient_scope", cause: fmt.Errorf("the token does not cover %s", need)}
		}
	}
	return nil
}

// enterBasic judges user and password on every request, as ECR does.
func (g *gate) enterBasic(r *http.Request, needs []frontScope) error {
	user, password, ok := r.BasicAuth()
	if !ok {
		return &challenged{}
	}
	if err := g.check(user, password); err != nil {
		return err
	}
	return g.entitled(user, needs)
}

// entitled asks May, for the registries that judge rights on every request.
func (g *gate) entitled(user string, needs []frontScope) error {
	for _, need := range needs {
		for _, action := range need.Actions {
			if need.Type != "repository" {
				continue
			}
			if err := g.may(user, need.Name, action); err != nil {
				return &Refusal{http.StatusForbidden, "DENIED", err.Error()}
			}
		}
	}
	return nil
}

// check asks Check and gives its error the registry's own words.
func (g *gate) check(user, password string) error {
	if g.Check == nil {
		return g.manner.wrong()
	}
	return g.worded(g.Check(user, password))
}

func (g *gate) worded(err error) error {
	var refusal *Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, ErrExpired):
		return g.manner.stale()
	}
	return g.manner.wrong()
}

func (g *gate) may(user, repository, action string) error {
	if g.May != nil {
		return g.May(user, repository, action)
	}
	if user == "" {
		return errors.New("requested access to the resource is denied")
	}
	return nil
}

// challenged is a refusal that says how to come back.
type challenged struct {
	code  string // RFC 6750's error parameter
	cause error
}

// Error returns what was wrong with the credential, or that there was none.
func (c *challenged) Error() string {
	if c.cause != nil {
		return c.cause.Error()
	}
	return "no credential"
}

// refuse answers a request to the registry that was not let through.
func (g *gate) refuse(w http.ResponseWriter, r *http.Request, action string, err error, needs []frontScope) {
	answer := g.manner.uncredentialed
	var challenge *challenged
	var refusal *Refusal
	if errors.As(err, &refusal) {
		answer = *refusal
	}
	if errors.As(err, &challenge) || answer.Status == http.StatusUnauthorized && g.manner.rechallenge {
		w.Header().Set("WWW-Authenticate", g.challenge(r, challenge, needs))
	}
	g.record(action, answer.Status, err.Error())
	answer.write(w)
}

// challenge writes the WWW-Authenticate header (RFC 7235, RFC 6750).
func (g *gate) challenge(r *http.Request, why *challenged, needs []frontScope) string {
	if g.manner.realm == "" {
		return fmt.Sprintf(`Basic realm="%s://%s/",service="%s"`, g.scheme(r), r.Host, g.manner.service)
	}
	text := fmt.Sprintf(`Bearer realm="%s",service="%s"`, g.realm(r), g.manner.service)
	if len(needs) > 0 {
		words := make([]string, 0, len(needs))
		for _, need := range needs {
			words = append(words, need.String())
		}
		text += fmt.Sprintf(`,scope="%s"`, strings.Join(words, " "))
	}
	if why != nil && why.code != "" {
		text += fmt.Sprintf(`,error="%s"`, why.code)
	}
	return text
}

// realm is the URL of the token endpoint, on the name the client used. On
// loopback that is plain HTTP, and the same host and port as the registry:
// clients refuse to send a credential to a loopback realm otherwise.
func (g *gate) realm(r *http.Request) string {
	if g.named(r) && strings.HasPrefix(g.manner.realm, "https://") {
		return g.manner.realm
	}
	return g.scheme(r) + "://" + r.Host + g.realmPath()
}

func (g *gate) realmPath() string {
	if at, ok := strings.CutPrefix(g.manner.realm, "https://"); ok {
		_, path, _ := strings.Cut(at, "/")
		return "/" + path
	}
	return g.manner.realm
}

func (g *gate) scheme(r *http.Request) string {
	if g.named(r) {
		return "https"
	}
	return "http"
}

// named reports whether the client came by a name the front is registered
// under; the cloud serves those over TLS only.
func (g *gate) named(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == g.Host || slices.Contains(g.Aliases, host)
}

func (g *gate) record(action string, status int, refused string) {
	g.cloud.Record(Record{Service: "registry", Action: action, Host: g.Host, Status: status, Refused: refused})
}

// write sends the refusal.
func (r *Refusal) write(w http.ResponseWriter) {
	switch r.Code {
	case "":
		http.Error(w, r.Message, r.Status)
	case codeDetails:
		writeJSON(w, r.Status, map[string]string{"details": r.Message})
	default:
		writeJSON(w, r.Status, map[string]any{
			"errors": []map[string]string{{"code": r.Code, "message": r.Message}},
		})
	}
}

// bearerToken is RFC 6750's.
func bearerToken(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}
