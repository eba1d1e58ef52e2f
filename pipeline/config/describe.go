package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// Shape describes what a value of a config may look like.
type Shape struct {
	Kind ShapeKind
	// Shorthand tells that one scalar may stand for the whole Section.
	Shorthand bool
	Fields    []Field // of a Section, in order of declaration
	Elem      *Shape  // of a List or a Map
	// Rest is the shape of the further keys of a Section; nil: there are none.
	Rest *Shape
}

// Field describes a key of a Section.
type Field struct {
	Key      string
	Doc      string   // one line
	Enum     []string // the texts allowed; nil for any
	Min, Max string   // bounds, as the key is written; "" for none
	Example  string
	Required bool
	// OneOf names the group of keys of which exactly one is set, or at most one
	// when the name ends with "?"; "" for none.
	OneOf string
	// Type is the type in words.
	Type string
	// Default is a bool, int64, uint64, float64, string, []any or
	// map[string]any, as a file would write it; nil where there is none.
	Default any
	Shape   *Shape
}

// Describe returns the shape of a config, a pointer to a struct with its
// defaults set. Fields of the struct are settings when they have the tag
// koanf:"key". The other tags are
//
//	doc:"one line"     required:"true"      example:"text as in the file"
//	enum:"a,b,c"       min:"1" max:"64KiB"  for numbers, sizes, durations
//	oneof:"group"      exactly one of the keys of a group ("group?": at most one)
//	words:"a path"     what the reference calls the type, if not by its Go type
//	koanf:",squash"    the keys of this struct belong to the one around it
//	koanf:",remain"    a map that takes the keys which have no field
//
// The rules of a list or map (enum, min, max) hold for its elements. Types are
// bool, ints, uints, floats, string, pipeline.Secret, pipeline.ByteSize,
// time.Duration, slices, maps with text keys, structs, pointers (left nil when
// the key is not there), any, and types with UnmarshalText. A struct that has
// it too may be written as one scalar. A pointer method SetDefaults() gives
// defaults to structs in lists, maps and behind pointers.
func Describe(config any) *Shape {
	v := reflect.ValueOf(config)
	return describe(deref(v.Type()), pointee(v), 0)
}

// pointee follows pointers; the zero Value where one is nil.
func pointee(v reflect.Value) reflect.Value {
	for v.IsValid() && v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}

// describe is Describe for a type and, where there is one, a value of it that
// holds the defaults. Depth ends types that hold themselves.
func describe(t reflect.Type, v reflect.Value, depth int) *Shape {
	const deepest = 16
	t = deref(t)
	kind, ok := kindOf(t)
	if !ok || depth > deepest || t == nodeType {
		return &Shape{Kind: Free}
	}
	s := &Shape{Kind: kind}
	switch kind {
	case List, Map:
		s.Elem = describe(t.Elem(), newValue(deref(t.Elem())), depth+1)
	case Section:
		s.Shorthand = textual(t)
		if !v.IsValid() {
			v = newValue(t)
		}
		for _, f := range fieldsOf(t) {
			fv := pointee(v.FieldByIndex(f.index))
			sub := describe(f.typ, fv, depth+1)
			if f.rest {
				s.Rest = sub.Elem
				continue
			}
			d := Field{
				Key: f.key, Doc: f.doc, Enum: f.enum, Min: f.min, Max: f.max, Example: f.example,
				Required: f.required, OneOf: f.oneOf, Shape: sub, Type: f.words,
			}
			if d.Type == "" {
				d.Type = sub.Words()
			}
			if f.typ != nodeType && sub.Kind != Section {
				d.Default = plainValue(fv, sub)
			}
			s.Fields = append(s.Fields, d)
		}
	}
	return s
}

// plainValue turns a default into what a file would say; nil for nothing.
func plainValue(v reflect.Value, s *Shape) any {
	if !v.IsValid() {
		return nil
	}
	switch s.Kind {
	case Bool:
		return v.Bool()
	case Int:
		return v.Int()
	case Uint:
		return v.Uint()
	case Float:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case Size:
		return pipeline.ByteSize(v.Int()).String()
	case Duration:
		return FormatDuration(time.Duration(v.Int()))
	case Text:
		return textOf(v)
	case List:
		if v.Len() == 0 {
			return nil
		}
		out := make([]any, 0, v.Len())
		for i := range v.Len() {
			out = append(out, plainOrSection(pointee(v.Index(i)), s.Elem))
		}
		return out
	case Map:
		if v.Len() == 0 {
			return nil
		}
		out := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = plainOrSection(pointee(it.Value()), s.Elem)
		}
		return out
	case Free:
		return freeValue(v)
	}
	return nil // a Secret's default is nobody's business
}

// plainOrSection is plainValue for an element, which may be a section.
func plainOrSection(v reflect.Value, s *Shape) any {
	if s.Kind != Section || !v.IsValid() {
		return plainValue(v, s)
	}
	out := make(map[string]any)
	for _, f := range fieldsOf(v.Type()) {
		fv := pointee(v.FieldByIndex(f.index))
		if f.rest || !fv.IsValid() {
			continue
		}
		if x := plainOrSection(fv, describe(f.typ, fv, 0)); x != nil {
			out[f.key] = x
		}
	}
	return out
}

func textOf(v reflect.Value) any {
	s := ""
	switch x := v.Interface().(type) {
	case encoding.TextMarshaler:
		if text, err := x.MarshalText(); err == nil {
			s = string(text)
		}
	case fmt.Stringer:
		s = x.String()
	default:
		switch {
		case v.Kind() == reflect.String:
			s = v.String()
		case v.CanAddr():
			if m, ok := v.Addr().Interface().(encoding.TextMarshaler); ok && !v.IsZero() {
				if text, err := m.MarshalText(); err == nil {
					s = string(text)
				}
			}
		}
	}
	if s == "" {
		return nil
	}
	return s
}

// freeValue passes on the default of an any where it is of a plain type.
func freeValue(v reflect.Value) any {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil
	}
	if k, ok := kindOf(v.Type()); ok && k != Section && k != Free && k != List && k != Map {
		return plainValue(v, &Shape{Kind: k})
	}
	return nil
}

// FieldDoc is one line of a component's reference.
type FieldDoc struct {
	Path     string // such as "lists.<name>.path" or "buckets[].size"
	Type     string // in words
	Default  string // as a file would write it; "" for none
	Doc      string
	Enum     []string
	Required bool
	Min, Max string
	Example  string
	OneOf    string
}

// FieldDocs lists all the keys of a config, a pointer to a struct with its
// defaults set: sections before what is in them.
func FieldDocs(config any) []FieldDoc { return Describe(config).Docs() }

// Docs lists all keys below the shape.
func (s *Shape) Docs() []FieldDoc { return s.docs("", nil) }

func (s *Shape) docs(path string, out []FieldDoc) []FieldDoc {
	switch s.Kind {
	case List:
		return s.Elem.docs(path+"[]", out)
	case Map:
		return s.Elem.docs(join(path, "<name>"), out)
	}
	for _, f := range s.Fields {
		at := join(path, f.Key)
		out = append(out, FieldDoc{
			Path: at, Type: f.Type, Default: WriteValue(f.Default), Doc: f.Doc, Enum: f.Enum,
			Required: f.Required, Min: f.Min, Max: f.Max, Example: f.Example, OneOf: f.OneOf,
		})
		out = f.Shape.docs(at, out)
	}
	if s.Rest != nil {
		out = append(out, FieldDoc{Path: join(path, "<name>"), Type: s.Rest.Words()})
		out = s.Rest.docs(join(path, "<name>"), out)
	}
	return out
}

// Words says what the shape is, such as "list of text".
func (s *Shape) Words() string { return s.words(false) }

// kindWords is what one value of a kind is called, and many.
func kindWords(k ShapeKind) [2]string {
	switch k {
	case Bool:
		return [2]string{"bool", "bools"}
	case Int, Uint:
		return [2]string{"whole number", "whole numbers"}
	case Float:
		return [2]string{"number", "numbers"}
	case Text:
		return [2]string{"text", "text"}
	case Secret:
		return [2]string{"secret text", "secret texts"}
	case Size:
		return [2]string{"size", "sizes"}
	case Duration:
		return [2]string{"duration", "durations"}
	case Section:
		return [2]string{"section", "sections"}
	}
	return [2]string{"anything", "anything"}
}

func (s *Shape) words(many bool) string {
	switch s.Kind {
	case List:
		if many {
			return "lists of " + s.Elem.words(true)
		}
		return "list of " + s.Elem.words(true)
	case Map:
		if many {
			return "mappings from names to " + s.Elem.words(true)
		}
		return "mapping from names to " + s.Elem.words(true)
	}
	w := kindWords(s.Kind)
	if s.Kind == Section && s.Shorthand {
		w = [2]string{"section or text", "sections or texts"}
	}
	if many {
		return w[1]
	}
	return w[0]
}

func words(t reflect.Type, many bool) string {
	return describe(t, reflect.Value{}, 0).words(many)
}
