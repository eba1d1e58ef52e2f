package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/pipeline"
)

// TestFieldDocs compares the documentation of a config with every type, and of
// the top level, to golden lines.
func TestFieldDocs(t *testing.T) {
	datadriven.RunTest(t, "testdata/fielddocs", func(t *testing.T, d *datadriven.TestData) string {
		var docs []FieldDoc
		switch d.Cmd {
		case "kitchen":
			docs = FieldDocs(newKitchen())
		case "top":
			docs = TopLevel().Docs()
		default:
			t.Fatalf("unknown command %q", d.Cmd)
		}
		var b strings.Builder
		for _, f := range docs {
			rules := ""
			if f.Required {
				rules += " required"
			}
			if len(f.Enum) > 0 {
				rules += " enum=" + strings.Join(f.Enum, ",")
			}
			if f.Min != "" || f.Max != "" {
				rules += fmt.Sprintf(" %s..%s", f.Min, f.Max)
			}
			if f.OneOf != "" {
				rules += " oneof=" + f.OneOf
			}
			doc, _, _ := strings.Cut(f.Doc, ".")
			fmt.Fprintf(&b, "%-28s %-34s %-14s %s [%s]\n", f.Path, f.Type, f.Default, doc, strings.TrimSpace(rules))
		}
		return b.String()
	})
}

// TestDefaultsReadBack writes each default and reads it again.
func TestDefaultsReadBack(t *testing.T) {
	k := newKitchen()
	k.Label, k.Labels = "a: b ${X} #", map[string]string{"x y": "yes", "z": "12"}
	k.Password = "never shown"
	var b strings.Builder
	b.WriteString(tail + "steps:\n  - kitchen:\n")
	n := 0
	for _, f := range Describe(k).Fields {
		if f.Default != nil {
			fmt.Fprintf(&b, "      %s: %s\n", f.Key, WriteValue(f.Default))
			n++
		}
	}
	if strings.Contains(b.String(), "never shown") {
		t.Error("a secret's default is shown")
	}
	s, err := Parse("p.yaml", []byte(b.String()), Options{})
	if err != nil {
		t.Fatalf("%s\n%v", b.String(), err)
	}
	got := &kitchen{}
	// Limit is the one with a bound that its zero value breaks; it has a default.
	if err := s.Steps[0].Decode(got); err != nil {
		t.Fatalf("%s\n%v", b.String(), err)
	}
	got.Password, got.TLS = k.Password, k.TLS // a secret, and a section's own keys
	x, _ := json.Marshal(got)
	y, _ := json.Marshal(k)
	if string(x) != string(y) || n < 8 {
		t.Errorf("%d defaults\ngot  %s\nwant %s", n, x, y)
	}
}

func TestWriteValueReadsBack(t *testing.T) {
	for _, v := range []any{
		"", "a", "a b", "a: b", " a", "a ", "yes", "No", "null", "~", "1", "-1", "1e6", "0x1f", "true", "${X}", "$${", "#", "a #b", "a:b",
		"a:", ":a", "http://x:1/y?z={a}", "*", "&a", "!x", "- a", "---", "\t", "\n", "é", "\u2028", "\x7f", "\"", "'", "\\", ".", "..", "a::b", "a, b", "[", "=", "<<",
		int64(5), uint64(7), 0.5, 1e21, true,
		[]any{"a, b", int64(1), nil},
		map[string]any{"k: 1": "v", "a": []any{}},
	} {
		text := tail + "steps:\n  - a: { v: " + WriteValue(v) + ", w: [" + WriteValue(v) + "] }\n"
		s, err := Parse("p.yaml", []byte(text), Options{})
		if err != nil {
			t.Errorf("%#v: %v in %s", v, err, text)
			continue
		}
		var got struct {
			V any   `koanf:"v"`
			W []any `koanf:"w"`
		}
		if err := s.Steps[0].Decode(&got); err != nil {
			t.Errorf("%#v: %v", v, err)
			continue
		}
		want := fmt.Sprintf("%v", v)
		if fmt.Sprintf("%v", got.V) != want || len(got.W) != 1 || fmt.Sprintf("%v", got.W[0]) != want {
			t.Errorf("%#v is read back as %#v, %#v", v, got.V, got.W)
		}
	}
}

