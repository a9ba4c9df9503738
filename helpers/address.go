// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// HubHost is the name under which this program knows Docker Hub. Clients send
// many others; see [ParseAddress].
const HubHost = "docker.io"

// HubKey is the key under which Docker itself stores and asks for Docker Hub's
// credential (docker/cli, getAuthConfigKey).
const HubKey = "https://index.docker.io/v1/"

// maxAddress bounds a server address; a DNS name has at most 253 characters and
// a repository name at most 255 (OCI distribution-spec).
const maxAddress = 4096

// ErrNoAddress says that a client sent no server address at all.
var ErrNoAddress = errors.New("no server address")

// AddressError says why a text is not a server address.
type AddressError struct {
	Raw string // as sent; bound and escape it before showing it
	Why string
}

// Error returns one line in which what was sent is bounded and escaped.
func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is not a registry address: %s", Show(e.Raw), e.Why)
}

// Address is a server address in its one normal form, whatever spelling the
// client chose.
type Address struct {
	// Host is the registry's host in lower case with its port, the default
	// port 443 left out. Docker Hub, in all its spellings, is HubHost.
	Host string
	// Path is the repository that some clients add (go-containerregistry asks
	// for host/repository first), without slashes at its ends; "" for the host.
	Path string
	// WebLogin is "access-token" or "refresh-token" when the address is one of
	// the two keys under which the docker CLI keeps its own web login to Docker
	// Hub (docker/cli, internal/oauth/manager). Those are not registry
	// credentials and are only ever stored and given back.
	WebLogin string
}

// hubHosts are the other names of Docker Hub.
var hubHosts = map[string]bool{
	HubHost:                   true,
	"index.docker.io":         true,
	"registry-1.docker.io":    true,
	"registry.hub.docker.com": true,
}

// ParseAddress brings a server address, in any form that a client sends, into
// its normal form: scheme, API version path (/v1/, /v2/), trailing slashes,
// query and port 443 are dropped, the host is lower-cased and the names of
// Docker Hub become one. Parsing the normal form again changes nothing.
//
// It returns [ErrNoAddress] for an empty text and an [*AddressError] for one
// that cannot name a registry, in particular anything with user information,
// control characters or a host outside ASCII: such a text may look like one
// host and reach another.
func ParseAddress(raw string) (Address, error) {
	text := strings.TrimSpace(raw)
	if text == "" {
		return Address{}, ErrNoAddress
	}
	bad := func(why string) (Address, error) {
		return Address{}, &AddressError{Raw: raw, Why: why}
	}
	if len(text) > maxAddress {
		return bad("it is longer than any host and repository name")
	}
	for _, r := range text {
		if r <= ' ' || r == 0x7f || r > 0x7e {
			return bad("it holds a space, a control character or a letter outside ASCII")
		}
	}
	if scheme, rest, found := strings.Cut(text, "://"); found {
		switch strings.ToLower(scheme) {
		case "https", "http", "oci", "docker":
			text = rest
		default:
			return bad("its scheme is neither https nor http")
		}
	}
	text, _, _ = strings.Cut(text, "#")
	text, _, _ = strings.Cut(text, "?")
	host, path, _ := strings.Cut(text, "/")
	host, why := cleanHost(host)
	if why != "" {
		return bad(why)
	}
	path, why = cleanPath(path)
	if why != "" {
		return bad(why)
	}
	address := Address{Host: host, Path: path}
	if hubHosts[host] {
		address.Host = HubHost
		switch rest := strings.TrimPrefix(path, "v1/"); rest {
		case "access-token", "refresh-token":
			address.Path, address.WebLogin = "", rest
		}
	}
	return address, nil
}

// cleanHost returns the normal form of "host" or "host:port", or says why it
// is none.
func cleanHost(authority string) (host, why string) {
	authority = strings.ToLower(authority)
	var name, port string
	if strings.HasPrefix(authority, "[") { // IPv6 literal, RFC 3986 3.2.2
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return "", "its IPv6 address has no closing bracket"
		}
		ip, err := netip.ParseAddr(authority[1:end])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", "its brackets hold no IPv6 address"
		}
		name, port = "["+ip.String()+"]", authority[end+1:]
		if port != "" && port[0] != ':' {
			return "", "something other than a port follows its IPv6 address"
		}
		if port == ":" {
			return "", "its port is empty"
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		var hasPort bool
		name, port, hasPort = strings.Cut(authority, ":")
		if hasPort && port == "" {
			return "", "its port is empty"
		}
		if name == "" {
			return "", "it has no host"
		}
		if len(name) > 253 {
			return "", "its host is longer than a DNS name can be"
		}
		for _, label := range strings.Split(name, ".") {
			if label == "" || len(label) > 63 {
				return "", "its host has an empty or overlong label"
			}
			for _, c := range []byte(label) {
				if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
					return "", "its host holds a character that no host name has"
				}
			}
		}
	}
	if port != "" {
		if len(port) > 5 || strings.Trim(port, "0123456789") != "" {
			return "", "its port is not a number"
		}
		port = strings.TrimLeft(port, "0")
		if port == "" || len(port) == 5 && port > "65535" {
			return "", "its port is out of range"
		}
		if port != "443" {
			return name + ":" + port, ""
		}
	}
	return name, ""
}

// IsLabel reports whether label is one label of a host name as registries have
// them: 1 to 63 lower-case letters, digits and inner hyphens (RFC 1123, 2.1).
func IsLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range []byte(label) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// cleanPath drops slashes at both ends and the API version that Docker's older
// keys carry, and refuses what is no repository name.
func cleanPath(path string) (clean, why string) {
	path = strings.Trim(path, "/")
	switch path {
	case "v1", "v2":
		return "", ""
	}
	for _, segment := range strings.Split(path, "/") {
		if segment == "." || segment == ".." || segment == "" && path != "" {
			return "", "its path has an empty or relative segment"
		}
	}
	for _, c := range []byte(path) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("._-/:@+~", c) >= 0:
		default:
			return "", "its path holds a character that no repository name has"
		}
	}
	return path, ""
}

// String returns the normal form. Parsing it gives the same Address again.
func (a Address) String() string {
	switch {
	case a.WebLogin != "":
		return HubKey + a.WebLogin
	case a.Path != "":
		return a.Host + "/" + a.Path
	}
	return a.Host
}

// IsHub reports whether the address is Docker Hub.
func (a Address) IsHub() bool { return a.Host == HubHost }

// DockerKey returns the form in which Docker keeps this registry's credential:
// the host, except for Docker Hub. It never has a path.
func (a Address) DockerKey() string {
	switch {
	case a.WebLogin != "":
		return HubKey + a.WebLogin
	case a.IsHub():
		return HubKey
	}
	return a.Host
}

// WholeHost returns the address without its path.
func (a Address) WholeHost() Address {
	return Address{Host: a.Host, WebLogin: a.WebLogin}
}
