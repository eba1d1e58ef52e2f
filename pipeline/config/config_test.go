package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/pipeline"
)

// kitchen is a component's config with a setting of every type.
type kitchen struct {
	Enabled  bool                `koanf:"enabled" doc:"A bool."`
	Limit    int                 `koanf:"limit" doc:"A bounded int." min:"1" max:"100" example:"4"`
	Small    int8                `koanf:"small" doc:"A narrow int."`
	Count    uint32              `koanf:"count" doc:"A uint."`
	Ratio    float64             `koanf:"ratio" doc:"A float." min:"0" max:"1"`
	Label    string              `koanf:"label" doc:"A text."`
	Level    string              `koanf:"level" doc:"One of a few." enum:"low,medium,high"`
	Password pipeline.Secret     `koanf:"password" doc:"A secret."`
	Buffer   pipeline.ByteSize   `koanf:"buffer" doc:"A size." min:"1KiB" max:"1GiB"`
	Window   time.Duration       `koanf:"window" doc:"A duration." max:"7d"`
	Address  netip.Addr          `koanf:"address" doc:"A type that reads text." example:"10.0.0.1"`
	Tags     []string            `koanf:"tags" doc:"A list." enum:"a,b,c"`
	Ports    []int               `koanf:"ports" doc:"A list of ints." min:"1" max:"65535"`
	Labels   map[string]string   `koanf:"labels" doc:"A map."`
	Lists    map[string]wordlist `koanf:"lists" doc:"A map of sections."`
	Routes   []wordlist          `koanf:"routes" doc:"A list of sections."`
	TLS      section             `koanf:"tls" doc:"A section."`
	Maybe    *int                `koanf:"maybe" doc:"An optional int."`
	Slack    *webhook            `koanf:"slack" doc:"One way out." oneof:"target?"`
	Pager    *webhook            `koanf:"pager" doc:"Another way out." oneof:"target?"`
	Free     any                 `koanf:"free" doc:"Anything."`
	common   `koanf:",squash"`
}

type common struct {
	Shared string `koanf:"shared" doc:"A key of an embedded struct."`
}

type wordlist struct {
	Path string `koanf:"path" doc:"A file." required:"true" example:"lists/words.txt"`
	View string `koanf:"view" doc:"A view." enum:"raw,folded"`
}

func (w *wordlist) SetDefaults() { w.View = "folded" }

type section struct {
	CA     string `koanf:"ca" doc:"A file."`
	Verify bool   `koanf:"verify" doc:"A bool."`
}

type webhook struct {
	URL pipeline.Secret `koanf:"url" doc:"An address." required:"true"`
}

func newKitchen() *kitchen {
	return &kitchen{
		Limit: 10, Buffer: 64 << 10, Window: time.Minute, Level: "low", Ratio: 0.5,
		Tags: []string{"a"}, TLS: section{Verify: true},
	}
}

func (k *kitchen) Validate() error {
	var errs []error
	if k.Label == "bad" {
		errs = append(errs, &pipeline.FieldError{Path: "label", Err: errors.New("the label is bad")})
	}
	if k.Label == "whole" {
		errs = append(errs, errors.New("nothing fits together"))
	}
	if l, ok := k.Lists["dots.in.name"]; ok && l.View == "raw" {
		errs = append(errs, &pipeline.FieldError{Path: "lists.dots.in.name.view", Err: errors.New("no raw view here")})
	}
	if k.Label == "wrapped" {
		inner := &pipeline.FieldError{Path: "ports.1", Err: errors.New("port is taken")}
		errs = append(errs, fmt.Errorf("checking ports: %w", inner))
	}
	if k.Label == "nested" {
		errs = append(errs, &pipeline.FieldError{Path: "tls", Err: errors.Join(
			&pipeline.FieldError{Path: "ca", Err: errors.New("no such authority")},
			&pipeline.FieldError{Path: "verify", Err: errors.New("must stay on")},
		)})
	}
	return errors.Join(errs...)
}

// world is what the data-driven tests read from.
type world struct {
	files map[string]string
	env   map[string]string
}

