// SPDX-License-Identifier: Apache-2.0

package ecr

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/metadata"
)

// lookup is the source at work on one request.
type lookup struct {
	req    helpers.Request
	env    *helpers.Env
	public bool
	name   string
}

// identity is what the SDK's configuration found.
type identity struct {
	cfg   aws.Config
	place place
	// noMetadata says why the metadata service is not asked, "" when it is.
	noMetadata string
	// process keeps what a credential_process said on standard error.
	process *tail
}

// token finds the identity, gets its credentials and trades them for a
// registry password.
func (l lookup) token(ctx context.Context) (helpers.Credential, error) {
	id, err := l.identify(ctx)
	if err != nil {
		return helpers.Credential{}, err
	}
	keys, err := id.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return helpers.Credential{}, l.keysFailed(ctx, err, id)
	}
	grant, err := l.authorize(ctx, id.cfg)
	if err != nil {
		return helpers.Credential{}, l.failed(ctx, err, id)
	}
	c, err := grant.credential()
	if err != nil {
		return helpers.Credential{}, l.failed(ctx, err, id)
	}
	c.Source, c.Identity, c.BindTo, c.NoCache = id.place.source, id.place.identity, id.place.bind, id.place.noCache
	c.NoCache = c.NoCache || helpers.RelativePath(l.env, "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
	c.Minted, c.IssuedAt = true, l.env.Now().UTC()
	for _, end := range []time.Time{keysEnd(keys), id.place.end} {
		if !end.IsZero() && end.Before(c.ExpiresAt) {
			c.ExpiresAt = end.UTC()
		}
	}
	return c, nil
}

// keysEnd is when session keys stop working; an ECR password stops with them
// (Amazon ECR User Guide, "Troubleshooting Docker commands"), whatever its own
// expiry says.
func keysEnd(keys aws.Credentials) time.Time {
	if keys.CanExpire {
		return keys.Expires
	}
	return time.Time{}
}

// identify finds out who is to ask, and how to say so.
func (l lookup) identify(ctx context.Context) (*identity, error) {
	if err := l.pipes(); err != nil {
		return nil, err
	}
	id, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	id.place = l.placeOf(id.cfg)
	if why := l.unfitKeys(id.place); why != nil {
		return nil, why
	}
	if err := l.instance(ctx, id); err != nil {
		return nil, err
	}
	l.watchProcess(id)
	if arn := l.req.Choice.RoleARN; arn != "" {
		id.cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(id.cfg), arn,
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName, o.Duration = "regauth", roleSession }))
		id.place = id.place.assuming(arn)
	}
	return id, nil
}

// load loads the SDK's configuration. The metadata service is left out at
// first, and the question whether it may be asked is put only when it is what
// the configuration ends at: the answer may cost a connection attempt.
func (l lookup) load(ctx context.Context) (*identity, error) {
	id, session, askMetadata := &identity{}, roleSession, false
	var err error
	read := func() {
		id.cfg, err = config.LoadDefaultConfig(ctx, l.options(session, askMetadata)...)
	}
	read()
	if err == nil && wantsShortest(sharedOf(id.cfg)) {
		session = 0 // the SDK's default
		read()
	}
	if err == nil && slices.Contains(sourcesOf(id.cfg), aws.CredentialSourceIMDS) {
		if askMetadata, id.noMetadata = l.mayAskMetadata(ctx); askMetadata {
			id.noMetadata = ""
			read()
		}
	}
	if err != nil {
		return nil, l.configFailed(ctx, err)
	}
	return id, nil
}

// wantsShortest reports whether a profile on the way wants a session of 15
// minutes (duration_seconds), the shortest that STS gives. The SDK takes that
// for no wish at all, and would let our hour pass.
func wantsShortest(shared config.SharedConfig) bool {
	for at := &shared; at != nil; at = at.Source {
		if d := at.RoleDurationSeconds; d != nil && *d/time.Minute <= 15 {
			return true
		}
	}
	return false
}

// options are ours; everything else the SDK finds by itself. The registry's
// region is only the default: STS is asked where the user's own configuration
// says. An assumed role's session lasts for session unless the profile says
// otherwise.
func (l lookup) options(session time.Duration, askMetadata bool) []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithDefaultRegion(l.req.Target.Region),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.Backoff = 3, retry.BackoffDelayerFunc(backoff) })
		}),
		// Keys that are good for another minute are good for this one request.
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			if o.Duration == 0 {
				o.Duration = session
			}
		}),
		config.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			l.env.Log.Debug("AWS SDK: " + helpers.Line(fmt.Sprintf(format, v...))) // its default is standard error
		})),
		config.WithAPIOptions([]func(*middleware.Stack) error{boundBodies}),
		config.WithHTTPClient(httpClient()),
		// The SDK asks a container's endpoint with another client of its own.
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = httpClient() }),
	}
	if l.req.Choice.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(l.req.Choice.Profile))
	}
	if !askMetadata {
		options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	return options
}

