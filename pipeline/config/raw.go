package config

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/pipeline"
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

// Shown is [Component.Raw] with what must not be seen replaced: values that
// were decoded as secrets, and those that came by an environment variable of the
// config itself. It is for people to read; ask it once the component has been
// decoded.
func (c Component) Shown() []byte {
	if c.node == nil {
		return nil
	}
	return appendJSON(nil, c.masked(c.node))
}

// masked returns a copy of n that may be shown.
func (c Component) masked(n *node) *node {
	out := *n
	switch n.kind {
	case mapping:
		out.fields = make(map[string]*node, len(n.fields))
		for k, f := range n.fields {
			out.fields[k] = c.masked(f)
		}
	case list:
		out.items = make([]*node, len(n.items))
		for i, e := range n.items {
			out.items[i] = c.masked(e)
		}
	default:
		if n.hidden || c.secrets != nil && c.secrets.has(n) {
			out.text, out.plain = pipeline.Secret("x").String(), false
		}
	}
	return &out
}
