// SPDX-License-Identifier: Apache-2.0

package cloudtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// lab is a cloud and a client that reaches it by its proxy.
func lab(t *testing.T) (*cloudtest.Cloud, *http.Client) {
	t.Helper()
	cloud, err := cloudtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cloud.Close)
	proxy, err := url.Parse(cloud.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cloud.CA.PEM())
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return cloud, &http.Client{Transport: transport}
}

// backend is a registry that serves every manifest it is asked for.
var backend = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		http.Error(w, "the backend saw a credential", http.StatusTeapot)
		return
	}
	_, _ = io.WriteString(w, "served")
})

// passwords is a Check: user and password, or ErrExpired for "old".
func passwords(user, password string) error {
	switch {
	case user == "me" && password == "right":
		return nil
	case password == "old":
		return cloudtest.ErrExpired
	}
	return errors.New("no such user")
}

// reader may only pull, and only from team/*; team/open is public.
func reader(user, repository, action string) error {
	if action == "pull" && (repository == "team/open" || user != "" && strings.HasPrefix(repository, "team/")) {
		return nil
	}
	return errors.New(user + " may not " + action)
}

// answer is what a client sees.
type answer struct {
	status    int
	challenge string
	body      string
}

func ask(t *testing.T, client *http.Client, method, target, authorization string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user, password, ok := strings.Cut(authorization, ":"); ok {
		request.SetBasicAuth(user, password)
	} else if authorization != "" {
		request.Header.Set("Authorization", "Bearer "+authorization)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header.Get("WWW-Authenticate"), strings.TrimSpace(string(body))}
}

