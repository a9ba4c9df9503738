// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// aadsts finds Entra's error number in its own text ("Microsoft Entra
// authentication and authorization error codes").
var aadsts = regexp.MustCompile(`AADSTS\d{4,8}`)

// signInFailed turns what the SDK said into one line and the next command.
func (l lookup) signInFailed(ctx context.Context, err error) error {
	failed := &helpers.MintError{Source: l.source, Err: err, Next: l.signInAgain()}
	if ctx.Err() != nil {
		failed.Err = errors.Join(ctx.Err(), err)
		failed.Cause = "Azure did not answer the sign-in in time"
		if l.signsInItself() {
			failed.Next = l.checkConnection()
		}
		return failed
	}
	var refused *azidentity.AuthenticationFailedError
	if !errors.As(err, &refused) {
		return l.notOffered(failed)
	}
	text, status := said(refused)
	failed.Cause = strings.TrimSuffix(helpers.Line(text), ".") // more follows on the line
	code := aadsts.FindString(text)
	next := l.adviceFor(code)
	switch {
	case status == http.StatusTooManyRequests:
		failed.Cause, failed.Next = "Azure throttles sign-ins (HTTP 429)", "wait a minute and try again"
	case status >= http.StatusInternalServerError:
		failed.Next = tryAgain
	case next != "":
		failed.Next = next
	case code == "" && l.signsInItself():
		failed.Next = l.checkConnection()
	}
	return failed
}

// signsInItself reports whether the source talks to Entra from this process.
func (l lookup) signsInItself() bool {
	return l.source == secretName || l.source == certificateName || l.source == federatedName
}

// authority names the sign-in host, and its port if it has one, for messages.
func (l lookup) authority() string {
	if own, err := url.Parse(strings.TrimSpace(l.env.Getenv(varAuthority))); err == nil && own.Host != "" {
		return helpers.Line(strings.ToLower(own.Host))
	}
	return l.cloud.authorities[0]
}

// checkConnection is the advice where the sign-in host gave no answer of its
// own, or none at all.
func (l lookup) checkConnection() string {
	if l.ownAuthority() != "" {
		return "check " + varAuthority + " and the connection to " + l.authority()
	}
	return "check the connection to " + l.authority()
}

// notOffered judges an error by which the SDK says that its source is not
// there: a machine without any identity, as opposed to one with several.
func (l lookup) notOffered(failed *helpers.MintError) error {
	failed.Cause = plain(failed.Err)
	switch {
	case l.source != managedName:
		return failed
	case strings.Contains(failed.Err.Error(), severalIdentities):
		failed.Cause = "several identities are assigned to this machine, and none is named"
		failed.Next = "set " + varClient + " or client_id to the one that is meant"
		return failed
	}
	return l.absent("this machine has no identity of its own")
}

// severalIdentities begins what the metadata service says when it has to
// choose.
const severalIdentities = "Multiple user assigned identities exist"

// said returns the words behind a failed sign-in: Entra's description, without
// its trace numbers, the metadata service's or the tool's.
func said(failed *azidentity.AuthenticationFailedError) (text string, status int) {
	resp := failed.RawResponse
	if resp == nil {
		return plain(failed), 0
	}
	body, err := runtime.Payload(resp)
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Message     string `json:"message"`
	}
	if err == nil && json.Unmarshal(body, &answer) == nil {
		for _, text := range []string{answer.Description, answer.Message, answer.Error} {
			if text != "" {
				text, _, _ = strings.Cut(text, "Trace ID:")
				return strings.TrimSpace(text), resp.StatusCode
			}
		}
	}
	host := "the sign-in service"
	if resp.Request != nil && resp.Request.URL != nil {
		host = resp.Request.URL.Host
	}
	return fmt.Sprintf("%s answered HTTP %d and no reason", host, resp.StatusCode), resp.StatusCode
}

// plain strips from an SDK error what is not about this failure: the type's
// name in front, a link to a guide behind.
func plain(err error) string {
	text := err.Error()
	if name, rest, ok := strings.Cut(text, "Credential: "); ok && !strings.Contains(name, " ") {
		text = rest
	}
	text, _, _ = strings.Cut(text, "To troubleshoot, visit")
	for _, mark := range bodyMarks {
		text, _, _ = strings.Cut(text, mark)
	}
	text = bearerLike.ReplaceAllString(text, "***")
	text, _, _ = strings.Cut(text, "Trace ID:")
	text = strings.TrimPrefix(strings.TrimSpace(text), "ERROR: ")
	return strings.TrimSuffix(helpers.Line(strings.TrimSpace(text)), ".")
}

// bodyMarks begin the part of an SDK error that repeats an answer's text. A
// garbled answer may hold a token, so nothing from there on is shown.
var bodyMarks = []string{"json message bytes were", "raw message was", "{", "<"}

// bearerLike finds what may be a JWT, wherever it stands.
var bearerLike = regexp.MustCompile(`eyJ[A-Za-z0-9_.-]*`)

