// Package visible makes text of posts safe to print on a terminal.
package visible

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Text returns s with everything escaped that would change a terminal's
// state or hide or reorder text: control and format characters, bidi controls
// among them, and bytes that are not UTF-8.
func Text(s string) string {
	clean := utf8.ValidString(s)
	for _, r := range s {
		clean = clean && harmless(r)
	}
	if clean {
		return s
	}
	var out []byte
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, s[i])
		case harmless(r):
			out = append(out, s[i:i+n]...)
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		default:
			out = fmt.Appendf(out, `\u{%x}`, r)
		}
		i += n
	}
	return string(out)
}

func harmless(r rune) bool {
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp)
}