func TestFrontBasic(t *testing.T) {
	const host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	const manifest = "https://" + host + "/v2/team/app/manifests/v1"
	cloud, client := lab(t)
	cloud.Front(cloudtest.Front{Host: host, Kind: cloudtest.KindECR, Backend: backend, Check: passwords, May: reader})
	challenge := `Basic realm="https://` + host + `/",service="ecr.amazonaws.com"`
	for _, tt := range []struct {
		name, method, url, credential string
		want                          answer
	}{
		{"ping without a credential", "GET", "https://" + host + "/v2/", "", answer{401, challenge, "Not Authorized"}},
		{"ping", "GET", "https://" + host + "/v2/", "me:right", answer{200, "", "served"}},
		{"pull", "GET", manifest, "me:right", answer{200, "", "served"}},
		{"pull without a credential", "GET", manifest, "", answer{401, challenge, "Not Authorized"}},
		{"wrong password", "GET", manifest, "me:wrong", answer{401, challenge, "Not Authorized"}},
		{"expired", "GET", manifest, "me:old", answer{403, "", `{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}`}},
		{"push of a reader", "PUT", manifest, "me:right", answer{403, "", `{"errors":[{"code":"DENIED","message":"me may not push"}]}`}},
		{"another path", "GET", "https://" + host + "/v1/", "me:right", answer{404, "", "404 page not found"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, client, tt.method, tt.url, tt.credential); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// realmOf reads the challenge's realm and adds its service and scope.
func realmOf(t *testing.T, challenge string) string {
	t.Helper()
	values := url.Values{}
	realm := ""
	for _, pair := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(challenge, -1) {
		switch pair[1] {
		case "realm":
			realm = pair[2]
		case "service", "scope":
			values.Set(pair[1], pair[2])
		}
	}
	if realm == "" {
		t.Fatalf("challenge %q names no realm", challenge)
	}
	return realm + "?" + values.Encode()
}

func TestFrontBearer(t *testing.T) {
	for _, tt := range []struct {
		name       string
		kind       cloudtest.Kind
		host       string
		realm      string
		method     string // GET is pull
		repository string
		credential string
		token      int // status at the token endpoint
		registry   int // status with the token, 0 when there was none
		says       string
	}{
		{"hub pull", cloudtest.KindHub, "registry-1.docker.io", "https://auth.docker.io/token", "GET", "team/app", "me:right", 200, 200, ""},
		{"hub anonymous, private", cloudtest.KindHub, "registry-1.docker.io", "https://auth.docker.io/token", "GET", "team/app", "", 200, 401, `insufficient_scope`},
		{"hub anonymous, public", cloudtest.KindHub, "registry-1.docker.io", "https://auth.docker.io/token", "GET", "team/open", "", 200, 200, ""},
		{"hub push of a reader", cloudtest.KindHub, "registry-1.docker.io", "https://auth.docker.io/token", "PUT", "team/app", "me:right", 200, 401, `insufficient_scope`},
		{"hub wrong password", cloudtest.KindHub, "registry-1.docker.io", "https://auth.docker.io/token", "GET", "team/app", "me:wrong", 401, 0, `{"details":"incorrect username or password"}`},
		{"hub expired", cloudtest.KindHub, "registry-1.docker.io", "https://auth.docker.io/token", "GET", "team/app", "me:old", 401, 0, `{"details":"personal access token is expired"}`},
		{"ghcr pull", cloudtest.KindGHCR, "ghcr.io", "https://ghcr.io/token", "GET", "team/app", "me:right", 200, 200, ""},
		{"ghcr anonymous, private", cloudtest.KindGHCR, "ghcr.io", "https://ghcr.io/token", "GET", "team/app", "", 403, 0, "DENIED"},
		{"ghcr anonymous, public", cloudtest.KindGHCR, "ghcr.io", "https://ghcr.io/token", "GET", "team/open", "", 200, 200, ""},
		{"ghcr dead token breaks a public pull", cloudtest.KindGHCR, "ghcr.io", "https://ghcr.io/token", "GET", "team/open", "me:wrong", 403, 0, "denied"},
		{"ghcr push of a reader", cloudtest.KindGHCR, "ghcr.io", "https://ghcr.io/token", "PUT", "team/app", "me:right", 200, 403, "me may not push"},
		{"gar pull", cloudtest.KindGAR, "europe-docker.pkg.dev", "https://europe-docker.pkg.dev/v2/token", "GET", "team/app", "me:right", 200, 200, ""},
		{"gar anonymous", cloudtest.KindGAR, "europe-docker.pkg.dev", "https://europe-docker.pkg.dev/v2/token", "GET", "team/app", "", 403, 0, "Unauthenticated request"},
		{"gar dead token", cloudtest.KindGAR, "europe-docker.pkg.dev", "https://europe-docker.pkg.dev/v2/token", "GET", "team/app", "me:old", 401, 0, "No valid credential was supplied."},
		{"gitlab pull", cloudtest.KindGitLab, "registry.gitlab.com", "https://registry.gitlab.com/jwt/auth", "GET", "team/app", "me:right", 200, 200, ""},
		{"gitlab anonymous", cloudtest.KindGitLab, "registry.gitlab.com", "https://registry.gitlab.com/jwt/auth", "GET", "team/app", "", 403, 0, "access forbidden"},
		{"gitlab without a role", cloudtest.KindGitLab, "registry.gitlab.com", "https://registry.gitlab.com/jwt/auth", "GET", "other/app", "me:right", 200, 401, "insufficient_scope"},
		{"quay pull", cloudtest.KindQuay, "quay.io", "https://quay.io/v2/auth", "GET", "team/app", "me:right", 200, 200, ""},
		{"quay dead robot", cloudtest.KindQuay, "quay.io", "https://quay.io/v2/auth", "GET", "team/app", "me:wrong", 401, 0, "Invalid Username"},
		{"harbor dead robot is anonymous", cloudtest.KindHarbor, "harbor.corp.example", "https://harbor.corp.example/service/token", "GET", "team/app", "me:wrong", 200, 401, "insufficient_scope"},
		{"distribution pull", cloudtest.KindBearer, "registry.corp.example", "https://registry.corp.example/token", "GET", "team/app", "me:right", 200, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cloud, client := lab(t)
			cloud.Front(cloudtest.Front{
				Host: tt.host, Aliases: []string{"auth.docker.io"}, Kind: tt.kind, Backend: backend, Check: passwords, May: reader,
			})
			manifest := "https://" + tt.host + "/v2/" + tt.repository + "/manifests/v1"
			first := ask(t, client, tt.method, manifest, "")
			if first.status != 401 || !strings.HasPrefix(first.challenge, `Bearer realm="`+tt.realm+`",service="`) {
				t.Fatalf("first answer %+v, want a challenge to %s", first, tt.realm)
			}
			token := ask(t, client, "GET", realmOf(t, first.challenge), tt.credential)
			if token.status != tt.token {
				t.Fatalf("token endpoint: %+v, want status %d", token, tt.token)
			}
			if tt.registry == 0 {
				if !strings.Contains(token.body, tt.says) {
					t.Errorf("token endpoint says %q, want %q", token.body, tt.says)
				}
				return
			}
			var issued struct{ Token string }
			if err := json.Unmarshal([]byte(token.body), &issued); err != nil {
				t.Fatal(err)
			}
			last := ask(t, client, tt.method, manifest, issued.Token)
			if last.status != tt.registry || !strings.Contains(last.challenge+last.body, tt.says) {
				t.Errorf("with the token: %+v, want status %d saying %q", last, tt.registry, tt.says)
			}
		})
	}
}

func TestFrontAccessTokenExpires(t *testing.T) {
	for _, kind := range []cloudtest.Kind{cloudtest.KindHub, cloudtest.KindGHCR} {
		cloud, client := lab(t)
		cloud.Front(cloudtest.Front{Host: "r.example", Kind: kind, Backend: backend, Check: passwords, Life: time.Minute, Aliases: []string{"auth.docker.io"}})
		const manifest = "https://r.example/v2/team/app/manifests/v1"
		var issued struct{ Token string }
		realm := realmOf(t, ask(t, client, "GET", manifest, "").challenge)
		if err := json.Unmarshal([]byte(ask(t, client, "GET", realm, "me:right").body), &issued); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, client, "GET", manifest, issued.Token); got.status != 200 {
			t.Errorf("kind %d: a live token: %+v", kind, got)
		}
		cloud.Advance(2 * time.Minute)
		if got := ask(t, client, "GET", manifest, issued.Token); got.status != 401 || !strings.Contains(got.challenge, `error="invalid_token"`) {
			t.Errorf("kind %d: an expired token: %+v, want invalid_token", kind, got)
		}
	}
}

func TestFrontIdentityToken(t *testing.T) {
	identity := func(token string) (string, error) {
		if token == "mine" {
			return "me", nil
		}
		return "", errors.New("unknown")
	}
	for _, tt := range []struct {
		name  string
		kind  cloudtest.Kind
		form  url.Values
		check func(string) (string, error)
		want  int
	}{
		{"identity token", cloudtest.KindBearer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"mine"}}, identity, 200},
		{"another's", cloudtest.KindBearer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"yours"}}, identity, 401},
		{"none known", cloudtest.KindBearer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"mine"}}, nil, 401},
		{"password", cloudtest.KindBearer, url.Values{"grant_type": {"password"}, "username": {"me"}, "password": {"right"}}, nil, 200},
		{"wrong password", cloudtest.KindBearer, url.Values{"grant_type": {"password"}, "username": {"me"}, "password": {"x"}}, nil, 401},
		{"no POST at GHCR", cloudtest.KindGHCR, url.Values{"grant_type": {"password"}, "username": {"me"}, "password": {"right"}}, nil, 404},
		{"another grant", cloudtest.KindBearer, url.Values{"grant_type": {"device"}}, nil, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cloud, client := lab(t)
			cloud.Front(cloudtest.Front{Host: "r.example", Kind: tt.kind, Backend: backend, Check: passwords, CheckIdentity: tt.check})
			response, err := client.PostForm("https://r.example/token", tt.form)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != tt.want {
				t.Errorf("status %d, want %d", response.StatusCode, tt.want)
			}
		})
	}
}

