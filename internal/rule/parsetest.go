package rule

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var testFields = []string{"name", "post", "expect"}

// Bounds of a test's post.
const (
	maxPostColumns  = 256
	maxPostElements = 10_000
	maxPostText     = 1 << 20
)

// tests reads a rule's own tests.
func (p *parser) tests(n *yaml.Node) (out []Test) {
	if n.Kind != yaml.SequenceNode {
		p.errorf(n, "tests is a list, not %s: begin each test with \"- post: ...\"", describe(n))
		return nil
	}
	if len(n.Content) > MaxTestsPerRule {
		p.errorf(n, "%d tests; at most %d are allowed", len(n.Content), MaxTestsPerRule)
		return nil
	}
	for _, c := range n.Content {
		t, has := Test{Pos: p.pos(c)}, map[string]bool{}
		ok := p.fields(c, "a test", testFields, func(key string, _, v *yaml.Node) {
			has[key] = true
			switch key {
			case "name":
				t.Name = p.text(v, "a test's name", MaxTextBytes)
			case "post":
				t.Post = p.post(v)
			case "expect":
				t.Expect = Expectation(p.oneOf(v, "expect", []string{string(Match), string(NoMatch)}))
			}
		})
		for _, f := range []string{"post", "expect"} {
			if ok && !has[f] {
				p.errorf(c, "a test needs the field %q", f)
			}
		}
		out = append(out, t)
	}
	return out
}

// post reads the columns of a test's post. Which columns there are and which
// type each has is the decoder's to say, when the test is run.
func (p *parser) post(n *yaml.Node) map[string]any {
	out := map[string]any{}
	if len(n.Content) > 2*maxPostColumns {
		p.errorf(n, "a post of %d columns; at most %d are allowed", len(n.Content)/2, maxPostColumns)
		return nil
	}
	p.fields(n, "a post", nil, func(key string, _, v *yaml.Node) {
		if v.Kind != yaml.SequenceNode {
			out[key] = p.value(v, key)
			return
		}
		if len(v.Content) > maxPostElements {
			p.errorf(v, "%s has %d elements; at most %d are allowed", key, len(v.Content), maxPostElements)
			return
		}
		list := make([]any, 0, len(v.Content))
		for _, e := range v.Content {
			list = append(list, p.value(e, key))
		}
		out[key] = list
	})
	return out
}

// value reads a scalar as text, whole number, number, boolean or nothing.
func (p *parser) value(n *yaml.Node, field string) any {
	if !p.plain(n, field) {
		return nil
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		if v, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, 64); err == nil {
			return v
		}
		p.errorf(n, "%s: %s is not a whole number of 64 bits", field, clip(n.Value, 40))
	case "!!float":
		if v, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
			return v
		}
		p.errorf(n, "%s: %s is not a finite number", field, clip(n.Value, 40))
	default: // text, and timestamps, which the decoder reads
		if len(n.Value) > maxPostText {
			p.errorf(n, "%s has %d bytes; at most %d are allowed", field, len(n.Value), maxPostText)
		}
		return n.Value
	}
	return nil
}
