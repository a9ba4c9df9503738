// SPDX-License-Identifier: Apache-2.0

package static

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// delegateVariable is set for the helpers that we start. One that in the end
// starts us finds it set, and goes no further.
const delegateVariable = "REGAUTH_DELEGATE"

// ourNames are the helper names under which this program is installed.
var ourNames = map[string]bool{"regauth": true, "regauth.exe": true}

// Loops returns an error when asking docker-credential-NAME would lead back to
// this program: it is this program, by name or behind any link, or this process
// was itself started by a helper that we asked. It also refuses what is no
// helper's name. A program that is not there leads nowhere.
func Loops(env *helpers.Env, name string) error {
	refuse := func(cause, next string) error {
		return &helpers.MintError{Source: prefix + helpers.Line(name), Cause: cause, Next: next}
	}
	const other = "name another helper, or take it out of the configuration"
	switch {
	case !isHelperName(name):
		return refuse("is no name of a credential helper", "write NAME of a program docker-credential-NAME")
	case ourNames[strings.ToLower(name)] || isOurselves(env, prefix+name):
		return refuse("is this program itself", other)
	case env.Getenv(delegateVariable) != "":
		return refuse("regauth was started by a helper that regauth had asked, and asks no other ("+
			delegateVariable+" is set)", other)
	}
	return nil
}

// isHelperName keeps a name from leaving the folders of PATH.
func isHelperName(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return name != "" && len(name) <= 100 && name[0] != '.'
}

// isOurselves reports whether the program found on PATH is the one that runs.
func isOurselves(env *helpers.Env, program string) bool {
	path, err := env.LookPath(program)
	if err != nil {
		return false
	}
	self, err := os.Executable()
	if err != nil {
		return false
	}
	there, err := resolved(path)
	if err != nil {
		return false
	}
	here, err := resolved(self)
	return err == nil && os.SameFile(there, here)
}

// resolved describes the file behind all links.
func resolved(path string) (os.FileInfo, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	return os.Stat(path)
}
