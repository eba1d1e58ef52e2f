package config

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sluicehq/sluice/pipeline"
)

// Component is one source, step or sink: its kind, its names, and its config,
// which waits to be decoded into the type that the kind's factory gives.
type Component struct {
	Kind string // the key: the factory's name
	// Name is unique among steps and sinks; the kind unless the config has a
	// name, with _2, _3 and so on where that is taken. The source's name stands
	// by itself, so that another source does not rename a sink.
	Name string
	// From says where the rows come from; nil unless the config says so. For a
	// sink it lists streams ("posts"), steps ("match": the posts that leave it)
	// or streams of one step ("match.rejected"); for a step it is the one
	// earlier step whose posts it reads, instead of those of the step before.
	From []string

	path    string // such as "steps.2.match"
	at      pos    // of the kind
	node    *node  // the config, without name and from
	from    *node  // of From; nil when there is none
	secrets *secretNodes
}

// Path returns the component's key path, such as "steps.2.match".
func (c Component) Path() string { return c.path }

// Position returns the component's place as file:line:column.
func (c Component) Position() string { return c.at.String() }

// Raw returns the component's settings, without name and from, as canonical
// JSON before interpolation: no value that came by ${...} is in it.
func (c Component) Raw() []byte {
	if c.node == nil {
		return nil
	}
	return appendJSON(nil, c.node)
}

// Same tells whether two components are of one kind and name, read the same
// rows, and have equal settings, with what ${...} stands for.
func (c Component) Same(d Component) bool {
	return c.Kind == d.Kind && c.Name == d.Name && slices.Equal(c.From, d.From) && c.node.same(d.node)
}

// SameText is Same with ${...} as it is written.
func (c Component) SameText(d Component) bool {
	return c.Kind == d.Kind && c.Name == d.Name && slices.Equal(c.From, d.From) && bytes.Equal(c.Raw(), d.Raw())
}

// secretNodes remembers which values were decoded as secrets. Components are
// copied, and several goroutines may decode them.
type secretNodes struct {
	mu    sync.Mutex
	nodes map[*node]bool
}

func (s *secretNodes) add(ns []*node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range ns {
		s.nodes[n] = true
	}
}

func (s *secretNodes) has(n *node) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[n]
}

// normaliseAt brings the short forms of components into the long one: a bare
// kind becomes a mapping, and the null of "kind:" an empty one.
func normaliseAt(path []string, n *node) *node {
	switch {
	case path[0] == "source" && len(path) == 1:
		return normalise(n)
	case (path[0] == "steps" || path[0] == "sinks") && len(path) == 2:
		return normalise(n)
	case (path[0] == "steps" || path[0] == "sinks") && len(path) == 1:
		c := *n
		if n.kind == scalar && !n.isNull() && !n.broken {
			c = node{kind: list, at: n.at, keyAt: n.keyAt, items: []*node{n}}
		}
		items := c.items
		c.items = make([]*node, len(items))
		for i, e := range items {
			c.items[i] = normalise(e)
		}
		return &c
	}
	return n
}

func normalise(n *node) *node {
	if n.kind == scalar && !n.isNull() && !n.broken && n.text != "" && len(n.text) <= maxKeyBytes {
		m := &node{kind: mapping, at: n.at, keyAt: n.keyAt}
		m.set(n.text, &node{kind: mapping, at: n.at, keyAt: n.at})
		return m
	}
	if n.kind == mapping && len(n.keys) == 1 {
		if c := n.fields[n.keys[0]]; c.isNull() && !c.broken {
			m := *n.without()
			m.fields[n.keys[0]] = &node{kind: mapping, at: c.at, keyAt: c.keyAt}
			return &m
		}
	}
	return n
}

// components takes components out of the tree.
type components struct {
	probs *problems
	named string // explicit name of the last one
}

// entry is a component whose name is not settled yet.
type entry struct {
	Component
	named string
	at    pos // of the name
}

func (cs *components) list(key string, n *node) []*entry {
	switch {
	case n == nil || n.broken || n.isNull():
		return nil
	case n.kind != list:
		cs.probs.add(n.place(), key, "want a list, found "+n.describe(), `start each entry with "- "`)
		return nil
	}
	var out []*entry
	for i, item := range n.items {
		c := cs.one(join(key, strconv.Itoa(i)), item)
		if c.Kind == "" {
			continue
		}
		e := &entry{Component: c, named: cs.named, at: c.at}
		if item.kind == mapping && item.fields[c.Kind].kind == mapping {
			if f := item.fields[c.Kind].fields["name"]; f != nil {
				e.at = f.at
			}
		}
		out = append(out, e)
	}
	return out
}

// one reads a component; its Kind is empty when it is none.
func (cs *components) one(path string, n *node) Component {
	cs.named = ""
	switch {
	case n.broken:
		return Component{}
	case n.kind != mapping:
		cs.probs.add(n.place(), path, "want a mapping with the component's kind as its key, found "+n.describe(), "")
		return Component{}
	case len(n.keys) != 1:
		hint := "indent a component's own settings deeper than its kind"
		if len(n.keys) == 0 {
			hint = ""
		}
		cs.probs.add(n.place(), path, fmt.Sprintf("want exactly one key, the component's kind, found %s", keysFound(n)), hint)
		return Component{}
	}
	kind := n.keys[0]
	body := n.fields[kind]
	c := Component{Kind: kind, path: join(path, kind), at: body.keyAt, secrets: &secretNodes{nodes: make(map[*node]bool)}}
	if !validName(kind, "") {
		cs.probs.add(c.at, path, fmt.Sprintf("%q is not a component's kind", clip(kind)), "")
		return Component{}
	}
	if body.broken {
		return Component{}
	}
	if body.kind != mapping {
		cs.probs.add(body.at, c.path, "want the component's settings, a mapping, found "+body.describe(), "write "+kind+": {} for none")
		return Component{}
	}
	c.node = body.without("name", "from")
	cs.reserved(&c, body)
	return c
}

