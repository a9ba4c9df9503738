// SPDX-License-Identifier: Apache-2.0

package ecr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// place is where the SDK found its identity, and what to say about it.
type place struct {
	kind     kind
	source   string // for people
	identity string // stays the same while sessions rotate
	bind     []helpers.Binding
	noCache  bool
	signIn   string    // the command that renews or mends it
	end      time.Time // of keys whose end only a variable tells
	role     bool      // a role is assumed with what was found
}

// keeper is who hands out the keys, for the case that it does not answer and
// the SDK does not say whom it asked.
func (p place) keeper() string {
	switch {
	case p.role || p.kind == kindWebIdentity:
		return "AWS STS"
	case p.kind == kindSSO:
		return "AWS SSO"
	case p.kind == kindProcess:
		return "credential_process"
	case p.kind == kindContainer:
		return "the container credentials endpoint"
	case p.kind == kindInstance:
		return "the EC2 metadata service"
	}
	return "AWS"
}

// kind is the first step of the way to the keys.
type kind int

const (
	kindOther kind = iota
	kindEnv
	kindWebIdentity
	kindKeys
	kindSSO
	kindLogin
	kindProcess
	kindContainer
	kindInstance
)

// envOf and sharedOf return what the SDK read.
func envOf(cfg aws.Config) config.EnvConfig {
	for _, source := range cfg.ConfigSources {
		if env, ok := source.(config.EnvConfig); ok {
			return env
		}
	}
	return config.EnvConfig{}
}

func sharedOf(cfg aws.Config) config.SharedConfig {
	for _, source := range cfg.ConfigSources {
		if shared, ok := source.(config.SharedConfig); ok {
			return shared
		}
	}
	return config.SharedConfig{}
}

// placeOf describes the way that the SDK took.
func (l lookup) placeOf(cfg aws.Config) place {
	sources, env, shared := sourcesOf(cfg), envOf(cfg), sharedOf(cfg)
	has := func(s aws.CredentialSource) bool { return slices.Contains(sources, s) }
	switch {
	case has(aws.CredentialSourceEnvVars):
		return l.envPlace(env)
	case has(aws.CredentialSourceEnvVarsSTSWebIDToken):
		return webIdentity(env.RoleARN, env.WebIdentityTokenFilePath)
	}
	base := &shared
	for base.Source != nil {
		base = base.Source
	}
	p := l.basePlace(base, env)
	profile := helpers.Line(shared.Profile)
	role := helpers.Line(shared.RoleARN)
	switch {
	case role != "" && p.kind == kindWebIdentity && shared.Source == nil:
		p.source = "AWS profile " + profile + " (" + p.source + ")"
	case role != "":
		p.identity, p.role = "role "+role+" as "+p.identity, true
		p.source = "AWS profile " + profile + " (role " + role + ")"
	case p.kind != kindContainer && p.kind != kindInstance:
		p.source = "AWS profile " + profile + " (" + p.source + ")"
	}
	return p
}