// backoff waits a random time of up to half a second before the second attempt
// and up to a second before the third: the SDK's own patience is longer than a
// docker pull's.
func backoff(attempt int, _ error) (time.Duration, error) {
	return rand.N(min(time.Second, 250*time.Millisecond<<max(attempt, 0))), nil //nolint:gosec // jitter
}

// roleSession is how long an assumed role's session lasts unless the profile
// says otherwise. Every role allows an hour (IAM's MaxSessionDuration is no
// less, and role chaining no more); the SDK's default of 15 minutes would end
// the registry password after as long.
const roleSession = time.Hour

// mayAskMetadata reports whether the metadata service may be asked, and why (not).
func (l lookup) mayAskMetadata(ctx context.Context) (ask bool, why string) {
	if strings.EqualFold(l.env.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		return false, "AWS_EC2_METADATA_DISABLED is true"
	}
	return metadata.Ask(ctx, metadata.AWS, l.req)
}

// sourcesOf lists the steps by which the SDK comes to its keys.
func sourcesOf(cfg aws.Config) []aws.CredentialSource {
	if p, ok := cfg.Credentials.(aws.CredentialProviderSource); ok {
		return p.ProviderSources()
	}
	return nil
}

func isInstance(cfg aws.Config) bool {
	return aws.IsCredentialsProvider(cfg.Credentials, (*ec2rolecreds.Provider)(nil))
}

// maxAnswer bounds what is read of an answer, in bytes; a token is a few
// thousand.
const maxAnswer = 1 << 20

// boundBodies keeps the SDK, which reads bodies whole, from reading more than
// any answer holds.
func boundBodies(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("regauthBound",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			middleware.DeserializeOutput, middleware.Metadata, error,
		) {
			out, meta, err := next.HandleDeserialize(ctx, in)
			if resp, ok := out.RawResponse.(*smithyhttp.Response); ok && resp.Body != nil {
				resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
			}
			return out, meta, err
		}), middleware.After)
}

// watchProcess makes a credential_process say what it says to us instead of to
// Docker's terminal, and gives it no standard input: a get never prompts, and
// its input is not the process's. The roles of the profiles that take their
// keys from the process's are assumed anew on top of it, as the SDK does.
func (l lookup) watchProcess(id *identity) {
	if id.place.kind != kindProcess {
		return
	}
	shared := sharedOf(id.cfg)
	way := []*config.SharedConfig{&shared}
	for way[0].Source != nil {
		way = append([]*config.SharedConfig{way[0].Source}, way...)
	}
	command := way[0].CredentialProcess
	id.process = &tail{}
	build := processcreds.NewCommandBuilderFunc(func(ctx context.Context) (*exec.Cmd, error) {
		shell := []string{"sh", "-c"}
		if runtime.GOOS == "windows" {
			shell = []string{"cmd.exe", "/C"}
		}
		cmd := exec.CommandContext(ctx, shell[0], shell[1], command) //nolint:gosec // the user's own profile
		cmd.Stderr = id.process
		cmd.WaitDelay = 500 * time.Millisecond
		return cmd, nil
	})
	id.cfg.Credentials = aws.NewCredentialsCache(processcreds.NewProviderCommand(build))
	for _, profile := range way {
		if profile.RoleARN != "" {
			id.cfg.Credentials = aws.NewCredentialsCache(
				stscreds.NewAssumeRoleProvider(sts.NewFromConfig(id.cfg), profile.RoleARN, profileRole(profile)))
		}
	}
}

// profileRole says how a profile wants its role assumed (AWS SDKs and Tools
// Reference Guide, "Assume role credential provider"). mfa_serial is refused
// before.
func profileRole(profile *config.SharedConfig) func(*stscreds.AssumeRoleOptions) {
	return func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = profile.RoleSessionName, roleSession
		if own := profile.RoleDurationSeconds; own != nil {
			o.Duration = max(*own, 15*time.Minute) // the shortest that STS gives
		}
		if profile.ExternalID != "" {
			o.ExternalID = aws.String(profile.ExternalID)
		}
	}
}

// tail keeps the last bytes written to it.
type tail struct{ text []byte }

// maxTail is enough for the line that says what is wrong.
const maxTail = 2048

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - maxTail; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

// lastLine is the last line with anything in it.
func (t *tail) lastLine() string {
	if t == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return helpers.Line(lines[len(lines)-1])
}
