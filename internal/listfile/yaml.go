package listfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// readYAML reads a sequence of entries, each a single value or a map with the
// names of the columns as keys.
func readYAML(data []byte, f Format, to Handler) {
	if !utf8.Valid(data) {
		to.Fail(0, "the file is not UTF-8; convert it")
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || isNull(doc.Content[0])) {
		return
	}
	if err != nil {
		failYAML(err, to)
		return
	}
	if dec.Decode(&more) == nil {
		to.Fail(more.Line, "a second document; a %s is one YAML document", f.List)
		return
	}
	top := doc.Content[0]
	if top.Kind != yaml.SequenceNode {
		to.Fail(top.Line, "a %s is a YAML sequence: begin each %s with \"- \"", f.List, f.Entry)
		return
	}
	for _, n := range top.Content {
		if readNode(n, f, to); to.Full() {
			return
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Tag == "!!null" }

// failYAML notes a syntax error; the reader's message begins with its line.
func failYAML(err error, to Handler) {
	msg, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if _, noLine := fmt.Sscanf(msg, "line %d:", &line); noLine == nil {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	to.Fail(line, "%s", msg)
}

// readNode reads one element of the sequence.
func readNode(n *yaml.Node, f Format, to Handler) {
	switch {
	case n.Kind == yaml.ScalarNode && isNull(n):
		to.Fail(n.Line, "empty %s; delete the line or quote a blank", f.Entry)
	case n.Kind == yaml.ScalarNode:
		to.Value(n.Line, n.Value)
	case n.Kind == yaml.MappingNode:
		readMapping(n, f, to)
	default:
		to.Fail(n.Line, "a %s is a single value or a map with the keys %s", f.Entry, strings.Join(f.Columns, ", "))
	}
}

// readMapping reads the keys of an entry.
func readMapping(n *yaml.Node, f Format, to Handler) {
	fields, seen, ok := make([]string, len(f.Columns)), make([]bool, len(f.Columns)), true
	fail := func(line int, format string, args ...any) {
		to.Fail(line, format, args...)
		ok = false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		c := slices.Index(f.Columns, k.Value)
		switch {
		case k.Kind != yaml.ScalarNode || c < 0:
			fail(k.Line, "no key of a %s is called %.40q: use %s", f.Entry, k.Value, strings.Join(f.Columns, ", "))
			continue
		case seen[c]:
			fail(k.Line, "the key %q is there twice; delete one", k.Value)
		case v.Kind != yaml.ScalarNode:
			fail(v.Line, "%s is a single value", k.Value)
		case !isNull(v):
			fields[c] = v.Value
		}
		seen[c] = true
	}
	if ok && !seen[0] {
		fail(n.Line, "no key %q; write the %s there", f.Columns[0], f.Entry)
	}
	if ok {
		to.Row(n.Line, fields)
	}
}
