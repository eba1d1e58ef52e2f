package graph_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// behindSource is the source that a part behind a cut begins with.
type behindSource struct{ schema *arrow.Schema }

func (s behindSource) Decode() pipeline.DecodePlan   { return behindDecode(s) }
func (s behindSource) New() (pipeline.Source, error) { return nil, errors.New("it is not to be run") }

type behindDecode struct{ schema *arrow.Schema }

func (d behindDecode) Output() *arrow.Schema { return d.schema }
func (d behindDecode) New() pipeline.Decoder { return nil }

// describe writes a graph in short: nodes with their inputs, stages and readers,
// and sinks with their ports.
func describe(g *graph.Graph) string {
	var b strings.Builder
	for i, n := range g.Nodes {
		fmt.Fprintf(&b, "%d %s < %d stage %d read by %v\n", i, n.Name, n.Input, n.Stage, n.Readers)
	}
	for _, s := range g.Sinks {
		fmt.Fprintf(&b, "%s:", s.Name)
		for _, p := range s.Ports {
			fmt.Fprintf(&b, " %s of %d", p.Stream, p.Node)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d stages\n", g.Stages)
	return b.String()
}

func TestCut(t *testing.T) {
	reg, err := graph.NewRegistry([]pipeline.Factory{(&pipelinetest.LinesSource{}).Factory()},
		[]pipeline.Factory{mark(), pipelinetest.Tally()}, []pipeline.Factory{(&pipelinetest.MemorySink{}).Factory()})
	if err != nil {
		t.Fatal(err)
	}
	build := func(text string) *graph.Graph {
		t.Helper()
		spec, err := config.Parse("test.yaml", []byte(text), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g, err := graph.Build(spec, graph.Options{Registry: reg})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := build(`
pipeline: test
source: { lines: {} }
steps:
  - tally: { name: first, column: n }
  - mark: { name: cut, column: a }
  - mark: { name: behind, column: b }
  - mark: { name: side, column: c, from: first }
  - tally: { name: last, from: behind, column: again }
sinks:
  - memory: { name: all }
  - memory: { name: early, from: side }
  - memory: { name: at, from: cut }
`[1:])
	before, behind, err := g.Cut("cut", nil, behindSource{g.Nodes[2].Out})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(before), `0 decode < -1 stage 0 read by [1]
1 first < 0 stage 1 read by [2 3]
2 cut < 1 stage 1 read by []
3 side < 1 stage 1 read by []
all: detections of 1 rejected of 0
early: posts of 3
at: posts of 1
cut: posts of 2
2 stages
`; got != want {
		t.Errorf("before the cut:\n%swant\n%s", got, want)
	}
	if got, want := describe(behind), `0 decode < -1 stage 0 read by [1]
1 behind < 0 stage 0 read by [2]
2 last < 1 stage 1 read by []
all: posts of 2 detections of 2 rejected of 0
2 stages
`; got != want {
		t.Errorf("behind the cut:\n%swant\n%s", got, want)
	}
	if out := before.Nodes[2].Out; slices.ContainsFunc(out.Fields(), pipeline.IsTransient) || out.NumFields() != g.Nodes[2].Out.NumFields() {
		t.Errorf("the sink at the cut is not given all columns: %s", out)
	}
	if err := behind.CanReplace(behind); err != nil {
		t.Error(err)
	}
	if _, _, err := g.Cut("last", nil, behindSource{g.Nodes[5].Out}); err == nil || !strings.Contains(err.Error(), "test.yaml:8:5") {
		t.Errorf("a cut behind which there is nothing: error %v", err)
	}
}
