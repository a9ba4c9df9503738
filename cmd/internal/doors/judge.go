// SPDX-License-Identifier: Apache-2.0

package doors

import (
	"errors"
	"strings"

	"github.com/regauth/docker-credential-regauth/cmd/internal/config"
	"github.com/regauth/docker-credential-regauth/cmd/internal/resolve"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// verdict is how an outcome without a credential is told to the client. With a
// failure it gets that one line as an error; without, the not-found sentence,
// on which it goes on anonymously.
type verdict struct {
	failure string
	warning string // for standard error only
}

// judge decides how a missing credential is told. Docker from 29, BuildKit,
// podman and crane abort on an error, and go on without a credential on the
// not-found sentence; so an error is told only where going on cannot work, or
// where the person said which identity to use and would be misled. strict
// tells every failure as an error.
func judge(o resolve.Outcome, strict bool) verdict {
	never := o.Target.Anonymous == helpers.AnonymousNever
	switch {
	case o.Failed != nil && (never || o.Named || strict):
		return verdict{failure: line(o.Address.Host, o.Failed.Source+": "+o.Failed.Cause, o.Failed.Next)}
	case o.Failed != nil:
		return verdict{warning: warn(o.Address.Host,
			o.Failed.Source+": "+o.Failed.Cause+"; going on without a credential", o.Failed.Next)}
	case len(o.Unusable) > 0 && (never || strict):
		first := o.Unusable[0]
		return verdict{failure: line(o.Address.Host, first.Source+": "+first.Why, first.Next)}
	case len(o.Unusable) > 0:
		first := o.Unusable[0]
		return verdict{warning: warn(o.Address.Host,
			first.Source+": "+first.Why+"; going on without a credential", first.Next)}
	case never || o.Named:
		return verdict{failure: line(o.Address.Host, "no identity ("+looked(o)+")", o.Hint)}
	}
	return verdict{}
}

// looked lists the places where no identity is. The line begins with the host,
// so the places need not name it again.
func looked(o resolve.Outcome) string {
	if len(o.Looked) == 0 {
		return "nowhere to look"
	}
	places := make([]string, 0, len(o.Looked))
	for _, absent := range o.Looked {
		places = append(places, strings.ReplaceAll(absent.Error(), " for "+o.Address.DockerKey(), ""))
	}
	return "looked at " + strings.Join(places, "; ")
}

// line makes the one line of an error: who speaks, the host, what is wrong and
// what to do.
func line(host, what string, next ...string) string {
	parts := []string{"regauth"}
	if host != "" {
		parts = append(parts, host)
	}
	text := strings.Join(append(parts, what), ": ")
	for _, advice := range next {
		if advice != "" {
			text += "; " + runnable(advice)
		}
	}
	return oneLine(text)
}

// programs begin an advice that is a command, not a sentence.
var programs = map[string]bool{
	"aws": true, "az": true, "azd": true, "gcloud": true, "gh": true, "docker": true, "pass": true,
	"chmod": true, "chown": true, "sudo": true,
}

// runnable says of an advice that is a command that it is one.
func runnable(advice string) string {
	if first, _, _ := strings.Cut(advice, " "); programs[first] {
		return "run: " + advice
	}
	return advice
}

// fault makes the one line of an error in the configuration.
func fault(err error) string {
	var in *config.Error
	if errors.As(err, &in) {
		return line("", in.Where()+": "+in.Why, in.Next)
	}
	return line("", helpers.Line(err.Error()))
}

// warn makes the one line of a warning.
func warn(host, what, next string) string { return line("warning: "+host, what, next) }

// oneLine is the last guard of the protocol: an answer with a line break would
// be read as something else.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
