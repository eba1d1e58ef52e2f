package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

type kind uint8

const (
	scalar kind = iota
	list
	mapping
)

// node is a value of the config with its place: the tree that errors point
// into. Nodes are not changed once the layers are merged, except that
// interpolation fills in value.
type node struct {
	kind  kind
	at    pos // of the value
	keyAt pos // of the key that leads here; unknown for list elements and the root

	// Scalars. Text is what the source says, the only form that errors may
	// show; value is the text after interpolation.
	text, value  string
	plain        bool // not quoted: may be a number, a bool or null
	interpolated bool
	hidden       bool     // came by an environment variable: not to be shown
	pieces       []string // what the variables and files in it stand for
	broken       bool     // an error was given already: ask nothing more of it

	items  []*node
	keys   []string // of fields, in the order of the source
	fields map[string]*node
}

// place is where an error about the value as a whole points: at its key, since
// a block mapping's own place is that of its first key.
func (n *node) place() pos {
	if n.kind == mapping && n.keyAt.known() {
		return n.keyAt
	}
	return n.at
}

// same tells whether two trees stand for the same values. Quotes make no
// difference where the text is text without them too: canonical JSON has them
// everywhere.
func (n *node) same(m *node) bool {
	if n.kind != m.kind || len(n.items) != len(m.items) || len(n.keys) != len(m.keys) {
		return false
	}
	if n.kind == scalar {
		if n.isNull() || m.isNull() {
			return n.isNull() == m.isNull()
		}
		return n.value == m.value && n.isBool() == m.isBool() && n.isNumber() == m.isNumber()
	}
	for i := range n.items {
		if !n.items[i].same(m.items[i]) {
			return false
		}
	}
	for k, v := range n.fields {
		if w := m.fields[k]; w == nil || !v.same(w) {
			return false
		}
	}
	return true
}

func (n *node) isNull() bool {
	if n.kind != scalar || !n.plain || n.interpolated {
		return false
	}
	switch n.text {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

func (n *node) isBool() bool {
	return n.kind == scalar && n.plain && !n.interpolated && (n.text == "true" || n.text == "false")
}

func (n *node) isNumber() bool {
	return n.kind == scalar && n.plain && !n.interpolated && validNumber(n.text)
}

// validNumber tells whether s is a number as JSON writes it. Other notations
// of YAML (octal, 1_000, .5, 1:30) are text: in text fields they are kept as
// they stand, and in number fields they are refused.
func validNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}

// set adds or replaces a field.
func (n *node) set(key string, v *node) {
	if _, ok := n.fields[key]; !ok {
		n.keys = append(n.keys, key)
	}
	if n.fields == nil {
		n.fields = make(map[string]*node)
	}
	n.fields[key] = v
}

// without returns a copy of a mapping that lacks some keys.
func (n *node) without(drop ...string) *node {
	c := *n
	c.keys, c.fields = nil, nil
	for _, k := range n.keys {
		if !slices.Contains(drop, k) {
			c.set(k, n.fields[k])
		}
	}
	return &c
}

// walk calls f for every scalar below n with its path.
func (n *node) walk(path string, f func(path string, n *node)) {
	switch n.kind {
	case scalar:
		f(path, n)
	case list:
		for i, e := range n.items {
			e.walk(join(path, strconv.Itoa(i)), f)
		}
	case mapping:
		for _, k := range n.keys {
			n.fields[k].walk(join(path, k), f)
		}
	}
}

// find returns the deepest node on path below n. A key may itself hold dots, so
// at each mapping the longest key that fits is taken.
func (n *node) find(path string) *node {
	for path != "" {
		var next *node
		rest := ""
		switch n.kind {
		case list:
			var head string
			head, rest, _ = strings.Cut(path, ".")
			if i, err := strconv.Atoi(head); err == nil && i >= 0 && i < len(n.items) {
				next = n.items[i]
			}
		case mapping:
			longest := -1
			for k, v := range n.fields {
				if len(k) > longest && (path == k || strings.HasPrefix(path, k+".")) {
					longest, next, rest = len(k), v, strings.TrimPrefix(path[len(k):], ".")
				}
			}
		}
		if next == nil {
			return n
		}
		n, path = next, rest
	}
	return n
}

// join appends a key to a dotted path.
func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}

// describe says what a value is, for an error: it shows the source text of a
// scalar, cut to a reasonable length, and never what it interpolates to.
func (n *node) describe() string {
	switch {
	case n.kind == list:
		return "a list"
	case n.kind == mapping:
		return "a mapping"
	case n.isNull():
		return "nothing (null)"
	case n.hidden && !n.interpolated:
		return "the variable's value"
	case n.isNumber():
		return "the number " + n.text
	case n.isBool():
		return "the bool " + n.text
	case n.interpolated && n.value == "":
		return "an empty text from " + clip(n.text)
	case n.interpolated:
		return "the text of " + clip(n.text)
	case n.text == "":
		return "an empty text"
	default:
		return "the text " + strconv.Quote(clip(n.text))
	}
}

// shown is the source text of a number, size or duration for an error.
func (n *node) shown() string {
	switch {
	case n.interpolated:
		return "the value of " + clip(n.text)
	case n.hidden:
		return "the variable's value"
	}
	return clip(n.text)
}

// clip shortens text that a message quotes.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	r := []rune(s[:most])
	return strings.TrimRight(string(r), "\uFFFD") + "..."
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
