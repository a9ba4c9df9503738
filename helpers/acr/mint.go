// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// mint asks cred, if it could be made, for an Entra token and trades it at the
// registry. who carries what is already known about the result.
func (l lookup) mint(ctx context.Context, cred azcore.TokenCredential, made error, who helpers.Credential) (helpers.Credential, error) {
	if made != nil {
		return helpers.Credential{}, &helpers.MintError{Source: l.source, Err: made,
			Cause: plain(made), Next: l.settings()}
	}
	entra, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		return helpers.Credential{}, l.signInFailed(ctx, err)
	}
	bearer, _ := readClaims(entra.Token)
	if wanted := l.req.Choice.TenantID; isGUID(wanted) && bearer.Tenant != "" && !strings.EqualFold(wanted, bearer.Tenant) {
		return helpers.Credential{}, &helpers.MintError{Source: l.source,
			Cause: "the token is of tenant " + helpers.Line(bearer.Tenant) + ", the configuration names " + helpers.Line(wanted),
			Next:  "az login --tenant " + wanted}
	}
	tenant := bearer.Tenant
	if tenant == "" {
		tenant = l.tenant
	}
	token, err := exchange(ctx, l.env, l.req.Target.Host, tenant, entra.Token)
	if err != nil {
		return helpers.Credential{}, l.exchangeFailed(ctx, err, bearer)
	}
	return l.answer(token, who), nil
}

// settings is the advice when the SDK does not even begin: what it dislikes are
// the variables.
func (l lookup) settings() string {
	switch {
	case l.source == managedName && l.client != "":
		return "unset " + varClient + " and client_id, if this machine's kind has one identity only"
	case l.source == managedName:
		return "check IDENTITY_ENDPOINT and IDENTITY_SERVER_THUMBPRINT"
	}
	return "check " + varTenant + " and " + varAuthority
}

// answer dates the registry's token. One whose expiry cannot be read is
// answered once and kept nowhere.
func (l lookup) answer(token string, who helpers.Credential) helpers.Credential {
	who.Username, who.Secret, who.Minted = tokenUser, helpers.NewSecret(token), true
	dated, _ := readClaims(token)
	who.IssuedAt, who.ExpiresAt = moment(dated.Issued), moment(dated.Expires)
	if who.IssuedAt.IsZero() {
		who.IssuedAt = l.env.Now().UTC()
	}
	if who.ExpiresAt.IsZero() {
		who.NoCache = true
	}
	return who
}

// isGUID reports whether text is an identifier in Azure's usual form; tenants
// may also be given as a domain name.
func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(strings.ToLower(text)) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (c == '-') || !hyphen && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
