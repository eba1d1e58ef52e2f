package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Check tells what is wrong with a config type itself, as opposed to a user's
// file: settings without a doc line or with a type that can not be read,
// reserved or malformed keys, defaults that their own rules refuse. A test of
// all factories should call it with NewConfig().
func Check(config any) error {
	v := reflect.ValueOf(config)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("the config is a %T, want a pointer with its defaults set", config)
	}
	c := checker{}
	switch k, ok := kindOf(v.Elem().Type()); {
	case !ok || k != Section && k != Map:
		return fmt.Errorf("the config is a %T, want a pointer to a struct", config)
	case k == Section:
		for _, key := range keysOf(v.Elem().Type()) {
			if key == "name" || key == "from" {
				c.fail(key, "the key is reserved for every component")
			}
		}
	}
	c.value("", v.Elem(), &field{}, 0)
	return errors.Join(c.errs...)
}

type checker struct{ errs []error }

func (c *checker) fail(path, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (c *checker) value(path string, v reflect.Value, f *field, depth int) {
	t := v.Type()
	kind, ok := kindOf(deref(t))
	switch {
	case !ok:
		c.fail(path, "type %s can not be read from a config", t)
		return
	case depth > 16:
		c.fail(path, "the type holds itself")
		return
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v = newValue(deref(t))
			break
		}
		v = v.Elem()
	}
	switch kind {
	case Section:
		c.section(path, v, depth)
	case List, Map:
		c.value(join(path, "<element>"), newValue(v.Type().Elem()), f.elem(), depth+1)
	case Int, Uint, Float, Size, Duration:
		for _, bound := range []string{f.min, f.max} {
			if bound == "" {
				continue
			}
			if _, ok := compareBound(v, kind, bound); !ok {
				c.fail(path, "the bound %q can not be read", bound)
			}
		}
	default:
		if f.min != "" || f.max != "" {
			c.fail(path, "min and max are for numbers, sizes and durations")
		}
	}
	if len(f.enum) > 0 && kind != Text && kind != List && kind != Map {
		c.fail(path, "enum is for text")
	}
}

func (c *checker) section(path string, v reflect.Value, depth int) {
	seen := make(map[string]bool)
	for _, f := range fieldsOf(v.Type()) {
		at := join(path, f.key)
		fv := v.FieldByIndex(f.index)
		switch {
		case f.rest:
			if k, ok := kindOf(f.typ); !ok || k != Map {
				c.fail(path, "a field of tag remain must be a map with text keys")
				continue
			}
		case !validName(f.key, ""):
			c.fail(at, "a key is a lower-case letter, then letters, digits and _")
		case seen[f.key]:
			c.fail(at, "two fields have this key")
		case f.doc == "" || strings.ContainsRune(f.doc, '\n'):
			c.fail(at, "the doc tag must hold one line")
		case f.required && !fv.IsZero() && deref(f.typ).Kind() != reflect.Struct:
			c.fail(at, "a required key has a default")
		}
		seen[f.key] = true
		c.value(at, fv, &f, depth+1)
		c.defaultFits(at, fv, &f)
	}
	c.untagged(path, v.Type())
}

// defaultFits checks a default against enum, min and max. The zero value passes:
// it means that the key was left out.
func (c *checker) defaultFits(path string, v reflect.Value, f *field) {
	v = pointee(v)
	if !v.IsValid() || v.IsZero() {
		return
	}
	kind, _ := kindOf(v.Type())
	switch kind {
	case Text:
		if s, _ := textOf(v).(string); len(f.enum) > 0 && s != "" && !slices.Contains(f.enum, s) {
			c.fail(path, "the default %s is none of %s", strconv.Quote(s), strings.Join(f.enum, ", "))
		}
	case Int, Uint, Float, Size, Duration:
		if f.min != "" {
			if r, ok := compareBound(v, kind, f.min); ok && r < 0 {
				c.fail(path, "the default is below min %s", f.min)
			}
		}
		if f.max != "" {
			if r, ok := compareBound(v, kind, f.max); ok && r > 0 {
				c.fail(path, "the default is above max %s", f.max)
			}
		}
	}
}

// untagged finds exported fields that look like settings and are none.
func (c *checker) untagged(path string, t reflect.Type) {
	for f := range t.Fields() {
		if _, tagged := f.Tag.Lookup("koanf"); !tagged && f.IsExported() && !f.Anonymous {
			c.fail(join(path, f.Name), `the field lacks a koanf tag; write koanf:"-" if it is no setting`)
		}
	}
}
