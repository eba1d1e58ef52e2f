package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
)

type object = map[string]any

// references is any text with a ${...}: what stands for it is known only when
// the file is read.
func references() object { return object{"type": "string", "pattern": `\$\{`} }

// JSONSchema returns a JSON Schema (draft 2020-12) of the pipeline file, for
// editors. It is indented and the same for the same catalog.
func JSONSchema(c Catalog) ([]byte, error) {
	top := section(config.TopLevel())
	props, ok := top["properties"].(object)
	if !ok {
		return nil, fmt.Errorf("reference: the top level has no properties")
	}
	describe := func(key string, s object) {
		old, _ := props[key].(object)
		s["description"] = old["description"]
		props[key] = s
	}
	describe("pipeline", object{"type": "string", "pattern": `^[a-z][a-z0-9_-]{0,63}$|\$\{`})
	describe("include", anyOf(object{"type": "array", "items": object{"type": "string"}}, object{"type": "string"}))
	describe("source", object{"$ref": "#/$defs/source"})
	describe("steps", object{"type": []string{"array", "null"}, "items": object{"$ref": "#/$defs/operator"}})
	describe("sinks", object{"type": "array", "minItems": 1, "items": object{"$ref": "#/$defs/sink"}})
	defs := object{}
	for _, g := range c.groups() {
		defs[g.one] = oneComponent(g)
	}
	top["type"] = "object"
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "Sluice pipeline"
	top["patternProperties"] = object{"^x-": object{}}
	top["$defs"] = defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(top); err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	return b.Bytes(), nil
}

func anyOf(options ...object) object {
	list := make([]any, 0, len(options))
	for _, o := range options {
		list = append(list, o)
	}
	return object{"anyOf": list}
}

// oneComponent is the schema of an entry: one key, a kind.
func oneComponent(g group) object {
	var options []any
	var bare []string
	for _, f := range g.factories {
		options = append(options, object{
			"type": "object", "properties": object{f.Name: body(g, f)},
			"required": []string{f.Name}, "additionalProperties": false,
		})
		if plain(f) {
			bare = append(bare, f.Name)
		}
	}
	if len(bare) > 0 {
		options = append(options, object{"type": "string", "enum": bare})
	}
	if len(options) == 0 {
		return object{}
	}
	return object{"oneOf": options}
}

// plain tells whether a component can do without settings.
func plain(f pipeline.Factory) bool {
	s := config.Describe(f.NewConfig())
	for _, field := range s.Fields {
		if field.Required || field.OneOf != "" && !strings.HasSuffix(field.OneOf, "?") {
			return false
		}
	}
	return true
}

// body is the schema of a component's settings with the reserved keys.
func body(g group, f pipeline.Factory) object {
	s := shape(config.Describe(f.NewConfig()), "", "")
	if !plain(f) {
		s["type"] = "object"
	}
	s["description"] = f.Summary
	props, ok := s["properties"].(object)
	if !ok {
		props = object{}
		s["properties"] = props
	}
	props["name"] = object{
		"type": "string", "pattern": `^[a-z][a-z0-9_]{0,63}$|\$\{`,
		"description": "The component's own name; its kind unless set.",
	}
	if g.one == "sink" {
		one := object{"type": "string"}
		from := anyOf(one, object{"type": "array", "minItems": 1, "items": one})
		from["description"] = "What the sink takes: streams (posts, detections, rejected), a step (the posts that leave it), or a stream of one step (match.rejected)."
		props["from"] = from
	}
	if g.one == "operator" {
		props["from"] = object{"type": "string", "description": "The earlier step whose posts it reads; the one before it unless set."}
	}
	return s
}

// shape is the schema of a value; minimum and maximum are for numbers.
func shape(s *config.Shape, minimum, maximum string) object {
	bounded := func(o object) object {
		if n, err := strconv.ParseFloat(minimum, 64); err == nil {
			o["minimum"] = n
		}
		if n, err := strconv.ParseFloat(maximum, 64); err == nil {
			o["maximum"] = n
		}
		return anyOf(o, references())
	}
	switch s.Kind {
	case config.Bool:
		return anyOf(object{"type": "boolean"}, references())
	case config.Int:
		return bounded(object{"type": "integer"})
	case config.Uint:
		if minimum == "" {
			minimum = "0"
		}
		return bounded(object{"type": "integer"})
	case config.Float:
		return bounded(object{"type": "number"})
	case config.Text, config.Secret:
		return object{"type": []string{"string", "number", "boolean"}}
	case config.Size:
		return anyOf(object{"type": "integer", "minimum": 0},
			object{"type": "string", "pattern": `^\s*[0-9]+(\.[0-9]+)?\s*([KkMmGgTt][Ii]?)?[Bb]?\s*$|\$\{`})
	case config.Duration:
		return anyOf(object{"const": 0},
			object{"type": "string", "pattern": `^-?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h|d))+$|^0$|\$\{`})
	case config.List:
		elem := shape(s.Elem, minimum, maximum)
		list := object{"type": "array", "items": elem}
		switch s.Elem.Kind {
		case config.List, config.Map, config.Free:
			return list
		case config.Section:
			if !s.Elem.Shorthand {
				return list
			}
			return anyOf(list, object{"type": "string"})
		}
		return anyOf(list, elem)
	case config.Map:
		return object{"type": "object", "additionalProperties": shape(s.Elem, minimum, maximum)}
	case config.Section:
		return section(s)
	}
	return object{}
}

func section(s *config.Shape) object {
	props := object{}
	out := object{"type": []string{"object", "null"}, "properties": props, "additionalProperties": false}
	var required []string
	groups := make(map[string][]string)
	var order []string
	for _, f := range s.Fields {
		p := property(f)
		props[f.Key] = p
		if f.Required {
			required = append(required, f.Key)
		}
		if f.OneOf != "" {
			if groups[f.OneOf] == nil {
				order = append(order, f.OneOf)
			}
			groups[f.OneOf] = append(groups[f.OneOf], f.Key)
		}
	}
	if s.Rest != nil {
		out["additionalProperties"] = shape(s.Rest, "", "")
	}
	if len(required) > 0 {
		out["required"], out["type"] = required, "object"
	}
	var all []any
	for _, name := range order {
		all = append(all, choice(groups[name], strings.HasSuffix(name, "?")))
	}
	if len(all) > 0 {
		out["allOf"] = all
	}
	if s.Shorthand {
		return anyOf(out, object{"type": "string"})
	}
	return out
}

// choice demands one of several keys, or none of them where that is allowed.
func choice(keys []string, noneToo bool) object {
	var options, anyKey []any
	for _, k := range keys {
		options = append(options, object{"required": []string{k}})
	}
	anyKey = options
	if noneToo {
		options = append(options[:len(options):len(options)], object{"not": object{"anyOf": anyKey}})
	}
	return object{"oneOf": options}
}

func property(f config.Field) object {
	var p object
	switch {
	case len(f.Enum) > 0 && f.Shape.Kind == config.Text:
		p = anyOf(object{"enum": f.Enum}, references())
	case len(f.Enum) > 0 && f.Shape.Kind == config.List:
		one := anyOf(object{"enum": f.Enum}, references())
		p = anyOf(object{"type": "array", "items": one}, one)
	default:
		p = shape(f.Shape, f.Min, f.Max)
	}
	if f.Doc != "" {
		p["description"] = f.Doc
	}
	if f.Default != nil {
		p["default"] = f.Default
	}
	if f.Example != "" {
		p["examples"] = []any{f.Example}
	}
	return p
}
