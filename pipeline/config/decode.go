package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Decode fills into, a pointer to a config with its defaults set, from the
// component's settings, and calls its Validate method if it has one. Keys that
// are not there leave their defaults; a list or map replaces its default as a
// whole. Every error has its place; all of them are given at once, except that
// Validate is not asked about a config that could not be decoded.
func (c Component) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("config: %s: Decode into a %T, want a pointer", c.path, into)
	}
	if c.node == nil {
		return errors.New("config: Decode of a component that no file has")
	}
	var probs problems
	d := &decoder{probs: &probs}
	d.value(c.node, c.path, v.Elem(), &field{})
	c.secrets.add(d.secrets)
	if err := probs.err(); err != nil {
		return err
	}
	if val, ok := into.(interface{ Validate() error }); ok {
		return c.Locate(val.Validate())
	}
	return nil
}

// decoder reads nodes into Go values; errors go to probs.
type decoder struct {
	probs   *problems
	secrets []*node
}

func (d *decoder) document(root *node, doc *document) {
	d.section(root, "", reflect.ValueOf(doc).Elem())
}

func (d *decoder) into(n *node, path string, p any) {
	d.value(n, path, reflect.ValueOf(p).Elem(), &field{})
}

// value reads n into v, which is settable.
func (d *decoder) value(n *node, path string, v reflect.Value, f *field) {
	if n.broken {
		return
	}
	t := v.Type()
	if t == nodeType {
		if !n.isNull() {
			v.Set(reflect.ValueOf(n))
		}
		return
	}
	if t.Kind() == reflect.Pointer {
		d.pointer(n, path, v, f)
		return
	}
	kind, ok := kindOf(t)
	switch {
	case !ok:
		d.probs.add(n.at, path, fmt.Sprintf("the setting has the Go type %s, which can not be read: this is a defect of the component", t), "")
	case kind == Section && n.kind == scalar && !n.isNull() && textual(t), kind == Text && textual(t):
		d.text(n, path, v, f)
	case kind == Section:
		d.sectionValue(n, path, v)
	case kind == List:
		d.list(n, path, v, f)
	case kind == Map:
		d.mapping(n, path, v, f)
	case kind == Free:
		if x := free(n); x != nil {
			v.Set(reflect.ValueOf(x))
		} else {
			v.SetZero()
		}
	default:
		d.scalar(n, path, v, kind, f)
	}
}

// pointer reads an optional value. Null leaves a scalar out; for a section it
// is an empty one, as where all lines below a key are commented out.
func (d *decoder) pointer(n *node, path string, v reflect.Value, f *field) {
	elem := v.Type().Elem()
	if k, _ := kindOf(deref(elem)); n.isNull() && k != Section {
		v.SetZero()
		return
	}
	p := reflect.New(elem)
	if v.IsNil() {
		p.Elem().Set(newValue(elem))
	} else {
		p.Elem().Set(v.Elem()) // the default stays as it is for others that share it
	}
	d.value(n, path, p.Elem(), f)
	v.Set(p)
}

// list reads a list; one scalar stands for a list of one where elements are
// scalars.
func (d *decoder) list(n *node, path string, v reflect.Value, f *field) {
	elem := v.Type().Elem()
	items := n.items
	switch {
	case n.kind == scalar && !n.isNull() && scalarType(elem):
		items = []*node{n}
	case n.kind != list:
		hint := listExample(f.example)
		if !scalarType(elem) && f.example == "" {
			hint = `start each entry with "- "`
		}
		d.wrong(n, path, "a list of "+words(elem, true), hint)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(items))
	for i, item := range items {
		at := path
		if item != n {
			at = join(path, strconv.Itoa(i))
		}
		e := newValue(elem)
		d.value(item, at, e, f.elem())
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

// mapping reads a map with keys of the user's choice.
func (d *decoder) mapping(n *node, path string, v reflect.Value, f *field) {
	t := v.Type()
	if n.kind != mapping {
		d.wrong(n, path, "a mapping from names to "+words(t.Elem(), true), "")
		return
	}
	out := reflect.MakeMapWithSize(t, len(n.keys))
	for _, k := range n.keys {
		e := newValue(t.Elem())
		d.value(n.fields[k], join(path, k), e, f.elem())
		out.SetMapIndex(reflect.ValueOf(k).Convert(t.Key()), e)
	}
	v.Set(out)
}

// free reads a value of any form. Interpolated text stays text.
func free(n *node) any {
	switch n.kind {
	case list:
		out := make([]any, 0, len(n.items))
		for _, e := range n.items {
			out = append(out, free(e))
		}
		return out
	case mapping:
		out := make(map[string]any, len(n.keys))
		for _, k := range n.keys {
			out[k] = free(n.fields[k])
		}
		return out
	}
	switch {
	case n.isNull():
		return nil
	case n.isBool():
		return n.text == "true"
	case n.isNumber():
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(n.text, 64); err == nil {
			return f
		}
	}
	return n.value
}

// text reads a scalar by the type's UnmarshalText.
func (d *decoder) text(n *node, path string, v reflect.Value, f *field) {
	if n.kind != scalar || n.isNull() {
		d.wrong(n, path, "text", exampleHint(f.example))
		return
	}
	u, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok {
		d.wrong(n, path, "text", exampleHint(f.example))
		return
	}
	err := u.UnmarshalText([]byte(n.value))
	if err == nil {
		d.enum(n, path, n.value, f)
		return
	}
	d.probs.add(n.at, path, scrub(err.Error(), []*node{n}, hiddenOnly(n)), exampleHint(f.example))
}

// enum checks text against the values that the field allows.
func (d *decoder) enum(n *node, path, value string, f *field) {
	if len(f.enum) == 0 || slices.Contains(f.enum, value) {
		return
	}
	hint := ""
	if !n.interpolated && !n.hidden {
		hint = didYouMean(value, f.enum)
	}
	d.probs.add(n.at, path, "want one of "+strings.Join(f.enum, ", ")+"; found "+n.describe(), hint)
}

// wrong reports a value of the wrong form.
func (d *decoder) wrong(n *node, path, want, hint string) {
	if n.isNull() {
		hint = "leave the key out for the default"
	}
	d.probs.add(n.place(), path, "want "+want+", found "+n.describe(), hint)
}

func exampleHint(example string) string {
	if example == "" {
		return ""
	}
	return "write for example " + example
}

func keyExample(f *field) string {
	if f.example == "" {
		return ""
	}
	return exampleHint(f.key + ": " + f.example)
}

func listExample(example string) string {
	if example == "" {
		return `write [a, b], or one entry a line after "- "`
	}
	if strings.HasPrefix(example, "[") {
		return exampleHint(example)
	}
	return exampleHint("[" + example + "]")
}
