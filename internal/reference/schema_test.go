package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/pipeline/config"
)

// validator evaluates the keywords of JSON Schema that the generator uses, and
// fails on any other, so that no keyword goes unnoticed.
type validator struct {
	t    *testing.T
	defs map[string]any
}

func (v *validator) ok(schema, value any) bool {
	s, isObject := schema.(map[string]any)
	if !isObject {
		b, isBool := schema.(bool)
		return isBool && b
	}
	for keyword, arg := range s {
		if !v.keyword(s, keyword, arg, value) {
			return false
		}
	}
	return true
}

func (v *validator) keyword(s map[string]any, keyword string, arg, value any) bool {
	m, isMap := value.(map[string]any)
	l, isList := value.([]any)
	text, isText := value.(string)
	number, isNumber := value.(float64)
	count := func() (n int) {
		for _, o := range arg.([]any) {
			if v.ok(o, value) {
				n++
			}
		}
		return n
	}
	switch keyword {
	case "$schema", "$defs", "title", "description", "default", "examples", "patternProperties":
		return true
	case "$ref":
		return v.ok(v.defs[strings.TrimPrefix(arg.(string), "#/$defs/")], value)
	case "anyOf":
		return count() > 0
	case "oneOf":
		return count() == 1
	case "allOf":
		return count() == len(arg.([]any))
	case "not":
		return !v.ok(arg, value)
	case "const":
		return reflect.DeepEqual(arg, value)
	case "enum":
		return slices.ContainsFunc(arg.([]any), func(x any) bool { return reflect.DeepEqual(x, value) })
	case "type":
		types, many := arg.([]any)
		if !many {
			types = []any{arg}
		}
		return slices.ContainsFunc(types, func(x any) bool { return typeIs(x.(string), value) })
	case "pattern":
		return !isText || regexp.MustCompile(arg.(string)).MatchString(text)
	case "minimum":
		return !isNumber || number >= arg.(float64)
	case "maximum":
		return !isNumber || number <= arg.(float64)
	case "minItems":
		return !isList || len(l) >= int(arg.(float64))
	case "items":
		return !slices.ContainsFunc(l, func(x any) bool { return !v.ok(arg, x) })
	case "required":
		return !isMap || !slices.ContainsFunc(arg.([]any), func(k any) bool { _, ok := m[k.(string)]; return !ok })
	case "properties":
		for k, sub := range arg.(map[string]any) {
			if x, there := m[k]; there && !v.ok(sub, x) {
				return false
			}
		}
		return true
	case "additionalProperties":
		props, _ := s["properties"].(map[string]any)
		for k, x := range m {
			if _, known := props[k]; !known && !strings.HasPrefix(k, "x-") && !v.ok(arg, x) {
				return false
			}
		}
		return true
	}
	v.t.Errorf("the validator does not know the keyword %q", keyword)
	return false
}

func typeIs(name string, value any) bool {
	switch x := value.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && x == math.Trunc(x)
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}

