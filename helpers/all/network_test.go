// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

// TestMain takes this machine's own identities away, and every way to the
// outside: the AWS SDK has an HTTP client of its own, which asks for a proxy
// once in a process.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "all")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains(kept, strings.ToUpper(name)) {
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "USERPROFILE": home,
		"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1",
		"AWS_EC2_METADATA_DISABLED": "true", "REGAUTH_METADATA": "off",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// kept are the variables that Go and Windows need.
var kept = []string{"TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "GODEBUG", "GORACE", "GOCOVERDIR"}

// Where what leaves the program goes, if it is no host.
const (
	toAWS      = "AWS"
	toPrograms = "a program"
)

// identityHost is where a job's managed identity is asked for.
const identityHost = "identity.job.example"

// sending is what left the program at once.
type sending struct{ to, text string }

// network writes down what leaves the program. It says yes to all but AWS, whose
// requests it refuses in a way that is not tried again.
type network struct {
	mu   sync.Mutex
	sent []sending
}

func (n *network) record(to string, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent = append(n.sent, sending{to, text})
}

// take returns what was sent since the last call.
func (n *network) take() []sending {
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := n.sent
	n.sent = nil
	return sent
}

// dump writes all of the request, and what HTTP Basic authentication hides.
func dump(r *http.Request) string {
	text := []string{r.Method, r.URL.String()}
	for name, values := range r.Header {
		text = append(text, name+": "+strings.Join(values, ", "))
	}
	user, password, _ := r.BasicAuth()
	text = append(text, user, password)
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		text = append(text, string(body), fmt.Sprint(err))
	}
	return strings.Join(text, "\n")
}

// RoundTrip answers what a sign-in host, an identity endpoint and a registry
// would, all in one.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.record(r.URL.Hostname(), dump(r))
	tenant, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	base := "https://" + r.URL.Host + "/" + tenant
	body, err := json.Marshal(map[string]any{
		"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize",
		"token_endpoint": base + "/oauth2/v2.0/token", "access_token": "made-up", "token_type": "Bearer",
		"expires_in": 3600, "expires_on": "4102444800", "refresh_token": "made-up",
	})
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(string(body))),
	}, err
}

// ServeHTTP takes what the AWS SDK sends.
func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.record(toAWS, dump(r))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"no"}`)
}

// env returns a world in which every tool is installed and signed in and fails,
// and in which the variables are the process's too, for the cloud SDKs.
func (n *network) env(t *testing.T, vars map[string]string) *helpers.Env {
	t.Helper()
	aws := httptest.NewServer(n)
	t.Cleanup(aws.Close)
	t.Setenv("AWS_ENDPOINT_URL", aws.URL)
	for name, value := range vars {
		t.Setenv(name, value)
	}
	fail := func(c helpers.Command) ([]byte, error) {
		n.record(toPrograms, strings.Join(append(append(c.Args, c.Stdin), c.Env...), "\n"))
		return nil, &helpers.RunError{Program: c.Args[0], Err: io.ErrUnexpectedEOF}
	}
	env := envtest.World{
		Vars: vars,
		Files: map[string]string{
			filepath.FromSlash("/home/me/.config/gh/hosts.yml"):                         "github.com:\n  user: me\n" + ghServer + ":\n  user: me\n",
			filepath.FromSlash("/home/me/.config/gcloud/configurations/config_default"): "[core]\naccount = me@corp.example\n",
		},
		Programs: map[string]func(helpers.Command) ([]byte, error){"gh": fail, "gcloud": fail, "az": fail, "azd": fail},
	}.Env()
	env.HTTP = &http.Client{Transport: n}
	return env
}
