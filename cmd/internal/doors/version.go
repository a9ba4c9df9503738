// SPDX-License-Identifier: Apache-2.0

package doors

import "runtime/debug"

// helperName and module are what `version` prints, in the form of the other
// helpers: name (package) version.
const (
	helperName = "docker-credential-regauth"
	module     = "github.com/regauth/docker-credential-regauth"
)

func (p *Program) version() int {
	p.say("%s (%s) %s", helperName, module, buildVersion())
	return exitOK
}

// buildVersion is the version that Go recorded in the binary: the module's for
// `go install …@v1.2.3`, else one made from the commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	revision, modified := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "+dirty"
		}
	}
	switch version := info.Main.Version; {
	case version != "" && version != "(devel)":
		return version
	case len(revision) >= 12:
		return "devel-" + revision[:12] + modified
	}
	return "devel"
}
