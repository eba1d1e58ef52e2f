package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const sample = `
pipeline: firehose
include: [more.yaml]
source: { kafka: { brokers: ["${BROKER}"], group: 007, tls: } }
steps:
  - normalize
  - match: { name: m, lists: { a: { path: "x\u0085\u2028y", n: 1.10, deep: [[], {}, null, true, .5, 1_0] } } }
sinks:
  - clickhouse: { dsn: "${file:/pw}", from: [posts, rejected] }
engine: { workers: "${N:3}", epoch: { bytes: 1MB } }
`

func sampleOptions() Options {
	return Options{
		Env: func(n string) (string, bool) { return map[string]string{"BROKER": "b:1"}[n], n == "BROKER" },
		ReadFile: func(n string) ([]byte, error) {
			return []byte(map[string]string{"more.yaml": "sinks: [file]\nlog: { level: debug }\n", "/pw": "pw\r\n"}[n]), nil
		},
	}
}

// TestRawRoundTrip reads what Raw wrote: the Spec is the same but for places,
// and Raw is a fixed point.
func TestRawRoundTrip(t *testing.T) {
	o := sampleOptions()
	o.Sets = []string{"engine.in_flight=7", "sinks.0.file.path=~", "admin.listen="}
	a, err := Parse("p.yaml", []byte(sample), o)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(a.Raw()) {
		t.Errorf("not JSON: %s", a.Raw())
	}
	b, err := Parse("p.yaml", a.Raw(), sampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Raw(), b.Raw()) {
		t.Errorf("Raw changes:\n%s\n%s", a.Raw(), b.Raw())
	}
	if d := cmp.Diff(a, b, cmpopts.IgnoreUnexported(Spec{}, Component{})); d != "" {
		t.Error(d)
	}
	for i, c := range append([]Component{a.Source}, append(a.Steps, a.Sinks...)...) {
		d := append([]Component{b.Source}, append(b.Steps, b.Sinks...)...)[i]
		var x, y map[string]any
		if err := c.Decode(&x); err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(&y); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(x, y); diff != "" {
			t.Errorf("%s: %s", c.Path(), diff)
		}
		if !c.Same(d) || !d.Same(c) {
			t.Errorf("%s: it is not the same as what its Raw says", c.Path())
		}
	}
	if a.Engine.Workers != 3 || a.Engine.InFlight != 7 || a.Admin.Enabled() || a.Log.Level != "debug" {
		t.Errorf("%+v %+v", a.Engine, a.Admin)
	}
	if a.Sinks[0].Kind != "file" || a.Sinks[1].Kind != "clickhouse" {
		t.Errorf("order of sinks: %v", a.Sinks)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("conf/p.yaml", "include: ['d/*.yaml']\nsource: s\nsinks: [s]\ncheckpoint: { path: state }\n")
	write("conf/d/b.yaml", "pipeline: ${file:name}\nlog: { level: info }")
	write("conf/d/a.yaml", "log: { level: error, format: json }")
	write("conf/name", "fromfile\n")
	path := filepath.Join(dir, "conf", "p.yaml")
	s, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Pipeline != "fromfile" || s.Log.Level != "info" || s.Log.Format != "json" {
		t.Errorf("%+v", s)
	}
	if s.Path != path || s.Dir != filepath.Dir(path) || s.Resolve(s.Checkpoint.Path) != filepath.Join(dir, "conf", "state") || s.Resolve("/x") != "/x" {
		t.Errorf("%s %s %s", s.Path, s.Dir, s.Resolve(s.Checkpoint.Path))
	}
	if _, err = Load(filepath.Join(dir, "none.yaml"), Options{}); err == nil || !strings.HasSuffix(err.Error(), "none.yaml: can not be read: no such file or directory") {
		t.Errorf("got %v", err)
	}
	if _, err = Load(dir, Options{}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("got %v", err)
	}
	s, err = Load("-", Options{Stdin: strings.NewReader(tail)})
	if err != nil || s.Path != "stdin" || s.Dir != "." {
		t.Errorf("stdin: %+v, %v", s, err)
	}
	if _, err = Load("-", Options{Stdin: strings.NewReader("zzz: 1" + tail)}); err == nil || !strings.HasPrefix(err.Error(), "stdin:1:1: unknown key") {
		t.Errorf("got %v", err)
	}
}

// TestLayerOrder sets one value in every layer, then takes the layers away from
// the top.
func TestLayerOrder(t *testing.T) {
	get := func(environ, sets, file, include bool) int {
		t.Helper()
		text := tail
		if include {
			text += "include: i.yaml\n"
		}
		if file {
			text += "engine: { workers: 3 }\n"
		}
		o := Options{ReadFile: func(string) ([]byte, error) { return []byte("engine: { workers: 2 }"), nil }}
		if environ {
			o.Environ = []string{"SLUICE_ENGINE__WORKERS=4"}
		}
		if sets {
			o.Sets = []string{"engine.workers=99", "engine.workers=5"}
		}
		s, err := Parse("p.yaml", []byte(text), o)
		if err != nil {
			t.Fatal(err)
		}
		return s.Engine.Workers
	}
	for i, got := range []int{
		get(false, false, false, false), get(false, false, false, true), get(false, false, true, true),
		get(true, false, true, true), get(true, true, true, true),
	} {
		if want := []int{0, 2, 3, 4, 5}[i]; got != want {
			t.Errorf("layer %d: %d, want %d", i, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "15m": 15 * time.Minute, "2d": 48 * time.Hour, "1.5d": 36 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute,
		"-1d12h": -36 * time.Hour, "250ms": 250 * time.Millisecond, "0d": 0, "100000d": 100000 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
		if back, err := ParseDuration(FormatDuration(want)); err != nil || back != want {
			t.Errorf("%v is written %q, read as %v (%v)", want, FormatDuration(want), back, err)
		}
	}
	for _, s := range []string{"", "d", "1", "1x", "1d-2h", "1d1d", "0x1d", "infd", "1e3d", "1e9", "200000d", "1 d", "--1d", "1d ", "NaNd"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q is read as %v", s, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", 90 * time.Minute: "1h30m", time.Hour: "1h", 24 * time.Hour: "1d", 25 * time.Hour: "25h",
		10 * time.Second: "10s", 1500 * time.Millisecond: "1.5s", 48 * time.Hour: "2d", -time.Minute: "-1m", time.Hour + time.Second: "1h0m1s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"path", "view", "workers", "warn", "epoch"}
	for name, want := range map[string]string{
		"pth": "path", "paht": "path", "paths": "path", "veiw": "view", "worker": "workers", "warning": "warn", "xyz": "",
		"": "", "p": "", "path": "", strings.Repeat("x", 1000): "", "epochs": "epoch",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("%.20q: %q, want %q", name, got, want)
		}
	}
}

// FuzzParse: no input panics, errors are located, and what is accepted
// survives being written and read again.
func FuzzParse(f *testing.F) {
	f.Add(sample, "engine.workers=2", "SLUICE_LOG__LEVEL=warn")
	f.Add("a: &a [*a]", "steps.0.a={b: c}", "SLUICE_=1")
	f.Add("pipeline: p\nsource: {s: {a: ${X:1}}}\nsinks: [s, {a: {<<: {b: !!str 1}}}]", `sinks.0.s.x\.y="q"`, "SLUICE_SOURCE__S__A=[1, 2]")
	f.Add("? [a]\n: - b\n---\n...", "=", "x")
	f.Fuzz(func(t *testing.T, text, set, env string) {
		o := sampleOptions()
		o.Glob = func(string) ([]string, error) { return nil, nil }
		o.Sets, o.Environ = []string{set}, []string{env}
		s, err := Parse("p.yaml", []byte(text), o)
		if err != nil {
			if err.Error() == "" {
				t.Error("an empty error")
			}
			return
		}
		again, err := Parse("p.yaml", s.Raw(), sampleOptions())
		if err != nil {
			t.Fatalf("Raw is refused: %v\n%s", err, s.Raw())
		}
		if !bytes.Equal(s.Raw(), again.Raw()) {
			t.Errorf("Raw changes:\n%s\n%s", s.Raw(), again.Raw())
		}
		if d := cmp.Diff(s, again, cmpopts.IgnoreUnexported(Spec{}, Component{})); d != "" {
			t.Error(d)
		}
		for _, c := range append(s.Steps, s.Sinks...) {
			if err := c.Decode(newKitchen()); err != nil && err.Error() == "" {
				t.Error("an empty error")
			}
		}
	})
}
