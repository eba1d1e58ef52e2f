package reference

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files of testdata")

type fileSource struct {
	Paths  []string          `koanf:"paths" doc:"files or patterns to read" required:"true" example:"[posts.ndjson]"`
	Format string            `koanf:"format" doc:"plain or jetstream: the form of the records" enum:"plain,jetstream"`
	Follow bool              `koanf:"follow" doc:"Wait for more at the end."`
	Chunk  pipeline.ByteSize `koanf:"chunk" doc:"Bytes read at once." min:"1KiB" max:"64MiB"`
}

type matcher struct {
	Lists  map[string]wordlist `koanf:"lists" doc:"Lists by name | a pipe."`
	Limit  int                 `koanf:"limit" doc:"Most hits of a post." min:"1" max:"1000"`
	Weight float64             `koanf:"weight" doc:"Weight of a hit."`
}

type wordlist struct {
	Path string `koanf:"path" doc:"The list's file." required:"true"`
	View string `koanf:"view" doc:"The view that is searched." enum:"raw,folded"`
}

func (w *wordlist) SetDefaults() { w.View = "folded" }

type alert struct {
	Slack    *hook             `koanf:"slack" doc:"A Slack channel." oneof:"target"`
	Webhook  *hook             `koanf:"webhook" doc:"Any HTTP receiver." oneof:"target"`
	Throttle time.Duration     `koanf:"throttle" doc:"Least time between two alerts of a group. A longer line of text that says a lot more about it, so that it has to be wrapped."`
	GroupBy  []string          `koanf:"group_by" doc:"Columns that make a group."`
	Labels   map[string]string `koanf:"labels" doc:"Further labels."`
	Retry    retry             `koanf:"retry" doc:"Waits."`
	Token    pipeline.Secret   `koanf:"token" doc:"A token."`
}

type retry struct {
	Max   time.Duration `koanf:"max" doc:"Longest wait."`
	Tries int           `koanf:"tries" doc:"Attempts."`
}

type hook struct {
	URL pipeline.Secret `koanf:"url" doc:"Where to post to." required:"true"`
}

func (a *alert) Validate() error {
	if a.Throttle == time.Hour {
		return &pipeline.FieldError{Path: "throttle", Err: errors.New("not an hour")}
	}
	return nil
}

type none struct{}

func catalog() Catalog {
	return Catalog{
		Sources: []pipeline.Factory{pipeline.SourceFactory(pipeline.Factory{
			Name: "file", Summary: "reads files", Doc: "Files are read in the order of their names.",
			Example: "paths: [\"posts-*.ndjson\"]\nfollow: true",
		}, func() fileSource { return fileSource{Format: "plain", Chunk: 1 << 20} },
			func(pipeline.BuildContext, *fileSource) (pipeline.SourcePlan, error) { return nil, nil })},
		Operators: []pipeline.Factory{
			pipeline.OperatorFactory(pipeline.Factory{Name: "normalize", Summary: "folds text", Doc: "Doc."},
				func() none { return none{} }, func(pipeline.BuildContext, *none, *arrow.Schema) (pipeline.Plan, error) { return nil, nil }),
			pipeline.OperatorFactory(pipeline.Factory{
				Name: "match", Summary: "finds terms of lists", Doc: "Doc.",
				Example: "lists:\n  terms: { path: lists/terms.csv }  # a list\n  links:\n    path: links.txt\n    view: raw\n",
			}, func() matcher { return matcher{Limit: 64, Weight: 0.5} },
				func(pipeline.BuildContext, *matcher, *arrow.Schema) (pipeline.Plan, error) { return nil, nil }),
		},
		Sinks: []pipeline.Factory{pipeline.SinkFactory(pipeline.Factory{
			Name: "alert", Summary: "tells people", Doc: "Doc.", Takes: []pipeline.Stream{pipeline.Detections},
			Example: "slack: { url: \"${file:/run/secrets/slack}\" }\nthrottle: 5m\nretry: { tries: 5 }",
		}, func() alert {
			return alert{Throttle: 15 * time.Minute, GroupBy: []string{"rule_id"}, Retry: retry{Max: time.Minute, Tries: 3}}
		}, func(pipeline.BuildContext, *alert, pipeline.Schemas) (pipeline.SinkPlan, error) { return nil, nil })},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (run with -rewrite to accept):\n%s", name, d)
	}
}

func TestMarkdown(t *testing.T) {
	pages := Markdown(catalog())
	if len(pages) != 4 {
		t.Errorf("%d pages", len(pages))
	}
	for name, text := range pages {
		golden(t, name, text)
	}
}

func TestCatalogCheck(t *testing.T) {
	if err := catalog().Check(); err != nil {
		t.Error(err)
	}
	c := catalog()
	c.Sinks = append(c.Sinks, c.Sinks[0], pipeline.Factory{Name: "empty"})
	c.Sources[0].Example = "pths: x"
	c.Operators[0].Summary = ""
	c.Operators[1].Example = "lists: {"
	err := c.Check()
	for _, want := range []string{
		"sink alert: two factories have this name", "sink empty: the factory lacks NewConfig", `unknown key "pths"`,
		"operator normalize: the factory lacks its Summary or Doc", "operator match: the example does not validate",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestStarter(t *testing.T) {
	c := catalog()
	text, err := Starter("firehose", c.Sources[0], c.Operators, c.Sinks)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	golden(t, "starter.yaml", text)
	spec, err := config.Parse("a.yaml", text, exampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	if spec.Pipeline != "firehose" || len(spec.Steps) != 2 || len(spec.Sinks) != 1 {
		t.Errorf("%+v", spec)
	}
	var m matcher
	if err := spec.Steps[1].Decode(&m); err != nil || m.Lists["links"].View != "raw" || m.Lists["terms"].View != "folded" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestStarterRefusesBadExamples(t *testing.T) {
	c := catalog()
	for _, example := range []string{"", "throttle: 1h\nslack: { url: x }", "[a]", "a: {", "zzz: 1\nslack: { url: x }"} {
		sink := c.Sinks[0]
		sink.Example = example
		if _, err := Starter("p", c.Sources[0], nil, []pipeline.Factory{sink}); err == nil {
			t.Errorf("example %q is accepted", example)
		}
	}
	if _, err := Starter("Bad Name", c.Sources[0], nil, c.Sinks); err == nil {
		t.Error("a bad name is accepted")
	}
}

// TestStarterDefaultsUncommented removes the # from all settings of the top
// level: it is still a valid file and says the same, since what stands behind a
// # is the default.
func TestStarterDefaultsUncommented(t *testing.T) {
	c := catalog()
	text, err := Starter("p", c.Sources[0], nil, c.Sinks)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	top := false
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.HasPrefix(line, "# engine:") {
			top = true
		}
		if bare := strings.TrimPrefix(line, "# "); top && isSetting(bare) {
			line = bare
		}
		out = append(out, line)
	}
	if !top {
		t.Fatal("no engine section")
	}
	got, err := config.Parse("p.yaml", []byte(strings.Join(out, "\n")), exampleOptions())
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(out, "\n"))
	}
	want, err := config.Parse("p.yaml", text, exampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got.Engine != want.Engine || got.Checkpoint != want.Checkpoint || got.Reload != want.Reload || got.Admin != want.Admin || got.Log != want.Log {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if string(got.Raw()) == string(want.Raw()) {
		t.Error("nothing was uncommented")
	}
}

// isSetting tells a key from a sentence.
func isSetting(line string) bool {
	key, _, ok := strings.Cut(strings.TrimLeft(line, " "), ":")
	return ok && key != "" && !strings.ContainsAny(key, " #")
}
