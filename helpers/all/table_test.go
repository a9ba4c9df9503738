// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/all"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

// root is the repository, as seen from this package's tests.
const root = "../.."

// example is one line of a hosts.txt.
type example struct {
	raw, word string // word: "yes", "configured" or "-"
	host      string // normalised, "" when raw is no address
}

// folder returns the provider's testdata folder.
func folder(p helpers.Provider) string {
	pkg := reflect.Indirect(reflect.ValueOf(p)).Type().PkgPath()
	return filepath.Join(root, "helpers", path.Base(pkg), "testdata", p.Name())
}

// examples reads the provider's hosts.txt; line errors are the test's.
func examples(t *testing.T, p helpers.Provider) []example {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder(p), "hosts.txt"))
	if err != nil {
		t.Fatalf("%s has no host examples: %v", p.Name(), err)
	}
	var found []example
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 2 || fields[1] != "yes" && fields[1] != "-" && fields[1] != "configured" {
			t.Fatalf("%s: hosts.txt: the line %q is not an address and yes, configured or -", p.Name(), line)
		}
		address, _ := helpers.ParseAddress(fields[0])
		found = append(found, example{fields[0], fields[1], address.Host})
	}
	return found
}

// isRest reports whether the provider takes what is left.
func isRest(p helpers.Provider) bool { return p.Name() == "static" }

func TestTable(t *testing.T) {
	names := map[string]bool{}
	table := all.Table()
	for i, line := range table {
		name := line.Provider.Name()
		t.Run(name, func(t *testing.T) {
			if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(name) || names[name] {
				t.Errorf("%q is not a name of its own", name)
			}
			names[name] = true
			if line.Anonymous.String() == "unset" {
				t.Error("the table does not say whether anybody is served")
			}
			if isRest(line.Provider) != (i == len(table)-1) {
				t.Error("the provider that takes every host has to be the last")
			}
			checkExamples(t, line)
			checkPage(t, name)
			checkAnswers(t, line.Provider)
		})
	}
}

// checkExamples wants five hosts of each kind, each treated as its line says.
func checkExamples(t *testing.T, line all.Line) {
	adopter, _ := line.Provider.(helpers.Adopter)
	env := envtest.World{}.Env()
	good, bad := 0, 0
	for _, e := range examples(t, line.Provider) {
		target, matched := line.Provider.Match(e.host)
		matched = matched && e.host != ""
		configured := false
		if e.word == "configured" && adopter != nil && e.host != "" {
			target, configured = adopter.Adopt(e.host, env, true)
			if _, alone := adopter.Adopt(e.host, env, false); alone {
				t.Errorf("%s: it is adopted without being configured", e.raw)
			}
		}
		if matched != (e.word == "yes") || configured != (e.word == "configured") {
			t.Errorf("%s: matched %v, adopted %v, but the example says %q", e.raw, matched, configured, e.word)
			continue
		}
		if e.word == "-" {
			bad++
			continue
		}
		good++
		if target.Host != e.host || target.Anonymous != line.Anonymous {
			t.Errorf("%s: the target is %+v, the table says anonymous: %v", e.raw, target, line.Anonymous)
		}
		if hint := line.Provider.Hint(target); hint == "" || strings.Contains(hint, "\n") {
			t.Errorf("%s: the hint is %q", e.raw, hint)
		}
	}
	if good < 5 || bad < 5 {
		t.Errorf("hosts.txt has %d hosts of this provider and %d others, want five of each at least", good, bad)
	}
}

// sourcesHeading begins the section that lists a provider's sources.
var sourcesHeading = regexp.MustCompile(`(?mi)^## .*\bsign-in\b`)

// checkPage wants a page that says where an identity may come from.
func checkPage(t *testing.T, name string) {
	file := filepath.Join(root, "docs", "registries", name+".md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("it has no page: %v", err)
		return
	}
	if !strings.HasPrefix(string(text), "# ") || !sourcesHeading.Match(text) {
		t.Errorf("%s has no title or no section on where a sign-in comes from", file)
	}
}

// checkAnswers wants recorded answers of the registry that are HTTP.
func checkAnswers(t *testing.T, p helpers.Provider) {
	files, err := filepath.Glob(filepath.Join(folder(p), "answers", "*.http"))
	if err != nil || len(files) == 0 {
		t.Errorf("there are no recorded answers in %s/answers", folder(p))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if _, err := io.ReadAll(response.Body); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		_ = response.Body.Close()
	}
}

// Every host belongs to at most one provider, and Find gives that one.
func TestNothingIsClaimedTwice(t *testing.T) {
	env := envtest.World{}.Env()
	for _, line := range all.Table() {
		for _, e := range examples(t, line.Provider) {
			if e.host == "" {
				continue
			}
			claims := []string{}
			for _, p := range all.All() {
				if _, ok := p.Match(e.host); ok && !isRest(p) {
					claims = append(claims, p.Name())
				}
			}
			want := "static"
			if len(claims) > 0 {
				want = claims[0]
			}
			if len(claims) > 1 {
				t.Errorf("%s is claimed by %q", e.raw, claims)
			}
			got, target, err := all.Find(e.host, helpers.Choice{}, env)
			if err != nil || got.Name() != want || target.Host != e.host {
				t.Errorf("%s: Find gives %v, %+v, %v, want %s", e.raw, got, target, err, want)
			}
			if e.word == "yes" && want != line.Provider.Name() {
				t.Errorf("%s is found for %s, want %s", e.raw, want, line.Provider.Name())
			}
		}
	}
}

// Match looks at whole labels: anything put before, behind or in place of a
// dot makes another host of it.
func TestLookAlikes(t *testing.T) {
	for _, line := range all.Table() {
		if isRest(line.Provider) {
			continue
		}
		for _, e := range examples(t, line.Provider) {
			if e.word != "yes" {
				continue
			}
			bare, _, _ := strings.Cut(e.host, ":")
			for _, host := range lookAlikes(bare) {
				for _, p := range all.All() {
					if _, ok := p.Match(host); ok && !isRest(p) {
						t.Errorf("%s: the look-alike %s is taken by %s", e.raw, host, p.Name())
					}
				}
			}
		}
	}
}

// lookAlikes makes hosts that hold host and are somebody else's.
func lookAlikes(host string) []string {
	last := strings.LastIndexByte(host, '.')
	domain := strings.LastIndexByte(host[:last], '.') + 1
	return []string{
		host + ".evil.example", "evil.example/" + host, host + "evil", host + ".", "." + host,
		host + ":5000", host + "@evil.example", host[:domain] + "evil" + host[domain:], host[:last] + "x" + host[last:],
		host[:last] + "-" + host[last+1:], host + "/x", "x@" + host, host[:domain] + "." + host[domain:], host + "\n", " " + host,
	}
}
