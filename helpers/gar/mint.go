// SPDX-License-Identifier: Apache-2.0

package gar

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// answer dates a token. One that came without an expiry counts as good for
// [assumedLife].
func (s source) answer(who helpers.Credential, token string, expires time.Time) helpers.Credential {
	now := s.env.Now().UTC()
	who.Username, who.Secret, who.Minted = tokenUser, helpers.NewSecret(token), true
	who.IssuedAt, who.ExpiresAt = now, expires.UTC()
	if expires.IsZero() {
		who.ExpiresAt = now.Add(assumedLife)
	}
	return who
}

// impersonate trades a token for one of the service account that the
// configuration names: generateAccessToken of the IAM Service Account
// Credentials API, as Google's libraries do for credentials files that ask for
// it. The account is named, so the result may be kept even where the identity
// below it could not; what that is bound to still holds.
func (s source) impersonate(ctx context.Context, base helpers.Credential, account string) (helpers.Credential, error) {
	w := newWire(s.env)
	token, expires, err := w.generateAccessToken(ctx, account, base.Secret)
	if err != nil {
		return helpers.Credential{}, s.refused(ctx, w, file{}, err)
	}
	who := helpers.Credential{
		Identity: accountWords(account) + " as " + base.Identity,
		BindTo:   base.BindTo,
		Source:   "service_account " + account + " by way of " + s.name,
	}
	if base.Source != "" {
		who.Source = "service_account " + account + " by way of " + base.Source
	}
	return s.answer(who, token, expires), nil
}

func (w *wire) generateAccessToken(ctx context.Context, account string, bearer helpers.Secret) (token string, expires time.Time, err error) {
	body, err := json.Marshal(map[string]any{"scope": []string{scope}, "lifetime": "3600s"})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("writing the request: %w", err)
	}
	target := "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + url.PathEscape(account) + ":generateAccessToken"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer.Reveal())
	resp, err := w.client(ctx).Do(req)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("asking: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Token   string    `json:"accessToken"`
		Expires time.Time `json:"expireTime"`
	}
	if resp.StatusCode != http.StatusOK {
		return "", time.Time{}, fmt.Errorf("refused: %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", time.Time{}, fmt.Errorf("reading the answer: %w", err)
	}
	if answer.Token == "" {
		return "", time.Time{}, fmt.Errorf("no token in the answer")
	}
	return answer.Token, answer.Expires, nil
}
