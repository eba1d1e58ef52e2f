package suffix

import (
	_ "embed"
	"math/bits"
	"strings"
	"sync"
)

// rules is the list in the form of publicsuffix.org, in Unicode: a rule a line.
//
//go:embed rules.txt
var rules string

// endICANN is the comment that ends the rules of the registries.
const endICANN = "// ===END ICANN DOMAINS==="

// Default returns the list that the program has in it. It is read at the first
// call.
var Default = sync.OnceValue(func() *List { return build(rules) })

// Version returns which list Default is, as publicsuffix.List.String does.
func Version() string {
	first, _, _ := strings.Cut(rules, "\n")
	return strings.TrimPrefix(first, "// ")
}

// build makes a list of its rules. Of a list that has more labels than a node can
// count it panics: there is only the one in the program.
func build(text string) *List {
	l := &List{labels: text, nodes: []node{{}}}
	l.slots = make([]uint32, 1<<bits.Len(uint(3*strings.Count(text, "\n"))))
	at, registries := 0, true
	for line := range strings.Lines(text) {
		rule := strings.TrimSuffix(line, "\n")
		switch {
		case rule == endICANN:
			registries = false
		case rule == "" || strings.HasPrefix(rule, "//"):
		default:
			l.add(rule, at, registries)
		}
		at += len(line)
	}
	return l
}

// add adds a rule, which begins at the place at of the text.
func (l *List) add(rule string, at int, registries bool) {
	kind := uint8(normal)
	switch {
	case rule[0] == '!':
		kind, rule, at = exception, rule[1:], at+1
	case strings.HasPrefix(rule, "*."):
		kind, rule, at = wildcard, rule[2:], at+2
	}
	name, parent := []byte(rule), uint32(0)
	for end := len(name); end > 0; {
		start, h, tail := label(name, 0, end, parent)
		n := l.child(parent, h, tail, name[start:end])
		if n == 0 {
			n = l.put(h, node{tail: tail, label: uint32(at + start), parent: uint16(parent), length: uint8(end - start), flags: icann})
			l.nodes[parent].flags |= inner
		}
		parent, end = n, start-1
	}
	n := &l.nodes[parent]
	if kind == wildcard || n.flags&(normal|exception) == 0 {
		n.flags |= kind
	}
	if !registries {
		n.flags &^= icann
	}
}

// put adds a node and returns its number.
func (l *List) put(h uint64, n node) uint32 {
	if len(l.nodes) > 0xffff || 2*len(l.nodes) > len(l.slots) {
		panic("suffix: the list has too many labels")
	}
	mask := uint64(len(l.slots) - 1)
	i := h & mask
	for l.slots[i] != 0 {
		i = (i + 1) & mask
	}
	at := uint32(len(l.nodes))
	l.slots[i] = uint32(h>>48)<<16 | at
	l.nodes = append(l.nodes, n)
	return at
}