func TestCheck(t *testing.T) {
	type inner struct {
		A int `koanf:"a" doc:"x"`
	}
	type loop struct {
		Next *loop `koanf:"next" doc:"x"`
	}
	for _, c := range []struct {
		config any
		want   []string
	}{
		{newKitchen(), nil},
		{&inner{}, nil},
		{&map[string]inner{}, nil},
		{&struct {
			Rest map[string]inner `koanf:",remain"`
		}{}, nil},
		{inner{}, []string{"want a pointer"}},
		{(*inner)(nil), []string{"want a pointer"}},
		{new(int), []string{"want a pointer to a struct"}},
		{&struct {
			Name  string                  `koanf:"name" doc:"x"`
			Doc   string                  `koanf:"doc"`
			Upper string                  `koanf:"Upper" doc:"x"`
			Twice string                  `koanf:"twice" doc:"x"`
			Again string                  `koanf:"twice" doc:"x"`
			Chan  chan int                `koanf:"chan" doc:"x"`
			Keys  map[int]string          `koanf:"keys" doc:"x"`
			Bound int                     `koanf:"bound" doc:"x" min:"1KiB"`
			Text  string                  `koanf:"text" doc:"x" max:"3"`
			Enum  int                     `koanf:"enum" doc:"x" enum:"a,b"`
			Untag int                     //
			Deep  []map[string]*time.Time `koanf:"deep" doc:"x"`
			Fn    []func()                `koanf:"fn" doc:"x"`
		}{}, []string{
			"name: the key is reserved", "doc: the doc tag", "Upper: a key is", "twice: two fields", "chan: type chan int",
			"keys: type map[int]string", `bound: the bound "1KiB"`, "text: min and max", "enum: enum is for text", "Untag: the field lacks",
			"fn.<element>: type func()",
		}},
		{&struct {
			Level string            `koanf:"level" doc:"x" enum:"a,b"`
			Low   int               `koanf:"low" doc:"x" min:"5"`
			High  pipeline.ByteSize `koanf:"high" doc:"x" max:"1KiB"`
			Must  string            `koanf:"must" doc:"x" required:"true"`
		}{"c", 1, 2048, "set"}, []string{
			`level: the default "c" is none of a, b`, "low: the default is below min 5", "high: the default is above max 1KiB", "must: a required key has a default",
		}},
		{&loop{}, []string{"the type holds itself"}},
	} {
		err := Check(c.config)
		if len(c.want) == 0 && err != nil {
			t.Errorf("%T: %v", c.config, err)
		}
		text := fmt.Sprint(err)
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%T: no %q in\n%s", c.config, w, text)
			}
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) != len(c.want) {
			t.Errorf("%T: %d errors, want %d:\n%s", c.config, len(joined.Unwrap()), len(c.want), text)
		}
	}
}

func TestTopLevelPassesCheck(t *testing.T) {
	for _, section := range []any{&defaults().Engine, &defaults().Checkpoint, &defaults().Reload, &defaults().Admin, &defaults().Log} {
		if err := Check(section); err != nil {
			t.Error(err)
		}
	}
}

// TestRemainAndUnions covers what the kitchen does not have.
func TestRemainAndUnions(t *testing.T) {
	type target struct {
		Path string `koanf:"path" doc:"x"`
	}
	type windows struct {
		Limit int               `koanf:"limit" doc:"x"`
		Rest  map[string]target `koanf:",remain"`
	}
	type union struct {
		A *target `koanf:"a" doc:"x" oneof:"t"`
		B *target `koanf:"b" doc:"x" oneof:"t"`
	}
	parse := func(body string) Component {
		t.Helper()
		s, err := Parse("p.yaml", []byte(tail+"steps:\n  - x: "+body+"\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Steps[0]
	}
	var w windows
	if err := parse("{ limit: 1, one: { path: a }, two: {} }").Decode(&w); err != nil || len(w.Rest) != 2 || w.Rest["one"].Path != "a" || w.Limit != 1 {
		t.Errorf("%+v, %v", w, err)
	}
	if err := parse("{ one: { pth: a } }").Decode(&w); err == nil || !strings.Contains(err.Error(), `steps.0.x.one: unknown key "pth"; did you mean "path"?`) {
		t.Errorf("got %v", err)
	}
	var u union
	if err := parse("{}").Decode(&u); err == nil || !strings.Contains(err.Error(), "p.yaml:6:5: steps.0.x: one of a, b must be set") {
		t.Errorf("got %v", err)
	}
	shared := &target{Path: "default"}
	u = union{A: shared}
	if err := parse("{}").Decode(&u); err != nil || u.A != shared {
		t.Errorf("the default choice: %+v, %v", u, err)
	}
	if err := parse("{ a: }").Decode(&u); err != nil || u.A == nil || u.A.Path != "default" {
		t.Errorf("an empty section keeps its defaults: %+v, %v", u, err)
	}
	if err := parse("{ a: { path: x } }").Decode(&u); err != nil || u.A.Path != "x" || shared.Path != "default" {
		t.Errorf("a default that is shared is changed: %+v, %v", shared, err)
	}
	if err := parse("{ b: {} }").Decode(&u); err != nil || u.A != nil || u.B == nil {
		t.Errorf("a choice drops the default one: %+v, %v", u, err)
	}
	if err := parse("{}").Decode(u); err == nil || !strings.Contains(err.Error(), "want a pointer") {
		t.Errorf("got %v", err)
	}
}
