// SPDX-License-Identifier: Apache-2.0

package static

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// shortLife is how long a login lives that is known to be short-lived and does
// not say until when: the life of a Google access token and the shortest of an
// AWS role session by default.
const shortLife = time.Hour

// nullGUID is the user name with which Azure's tools store a registry's refresh
// token (Azure Container Registry, "Authenticate with an Azure container
// registry").
const nullGUID = "00000000-0000-0000-0000-000000000000"

// LoginExpiry tells until when (UTC) a login holds that was stored at now, or
// zero when it holds until it is erased. A token that says it itself is taken
// at its word, without checking who signed it: an Amazon ECR password (user
// AWS; base64 of a JSON object whose `expiration` counts seconds since 1970) and
// any JSON Web Token with an `exp` (RFC 7519, 4.1.4). Other logins of users that
// only cloud tools use hold for an hour.
func LoginExpiry(username, secret string, now time.Time) time.Time {
	if told := toldExpiry(username, secret); !told.IsZero() {
		return told
	}
	if isShortLived(username) {
		return now.UTC().Add(shortLife)
	}
	return time.Time{}
}

// isShortLived reports whether only tools that store access tokens use this
// user name: the AWS CLI, az, and gcloud in its several versions.
func isShortLived(username string) bool {
	return username == nullGUID || isHourly(username)
}

// isHourly reports whether a login of this user name that tells no end is over
// within hours of being stored. What az stores may be a registry's refresh
// token without a readable end, which lives longer.
func isHourly(username string) bool { return username == "AWS" || isGoogleToken(username) }

// isGoogleToken reports whether gcloud stores access tokens under this user
// name. They are opaque: none tells its end.
func isGoogleToken(username string) bool {
	return username == "oauth2accesstoken" || username == "_token" || strings.HasPrefix(username, "_dcgcr_")
}

// toldExpiry is the expiry that the secret itself carries, or zero.
func toldExpiry(username, secret string) time.Time {
	secret = strings.TrimSpace(secret)
	if username == "AWS" {
		return ecrExpiry(secret)
	}
	return jwtExpiry(secret)
}

// ecrExpiry reads the expiration of an Amazon ECR password. It is a hint: AWS
// documents the password as opaque.
func ecrExpiry(password string) time.Time {
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(password, "="))
	if err != nil {
		return time.Time{}
	}
	var payload struct {
		Expiration json.Number `json:"expiration"`
	}
	if json.Unmarshal(text, &payload) != nil {
		return time.Time{}
	}
	return epoch(payload.Expiration)
}

// jwtExpiry reads the exp of a JSON Web Token in compact form (RFC 7515, 7.1).
func jwtExpiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	var header struct {
		Algorithm string `json:"alg"` // required by RFC 7515, 4.1.1
	}
	var claims struct {
		Expires json.Number `json:"exp"`
	}
	if !decodePart(parts[0], &header) || header.Algorithm == "" || !decodePart(parts[1], &claims) {
		return time.Time{}
	}
	return epoch(claims.Expires)
}

// decodePart decodes one part of a token: base64url without padding.
func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// epoch turns seconds since 1970, which may have a fraction, into a time; zero
// for what is none.
func epoch(seconds json.Number) time.Time {
	value, err := seconds.Float64()
	if err != nil || !(value >= 1 && value <= lastSecond) {
		return time.Time{}
	}
	return time.Unix(int64(value), 0).UTC()
}
