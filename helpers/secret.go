// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"fmt"
	"log/slog"
	"unique"
)

// mask is what every rendering of a Secret shows.
const mask = "***"

// Secret holds a password, key or token. Every way of printing, logging or
// encoding it yields "***"; only [Secret.Reveal] gives the value, so that a
// search for Reveal lists every place where a secret leaves the program.
// The zero value is the empty secret. Secrets can be compared with ==.
//
// The value lies behind a handle because package fmt does not call the methods
// of an unexported field, nor any for %p: it would print a plain string there,
// and prints an address instead.
type Secret struct{ value unique.Handle[string] }

// NewSecret wraps value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{unique.Make(value)}
}

// Reveal returns the secret itself.
func (s Secret) Reveal() string {
	if s.Empty() {
		return ""
	}
	return s.value.Value()
}

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s == Secret{} }

// String implements fmt.Stringer and never shows the secret.
func (s Secret) String() string { return mask }

// Format implements fmt.Formatter, so that %v, %+v, %#v, %q, %x and the rest
// show the mask too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText implements encoding.TextMarshaler, which encoding/json uses too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }
