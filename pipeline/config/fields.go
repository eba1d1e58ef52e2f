package config

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// field is a key of a section as its Go field and tags declare it.
type field struct {
	key, doc, example, min, max, oneOf string
	words                              string // instead of the type's own
	enum                               []string
	required, rest                     bool
	index                              []int
	typ                                reflect.Type
}

// fieldsOf lists the keys of struct type t in order. Fields without a koanf
// tag, and those of tag "-", are not settings. An embedded struct, or one of
// tag ",squash", gives its keys to the one around it; a map of tag ",remain"
// takes the keys that have no field.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("koanf")
		key, option, _ := strings.Cut(tag, ",")
		if key == "-" || sf.PkgPath != "" && !sf.Anonymous {
			continue
		}
		if sf.Type.Kind() == reflect.Struct && (option == "squash" || sf.Anonymous && !tagged) {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				out = append(out, f)
			}
			continue
		}
		if !tagged || key == "" && option != "remain" {
			continue
		}
		f := field{
			key: key, doc: sf.Tag.Get("doc"), example: sf.Tag.Get("example"),
			min: sf.Tag.Get("min"), max: sf.Tag.Get("max"), oneOf: sf.Tag.Get("oneof"), words: sf.Tag.Get("words"),
			required: sf.Tag.Get("required") == "true", rest: option == "remain",
			index: []int{i}, typ: sf.Type,
		}
		if e := sf.Tag.Get("enum"); e != "" {
			for v := range strings.SplitSeq(e, ",") {
				f.enum = append(f.enum, strings.TrimSpace(v))
			}
		}
		out = append(out, f)
	}
	return out
}

// elem is the rules that hold for the elements of a list or map field.
func (f *field) elem() *field {
	return &field{example: f.example, min: f.min, max: f.max, enum: f.enum}
}

var (
	nodeType     = reflect.TypeFor[*node]()
	secretType   = reflect.TypeFor[pipeline.Secret]()
	sizeType     = reflect.TypeFor[pipeline.ByteSize]()
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// ShapeKind is what a value may look like.
type ShapeKind uint8

// The kinds of values.
const (
	Free     ShapeKind = iota // anything at all
	Bool                      // true, false
	Int                       // a whole number
	Uint                      // a whole number, not negative
	Float                     // a number
	Text                      // text
	Secret                    // text that is never shown
	Size                      // a pipeline.ByteSize
	Duration                  // a time.Duration
	List                      // values of Elem; one scalar stands for a list of one
	Map                       // values of Elem under names of the user's choice
	Section                   // the keys of Fields
)

// kindOf returns the kind of a type that is not a pointer.
func kindOf(t reflect.Type) (k ShapeKind, ok bool) {
	switch t {
	case secretType:
		return Secret, true
	case sizeType:
		return Size, true
	case durationType:
		return Duration, true
	}
	switch t.Kind() {
	case reflect.Struct:
		if textual(t) && len(fieldsOf(t)) == 0 {
			return Text, true
		}
		return Section, true
	}
	if textual(t) {
		return Text, true
	}
	switch t.Kind() {
	case reflect.Bool:
		return Bool, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Int, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Uint, true
	case reflect.Float32, reflect.Float64:
		return Float, true
	case reflect.String:
		return Text, true
	case reflect.Slice:
		return List, true
	case reflect.Map:
		return Map, t.Key().Kind() == reflect.String
	case reflect.Interface:
		return Free, t.NumMethod() == 0
	}
	return Free, false
}

// textual tells whether values of t are read by UnmarshalText.
func textual(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// deref follows pointers.
func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer && t != nodeType {
		t = t.Elem()
	}
	return t
}

// scalarType tells whether one scalar is enough to give a value of t.
func scalarType(t reflect.Type) bool {
	t = deref(t)
	k, ok := kindOf(t)
	switch k {
	case Section:
		return textual(t)
	case List, Map, Free:
		return false
	}
	return ok
}

// defaulter is implemented by pointers to sections that occur any number of
// times, or not at all: so they have defaults too.
type defaulter interface{ SetDefaults() }

// newValue returns a settable value of t with its defaults set.
func newValue(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := v.Interface().(defaulter); ok {
		d.SetDefaults()
	}
	return v.Elem()
}
