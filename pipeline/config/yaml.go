package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds on what is read. They are far above any real config and keep a hostile
// one from costing more than a moment and some megabytes.
const (
	maxFileBytes  = 1 << 20 // of one file, and of all text once aliases are expanded
	maxDepth      = 64
	maxNodes      = 100_000 // of all files, aliases expanded
	maxKeyBytes   = 128
	maxPathBytes  = 2 << 20 // of the paths of all settings outside lists
	maxSecretFile = 64 << 10
	maxExpanded   = 4 << 20 // of all values after interpolation
)

// budget is what all the files of one config may use together.
type budget struct {
	nodes, text, paths int
	spent              bool // said already that it is used up
}

// yamlReader turns one file into nodes.
type yamlReader struct {
	in     *origin
	probs  *problems
	budget *budget
	active map[*yaml.Node]bool // aliases being expanded, to find loops
}

// read parses data; nil means that an error was added.
func (r *yamlReader) read(data []byte) *node {
	whole := pos{in: r.in}
	if len(data) > maxFileBytes {
		r.probs.add(whole, "", fmt.Sprintf("the file has more than %d bytes", maxFileBytes),
			"split it with include, and keep lists and rules in files of their own")
		return nil
	}
	if !utf8.Valid(data) {
		r.probs.add(invalidUTF8(r.in, data), "", "the file is not valid UTF-8", "save it as UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.probs.add(whole, "", "the file is empty", "write at least pipeline, source and sinks")
		return nil
	case err != nil:
		r.syntax(data, err)
		return nil
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(data, err)
		return nil
	default:
		r.probs.add(pos{r.in, max(second.Line, 1), max(second.Column, 1)}, "",
			"the file holds several documents", "remove the --- line, or move the rest to a file of its own")
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		r.probs.add(whole, "", "the file is empty", "")
		return nil
	}
	r.active = make(map[*yaml.Node]bool)
	n := r.convert(doc.Content[0], "", 0)
	if n.isNull() && !n.broken {
		r.probs.add(whole, "", "the file is empty", "write at least pipeline, source and sinks")
		return nil
	}
	return n
}

func invalidUTF8(in *origin, data []byte) pos {
	line, start, i := 1, 0, 0
	for i < len(data) {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		if c == '\n' {
			line, start = line+1, i+1
		}
		i += size
	}
	return pos{in, line, utf8.RuneCount(data[start:i]) + 1}
}

// spend takes a node with so much text from the budget.
func (r *yamlReader) spend(at pos, text int) bool {
	b := r.budget
	b.nodes--
	b.text -= text
	if b.nodes >= 0 && b.text >= 0 {
		return true
	}
	if !b.spent {
		b.spent = true
		r.probs.add(at, "", fmt.Sprintf("the config is too big: more than %d values or %d bytes of text with its aliases expanded",
			maxNodes, maxFileBytes), "keep lists and rules in files of their own")
	}
	return false
}

// convert never returns nil; where it adds an error it gives a null in place.
func (r *yamlReader) convert(y *yaml.Node, path string, depth int) *node {
	n := &node{at: pos{r.in, y.Line, y.Column}, plain: true}
	if !r.spend(n.at, len(y.Value)) {
		n.broken = true
		return n
	}
	if depth > maxDepth {
		r.probs.add(n.at, "", fmt.Sprintf("the config is nested more than %d levels deep", maxDepth), "")
		n.broken = true
		return n
	}
	if y.Kind == yaml.AliasNode {
		return r.alias(y, path, depth)
	}
	if y.Style&yaml.TaggedStyle != 0 && !coreTag(y) {
		r.probs.add(n.at, path, "the tag "+clip(y.Tag)+" is not supported", "remove it")
		n.broken = true
		return n
	}
	switch y.Kind {
	case yaml.ScalarNode:
		const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
		n.text, n.value = y.Value, y.Value
		n.plain = y.Style&quoted == 0 && (y.Style&yaml.TaggedStyle == 0 || y.ShortTag() != "!!str")
	case yaml.SequenceNode:
		n.kind = list
		for i, e := range y.Content {
			n.items = append(n.items, r.convert(e, join(path, fmt.Sprint(i)), depth+1))
		}
	case yaml.MappingNode:
		n.kind = mapping
		r.fields(n, y, path, depth)
	}
	return n
}

// coreTag tells whether an explicit tag is one that changes nothing or fits.
func coreTag(y *yaml.Node) bool {
	switch y.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!null":
		return y.Kind == yaml.ScalarNode
	case "!!seq":
		return y.Kind == yaml.SequenceNode
	case "!!map":
		return y.Kind == yaml.MappingNode
	}
	return false
}

func (r *yamlReader) alias(y *yaml.Node, path string, depth int) *node {
	at := pos{r.in, y.Line, y.Column}
	if r.active[y.Alias] {
		r.probs.add(at, path, "the anchor's value holds an alias to itself", "")
		return &node{at: at, plain: true, broken: true}
	}
	r.active[y.Alias] = true
	n := r.convert(y.Alias, path, depth)
	delete(r.active, y.Alias)
	n.at = at
	return n
}

// fields reads the keys of a mapping; those that << brings come after its own.
func (r *yamlReader) fields(n *node, y *yaml.Node, path string, depth int) {
	var merges []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		at := pos{r.in, k.Line, k.Column}
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			merges = append(merges, r.convert(v, path, depth))
			continue
		}
		key, bad := keyOf(k)
		if bad != "" {
			r.probs.add(at, path, bad, "")
			continue
		}
		if old, ok := n.fields[key]; ok {
			r.probs.add(at, path, fmt.Sprintf("duplicate key %q", key), "it is there already at "+old.keyAt.String())
			continue
		}
		if !r.spend(at, len(key)) {
			return
		}
		child := r.convert(v, join(path, key), depth+1)
		child.keyAt = at
		n.set(key, child)
	}
	for _, m := range merges {
		r.merge(n, m, path)
	}
}

// merge adds what << names: a mapping or a list of them, the earlier winning.
func (r *yamlReader) merge(n, from *node, path string) {
	switch from.kind {
	case mapping:
		for _, k := range from.keys {
			if _, ok := n.fields[k]; !ok {
				n.set(k, from.fields[k])
			}
		}
	case list:
		for _, e := range from.items {
			if e.kind != mapping {
				r.probs.add(e.at, path, "<< wants mappings, found "+e.describe(), "")
				continue
			}
			r.merge(n, e, path)
		}
	case scalar:
		r.probs.add(from.at, path, "<< wants a mapping or an alias to one, found "+from.describe(), "")
	}
}

// keyOf returns a key's text, or what is wrong with it. Control characters are
// refused because the layers use two of them as separators.
func keyOf(k *yaml.Node) (key, bad string) {
	switch {
	case k.Kind != yaml.ScalarNode:
		return "", "a key must be plain text; quote it if it starts with *, [ or {"
	case strings.Contains(k.Value, "${"):
		return "", fmt.Sprintf("the key %q holds ${...}, which is for values only", clip(k.Value))
	case k.Value == "":
		return "", "a key must not be empty"
	case len(k.Value) > maxKeyBytes:
		return "", fmt.Sprintf("the key %q has more than %d bytes", clip(k.Value), maxKeyBytes)
	case strings.ContainsFunc(k.Value, unicode.IsControl):
		return "", fmt.Sprintf("the key %q holds a control character", clip(k.Value))
	}
	return k.Value, ""
}
