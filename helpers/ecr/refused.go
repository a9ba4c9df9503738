// SPDX-License-Identifier: Apache-2.0

package ecr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// nothing says that no identity was found, and where it was looked for. Keys in
// the environment that are only half there are told apart: somebody meant them.
func (l lookup) nothing(why string) error {
	if half := l.halfKeys(); half != nil {
		return half
	}
	if arn := l.req.Choice.RoleARN; arn != "" {
		return &helpers.MintError{Source: l.name, Cause: "no AWS identity is there to assume it with (" + why + ")", Next: "aws sso login, or aws configure"}
	}
	name, _ := profileName(l.req)
	if l.req.Choice.Profile != "" {
		arg := profileArg(name)
		return &helpers.MintError{Source: l.name, Cause: "the profile holds no keys, and there is no other identity (" + why + ")",
			Next: "aws configure sso" + arg + ", or aws configure" + arg}
	}
	where := "no keys in the environment, none in the profile " + helpers.Line(name) + ", no container credentials, and no instance role"
	return helpers.Absent(l.name, where+" ("+why+")")
}

// halfKeys finds a key in the environment that the SDK passes over because the
// other half is missing.
func (l lookup) halfKeys() error {
	if l.req.Choice.Profile != "" {
		return nil
	}
	const id, secret = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
	for i, name := range []string{id, secret} {
		other := []string{secret, id}[i]
		if l.env.Getenv(name) != "" && l.env.Getenv(other) == "" {
			return &helpers.UnusableError{Source: "AWS environment keys", Why: name + " is set, but " + other + " is not",
				Next: "set " + other + ", or unset " + name}
		}
		if value, set := l.env.LookupEnv(name); set && strings.TrimSpace(value) == "" {
			return &helpers.UnusableError{Source: "AWS environment keys", Why: name + " is set but empty", Next: "set it, or unset it"}
		}
	}
	return nil
}

// unfitKeys finds keys in the environment that were never filled in.
func (l lookup) unfitKeys(p place) error {
	if p.kind != kindEnv {
		return nil
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		value := l.env.Getenv(name)
		if why := helpers.CheckSecret(value); value != "" && why != "" {
			return &helpers.UnusableError{Source: p.source, Why: name + " " + why, Next: "set " + name + ", or unset it"}
		}
	}
	return nil
}

// pipes refuses a configuration that the SDK would wait for, past any deadline.
func (l lookup) pipes() error {
	for _, file := range sharedFiles(l.env) {
		if _, err := l.env.ReadFile(file); errors.Is(err, helpers.ErrPipe) {
			return &helpers.MintError{Source: l.name, Err: err, Cause: helpers.Show(file) + " is a pipe, and no AWS configuration",
				Next: "check AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"}
		}
	}
	return nil
}

// configFailed judges an error of the SDK's configuration itself.
func (l lookup) configFailed(ctx context.Context, err error) error {
	name, variable := profileName(l.req)
	shown, arg := helpers.Line(name), profileArg(name)
	failed := &helpers.MintError{Source: l.name, Err: err, Cause: helpers.Line(err.Error()), Next: "check ~/.aws/config"}
	var missing config.SharedConfigProfileNotExistError
	var unreadable config.SharedConfigLoadError
	var needsCode config.AssumeRoleTokenProviderNotSetError
	switch {
	case ctx.Err() != nil:
		failed.Cause, failed.Next = "the AWS configuration was not read in time", "try again"
	case errors.As(err, &missing):
		failed.Cause = "there is no profile " + shown + " in the AWS configuration"
		if variable != "" {
			failed.Cause += ", and " + variable + " names it"
		}
		failed.Next = "aws configure sso" + arg + ", or aws configure" + arg
	case errors.As(err, &unreadable):
		failed.Cause = helpers.Show(unreadable.Filename) + " cannot be read as AWS configuration"
		failed.Next = "check " + helpers.Line(unreadable.Filename)
	case errors.As(err, &needsCode):
		failed.Cause = "profile " + shown + " wants an MFA code (mfa_serial), and a credential helper never asks for one"
		failed.Next = `eval "$(aws configure export-credentials` + arg + ` --format env)"`
	}
	return failed
}

