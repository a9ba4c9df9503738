// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"golang.org/x/oauth2"
)

// maxBody bounds an answer, in bytes; tokens are a few thousand at most.
const maxBody = 64 << 10

// wire carries the requests of Google's libraries and keeps the last answer,
// because their errors are plain texts that may quote whole bodies. It also
// gives every request the deadline, which the service account's has not, and
// follows no redirect.
type wire struct {
	base http.RoundTripper

	mu   sync.Mutex
	last *reply
}

// reply is the last thing that came back.
type reply struct {
	host   string
	path   string
	status int   // 0 when nothing came
	err    error // why not
	body   []byte
}

func newWire(env *helpers.Env) *wire {
	w := &wire{base: http.DefaultTransport}
	if env.HTTP != nil && env.HTTP.Transport != nil {
		w.base = env.HTTP.Transport
	}
	return w
}

// context hands the wire to golang.org/x/oauth2.
func (w *wire) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, w.client(ctx))
}

func (w *wire) client(ctx context.Context) *http.Client {
	return &http.Client{
		Transport:     tripper(func(r *http.Request) (*http.Response, error) { return w.trip(r.WithContext(ctx)) }),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type tripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func (w *wire) trip(r *http.Request) (*http.Response, error) {
	got := &reply{host: r.URL.Host, path: r.URL.Path}
	resp, err := w.base.RoundTrip(r)
	if err == nil {
		got.status = resp.StatusCode
		got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
		_ = resp.Body.Close()
	}
	got.err = err
	w.mu.Lock()
	w.last = got
	w.mu.Unlock()
	if err != nil {
		return nil, err //nolint:wrapcheck // the library's own error type matters to its caller
	}
	body := got.body
	if r.Method == http.MethodPost && resp.StatusCode == http.StatusOK {
		body = dated(body)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// dated adds [assumedLife] to a token answer that tells no expiry: the library
// refuses one of the Security Token Service without.
func dated(body []byte) []byte {
	var answer map[string]json.RawMessage
	if json.Unmarshal(body, &answer) != nil || answer["access_token"] == nil {
		return body
	}
	if life := string(answer["expires_in"]); life != "" && life != "null" {
		return body
	}
	answer["expires_in"], _ = json.Marshal(int(assumedLife / time.Second))
	if text, err := json.Marshal(answer); err == nil {
		return text
	}
	return body
}

// refusal is what a service said, in either form that Google's have.
type refusal struct {
	code    string // "invalid_grant", "PERMISSION_DENIED"
	subtype string // "invalid_rapt", "IAM_PERMISSION_DENIED"
	text    string
}

// refusal reads RFC 6749's error and AIP-193's.
func (r *reply) refusal() refusal {
	var oauth struct {
		Code    string `json:"error"`
		Text    string `json:"error_description"`
		Subtype string `json:"error_subtype"`
	}
	if json.Unmarshal(r.body, &oauth) == nil && oauth.Code != "" {
		return refusal{oauth.Code, oauth.Subtype, oauth.Text}
	}
	var api struct {
		Error struct {
			Code    string `json:"status"`
			Text    string `json:"message"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(r.body, &api) != nil {
		return refusal{}
	}
	said := refusal{code: api.Error.Code, text: api.Error.Text}
	for _, detail := range api.Error.Details {
		said.subtype = strings.TrimSpace(said.subtype + " " + detail.Reason)
	}
	return said
}
