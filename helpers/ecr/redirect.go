// SPDX-License-Identifier: Apache-2.0

package ecr

import (
	"fmt"
	"net/http"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// redirectError says that a service sent the request elsewhere.
type redirectError struct {
	status int
	host   string // where to
}

// Error names the status and the host that was not asked.
func (e *redirectError) Error() string {
	return fmt.Sprintf("HTTP %d sends the request to %s, which is not followed", e.status, helpers.Line(e.host))
}

// httpClient is the SDK's own, which finds proxies and AWS_CA_BUNDLE, but follows
// no redirect: a bearer token or a signature is for the host that was asked.
// The SDK keeps 307 and 308 for itself and takes a bundle of authorities only
// with its own client, so that the place left to refuse is where the transport
// asks for a proxy, once per request and before it connects.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		proxy := t.Proxy
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.Response != nil { // what a redirect made of the request before
				return nil, &redirectError{r.Response.StatusCode, r.URL.Host}
			}
			if proxy == nil {
				return nil, nil //nolint:nilnil // no proxy, as net/http wants it said
			}
			return proxy(r)
		}
	})
}
