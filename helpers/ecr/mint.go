// SPDX-License-Identifier: Apache-2.0

package ecr

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// answerError says that AWS answered with something that is no token for the
// registry.
type answerError struct{ why string }

// Error returns what is wrong with the answer, without quoting it.
func (e *answerError) Error() string { return e.why }

// grant is an authorization token as both services give it.
type grant struct {
	token   string // base64 of USER:PASSWORD
	expires *time.Time
}

// authorize asks for a token (Amazon ECR API Reference and Amazon ECR Public API
// Reference, GetAuthorizationToken).
func (l lookup) authorize(ctx context.Context, cfg aws.Config) (grant, error) {
	if l.public {
		return l.authorizePublic(ctx, cfg)
	}
	t := l.req.Target
	client := ecr.NewFromConfig(cfg, func(o *ecr.Options) {
		o.Region = t.Region
		if t.FIPS && o.BaseEndpoint == nil {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
		if t.Dual && o.BaseEndpoint == nil {
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
	})
	out, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{RegistryIds: []string{t.Account}}) //nolint:staticcheck // see below
	// RegistryIds is deprecated because one token opens every registry that its
	// owner may use, but without it the answer's proxyEndpoint is always the
	// caller's own account, and could not be compared.
	if err != nil {
		return grant{}, err
	}
	return pick(out.AuthorizationData, t)
}

func (l lookup) authorizePublic(ctx context.Context, cfg aws.Config) (grant, error) {
	client := ecrpublic.NewFromConfig(cfg, func(o *ecrpublic.Options) {
		o.Region = publicRegion
		if l.req.Target.Dual && o.BaseEndpoint == nil {
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
	})
	out, err := client.GetAuthorizationToken(ctx, &ecrpublic.GetAuthorizationTokenInput{})
	if err != nil {
		return grant{}, err
	}
	if out.AuthorizationData == nil {
		return grant{}, &answerError{"the answer holds no token"}
	}
	return grant{aws.ToString(out.AuthorizationData.AuthorizationToken), out.AuthorizationData.ExpiresAt}, nil
}

// pick takes the token whose proxyEndpoint is the target. The FIPS and
// dual-stack hosts of an account and region are the same registry.
func pick(list []types.AuthorizationData, t helpers.Target) (grant, error) {
	other := ""
	for _, data := range list {
		endpoint := aws.ToString(data.ProxyEndpoint)
		address, err := helpers.ParseAddress(endpoint)
		if err != nil {
			continue
		}
		got, ok := matchPrivate(address.Host)
		if ok && got.Account == t.Account && got.Region == t.Region {
			return grant{aws.ToString(data.AuthorizationToken), data.ExpiresAt}, nil
		}
		other = address.Host
	}
	if other != "" {
		return grant{}, &answerError{"the answer holds a token for " + helpers.Line(other) + ", not for " + t.Host}
	}
	return grant{}, &answerError{"the answer holds no token"}
}

// credential decodes the token.
func (g grant) credential() (helpers.Credential, error) {
	raw, err := base64.StdEncoding.DecodeString(g.token)
	if err != nil {
		return helpers.Credential{}, errors.Join(&answerError{"the answer's token is not base64"}, err)
	}
	user, password, found := strings.Cut(string(raw), ":")
	if why := helpers.CheckSecret(password); !found || user == "" || why != "" {
		return helpers.Credential{}, &answerError{"the answer's token is no user and password"}
	}
	if g.expires == nil || g.expires.IsZero() {
		return helpers.Credential{}, &answerError{"the answer's token has no expiry"}
	}
	return helpers.Credential{Username: user, Secret: helpers.NewSecret(password), ExpiresAt: g.expires.UTC()}, nil
}