// keysFailed judges an error on the way to AWS keys.
func (l lookup) keysFailed(ctx context.Context, err error, id *identity) error {
	p := id.place
	failed := &helpers.MintError{Source: p.source, Err: err, Next: p.signIn}
	var sso *ssocreds.InvalidTokenError
	var process *processcreds.ProviderError
	var file *fs.PathError
	var api smithy.APIError
	isAPI := errors.As(err, &api)
	switch {
	case ctx.Err() != nil || isAPI:
		return l.failed(ctx, err, id)
	case p.kind == kindInstance && id.noMetadata != "":
		failed.Cause = "the profile wants this machine's EC2 instance role, and the metadata service is not asked (" + id.noMetadata + ")"
		failed.Next = "set metadata = true in the configuration if this machine has one"
	case isInstance(id.cfg) && noRole(err):
		return l.nothing("the metadata service knows no role of this machine")
	case errors.As(err, &process):
		failed.Cause = "credential_process failed"
		if said := id.process.lastLine(); said != "" {
			failed.Cause += ": " + said
		}
	case errors.As(err, &sso), p.kind == kindSSO && !isSent(err):
		failed.Cause = "the SSO sign-in is missing or has expired"
	case p.kind == kindLogin && !isSent(err):
		failed.Cause = "the sign-in of aws login does not work: " + reason(err) // the SDK's words: it has no types for this
	case errors.As(err, &file):
		failed.Cause = helpers.Show(file.Path) + " cannot be read: " + helpers.Line(file.Err.Error())
	default:
		return l.failed(ctx, err, id)
	}
	return failed
}

// isSent reports whether a request was made, and failed.
func isSent(err error) bool {
	var op *smithy.OperationError
	return errors.As(err, &op)
}

// failed judges an error of a request to AWS.
func (l lookup) failed(ctx context.Context, err error, id *identity) error {
	failed := &helpers.MintError{Source: id.place.source, Err: err, Next: "check the connection to AWS"}
	service, operation := id.place.keeper(), "the request"
	var op *smithy.OperationError
	if errors.As(err, &op) {
		service, operation = serviceName(op.ServiceID), op.OperationName
	}
	var api smithy.APIError
	var answer *answerError
	var deserialize *smithy.DeserializationError
	var resp *smithyhttp.ResponseError
	var elsewhere *redirectError
	errors.As(err, &resp)
	switch {
	case ctx.Err() != nil:
		failed.Err = errors.Join(ctx.Err(), err)
		failed.Cause = service + " gave no answer in time"
	case errors.As(err, &answer):
		failed.Cause, failed.Next = "AWS ECR: "+answer.why, "check AWS_ENDPOINT_URL_ECR and proxies: something else may answer for AWS"
	case errors.As(err, &deserialize):
		failed.Cause = service + " answered " + operation + " with something unreadable" + status(resp)
		failed.Next = somethingElse
	case errors.As(err, &elsewhere):
		failed.Cause, failed.Next = service+" did not answer "+operation+": "+elsewhere.Error(), somethingElse
	case errors.As(err, &api) && (api.ErrorCode() == "" || api.ErrorCode() == "UnknownError"):
		failed.Cause = service + " answered " + operation + " with no error of AWS's" + status(resp)
		failed.Next = noCodeAdvice(resp)
	case errors.As(err, &api):
		failed.Cause = fmt.Sprintf("%s refused %s: %s", service, operation, said(api))
		failed.Next = l.advice(api, operation, resp, id.place)
	case isUnreachable(err):
		failed.Cause = service + " cannot be reached: " + reason(err)
	case resp != nil:
		failed.Cause = fmt.Sprintf("%s answered %s with HTTP %d", service, operation, resp.HTTPStatusCode())
	default:
		failed.Cause, failed.Next = service+": "+reason(err), id.place.signIn
	}
	return failed
}