func (w *world) options() Options {
	return Options{
		Env: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		ReadFile: func(name string) ([]byte, error) {
			if s, ok := w.files[name]; ok {
				return []byte(s), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
		Glob: func(pattern string) ([]string, error) {
			var out []string
			for name := range w.files {
				ok, err := path.Match(pattern, name)
				if err != nil {
					return nil, err
				}
				if ok {
					out = append(out, name)
				}
			}
			return out, nil
		},
	}
}

// TestDataDriven runs the scripts of testdata. Commands:
//
//	file name=F        the input is the content of a file
//	env                the input are NAME=value lines for ${NAME}
//	load               the input is a pipeline file, after it lines
//	                   "+ set P=V" and "+ env NAME=V" for overrides; with
//	                   "json" the merged tree is printed, with "spec" names
//	decode             the input is a kitchen's settings, printed as JSON
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, file string) {
		w := &world{files: map[string]string{}, env: map[string]string{}}
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				var name string
				d.ScanArgs(t, "name", &name)
				w.files[name] = unescape(d.Input) + "\n"
				return ""
			case "env":
				for line := range strings.SplitSeq(d.Input, "\n") {
					k, v, _ := strings.Cut(line, "=")
					w.env[k] = unescape(v)
				}
				return ""
			case "load":
				return w.load(d)
			case "decode":
				return w.decode(d)
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

// unescape lets scripts hold characters that editors hide.
func unescape(s string) string {
	return strings.NewReplacer("<TAB>", "\t", "<BAD>", "\xff", "<NUL>", "\x00", "<BEL>", "\x07").Replace(s)
}

func (w *world) load(d *datadriven.TestData) string {
	o := w.options()
	var text []string
	for line := range strings.SplitSeq(d.Input, "\n") {
		if s, ok := strings.CutPrefix(line, "+ set "); ok {
			o.Sets = append(o.Sets, s)
		} else if s, ok := strings.CutPrefix(line, "+ env "); ok {
			o.Environ = append(o.Environ, s)
		} else {
			text = append(text, line)
		}
	}
	s, err := Parse("pipeline.yaml", []byte(unescape(strings.Join(text, "\n"))), o)
	switch {
	case err != nil:
		return err.Error()
	case d.HasArg("json"):
		return string(s.Raw())
	case d.HasArg("spec"):
		return printSpec(s)
	}
	return "ok"
}

func printSpec(s *Spec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s in %s\n", s.Pipeline, s.Dir)
	line := func(what string, c Component) {
		fmt.Fprintf(&b, "%s %s (%s) from=%v at %s: %s\n", what, c.Name, c.Kind, c.From, c.Position(), c.Path())
	}
	line("source", s.Source)
	for _, c := range s.Steps {
		line("step", c)
	}
	for _, c := range s.Sinks {
		line("sink", c)
	}
	fmt.Fprintf(&b, "%+v\n%+v\n%+v\n%+v\n%+v\n", s.Engine, s.Checkpoint, s.Reload, s.Admin, s.Log)
	return b.String()
}

func (w *world) decode(d *datadriven.TestData) string {
	body := ""
	if d.Input != "" {
		body = "      " + strings.ReplaceAll(d.Input, "\n", "\n      ")
	}
	text := "pipeline: p\nsource: s\nsinks: [s]\nsteps:\n  - kitchen:\n" + unescape(body)
	s, err := Parse("p.yaml", []byte(text), w.options())
	if err != nil {
		return err.Error()
	}
	k := newKitchen()
	if err := s.Steps[0].Decode(k); err != nil {
		return err.Error()
	}
	// Only what differs from the defaults is worth looking at.
	was, now := asMap(newKitchen()), asMap(k)
	for key, v := range was {
		if fmt.Sprint(now[key]) == fmt.Sprint(v) {
			delete(now, key)
		}
	}
	out, err := json.MarshalIndent(now, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func asMap(k *kitchen) map[string]any {
	data, err := json.Marshal(struct {
		*kitchen
		Shared string
	}{k, k.Shared})
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		return map[string]any{"error": err.Error()}
	}
	return m
}
