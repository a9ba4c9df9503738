// SPDX-License-Identifier: Apache-2.0

package given

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// JWTExpiry returns the time after which a JSON Web Token is no longer good
// (RFC 7519, 4.1.4), in UTC, and false when text is no such token or names no
// expiry. The signature is not looked at: this only spares a request that is
// sure to be refused. A prefix before the header, as GitLab puts one, is
// allowed.
func JWTExpiry(text string) (time.Time, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp == nil {
		return time.Time{}, false
	}
	if exp := *claims.Exp; exp > 0 && exp < math.MaxInt32*8 { // about the year 2500
		return time.Unix(int64(exp), 0).UTC(), true
	}
	return time.Time{}, false
}
