package config

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// appendJSON writes n before interpolation as canonical JSON: keys sorted, no
// space, numbers as the source writes them. It is YAML too, and reading it
// gives the same tree: JSON's literals are those that the YAML dialect of this
// package knows, everything else is quoted.
func appendJSON(b []byte, n *node) []byte {
	switch n.kind {
	case mapping:
		keys := slices.Sorted(slices.Values(n.keys))
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONString(b, k), ':')
			b = appendJSON(b, n.fields[k])
		}
		return append(b, '}')
	case list:
		b = append(b, '[')
		for i, e := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	}
	switch {
	case !n.plain:
		return appendJSONString(b, n.text)
	case validNumber(n.text), n.text == "true", n.text == "false":
		return append(b, n.text...)
	case (&node{plain: true, text: n.text}).isNull():
		return append(b, "null"...)
	}
	return appendJSONString(b, n.text)
}

// appendJSONString quotes s for JSON and for YAML, which refuses or folds some
// characters that JSON allows as they are.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20, r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029', r == '\uFEFF', r == '\uFFFE', r == '\uFFFF',
			r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return append(b, '"')
}
