// SPDX-License-Identifier: Apache-2.0

// Package config reads the one optional configuration file: which identity for
// which registry, an alias, a registry that people host themselves. Without a
// file everything works with what host names and the environment say.
//
// The format is TOML (https://toml.io/en/v1.0.0); docs/configuration.md
// describes the keys. An unknown key is an error that names its line, because
// a mistyped `profile` would otherwise mint with the wrong identity.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// DefaultTimeout is the total limit of one `get`.
const DefaultTimeout = 20 * time.Second

// maxFile bounds the configuration file, in bytes.
const maxFile = 1 << 20

// Config is a read configuration. The zero value is that of no file.
type Config struct {
	File    string // its path, "" when there is none
	Timeout time.Duration
	Store   string // where logins are kept: "" chooses by platform
	rules   []rule
}

type rule struct {
	pattern pattern
	choice  helpers.Choice
}

// Error is a fault in the file.
type Error struct {
	File string
	Line int // 0 when it concerns the whole file
	Why  string
	Next string // what mends it, "" when Why says it
}

// Error returns one line: where the fault is, what it is, and what mends it.
func (e *Error) Error() string {
	text := e.Where() + ": " + e.Why
	if e.Next != "" {
		text += "; " + e.Next
	}
	return text
}

// Where is the file, and the line if one is at fault: "config.toml:3".
func (e *Error) Where() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d", helpers.Line(e.File), e.Line)
	}
	return helpers.Line(e.File)
}

// file is the shape of the TOML document.
type file struct {
	Timeout  string     `toml:"timeout"`
	Store    string     `toml:"store"`
	Registry []registry `toml:"registry"`
}

type registry struct {
	Match          string `toml:"match"`
	Provider       string `toml:"provider"`
	Alias          string `toml:"alias"`
	Helper         string `toml:"helper"`
	Profile        string `toml:"profile"`
	RoleARN        string `toml:"role_arn"`
	TenantID       string `toml:"tenant_id"`
	ClientID       string `toml:"client_id"`
	ServiceAccount string `toml:"service_account"`
	Metadata       *bool  `toml:"metadata"`
}

// Path returns where the configuration is looked for: REGAUTH_CONFIG, else
// regauth/config.toml in the user's configuration folder; "" when there is no
// such place.
func Path(env *helpers.Env) string {
	if path := env.Getenv("REGAUTH_CONFIG"); path != "" {
		return path
	}
	if dir := env.ConfigDir(); dir != "" {
		return filepath.Join(dir, "regauth", "config.toml")
	}
	return ""
}

// Load reads the configuration. A file that is not there is no error, unless
// REGAUTH_CONFIG names it.
func Load(env *helpers.Env) (*Config, error) {
	path := Path(env)
	if path == "" {
		return &Config{Timeout: DefaultTimeout}, nil
	}
	text, err := readTrusted(path)
	if errors.Is(err, fs.ErrNotExist) {
		if env.Getenv("REGAUTH_CONFIG") != "" {
			return nil, &Error{File: path, Why: "REGAUTH_CONFIG names this file, but it is not there"}
		}
		return &Config{Timeout: DefaultTimeout}, nil
	}
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// readTrusted reads a file that only its owner, who is the user or root, can
// have written: it names roles and programs to run.
func readTrusted(path string) ([]byte, error) {
	// A pipe would be waited for at opening, so what it is comes first.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &Error{File: path, Why: "is not a regular file"}
	}
	f, err := os.Open(path) //nolint:gosec // the user's own choice
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, &Error{File: path, Why: "cannot be read: " + plain(err)}
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, &Error{File: path, Why: "cannot be read: " + plain(err)}
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{File: path, Why: "is not a regular file"}
	}
	if why, next := untrusted(path, info); why != "" {
		return nil, &Error{File: path, Why: why, Next: next}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, &Error{File: path, Why: "cannot be read: " + plain(err)}
	}
	if len(text) > maxFile {
		return nil, &Error{File: path, Why: "is larger than 1 MiB"}
	}
	return text, nil
}

