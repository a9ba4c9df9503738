// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"net/http"
	"time"
)

// Kind is whose manners a [Front] has. Azure's registries are not among them:
// [Azure.AddRegistry] serves those, with its tokens and roles, whole.
type Kind int

// The kinds of registry. What each does follows the registries' documented or
// observed answers; where the vendor documents none, the comment says so.
const (
	// KindBasic asks user and password on every request, as distribution with
	// an htpasswd file does.
	KindBasic Kind = iota
	// KindBearer has a token endpoint at /token, on the model of the
	// distribution project's token specification: who may not gets a token
	// with less in it, never an error.
	KindBearer
	// KindECR is a private Amazon ECR: Basic, text on a 401, an expired token
	// and a missing permission are 403 DENIED.
	KindECR
	// KindHub is Docker Hub: tokens from auth.docker.io, which needs to be one
	// of the Aliases.
	KindHub
	// KindGHCR is GitHub's registry: opaque tokens without expires_in, 403 for
	// whatever is refused; rights to push are judged by the registry.
	KindGHCR
	// KindGAR is Google Artifact Registry and gcr.io: opaque tokens, rights
	// judged by the registry on every request. Its refusals were observed, not
	// documented.
	KindGAR
	// KindGitLab is a GitLab container registry.
	KindGitLab
	// KindQuay is Quay: tokens from /v2/auth.
	KindQuay
	// KindHarbor is Harbor: a wrong credential gets what anonymous gets, and an
	// error only when no scope was asked for.
	KindHarbor
)

// manner is one kind's behaviour.
type manner struct {
	realm   string // the token endpoint's path, or its URL on another host; "" is Basic
	service string // "" is the host
	life    time.Duration
	opaque  bool // tokens that say nothing; else JWTs
	mute    bool // no expires_in in the answer
	refresh bool // answers POST
	late    bool // rights are judged by the registry, with a 403
	lenient bool // a wrong credential asking for a scope is anonymous
	// rechallenge repeats the challenge when a credential was refused.
	rechallenge bool

	uncredentialed Refusal  // the registry's 401 body
	bad            Refusal  // a wrong credential
	expired        *Refusal // one that was right; nil is bad
	anonymous      *Refusal // a token asked without a credential for what is not public; nil grants less
	unentitled     *Refusal // the same with a credential; nil grants less
}

func (m *manner) wrong() error { r := m.bad; return &r }

func (m *manner) stale() error {
	if m.expired == nil {
		return m.wrong()
	}
	r := *m.expired
	return &r
}

// usual is the 401 that the OCI distribution-spec shows.
var usual = Refusal{http.StatusUnauthorized, "UNAUTHORIZED", "authentication required"}

var manners = map[Kind]manner{
	KindBasic: {
		service: "registry", rechallenge: true, uncredentialed: usual, bad: usual,
	},
	KindBearer: {
		realm: "/token", life: 5 * time.Minute, refresh: true, uncredentialed: usual, bad: usual,
	},
	KindECR: {
		service:        "ecr.amazonaws.com",
		rechallenge:    true,
		uncredentialed: Refusal{http.StatusUnauthorized, "", "Not Authorized"},
		bad:            Refusal{http.StatusUnauthorized, "", "Not Authorized"},
		expired: &Refusal{http.StatusForbidden, "DENIED",
			"Your authorization token has expired. Reauthenticate and try again."},
	},
	KindHub: {
		realm: "https://auth.docker.io/token", service: "registry.docker.io", life: 5 * time.Minute,
		refresh: true, uncredentialed: usual,
		bad: Refusal{http.StatusUnauthorized, codeDetails, "incorrect username or password"},
		expired: &Refusal{http.StatusUnauthorized, codeDetails,
			"personal access token is expired"},
	},
	KindGHCR: {
		realm: "/token", life: 5 * time.Minute, opaque: true, mute: true, late: true, uncredentialed: usual,
		bad:        Refusal{http.StatusForbidden, "DENIED", "denied"},
		anonymous:  &Refusal{http.StatusForbidden, "DENIED", "requested access to the resource is denied"},
		unentitled: &Refusal{http.StatusForbidden, "DENIED", "denied"},
	},
	KindGAR: {
		realm: "/v2/token", life: 12 * time.Hour, opaque: true, late: true,
		uncredentialed: Refusal{http.StatusUnauthorized, "UNAUTHORIZED", "not authenticated: No valid credential was supplied."},
		bad:            Refusal{http.StatusUnauthorized, "UNAUTHORIZED", "No valid credential was supplied."},
		anonymous: &Refusal{http.StatusForbidden, "DENIED", "Unauthenticated request. Unauthenticated requests do not have permission " +
			`"artifactregistry.repositories.downloadArtifacts" on resource (or it may not exist)`},
		unentitled: &Refusal{http.StatusForbidden, "DENIED",
			`Permission "artifactregistry.repositories.downloadArtifacts" denied on resource (or it may not exist)`},
	},
	KindGitLab: {
		realm: "/jwt/auth", service: "container_registry", life: 15 * time.Minute, uncredentialed: usual,
		bad: Refusal{http.StatusUnauthorized, "UNAUTHORIZED", "HTTP Basic: Access denied. The provided password or token is incorrect " +
			"or your account has 2FA enabled and you must use a personal access token instead of a password."},
		anonymous: &Refusal{http.StatusForbidden, "DENIED", "access forbidden"},
	},
	KindQuay: {
		realm: "/v2/auth", life: time.Hour, uncredentialed: usual,
		bad: Refusal{http.StatusUnauthorized, "UNAUTHORIZED", "Invalid Username or Password"},
	},
	KindHarbor: {
		realm: "/service/token", service: "harbor-registry", life: 30 * time.Minute, lenient: true,
		uncredentialed: usual, bad: usual,
	},
}