// somethingElse is the advice where an answer is none of AWS's.
const somethingElse = "check proxies and AWS_ENDPOINT_URL variables: something else may answer for AWS"

// noCodeAdvice is what to do about a refusal that names no error.
func noCodeAdvice(resp *smithyhttp.ResponseError) string {
	switch {
	case resp != nil && resp.HTTPStatusCode() == http.StatusTooManyRequests:
		return "wait a minute and try again"
	case resp != nil && resp.HTTPStatusCode() >= 500:
		return "try again; if it stays so, " + somethingElse
	}
	return somethingElse
}

// status is the answer's HTTP status in parentheses, where there is one.
func status(resp *smithyhttp.ResponseError) string {
	if resp == nil || resp.Response == nil {
		return ""
	}
	return fmt.Sprintf(" (HTTP %d)", resp.HTTPStatusCode())
}

// said is an API error's code and words.
func said(api smithy.APIError) string {
	code, message := api.ErrorCode(), api.ErrorMessage()
	switch {
	case message == "" || message == code:
		return helpers.Line(code)
	case code == "":
		return helpers.Line(message)
	}
	return helpers.Line(code + ": " + message)
}

// isUnreachable reports whether a request found no way to its host.
func isUnreachable(err error) bool {
	var send *smithyhttp.RequestSendError
	var at *url.Error
	return errors.As(err, &send) || errors.As(err, &at)
}

// reason is the innermost text of a failed connection.
func reason(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		return helpers.Line(at.Err.Error())
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return helpers.Line(err.Error())
}

// serviceName is a service as people call it.
func serviceName(id string) string {
	switch id {
	case "ECR PUBLIC":
		return "AWS ECR Public"
	case "ec2imds":
		return "the EC2 metadata service"
	case "endpoint-credentials":
		return "the container credentials endpoint"
	case "SSO", "SSO OIDC":
		return "AWS SSO"
	}
	return "AWS " + helpers.Line(id)
}

// advice is the next command for an error code (AWS "Common errors", and the
// errors sections of the operations' reference pages).
func (l lookup) advice(api smithy.APIError, operation string, resp *smithyhttp.ResponseError, p place) string {
	status := 0
	if resp != nil {
		status = resp.HTTPStatusCode()
	}
	switch code := api.ErrorCode(); code {
	case "AccessDeniedException", "AccessDenied", "ForbiddenException":
		return l.permission(operation, p)
	case "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed":
		if text := api.ErrorMessage(); strings.Contains(text, "Signature expired") || strings.Contains(text, "not yet current") ||
			code == "RequestExpired" || code == "RequestTimeTooSkewed" {
			return "check this machine's clock"
		}
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded":
		return "wait a minute and try again"
	case "InvalidIdentityToken", "IDPRejectedClaim", "IDPCommunicationError":
		return "check issuer and audience of the identity provider in IAM"
	}
	switch {
	case status == http.StatusTooManyRequests:
		return "wait a minute and try again"
	case status >= 500:
		return "try again; https://health.aws.amazon.com/health/status shows known trouble"
	}
	return p.signIn
}

// permission names what has to be allowed for an operation.
func (l lookup) permission(operation string, p place) string {
	switch {
	case operation == "AssumeRole":
		return "let the role's trust policy name this identity, and allow it sts:AssumeRole"
	case operation == "AssumeRoleWithWebIdentity":
		return "check the role's trust policy: provider, audience and subject of the token"
	case operation == "GetRoleCredentials":
		return "ask for the account and permission set to be assigned, or " + p.signIn
	case operation == "GetAuthorizationToken" && l.public:
		return "allow ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken"
	case operation == "GetAuthorizationToken":
		return "allow ecr:GetAuthorizationToken on resource *"
	}
	return p.signIn
}
