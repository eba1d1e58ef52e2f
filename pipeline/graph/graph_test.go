package graph_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// mark is an operator kind that adds a column of a configured name.
type markConfig struct {
	Column string `koanf:"column" doc:"name of the column"`
}

type markPlan struct {
	name string
	mem  memory.Allocator
	out  *arrow.Schema
}

func (p markPlan) Output() *arrow.Schema    { return p.out }
func (p markPlan) Emits() []pipeline.Stream { return nil }
func (p markPlan) New() pipeline.Operator   { return p }
func (p markPlan) Describe() []string       { return []string{`marks <"` + p.name + `">`} }
func (p markPlan) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	col := column.Fill(p.mem, p.name, in.Rows())
	return emit(pipeline.Batch{Record: column.Append(in.Record, p.out, col), Stream: pipeline.Posts})
}

func mark() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{Name: "mark", Summary: "Adds a column."},
		func() markConfig { return markConfig{Column: "mark"} },
		func(bc pipeline.BuildContext, c *markConfig, in *arrow.Schema) (pipeline.Plan, error) {
			if c.Column == "bad" {
				return nil, &pipeline.FieldError{Path: "column", Err: errors.New("a bad name")}
			}
			out, err := pipeline.AppendFields(in, pipeline.Transient(arrow.Field{Name: c.Column, Type: arrow.BinaryTypes.String}))
			return markPlan{c.Column, bc.Mem, out}, err
		})
}

func registry(t testing.TB) graph.Registry {
	t.Helper()
	r, err := graph.NewRegistry(
		[]pipeline.Factory{(&pipelinetest.LinesSource{}).Factory()},
		[]pipeline.Factory{mark(), pipelinetest.Tally()},
		[]pipeline.Factory{(&pipelinetest.MemorySink{}).Factory()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBuild shows graphs and errors: testdata/build.
func TestBuild(t *testing.T) {
	datadriven.RunTest(t, "testdata/build", func(t *testing.T, d *datadriven.TestData) string {
		spec, err := config.Parse("p.yaml", []byte(d.Input), config.Options{})
		if err != nil {
			return err.Error() + "\n"
		}
		g, err := graph.Build(spec, graph.Options{Registry: registry(t)})
		if err != nil {
			return err.Error() + "\n"
		}
		var b bytes.Buffer
		if err := g.Print(&b, d.Cmd); err != nil {
			return err.Error() + "\n"
		}
		out := b.String()
		if i := strings.Index(out, "    + id "); i >= 0 { // the decoder's columns are the same everywhere
			j := strings.Index(out, "    → rejected")
			out = out[:i] + out[j:]
		}
		for _, s := range g.Sinks {
			out += fmt.Sprintf("# %s takes", s.Name)
			for _, p := range s.Ports {
				out += fmt.Sprintf(" %s:%s", g.Nodes[p.Node].Name, p.Stream)
			}
			out += "\n"
		}
		return out
	})
}

func TestTwoFactoriesOfOneName(t *testing.T) {
	_, err := graph.NewRegistry(nil, []pipeline.Factory{mark(), mark()}, nil)
	if err == nil || !strings.Contains(err.Error(), `two factories are called "mark"`) {
		t.Errorf("got %v", err)
	}
}

func TestTrace(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	spec, err := config.Parse("p.yaml", []byte("pipeline: p\nsource: lines\nsteps: [mark, tally, {mark: {name: side, from: mark, column: other}}]\nsinks: [memory]\n"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(spec, graph.Options{Registry: registry(t), Mem: mem, WithoutSinks: true})
	if err != nil {
		t.Fatal(err)
	}
	rec := pipelinetest.Posts(t, mem, []pipelinetest.Row{{"author_id": "a"}, {"author_id": "b"}, {"author_id": "a"}})
	defer rec.Release()
	var got []string
	err = g.Trace(context.Background(), rec, func(node int, b pipeline.Batch) error {
		got = append(got, fmt.Sprintf("%s %s %d", g.Nodes[node].Name, b.Stream, b.Rows()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "decode posts 3, mark posts 3, tally posts 3, tally detections 2, side posts 3"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	stop := errors.New("stop")
	if err := g.Trace(context.Background(), rec, func(int, pipeline.Batch) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the visitor's error", err)
	}
}

func TestDirFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.csv": "1", "b.csv": "2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := graph.NewDirFiles(dir)
	paths, err := f.Glob("*.csv")
	if err != nil || strings.Join(paths, " ") != "a.csv b.csv" {
		t.Fatalf("glob: %v, %v", paths, err)
	}
	if data, err := f.ReadFile("a.csv"); err != nil || string(data) != "1" {
		t.Fatalf("read: %q, %v", data, err)
	}
	// What was read once stays as it was: all of a graph sees one content.
	if err := os.WriteFile(filepath.Join(dir, "a.csv"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, _ := f.ReadFile("a.csv"); string(data) != "1" {
		t.Errorf("a file changed under a graph that is being built: %q", data)
	}
	if _, err := f.ReadFile("."); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := f.ReadFile("none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	contents, globs := f.Read()
	if len(contents) != 1 || len(globs["*.csv"]) != 2 {
		t.Errorf("recorded %v, %v", contents, globs)
	}
	stored := graph.StoredFiles{Get: func(p string) ([]byte, error) { return contents[p], nil }, Globs: globs}
	if _, err := stored.Glob("other"); err == nil {
		t.Error("a pattern that was not stored must be an error")
	}
}