// TestSchemaAgreesWithLoader gives files to both: they must say the same.
func TestSchemaAgreesWithLoader(t *testing.T) {
	c := catalog()
	text, err := JSONSchema(c)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.json", text)
	again, err := JSONSchema(catalog())
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("the schema is not the same twice: %v", err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	v := &validator{t: t, defs: schema["$defs"].(map[string]any)}

	const base = "pipeline: p\nsource: { file: { paths: [a] } }\nsinks: [{ alert: { slack: { url: x } } }]\n"
	sink := func(body string) string {
		return "pipeline: p\nsource: { file: { paths: a } }\nsinks:\n  - alert: " + body + "\n"
	}
	source := func(body string) string {
		return "pipeline: p\nsource: { file: " + body + " }\nsinks: [{ alert: { slack: { url: x } } }]\n"
	}
	good := []string{
		base, base + "x-anchor: [1]\n", base + "engine:\n", base + "steps:\n",
		base + "steps: [normalize, { normalize: }, { match: { lists: { a: { path: x, view: raw } }, name: m } }, match]\n",
		base + "engine: { workers: \"${N}\", epoch: { rows: 1e3, bytes: 64KiB, interval: 1m30s } }\n",
		base + "include: a.yaml\n", base + "log: { level: \"${L}\" }\n",
		sink("{ webhook: { url: 5 }, throttle: 2d, group_by: a, labels: { a: 1, b: true }, from: posts }"),
		sink("{ webhook: { url: \"${U}\" }, throttle: 0, group_by: [a, b], from: [posts, detections], retry: { tries: 1 } }"),
		source("{ paths: a, chunk: 4096, follow: true, format: jetstream }"),
	}
	bad := []string{
		"pipeline: p\n", base + "zzz: 1\n", base + "engine: { worker: 1 }\n", base + "engine: { workers: -1 }\n", base + "engine: { workers: 1.5 }\n",
		base + "engine: { workers: \"4\" }\n", base + "engine: [a]\n", base + "log: { level: loud }\n", base + "steps: [{ normalize: {}, match: {} }]\n",
		base + "steps: [{ match: { from: 1 } }]\n", base + "steps: [{ match: { limit: 5000 } }]\n", base + "steps: [{ match: { lists: { a: {} } } }]\n",
		base + "steps: [{ match: { name: Upper } }]\n", sink("{}"), sink("{ slack: { url: x }, webhook: { url: y } }"), sink("{ slack: {} }"),
		sink("{ slack: { url: x }, throttle: 15 }"), sink("{ slack: { url: x }, throttle: soon }"), sink("{ slack: { url: x }, from: { a: b } }"),
		sink("{ slack: { url: x }, from: [] }"), sink("{ slack: { url: x }, group_by: { a: b } }"), sink("{ slack: { url: x }, labels: [a] }"),
		source("{ format: plain }"), source("{ paths: a, format: csv }"), source("{ paths: a, follow: \"true\" }"), source("{ paths: a, chunk: many }"),
		"pipeline: Bad Name\nsource: { file: { paths: a } }\nsinks: [{ alert: { slack: { url: x } } }]\n",
		"pipeline: p\nsource: file\nsinks: [{ alert: { slack: { url: x } } }]\n", "pipeline: p\nsource: { file: { paths: a } }\nsinks: []\n",
	}
	check := func(text string, want bool) {
		t.Helper()
		var y any
		if err := yaml.Unmarshal([]byte(text), &y); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		j, err := json.Marshal(y)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(j, &value); err != nil {
			t.Fatal(err)
		}
		if got := v.ok(schema, value); got != want {
			t.Errorf("the schema says %v to\n%s", got, text)
		}
		if err := load(c, text); (err == nil) != want {
			t.Errorf("the loader says %v to\n%s", err, text)
		}
	}
	for _, text := range good {
		check(text, true)
	}
	for _, text := range bad {
		check(text, false)
	}
	starter, err := Starter("p", c.Sources[0], c.Operators, c.Sinks)
	if err != nil {
		t.Fatal(err)
	}
	check(string(starter), true)
}

// load parses text and decodes all components, as a build of the graph would.
func load(c Catalog, text string) error {
	o := exampleOptions()
	o.Env = func(n string) (string, bool) { return map[string]string{"N": "3", "L": "info", "U": "x"}[n], true }
	o.ReadFile = func(string) ([]byte, error) { return []byte("log: { level: info }"), nil }
	s, err := config.Parse("p.yaml", []byte(text), o)
	if err != nil {
		return err
	}
	decode := func(comp config.Component, group int) error {
		for _, f := range c.groups()[group].factories {
			if f.Name == comp.Kind {
				return comp.Decode(f.NewConfig())
			}
		}
		return fmt.Errorf("unknown kind %s", comp.Kind)
	}
	if err := decode(s.Source, 0); err != nil {
		return err
	}
	for _, x := range s.Steps {
		if err := decode(x, 1); err != nil {
			return err
		}
	}
	for _, x := range s.Sinks {
		if err := decode(x, 2); err != nil {
			return err
		}
	}
	return nil
}
