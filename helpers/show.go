// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"strconv"
	"strings"
	"unicode"
)

// maxShown bounds text from outside in a one-line message, in bytes.
const maxShown = 300

// Show makes text from outside (a registry, a tool, the environment) fit for
// one line on a terminal: quoted, bounded, with control characters, ANSI
// escapes, bidi marks and other invisible runes written as \u escapes.
func Show(text string) string { return `"` + Line(text) + `"` }

// Line is [Show] without the quotes, for text that a sentence already frames.
// Line breaks become single spaces.
func Line(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	var b strings.Builder
	for _, r := range text {
		if b.Len() >= maxShown {
			b.WriteString("…")
			break
		}
		if r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Argument writes text as one word of a POSIX shell's command line: as it is
// when it needs no quotes, else between single ones. It bounds nothing, since a
// path cut short is another path.
func Argument(text string) string {
	plain := strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+-") == ""
	if plain && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