func keysFound(n *node) string {
	if len(n.keys) == 0 {
		return "none"
	}
	quoted := make([]string, 0, 4)
	for i, k := range n.keys {
		if i == 3 {
			quoted = append(quoted, "...")
			break
		}
		quoted = append(quoted, strconv.Quote(clip(k)))
	}
	return strings.Join(quoted, ", ")
}

// reserved reads name and from.
func (cs *components) reserved(c *Component, body *node) {
	if n := body.fields["name"]; n != nil && !n.broken {
		path := join(c.path, "name")
		switch {
		case n.kind != scalar || n.isNull():
			cs.probs.add(n.place(), path, "want a name, found "+n.describe(), "")
		case !validName(n.value, ""):
			cs.probs.add(n.at, path, n.describe()+" is not a name", "use a lower-case letter, then at most 63 letters, digits or _")
		default:
			cs.named = n.value
		}
	}
	n := body.fields["from"]
	if n == nil || n.broken {
		return
	}
	path := join(c.path, "from")
	if c.path == join("source", c.Kind) {
		cs.probs.add(n.keyAt, c.path, `a source has no "from"`, "")
		return
	}
	c.from = n
	d := &decoder{probs: cs.probs}
	var from []string
	d.into(n, path, &from)
	seen := make(map[string]bool)
	for i, s := range from {
		at := n
		if n.kind == list {
			at = n.items[i]
		}
		if seen[s] {
			cs.probs.add(at.at, path, at.describe()+" is listed twice", "")
		}
		seen[s] = true
	}
	if n.kind == list && len(n.items) == 0 {
		cs.probs.add(n.at, path, "want at least one stream or step", "leave from out for the usual ones")
	}
	c.From = from
}

// sources checks every from against the names of steps, which are settled.
func (cs *components) sources(steps, sinks []*entry) {
	var earlier []string
	for _, e := range steps {
		cs.check(e, earlier, func(s string) bool { return slices.Contains(earlier, s) }, "an earlier step")
		if len(e.From) > 1 {
			cs.probs.add(e.from.at, join(e.path, "from"), "a step reads the posts of one step", "name one")
		}
		earlier = append(earlier, e.Name)
	}
	known := append(streams(), earlier...)
	for _, e := range sinks {
		cs.check(e, known, func(s string) bool {
			step, stream, dotted := strings.Cut(s, ".")
			if _, ok := pipeline.ParseStream(stream); dotted && ok {
				return slices.Contains(earlier, step)
			}
			return slices.Contains(known, s)
		}, "a stream or a step")
	}
}

// check reports each from of e that is not known.
func (cs *components) check(e *entry, names []string, known func(string) bool, what string) {
	for i, s := range e.From {
		at := e.from
		if at.kind == list {
			at = at.items[i]
		}
		if known(s) || at.broken {
			continue
		}
		hint := didYouMean(s, names)
		if at.interpolated || hint == "" {
			hint = "there are " + strings.Join(names, ", ")
		}
		if len(names) == 0 {
			hint = "there is none before this one"
		}
		cs.probs.add(at.at, join(e.path, "from"), at.describe()+" is not "+what, hint)
	}
}

func streams() []string {
	var out []string
	for s := range pipeline.NumStreams {
		out = append(out, pipeline.Stream(s).String())
	}
	return out
}

// names settles the names of steps and sinks: first those that the config
// gives, then the kinds, so that a given name is never taken by a default one.
func (cs *components) names(groups ...[]*entry) {
	taken := make(map[string]pos)
	for _, g := range groups {
		for _, e := range g {
			if e.named == "" {
				continue
			}
			if first, ok := taken[e.named]; ok {
				cs.probs.add(e.at, join(e.path, "name"), "the name is taken", "it is given already at "+first.String())
			}
			taken[e.named], e.Name = e.at, e.named
		}
	}
	next := make(map[string]int) // by kind: numbers below it are taken
	for _, g := range groups {
		for _, e := range g {
			if e.named != "" {
				continue
			}
			e.Name = e.Kind
			for i := max(next[e.Kind], 2); taken[e.Name].known(); i++ {
				e.Name = e.Kind + "_" + strconv.Itoa(i)
				next[e.Kind] = i + 1
			}
			taken[e.Name] = e.Component.at
		}
	}
}

func resolved(es []*entry) []Component {
	out := make([]Component, 0, len(es))
	for _, e := range es {
		out = append(out, e.Component)
	}
	return out
}

// validName tells whether s is [a-z][a-z0-9_]{0,63}, with further characters.
func validName(s, further string) bool {
	for i := range len(s) {
		c := s[i]
		ok := c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '_' || strings.IndexByte(further, c) >= 0)
		if !ok {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
