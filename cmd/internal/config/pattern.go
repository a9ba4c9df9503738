// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// pattern is a rule's match: a host of which some labels, and optionally a path
// of which some segments, hold '*'. A '*' stands for any number of characters
// of one label or segment, so it never crosses a '.' of the host or a '/'.
type pattern struct {
	host []string // labels, the last with the port
	path []string // segments; nil when the rule is for whole hosts
}

// compile reads a match. Its spelling may be any that clients use for a
// registry; the host is compared in its normal form.
func compile(match string) (pattern, error) {
	if strings.Contains(match, "**") {
		return pattern{}, errors.New("'**' means nothing here: '*' stays within one label or path segment")
	}
	// A stand-in lets the address parser judge the rest; no address holds it.
	const standIn = "zz-star-zz"
	if strings.Contains(strings.ToLower(match), standIn) {
		return pattern{}, errors.New("this text cannot be a registry's name")
	}
	address, err := helpers.ParseAddress(strings.ReplaceAll(match, "*", standIn))
	if err != nil {
		var bad *helpers.AddressError
		if errors.As(err, &bad) {
			return pattern{}, errors.New(bad.Why)
		}
		return pattern{}, err
	}
	if address.WebLogin != "" {
		return pattern{}, errors.New("this is Docker's own web login, not a registry")
	}
	split := func(text, separator string) []string {
		return strings.Split(strings.ReplaceAll(text, standIn, "*"), separator)
	}
	made := pattern{host: split(address.Host, ".")}
	if address.Path != "" {
		made.path = split(address.Path, "/")
	}
	return made, nil
}

// matches reports whether the address lies under the pattern: each label of its
// host fits, and the first segments of its path fit all of the pattern's.
func (p pattern) matches(address helpers.Address) bool {
	labels := strings.Split(address.Host, ".")
	if len(labels) != len(p.host) {
		return false
	}
	for i, label := range labels {
		if !fits(p.host[i], label) {
			return false
		}
	}
	if p.path == nil {
		return true
	}
	segments := strings.Split(address.Path, "/")
	if len(segments) < len(p.path) {
		return false
	}
	for i, want := range p.path {
		if !fits(want, segments[i]) {
			return false
		}
	}
	return true
}

// fits reports whether text is glob with each '*' replaced by any characters.
func fits(glob, text string) bool {
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}

func (p pattern) literalHost() bool { return !strings.Contains(p.hostText(), "*") }

func (p pattern) hostText() string { return strings.Join(p.host, ".") }

func (p pattern) pathText() string { return strings.Join(p.path, "/") }
