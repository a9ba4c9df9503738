// SPDX-License-Identifier: Apache-2.0

package helpers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
)

const canary = "canary-5ecret"

func TestSecretIsNeverShown(t *testing.T) {
	secret := helpers.NewSecret(canary)
	credential := helpers.Credential{Username: "me", Secret: secret}
	hidden := struct{ secret helpers.Secret }{secret}
	shown := map[string]string{"String": secret.String(), "Sprint": fmt.Sprint(secret, &secret)}
	for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
		for _, flags := range []string{"", "+", "#", "-20", "020", ".3"} {
			if verb == 'T' || verb == 'p' && flags != "" {
				continue
			}
			format := "%" + flags + string(verb)
			shown[format] = fmt.Sprintf(format, secret)
			shown[format+" in a struct"] = fmt.Sprintf(format, credential)
			shown[format+" in an unexported field"] = fmt.Sprintf(format, hidden)
			shown[format+" in a slice"] = fmt.Sprintf(format, []helpers.Secret{secret})
			shown[format+" as a key"] = fmt.Sprintf(format, map[helpers.Secret]int{secret: 1})
		}
	}
	for name, value := range map[string]any{
		"JSON": secret, "JSON pointer": &secret, "JSON struct": credential,
		"JSON key": map[helpers.Secret]int{secret: 1},
	} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		shown[name] = string(text)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "secret", secret, "credential", credential, slog.Group("g", "s", secret))
	}
	shown["slog"] = log.String()
	shown["error"] = fmt.Errorf("wrapped: %v", secret).Error()
	for name, text := range shown {
		if leaks(text) {
			t.Errorf("%s shows the secret: %s", name, text)
		}
	}
	if secret.Reveal() != canary {
		t.Error("Reveal does not give the secret")
	}
}

// leaks looks for the secret, a part of it, and its hexadecimal forms.
func leaks(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, canary[:3]) || strings.Contains(text, fmt.Sprintf("%x", canary[:6]))
}

func TestSecretEmpty(t *testing.T) {
	var zero helpers.Secret
	one, other := helpers.NewSecret(canary), helpers.NewSecret(strings.Clone(canary))
	if zero.Reveal() != "" || one != other {
		t.Error("equal secrets are not equal")
	}
	if !zero.Empty() || zero != helpers.NewSecret("") || helpers.NewSecret("x").Empty() {
		t.Error("the zero value is not the empty secret")
	}
	if zero.String() != helpers.NewSecret("x").String() {
		t.Error("an empty secret can be told from another by its rendering")
	}
}

func TestShow(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "denied", `"denied"`},
		{"ANSI colour", "\x1b[31mred\x1b[0m", `"\x1b[31mred\x1b[0m"`},
		{"a single-byte escape", "\u009b31m", `"\u009b31m"`},
		{"right-to-left override", "a\u202eb", `"a\u202eb"`},
		{"isolates", "\u2066x\u2069", `"\u2066x\u2069"`},
		{"zero width", "a\u200bb\ufeffc", `"a\u200bb\ufeffc"`},
		{"tags", "a\U000e0041", `"a\U000e0041"`},
		{"line breaks", "a\r\nb\u2028c\vd", `"a b c d"`},
		{"a bell and a backspace", "a\a\bb", `"a\a\bb"`},
		{"not UTF-8", "a\xffb", "\"a\ufffdb\""},
		{"letters outside ASCII", "über", `"über"`},
		{"empty", "", `""`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := helpers.Show(test.text); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("\x1b", 1<<20), strings.Repeat("ü", 1000)} {
		got := helpers.Line(text)
		if len(got) > 320 || !strings.HasSuffix(got, "…") {
			t.Errorf("a long text becomes %d bytes", len(got))
		}
	}
}

func TestCheckSecret(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"a token", "ghp_0123", ""},
		{"white space around", " \tghp_0123\n", ""},
		{"a dollar inside", "pa$$w{o}rd", ""},
		{"a percent sign", "%", ""},
		{"a JSON key", "{\n\"type\": \"service_account\"\n}", ""},
		{"an asterisk inside", "*a*", ""},
		{"empty", "", "is set but empty"},
		{"blank", " \r\n\t", "is set but empty"},
		{"a shell's", "${TOKEN}", "holds an unexpanded variable"},
		{"Actions'", "${{ secrets.TOKEN }}", "holds an unexpanded variable"},
		{"Azure Pipelines'", "$(TOKEN)", "holds an unexpanded variable"},
		{"GitLab's", "$CI_JOB_TOKEN", "holds an unexpanded variable"},
		{"a template's", "{{ .Token }}", "holds an unexpanded variable"},
		{"a dollar alone", "$", ""},
		{"a password that begins with a dollar", "$ecret_1", ""},
		{"one in capitals", "$SECRET1", ""},
		{"a robot's name", "$oauthtoken", ""},
		{"Windows'", "%TOKEN%", "holds an unexpanded variable"},
		{"masked", "***", "holds the asterisks of a masked secret"},
		{"masked and wrapped", "\n*****\n", "holds the asterisks of a masked secret"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := helpers.CheckSecret(test.value); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