// signInAgain is the next command when nothing more precise is known.
func (l lookup) signInAgain() string {
	tenant := ""
	if l.req.Choice.TenantID != "" {
		tenant = " --tenant " + helpers.Line(l.req.Choice.TenantID)
	}
	switch l.source {
	case azName:
		return "az login" + tenant
	case azdName:
		return "azd auth login" + strings.Replace(tenant, "--tenant", "--tenant-id", 1)
	case managedName:
		return "az vm identity show, or the resource's own identity page: is an identity assigned?"
	}
	return "check " + varTenant + " and " + varClient
}

// adviceFor returns the command that mends what an AADSTS number says, "" when
// there is none better than [lookup.signInAgain].
func (l lookup) adviceFor(code string) string {
	client := helpers.Line(l.client)
	switch code {
	case "AADSTS7000215", "AADSTS7000222": // wrong, expired secret
		return "az ad app credential reset --id " + client
	case "AADSTS700027": // certificate not registered
		return "az ad app credential reset --id " + client + " --append --cert @CERTIFICATE.pem"
	case "AADSTS700211", "AADSTS700212", "AADSTS700213": // no federated credential for issuer, audience, subject
		return "az ad app federated-credential list --id " + client
	case "AADSTS700024", "AADSTS700082": // not in its time
		if l.source == federatedName {
			return "check this machine's clock, and that the token in " + varFederated + " is renewed"
		}
		if l.source != azName && l.source != azdName {
			return "check this machine's clock"
		}
	case "AADSTS90002", "AADSTS900023": // tenant unknown
		return "check " + varTenant + ": az account list --query [].tenantId"
	case "AADSTS700016": // application unknown in that tenant
		return "check " + varClient + ": az ad app show --id " + client
	}
	return ""
}

// exchangeFailed turns the registry's refusal into one line and the next
// command. A missing role, a refused audience and a firewall look alike to
// Docker; here they are told apart.
func (l lookup) exchangeFailed(ctx context.Context, err error, bearer claims) error {
	host := l.req.Target.Host
	failed := &helpers.MintError{Source: l.source, Err: err, Next: "check the connection to " + host}
	var refused *refusal
	switch {
	case ctx.Err() != nil:
		failed.Err = errors.Join(ctx.Err(), err)
		failed.Cause = host + " did not answer in time"
		return failed
	case !errors.As(err, &refused):
		failed.Cause = host + " cannot be reached: " + helpers.Line(err.Error())
		return failed
	}
	quoted := refused.why()
	failed.Cause = fmt.Sprintf("%s gave no token (HTTP %d)%s", host, refused.status, quoted)
	// Registry names are letters and digits; a hyphen begins the hash of a
	// domain name label, which az does not want.
	name, _, _ := strings.Cut(l.req.Target.Registry, "-")
	switch status := refused.status; {
	case status == http.StatusUnauthorized && isARM(bearer.audience()):
		failed.Cause = fmt.Sprintf("%s takes no Resource Manager tokens (azureADAuthenticationAsArm is disabled), and %s gave one%s", host, l.source, quoted)
		failed.Next = "update the tool that gave the token, or az acr config authentication-as-arm update --status enabled -r " + name
	case status == http.StatusUnauthorized:
		failed.Cause = fmt.Sprintf("signed in as %s, but %s gave no token (HTTP 401): most often a missing role, or a registry of another tenant%s", bearer.who(), host, quoted)
		failed.Next = "az role assignment create --assignee " + bearer.who() + " --role AcrPull --scope $(az acr show -n " + name + " --query id -o tsv)"
	case status == http.StatusForbidden && strings.Contains(refused.text, firewallWords):
		failed.Cause = "the firewall of " + host + " refuses this machine's address" + quoted
		failed.Next = "az acr network-rule add -n " + name + " --ip-address YOUR-ADDRESS"
	case status == http.StatusForbidden:
		failed.Next = "ask who runs the network or the registry: a proxy, a private endpoint or a policy refuses"
	case status == http.StatusTooManyRequests:
		failed.Next = "wait a minute and try again"
	case status >= 500:
		failed.Next = tryAgain
	case status >= 300 && status < 400:
		failed.Cause = fmt.Sprintf("%s sends the exchange elsewhere (HTTP %d), which is not followed", host, status)
	}
	return failed
}

// tryAgain is the advice for a fault on Azure's side.
const tryAgain = "try again; https://azure.status.microsoft shows known trouble"

// firewallWords stand in a registry's refusal when its network rules refuse an
// address.
const firewallWords = "is not allowed access"

func isARM(audience string) bool {
	return strings.HasPrefix(audience, "https://management.")
}

// assignee is what az takes as a principal, and safe to show in a command.
var assignee = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9@._#+-]*$`)

// who names the principal of an Entra token as az role assignment wants it.
func (c claims) who() string {
	candidates := []string{c.User, c.App, c.Object}
	if c.Scopes != "" { // a person's token names the tool as its application
		candidates = []string{c.User, c.Object}
	}
	for _, name := range candidates {
		if assignee.MatchString(name) {
			return name
		}
	}
	return "PRINCIPAL-ID"
}