// plain returns the innermost message of a file error: the path is in Error.
func plain(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// Parse reads a configuration's text; path is for messages only.
func Parse(path string, text []byte) (*Config, error) {
	var doc file
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return nil, syntaxError(path, err)
	}
	config := &Config{File: path, Timeout: DefaultTimeout, Store: doc.Store}
	if doc.Timeout != "" {
		limit, err := time.ParseDuration(doc.Timeout)
		if err != nil || limit <= 0 {
			return nil, &Error{
				File: path, Line: lineOf(text, "timeout"),
				Why: fmt.Sprintf("timeout %s is no duration", helpers.Show(doc.Timeout)), Next: `write one like "20s"`,
			}
		}
		config.Timeout = limit
	}
	lines := tableLines(text)
	if len(lines) != len(doc.Registry) {
		return nil, &Error{
			File: path, Line: notTables(text), Why: "a rule is written as a table of its own", Next: "begin each with [[registry]]",
		}
	}
	for i, entry := range doc.Registry {
		made, err := entry.rule(lines[i])
		if err != nil {
			return nil, &Error{File: path, Line: lines[i], Why: err.Error()}
		}
		config.rules = append(config.rules, made)
	}
	return config, nil
}

// rule checks one [[registry]] table.
func (r registry) rule(line int) (rule, error) {
	if r.Match == "" {
		return rule{}, errors.New("this [[registry]] has no match")
	}
	made, err := compile(r.Match)
	if err != nil {
		return rule{}, fmt.Errorf("match %s: %w", helpers.Show(r.Match), err)
	}
	choice := helpers.Choice{
		Rule: r.Match, Line: line,
		Provider: r.Provider, Alias: r.Alias, Helper: r.Helper,
		Profile: r.Profile, RoleARN: r.RoleARN,
		TenantID: r.TenantID, ClientID: r.ClientID,
		ServiceAccount: r.ServiceAccount, Metadata: r.Metadata,
	}
	if r.Alias != "" {
		if !made.literalHost() {
			return rule{}, errors.New("alias needs a match without '*' in its host: a token for the alias goes to exactly the host that is written out")
		}
		address, err := helpers.ParseAddress(r.Alias)
		if err != nil || address.Path != "" || address.WebLogin != "" {
			return rule{}, fmt.Errorf("alias %s is not a registry's host name", helpers.Show(r.Alias))
		}
		choice.Alias = address.Host
	}
	return rule{made, choice}, nil
}

// Choose returns what the first rule that matches the address says, and the
// key under which tokens for it are kept: the host, or the rule's own pattern
// below the host when it has a path.
func (c *Config) Choose(address helpers.Address) (choice helpers.Choice, key string) {
	for _, r := range c.rules {
		if r.pattern.matches(address) {
			if r.pattern.path == nil {
				return r.choice, address.Host
			}
			return r.choice, address.Host + "/" + r.pattern.pathText()
		}
	}
	return helpers.Choice{}, address.Host
}

// Hosts returns the hosts that rules write out in full, in their order.
func (c *Config) Hosts() []string {
	var hosts []string
	for _, r := range c.rules {
		if r.pattern.literalHost() {
			hosts = append(hosts, r.pattern.hostText())
		}
	}
	return hosts
}

// syntaxError turns the TOML library's errors into ours.
func syntaxError(path string, err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := strict.Errors[0]
		row, _ := first.Position()
		key := first.Key()
		return &Error{
			File: path, Line: row,
			Why:  "unknown key " + helpers.Show(key[len(key)-1]),
			Next: "known keys are in docs/configuration.md: match, provider, alias, helper, profile, role_arn, tenant_id, client_id, service_account, metadata; timeout and store outside of [[registry]]",
		}
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, _ := decode.Position()
		if key := decode.Key(); len(key) > 0 {
			return &Error{File: path, Line: row, Why: "the value of " + helpers.Show(key[len(key)-1]) + " is of the wrong kind"}
		}
		return &Error{File: path, Line: row, Why: helpers.Line(decode.Error())}
	}
	return &Error{File: path, Why: helpers.Line(err.Error())}
}

// tableLines returns the line of each [[registry]] header.
func tableLines(text []byte) []int { return lines(text, unstable.ArrayTable, "registry") }

// notTables returns the line of a [registry] or registry = […], which TOML
// takes for a list of rules too.
func notTables(text []byte) int {
	if found := lines(text, unstable.Table, "registry"); len(found) > 0 {
		return found[0]
	}
	return lineOf(text, "registry")
}

// lineOf returns the line of the top-level key.
func lineOf(text []byte, key string) int {
	if found := lines(text, unstable.KeyValue, key); len(found) > 0 {
		return found[0]
	}
	return 0
}

func lines(text []byte, kind unstable.Kind, key string) []int {
	var found []int
	var parser unstable.Parser
	parser.Reset(text)
	for parser.NextExpression() {
		expression := parser.Expression()
		if expression.Kind != kind {
			continue
		}
		keys := expression.Key()
		if keys.Next() && string(keys.Node().Data) == key {
			found = append(found, parser.Shape(keys.Node().Raw).Start.Line)
		}
	}
	return found
}
