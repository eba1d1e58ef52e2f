package config

import (
	"fmt"
	"reflect"
	"strings"
)

func (d *decoder) sectionValue(n *node, path string, v reflect.Value) {
	switch {
	case n.kind == mapping:
		d.section(n, path, v)
	case n.isNull():
		d.section(&node{kind: mapping, at: n.at, keyAt: n.keyAt}, path, v)
	default:
		d.wrong(n, path, "settings as a mapping", "its keys are "+strings.Join(keysOf(v.Type()), ", "))
	}
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		if !f.rest {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// section reads the keys of a struct.
func (d *decoder) section(n *node, path string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	known := make(map[string]bool, len(fields))
	var rest *field
	for i := range fields {
		f := &fields[i]
		if f.rest {
			rest = f
			continue
		}
		known[f.key] = true
		child := n.fields[f.key]
		switch {
		case child != nil && f.required && blank(child):
			d.probs.add(child.at, join(path, f.key), "must not be empty", exampleHint(f.example))
		case child != nil:
			d.value(child, join(path, f.key), v.FieldByIndex(f.index), f)
		case f.required && v.FieldByIndex(f.index).IsZero():
			d.probs.add(n.place(), path, fmt.Sprintf("the key %q is missing", f.key), keyExample(f))
		}
	}
	d.oneOf(n, path, v, fields)
	others := &node{kind: mapping, at: n.at, keyAt: n.keyAt}
	for _, k := range n.keys {
		if known[k] {
			continue
		}
		if rest != nil {
			others.set(k, n.fields[k])
			continue
		}
		keys := keysOf(v.Type())
		hint := didYouMean(k, keys)
		if hint == "" && len(keys) > 0 && len(keys) <= 12 {
			hint = "the keys here are " + strings.Join(keys, ", ")
		}
		d.probs.add(n.fields[k].keyAt, path, fmt.Sprintf("unknown key %q", clip(k)), hint)
	}
	if rest != nil && len(others.keys) > 0 {
		d.value(others, path, v.FieldByIndex(rest.index), rest)
	}
}

// blank tells whether a required value is there in name only.
func blank(n *node) bool {
	if n.broken {
		return false
	}
	return n.isNull() || n.kind == scalar && n.value == "" || n.kind == list && len(n.items) == 0
}

// oneOf checks groups of keys of which exactly one (or, with a "?" after the
// group's name, at most one) may be set. A chosen key drops the defaults of the
// others.
func (d *decoder) oneOf(n *node, path string, v reflect.Value, fields []field) {
	groups := make(map[string][]*field)
	var names []string
	for i := range fields {
		if g := fields[i].oneOf; g != "" {
			if groups[g] == nil {
				names = append(names, g)
			}
			groups[g] = append(groups[g], &fields[i])
		}
	}
	for _, g := range names {
		var keys, set []string
		preset := false
		for _, f := range groups[g] {
			keys = append(keys, f.key)
			if n.fields[f.key] != nil {
				set = append(set, f.key)
			} else if !v.FieldByIndex(f.index).IsZero() {
				preset = true
			}
		}
		switch {
		case len(set) > 1:
			d.probs.add(n.fields[set[1]].keyAt, path, fmt.Sprintf("only one of %s may be set, found %s", strings.Join(keys, ", "), strings.Join(set, " and ")), "")
		case len(set) == 0 && !preset && !strings.HasSuffix(g, "?"):
			d.probs.add(n.place(), path, "one of "+strings.Join(keys, ", ")+" must be set", "")
		case len(set) == 1:
			for _, f := range groups[g] {
				if f.key != set[0] {
					v.FieldByIndex(f.index).SetZero()
				}
			}
		}
	}
}
