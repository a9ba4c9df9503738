// SPDX-License-Identifier: Apache-2.0

package acr

import (
	"os"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
)

func TestHosts(t *testing.T) {
	text, err := os.ReadFile("testdata/acr/hosts.txt")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		count[fields[1]]++
		t.Run(fields[0], func(t *testing.T) {
			matched := false
			if address, err := helpers.ParseAddress(fields[0]); err == nil {
				_, matched = New().Match(address.Host)
			}
			if matched != (fields[1] == "yes") {
				t.Errorf("matched %v", matched)
			}
			// The raw text is never more acceptable than its normal form.
			if _, raw := New().Match(fields[0]); raw && !matched {
				t.Error("the raw text matches")
			}
		})
	}
	if count["yes"] < 10 || count["-"] < 10 {
		t.Errorf("too few examples: %v", count)
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		name, host string
		want       helpers.Target
		cloud      string
		hint       string
	}{
		{"global", "corp.azurecr.io", helpers.Target{Suffix: "azurecr.io", Registry: "corp"}, publicCloud, "az login"},
		{"regional", "corp-ab12.eastus.geo.azurecr.us", helpers.Target{Suffix: "azurecr.us", Registry: "corp-ab12", Region: "eastus"}, "AzureUSGovernment", "az cloud set --name AzureUSGovernment && az login"},
		{"China", "corp.azurecr.cn", helpers.Target{Suffix: "azurecr.cn", Registry: "corp"}, "AzureChinaCloud", "az cloud set --name AzureChinaCloud && az login"},
		{"Germany", "corp.azurecr.de", helpers.Target{Suffix: "azurecr.de", Registry: "corp"}, publicCloud, "az login"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.want.Host, test.want.Anonymous = test.host, helpers.AnonymousPossible
			got, ok := New().Match(test.host)
			if !ok || got != test.want {
				t.Errorf("%+v, %v", got, ok)
			}
			if name := cloudOf(got).name; name != test.cloud {
				t.Errorf("cloud %s", name)
			}
			if hint := New().Hint(got); hint != test.hint {
				t.Errorf("hint %q", hint)
			}
		})
	}
}

// FuzzMatch holds that an accepted host ends in a suffix of the table, has the
// labels of a login server, nothing else, and is its own normal form.
func FuzzMatch(f *testing.F) {
	text, err := os.ReadFile("testdata/acr/hosts.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			f.Add(fields[0])
		}
	}
	f.Fuzz(func(t *testing.T, host string) {
		target, ok := New().Match(host)
		if !ok {
			if target != (helpers.Target{}) {
				t.Fatalf("%q is refused with a target", host)
			}
			return
		}
		known := false
		for _, c := range clouds {
			known = known || strings.HasSuffix(host, "."+c.suffix)
		}
		front := strings.Split(strings.TrimSuffix(host, "."+target.Suffix), ".")
		if !known || len(front) != 1 && (len(front) != 3 || front[2] != "geo") {
			t.Fatalf("%q is accepted", host)
		}
		if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.Contains(host, "data.") && len(front) == 1 && front[0] == "data" {
			t.Fatalf("%q is accepted", host)
		}
		if address, err := helpers.ParseAddress(host); len(host) <= 253 && (err != nil || address.String() != host) {
			t.Fatalf("%q is accepted and not its own normal form: %v %v", host, address, err)
		}
	})
}
