package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
)

// Locate gives an error of the component's Validate or Plan its place in the
// file: each [pipeline.FieldError], also within errors.Join, becomes an [*Error]
// at its field (or at the nearest thing above it, for a field that the file
// leaves out), and any other error one at the component's kind. Interpolated
// values and secrets are taken out of the messages. nil stays nil, and errors
// that are located already stay as they are.
func (c Component) Locate(err error) error {
	if err == nil {
		return nil
	}
	var probs problems
	c.locate(err, "", &probs)
	return probs.err()
}

// locate walks the tree of errors node by node, so that each joined one keeps
// its own place: hence type assertions where errors.As would look ahead.
//
//nolint:errorlint // see above
func (c Component) locate(err error, prefix string, probs *problems) {
	var fe *pipeline.FieldError
	if e, ok := err.(*Error); ok {
		probs.addError(pos{&origin{name: e.File}, e.Line, e.Col}, e)
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			c.locate(e, prefix, probs)
		}
		return
	}
	if f, ok := err.(*pipeline.FieldError); ok && f.Err != nil {
		c.locate(f.Err, join(prefix, f.Path), probs)
		return
	}
	path := prefix
	if errors.As(err, &fe) {
		path = join(prefix, fe.Path)
	}
	n := c.node
	at := c.at
	if n != nil && path != "" {
		if found := n.find(path); found != n {
			n, at = found, found.place()
		}
	}
	msg := err.Error()
	if c.node != nil {
		var here []*node
		if n != c.node {
			n.walk("", func(_ string, n *node) { here = append(here, n) })
		}
		var all []*node
		c.node.walk("", func(_ string, n *node) {
			if n.interpolated || n.hidden || c.secrets.has(n) {
				all = append(all, n)
			}
		})
		here = slices.DeleteFunc(here, func(n *node) bool { return !slices.Contains(all, n) })
		msg = scrub(msg, here, all)
	}
	probs.add(at, join(c.path, path), msg, "")
}

// scrub replaces what the values of nodes hold by the text that the file has
// for them, or by [secret] where that text is the secret. Values of less than
// four bytes, which any message may hold by chance, are replaced only for the
// nodes that the message is about, and only where they stand by themselves.
func scrub(msg string, about, all []*node) string {
	const short = 4
	type swap struct{ old, new string }
	var swaps []swap
	add := func(n *node, atLeast int) {
		if n.interpolated && len(n.pieces) == 0 {
			return // the file's own default: no secret
		}
		shown := n.text
		switch {
		case n.interpolated:
		case n.hidden:
			shown = "[" + n.at.String() + "]"
		default:
			shown = "[secret]"
		}
		for _, v := range []string{n.value, strings.Trim(strconv.Quote(n.value), `"`), strings.TrimSpace(n.value)} {
			if len(v) >= atLeast {
				swaps = append(swaps, swap{v, shown})
			}
		}
		for _, part := range n.pieces {
			if len(part) >= atLeast {
				swaps = append(swaps, swap{part, "${...}"})
			}
		}
	}
	for _, n := range all {
		add(n, short)
	}
	for _, n := range about {
		if n.interpolated || slices.Contains(all, n) {
			add(n, 1)
		}
	}
	// The longest first, so that no part of one is left standing.
	slices.SortStableFunc(swaps, func(a, b swap) int { return len(b.old) - len(a.old) })
	for _, s := range swaps {
		if len(s.old) >= short {
			msg = strings.ReplaceAll(msg, s.old, s.new)
		} else {
			msg = replaceWord(msg, s.old, s.new)
		}
	}
	return msg
}

// hiddenOnly is the node itself if its text came by a variable.
func hiddenOnly(n *node) []*node {
	if n.hidden {
		return []*node{n}
	}
	return nil
}

// replaceWord replaces old where no letter or digit is next to it.
func replaceWord(s, old, by string) string {
	word := func(i int) bool {
		if i < 0 || i >= len(s) {
			return false
		}
		c := s[i]
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], old) && !word(i-1) && !word(i+len(old)) {
			b.WriteString(by)
			i += len(old)
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}
