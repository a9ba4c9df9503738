// SPDX-License-Identifier: Apache-2.0

package static

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// ecrPassword is made like an Amazon ECR password.
func ecrPassword(expiration int64) string {
	text := fmt.Sprintf(`{"payload":"cGF5bG9hZA==","datakey":"a2V5","version":"2","type":"DATA_KEY","expiration":%d}`, expiration)
	return base64.StdEncoding.EncodeToString([]byte(text))
}

func jwt(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + ".c2lnbmF0dXJl"
}

func TestLoginExpiry(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	const told = 1772370000
	hour, exp, never := now.Add(time.Hour), time.Unix(told, 0), time.Time{}
	token := jwt(`{"alg":"RS256"}`, fmt.Sprintf(`{"exp":%d}`, told))
	for _, test := range []struct {
		name, user, secret string
		want               time.Time
	}{
		{"ECR", "AWS", ecrPassword(told), exp},
		{"ECR without padding", "AWS", strings.TrimRight(ecrPassword(told), "="), exp},
		{"ECR with a line break", "AWS", ecrPassword(told) + "\n", exp},
		{"ECR, opaque", "AWS", "opaque", hour},
		{"ECR, no expiration", "AWS", base64.StdEncoding.EncodeToString([]byte(`{"payload":"x"}`)), hour},
		{"ECR, expiration before all time", "AWS", ecrPassword(-5), hour},
		{"ECR, expiration in milliseconds", "AWS", ecrPassword(told * 1000), hour},
		{"ECR, a list", "AWS", base64.StdEncoding.EncodeToString([]byte(`[]`)), hour},
		{"ECR payload of another user", "bob", ecrPassword(told), never},
		{"aws in lower case is a person", "aws", "opaque", never},
		{"ACR", nullGUID, token, exp},
		{"ACR, opaque", nullGUID, "opaque", hour},
		{"ACR, no exp", nullGUID, jwt(`{"alg":"RS256"}`, `{}`), hour},
		{"refresh token", "<token>", token, exp},
		{"refresh token, opaque", "<token>", "opaque", never},
		{"Google", "oauth2accesstoken", "ya29.a", hour},
		{"Google, old", "_token", "ya29.a", hour},
		{"Google, older", "_dcgcr_1_0_0_token", "ya29.a", hour},
		{"Google key", "_json_key", `{"type":"service_account"}`, never},
		{"GitLab job token", "gitlab-ci-token", token, exp},
		{"with a fraction", "bob", jwt(`{"alg":"none"}`, fmt.Sprintf(`{"exp":%d.75}`, told)), exp},
		{"no alg", "bob", jwt(`{}`, fmt.Sprintf(`{"exp":%d}`, told)), never},
		{"exp is a word", "bob", jwt(`{"alg":"none"}`, `{"exp":"soon"}`), never},
		{"exp beyond all time", "bob", jwt(`{"alg":"none"}`, `{"exp":1e300}`), never},
		{"four parts", "bob", token + ".x", never},
		{"two dots", "bob", "a.b.c", never},
		{"a password", "bob", "hunter2", never},
		{"nothing", "", "", never},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := LoginExpiry(test.user, test.secret, now)
			if !got.Equal(test.want) || got.Location() != time.UTC {
				t.Errorf("%v, want %v in UTC", got, test.want)
			}
		})
	}
}

// FuzzLoginExpiry: what comes out can be written as JSON and is UTC, whatever
// goes in; a cloud's user never has a login without an end; and a time that the
// secret tells does not depend on the clock.
func FuzzLoginExpiry(f *testing.F) {
	f.Add("AWS", ecrPassword(1772370000))
	f.Add("AWS", ecrPassword(1<<62))
	f.Add(nullGUID, jwt(`{"alg":"RS256"}`, `{"exp":1772370000}`))
	f.Add("<token>", jwt(`{"alg":"RS256"}`, `{"exp":-1e400}`))
	f.Add("bob", jwt(`{"alg":"RS256"}`, `{"exp":"12"}`))
	f.Add("_dcgcr_x", "..")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, user, secret string) {
		got := LoginExpiry(user, secret, now)
		if _, err := json.Marshal(got); err != nil || got.Location() != time.UTC {
			t.Fatalf("%v: %v", got, err)
		}
		if isShortLived(user) && got.IsZero() {
			t.Fatal("a short-lived login without an end")
		}
		later := LoginExpiry(user, secret, now.Add(24*time.Hour))
		told := toldExpiry(user, secret)
		switch {
		case !told.IsZero() && (!got.Equal(told) || !later.Equal(told)):
			t.Fatalf("told %v, got %v and %v", told, got, later)
		case told.IsZero() && isShortLived(user) && !later.Equal(got.Add(24*time.Hour)):
			t.Fatalf("%v, a day later %v", got, later)
		case told.IsZero() && !isShortLived(user) && !got.IsZero():
			t.Fatalf("a lasting login ends at %v", got)
		}
	})
}