func (l lookup) envPlace(env config.EnvConfig) place {
	p := place{kind: kindEnv, source: "AWS environment keys", identity: "access key " + helpers.Line(env.Credentials.AccessKeyID),
		bind:   []helpers.Binding{{Kind: helpers.BindEnv, Arg: "AWS_ACCESS_KEY_ID"}},
		signIn: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY anew, or unset them"}
	if l.env.Getenv("AWS_ACCESS_KEY_ID") == "" {
		p.bind[0].Arg = "AWS_ACCESS_KEY" // an older name that the SDK still reads
	}
	if env.Credentials.SessionToken != "" {
		p.source = "AWS environment session keys"
		p.signIn = "renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or unset them"
		// Written by `aws configure export-credentials` and aws-vault.
		if end, err := time.Parse(time.RFC3339, l.env.Getenv("AWS_CREDENTIAL_EXPIRATION")); err == nil {
			p.end = end
		}
	}
	return p
}

func webIdentity(role, file string) place {
	return place{kind: kindWebIdentity, source: "web identity role " + helpers.Line(role), identity: "role " + helpers.Line(role),
		bind: []helpers.Binding{{Kind: helpers.BindClaims, Arg: file}}, noCache: !filepath.IsAbs(file),
		signIn: "check that role " + helpers.Line(role) + " trusts the token in " + helpers.Line(file)}
}

// basePlace describes where a profile's keys come from, without the roles that
// are assumed on top.
func (l lookup) basePlace(base *config.SharedConfig, env config.EnvConfig) place {
	arg := profileArg(base.Profile)
	switch {
	case base.Credentials.HasKeys():
		return place{kind: kindKeys, source: "access key", identity: "access key " + helpers.Line(base.Credentials.AccessKeyID),
			signIn: "aws configure" + arg}
	case base.CredentialSource == "Environment":
		return l.envPlace(env)
	case base.CredentialSource == "" && base.WebIdentityTokenFile != "":
		return webIdentity(base.RoleARN, base.WebIdentityTokenFile)
	case base.CredentialSource == "" && base.SSOAccountID+base.SSORoleName+base.SSOSessionName+base.SSOStartURL != "":
		start := base.SSOStartURL
		if base.SSOSession != nil {
			start = base.SSOSession.SSOStartURL
		}
		return place{kind: kindSSO, source: "SSO", signIn: "aws sso login" + arg,
			identity: helpers.Line("SSO role " + base.SSORoleName + " in account " + base.SSOAccountID + " by " + start)}
	case base.CredentialSource == "" && base.LoginSession != "":
		return place{kind: kindLogin, source: "aws login", signIn: "aws login" + arg,
			identity: "login " + helpers.Line(base.LoginSession)}
	case base.CredentialSource == "" && base.CredentialProcess != "":
		// Whose keys a program prints is its own affair, and may change with
		// nothing to tell it by.
		return place{kind: kindProcess, source: "credential_process", identity: "credential_process " + short(base.CredentialProcess),
			noCache: true, signIn: "aws sts get-caller-identity" + arg}
	case base.CredentialSource != "Ec2InstanceMetadata" && env.ContainerCredentialsRelativePath+env.ContainerCredentialsEndpoint != "":
		return l.containerPlace(env)
	}
	return place{kind: kindInstance, source: "EC2 instance role", identity: "instance role",
		bind: thisMachine(), signIn: "check the instance profile of this machine"}
}

// containerPlace describes the credentials of an ECS task or an EKS pod. Their
// address tells the tasks of one machine apart, and says nothing itself.
func (l lookup) containerPlace(env config.EnvConfig) place {
	p := place{kind: kindContainer, source: "ECS task role", bind: thisMachine(), signIn: "check the role of this task or pod",
		identity: "container role " + short(env.ContainerCredentialsRelativePath+" "+env.ContainerCredentialsEndpoint)}
	if file := l.env.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" && env.ContainerCredentialsRelativePath == "" {
		// The token is a pod's own when it is a JWT, as EKS Pod Identity's is.
		if text, err := l.env.ReadFile(file); err == nil && strings.Count(string(text), ".") == 2 {
			p.source = "EKS Pod Identity role"
			p.bind = append(p.bind, helpers.Binding{Kind: helpers.BindClaims, Arg: file})
			p.noCache = !filepath.IsAbs(file)
		}
	}
	return p
}

func thisMachine() []helpers.Binding {
	return []helpers.Binding{{Kind: helpers.BindBoot}, {Kind: helpers.BindHost}}
}

// short tells texts apart without showing them.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// assuming is the place of a role that our configuration names.
func (p place) assuming(arn string) place {
	arn = helpers.Line(arn)
	p.identity, p.role = "role "+arn+" as "+p.identity, true
	p.source = "role " + arn + " from " + p.source
	return p
}

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./@+:=-]+$`)

// profileArg is the profile as the aws CLI takes it, with a space before it.
func profileArg(profile string) string {
	switch {
	case profile == "" || profile == defaultProfile:
		return ""
	case plainWord.MatchString(profile):
		return " --profile " + profile
	}
	return " --profile '" + strings.ReplaceAll(helpers.Line(profile), "'", `'\''`) + "'"
}

// instance asks the metadata service for the role's name, which the SDK does
// not tell, and finds out on the way whether there is one.
func (l lookup) instance(ctx context.Context, id *identity) error {
	if !isInstance(id.cfg) {
		return nil
	}
	if id.noMetadata != "" {
		return l.nothing(id.noMetadata)
	}
	out, err := imds.NewFromConfig(id.cfg).GetMetadata(ctx, &imds.GetMetadataInput{Path: "iam/security-credentials/"})
	if err != nil {
		return l.keysFailed(ctx, err, id)
	}
	defer out.Content.Close()
	text, err := io.ReadAll(io.LimitReader(out.Content, maxTail))
	name, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if err != nil || name == "" {
		return l.nothing("the metadata service knows no role of this machine")
	}
	id.place.source += " " + helpers.Line(name)
	id.place.identity += " " + helpers.Line(name)
	return nil
}

// noRole reports whether a metadata service's refusal means that there is no
// role to be had: none attached (404), switched off (403), or another cloud's.
func noRole(err error) bool {
	var resp *smithyhttp.ResponseError
	return errors.As(err, &resp) && resp.HTTPStatusCode() >= 400 && resp.HTTPStatusCode() < 500 &&
		resp.HTTPStatusCode() != http.StatusTooManyRequests
}
