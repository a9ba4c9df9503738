// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"errors"
	"strings"
)

// AbsentError says that a source holds no identity, so that the next is tried.
type AbsentError struct {
	Source string // as in Source.Name
	Why    string // short: "AWS_PROFILE and ~/.aws are unset"
}

// Error returns one line: the source and why nothing is there.
func (e *AbsentError) Error() string { return e.Source + ": " + e.Why }

// UnusableError says that a source holds a credential known not to work with
// this registry (an empty variable, a fine-grained token on ghcr.io): it counts
// as no identity, but deserves one warning.
type UnusableError struct {
	Source string
	Why    string // what is wrong with it, without its value
	Next   string // the command or sentence that mends it
}

// Error returns one line, without the credential and without Next.
func (e *UnusableError) Error() string { return e.Source + ": " + e.Why }

// MintError says that a source holds an identity and no token could be had
// with it.
type MintError struct {
	Source string // as in Source.Name
	// Cause is one short line for people, made from what the service or tool
	// said (already bounded and escaped, see [Line]), without secrets.
	Cause string
	Next  string // the command that mends it, or the shortest advice
	// Err is the original error, for errors.Is and As. It may hold anything
	// and is never shown.
	Err error
}

// Error returns the source and Cause; it never quotes Err, and leaves out Next.
func (e *MintError) Error() string { return e.Source + ": " + e.Cause }

// Unwrap returns the original error.
func (e *MintError) Unwrap() error { return e.Err }

// Absent returns an [*AbsentError].
func Absent(source, why string) error { return &AbsentError{Source: source, Why: why} }

// IsAbsent reports whether err says that a source holds no identity.
func IsAbsent(err error) bool {
	var absent *AbsentError
	return errors.As(err, &absent)
}

// CheckSecret finds the faults that a secret from a variable or a store has
// when it was never filled in: empty, an unexpanded $A_NAME, ${…}, $(…), {{…}} or
// %…%, the mask of a CI system. It returns what is wrong, or "". Surrounding white space is
// not a fault (trim it before use), nor are line breaks inside (a JSON key has
// them).
func CheckSecret(value string) string {
	switch v := strings.TrimSpace(value); {
	case v == "":
		return "is set but empty"
	case strings.HasPrefix(v, "${") && strings.HasSuffix(v, "}"),
		strings.HasPrefix(v, "$(") && strings.HasSuffix(v, ")"),
		strings.HasPrefix(v, "{{") && strings.HasSuffix(v, "}}"),
		strings.HasPrefix(v, "%") && strings.HasSuffix(v, "%") && len(v) > 2,
		isVariable(v):
		return "holds an unexpanded variable"
	case strings.Trim(v, "*") == "":
		return "holds the asterisks of a masked secret"
	}
	return ""
}

// isVariable reports whether text is $NAME, as a shell and GitLab's CI write a
// variable that they did not know. Only a name as CI variables have them counts
// (POSIX "Environment Variables": capitals, digits and the underscore, here at
// least one of each of the first and the last): a password may begin with a
// dollar sign, and Quay's user name $oauthtoken does.
func isVariable(text string) bool {
	name, found := strings.CutPrefix(text, "$")
	return found && strings.Contains(strings.Trim(name, "_"), "_") &&
		strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
