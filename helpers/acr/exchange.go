// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// maxBody bounds what is read of an answer, in bytes; a refresh token has
// about 1 KiB.
const maxBody = 64 << 10

// Limits of the exchange's repetitions: a registry that throttles or has a
// hiccup often answers the next attempt.
const (
	maxAttempts   = 3
	firstPause    = 250 * time.Millisecond
	maxRetryAfter = 2 * time.Second
)

// refusal is an answer of the exchange that holds no token.
type refusal struct {
	status int
	code   string // of the registry's error list: "UNAUTHORIZED", "DENIED"
	text   string // the registry's words, as sent
	ours   string // our words where the registry's cannot be read
	after  time.Duration
}

// Error holds the registry's words unescaped and is never shown; see why.
func (r *refusal) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s%s", r.status, r.code, r.text, r.ours)
}

// why is the reason for a sentence, after a colon: the registry's own words in
// quotes, or ours, or nothing.
func (r *refusal) why() string {
	switch {
	case r.text != "":
		return ": " + helpers.Show(r.text)
	case r.ours != "":
		return ": " + r.ours
	}
	return ""
}

// exchange trades an Entra token for the registry's refresh token (AAD-OAuth.md
// of github.com/Azure/acr). The request goes to the host that [provider.Match]
// accepted and nowhere else: no challenge's realm and no redirect is followed.
func exchange(ctx context.Context, env *helpers.Env, host, tenant, entra string) (string, error) {
	form := url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {entra}}
	if tenant != "" {
		form.Set("tenant", tenant)
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		token, err := exchangeOnce(ctx, env, host, form)
		var refused *refusal
		again := errors.As(err, &refused) && (refused.status == http.StatusTooManyRequests || refused.status >= 500)
		if !again || attempt == maxAttempts || refused.after > maxRetryAfter {
			return token, err
		}
		select {
		case <-time.After(max(pause, refused.after)):
			pause *= 2
		case <-ctx.Done():
			return "", err
		}
	}
}

func exchangeOnce(ctx context.Context, env *helpers.Env, host string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+host+"/oauth2/exchange", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := env.HTTP.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return "", err
	}
	refused := &refusal{status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"))}
	if len(body) > maxBody {
		refused.ours = "the answer is larger than any token"
		return "", refused
	}
	var answer struct {
		Token  string `json:"refresh_token"`
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &answer) != nil {
		refused.ours = "the answer is not the registry's (no JSON), so a proxy may stand in between"
		return "", refused
	}
	if resp.StatusCode == http.StatusOK && answer.Token != "" {
		return answer.Token, nil
	}
	if len(answer.Errors) > 0 {
		refused.code, refused.text = answer.Errors[0].Code, answer.Errors[0].Message
	}
	return "", refused
}

// retryAfter reads delay-seconds (RFC 9110 10.2.3); a date counts as none.
func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 || seconds > 86400 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