// TestFrontProxy uploads through a front on plain loopback to a registry that
// runs elsewhere: the upload's location leads back to the front.
func TestFrontProxy(t *testing.T) {
	cloud, client := lab(t)
	upstream, err := cloud.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the registry behind the front saw a credential")
		}
		w.Header().Set("Location", r.Header.Get("X-Forwarded-Proto")+"://"+r.Host+"/v2/team/app/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
	}))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := cloudtest.Proxy(upstream)
	if err != nil {
		t.Fatal(err)
	}
	front := cloud.Front(cloudtest.Front{Host: "r.example", Kind: cloudtest.KindECR, Backend: proxy, Check: passwords})
	base, err := cloud.Serve(front)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, base string }{{"by name", "https://r.example"}, {"on loopback", base}} {
		t.Run(tt.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.base+"/v2/team/app/blobs/uploads/", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.SetBasicAuth("me", "right")
			client := client
			if tt.base == base {
				client = http.DefaultClient
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if got, want := response.Header.Get("Location"), tt.base+"/v2/team/app/blobs/uploads/1"; got != want {
				t.Errorf("upload continues at %q, want %q", got, want)
			}
		})
	}
	if !slices.ContainsFunc(cloud.Records(), func(r cloudtest.Record) bool {
		return r.Service == "registry" && r.Action == "push" && r.Status == http.StatusOK
	}) {
		t.Error("no push in the records")
	}
}
