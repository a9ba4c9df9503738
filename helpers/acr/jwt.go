// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// claims are what we read from a token, for its expiry and for messages. The
// signature is not checked: the registry does that.
type claims struct {
	Issued  float64 `json:"iat"`
	Expires float64 `json:"exp"`
	Grant   string  `json:"grant_type"` // ACR: refresh_token or access_token
	Tenant  string  `json:"tid"`        // Entra
	App     string  `json:"appid"`
	Object  string  `json:"oid"`
	User    string  `json:"upn"`
	Scopes  string  `json:"scp"` // only when a person signed in
	// Audience is a string in Entra's and ACR's tokens; an array is left empty.
	Audience json.RawMessage `json:"aud"`
}

// readClaims decodes the payload of a JWT (RFC 7519).
func readClaims(token string) (claims, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}, false
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return claims{}, false
	}
	return c, true
}

func (c claims) audience() string {
	var text string
	if json.Unmarshal(c.Audience, &text) != nil {
		return ""
	}
	return text
}

// moment turns a NumericDate into UTC, the zero time when it is absent or out
// of any sensible range (year 9999).
func moment(seconds float64) time.Time {
	if seconds <= 0 || seconds > 253402300799 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}
