// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
)

// Kinds of input.
const (
	InputEnv    = "env"    // an environment variable: Name
	InputFile   = "file"   // a file's content: Name is its absolute path
	InputBoot   = "boot"   // the machine's boot id
	InputHost   = "host"   // the host name
	InputClaims = "claims" // iss, sub and aud of the JWT in the file Name
)

// Input is one local fact that an entry depends on. Absence is a fact too.
type Input struct {
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	// Tag stands for the fact's value: its HMAC-SHA256 under the cache's key,
	// or "-" when it is absent. Set by the cache.
	Tag string `json:"tag"`
}

// absent is the tag of a fact that is not there.
const absent = "-"

// maxInput bounds a file that decides an identity, in bytes.
const maxInput = 4 << 20

// World is where inputs are measured.
type World struct {
	LookupEnv func(name string) (string, bool)
	Hostname  func() (string, error)
	// BootID returns an id that changes with each start of the machine, or ""
	// where the system has none.
	BootID func() string

	key []byte
}

// SystemWorld measures the real world.
func SystemWorld() World {
	return World{LookupEnv: os.LookupEnv, Hostname: os.Hostname, BootID: bootID}
}

// measure returns the inputs with their present tags. It reports false when a
// fact that must be there (a boot id, a token's claims) is not: then nothing
// binds the entry to its owner and it must not be kept.
func (w World) measure(inputs []Input) ([]Input, bool) {
	measured := make([]Input, 0, len(inputs))
	for _, input := range inputs {
		input.Tag = w.tag(input)
		mayBeAbsent := input.Kind == InputEnv || input.Kind == InputFile
		if input.Tag == absent && !mayBeAbsent {
			return nil, false
		}
		measured = append(measured, input)
	}
	return measured, true
}

// holds reports whether every input has the value it was recorded with.
func (w World) holds(inputs []Input) bool {
	for _, input := range inputs {
		if input.Tag == "" || w.tag(input) != input.Tag {
			return false
		}
	}
	return true
}

func (w World) tag(input Input) string {
	value, ok := w.value(input)
	if !ok {
		return absent
	}
	return w.hmac(input.Kind, input.Name, value)
}

// hmac stands for the parts where they must not be written.
func (w World) hmac(parts ...string) string {
	mac := hmac.New(sha256.New, w.key)
	for _, part := range parts {
		_, _ = mac.Write([]byte(part))
		_, _ = mac.Write([]byte{0})
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func (w World) value(input Input) (string, bool) {
	switch input.Kind {
	case InputEnv:
		return w.LookupEnv(input.Name)
	case InputFile:
		return fileContent(input.Name)
	case InputBoot:
		id := w.BootID()
		return id, id != ""
	case InputHost:
		name, err := w.Hostname()
		return name, err == nil && name != ""
	case InputClaims:
		token, ok := fileContent(input.Name)
		if !ok {
			return "", false
		}
		return owner(token)
	}
	return "", false
}

// fileContent returns a regular file's content, links followed: people link
// their configuration from elsewhere.
func fileContent(path string) (string, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxInput {
		return "", false
	}
	text, err := os.ReadFile(path) //nolint:gosec // only its HMAC is kept
	if err != nil {
		return "", false
	}
	return string(text), true
}

// owner returns what a JWT says about whose it is (RFC 7519: iss, sub, aud) and
// nothing that changes when it is renewed. The signature is not checked: the
// token is only compared with an earlier one from the same file.
func owner(token string) (string, bool) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return "", false
	}
	var claims struct {
		Issuer   string          `json:"iss"`
		Subject  string          `json:"sub"`
		Audience json.RawMessage `json:"aud"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Subject == "" {
		return "", false
	}
	return claims.Issuer + "\x00" + claims.Subject + "\x00" + string(claims.Audience), true
}

// bootID reads Linux's random boot id (random(4)); other systems have none that
// can be read without a program.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
