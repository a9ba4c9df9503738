// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	gce "cloud.google.com/go/compute/metadata"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/metadata"
)

// machine is the service account that Google gives to the virtual machine, pod
// or function ("Authenticate workloads using service accounts"). It is bound to
// machine and boot, since another may run under the same name.
func (s source) machine(ctx context.Context) (helpers.Credential, error) {
	ask, why := metadata.Ask(ctx, metadata.Google, s.req)
	if !ask {
		return helpers.Credential{}, s.absent(why)
	}
	client := gce.NewClient(s.direct())
	who := helpers.Credential{
		Identity: "service account of this machine",
		BindTo:   []helpers.Binding{{Kind: helpers.BindBoot}, {Kind: helpers.BindHost}},
	}
	if account := s.req.Choice.ServiceAccount; account != "" {
		// An account cannot impersonate itself without a role for that.
		if email, err := client.EmailWithContext(ctx, "default"); err == nil && email == account {
			who.Identity = accountWords(account)
		}
	}
	text, err := client.GetWithContext(ctx, "instance/service-accounts/default/token?"+url.Values{"scopes": {scope}}.Encode())
	if err != nil {
		return helpers.Credential{}, s.machineRefused(ctx, err)
	}
	var token struct {
		Token   string `json:"access_token"`
		Expires *int64 `json:"expires_in"` // seconds
	}
	if json.Unmarshal([]byte(text), &token) != nil || token.Token == "" {
		return helpers.Credential{}, &helpers.MintError{Source: s.name,
			Cause: "the metadata server's answer holds no token", Next: "try again; if it stays so, ask who runs this machine"}
	}
	var expires time.Time
	if token.Expires != nil {
		expires = s.env.Now().Add(time.Duration(*token.Expires) * time.Second)
	}
	return s.answer(who, token.Token, expires), nil
}

// direct is a client for the metadata server, which is on this machine's link
// and never behind a proxy. The library reads GCE_METADATA_HOST from the
// process; here it is Env's that counts.
func (s source) direct() *http.Client {
	base := http.DefaultTransport
	if s.env.HTTP != nil && s.env.HTTP.Transport != nil {
		base = s.env.HTTP.Transport
	}
	if plain, ok := base.(*http.Transport); ok {
		own := plain.Clone()
		own.Proxy, own.DisableKeepAlives = nil, true
		own.DialContext = briefly(plain.DialContext)
		base = own
	}
	host := s.env.Getenv(varMetadata)
	return &http.Client{
		Transport: tripper(func(r *http.Request) (*http.Response, error) {
			if host != "" {
				r = r.Clone(r.Context())
				r.URL.Host = host
			}
			resp, err := base.RoundTrip(r)
			var timed net.Error
			if errors.As(err, &timed) && timed.Timeout() {
				// The library would try again, five times as long.
				return nil, errors.New("no connection within " + dialTime.String())
			}
			return resp, err //nolint:wrapcheck // the library tells errors apart
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialTime is how long a connection to the metadata server may take; it is one
// hop away. Google's library waits as long.
const dialTime = 2 * time.Second

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func briefly(dial dialFunc) dialFunc {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		return dial(ctx, network, address)
	}
}

// machineRefused judges why the metadata server gave no token. A machine
// without a service account, or where a mere sign of the cloud was wrong, has
// no identity; everything else is a failure.
func (s source) machineRefused(ctx context.Context, err error) error {
	failed := &helpers.MintError{Source: s.name, Err: err, Next: "check which service account this machine or pod has, and that it is enabled"}
	var undefined gce.NotDefinedError
	var refused *gce.Error
	named := s.env.Getenv(varMetadata) != "" || s.req.Choice.Metadata != nil
	switch {
	case ctx.Err() != nil:
		return s.late(ctx, err, "the metadata server")
	case errors.As(err, &undefined):
		return s.absent("this machine has no service account")
	case errors.As(err, &refused):
		failed.Cause = "the metadata server gave no token" + quoted(refused.Code, refused.Message)
		if strings.Contains(refused.Message, tokenPermission) {
			failed.Next = "grant roles/iam.workloadIdentityUser on the Google service account to the pod's Kubernetes service account"
		}
	case named:
		failed.Cause = "the metadata server cannot be reached: " + plain(err)
		failed.Next = "correct or unset " + varMetadata + " (metadata = false in the configuration never asks it)"
	default:
		return s.absent("the metadata server cannot be reached: " + plain(err))
	}
	return failed
}

// tokenPermission is what IAM calls the permission to make an access token.
const tokenPermission = "iam.serviceAccounts.getAccessToken"
