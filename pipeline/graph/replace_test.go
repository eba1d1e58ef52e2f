package graph_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// buildWith builds a pipeline over a folder's files, with variables.
func buildWith(t *testing.T, yaml, dir string, vars map[string]string, previous *graph.Graph) *graph.Graph {
	t.Helper()
	spec, err := config.Parse("p.yaml", []byte(yaml), config.Options{Env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	reg := registry(t)
	reg.Operators["stamp"] = pipelinetest.Stamp()
	g, err := graph.Build(spec, graph.Options{Registry: reg, Files: graph.NewDirFiles(dir), Previous: previous})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const replaceable = `pipeline: p
source: {lines: {}}
steps:
  - mark: {column: one}
  - stamp: {version: 1, stored: [v], transient: [t]}
  - tally: {column: n}
  - mark: {name: last, column: "${WHERE:last}"}
sinks:
  - memory: {}
  - memory: {name: some, from: [posts]}
`

func TestCanReplace(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, new string // what is replaced in the config
		want     string // in the error; "" for none
	}{
		{"nothing", "", "", ""},
		{"quotes", "{column: n}", `{"column": "n"}`, ""},
		{"settings of a stateless step", "version: 1", "version: 2", ""},
		{"a stateless step more", "  - tally", "  - stamp: {name: more}\n  - tally", ""},
		{"a stateless step less", "  - mark: {column: one}\n", "", ""},
		{"a transient column less", ", transient: [t]", "", ""},
		{"a transient column more", "transient: [t]", "transient: [s, t]", ""},
		{"the pipeline's name", "pipeline: p", "pipeline: q", `the pipeline is called "q" now, not "p"`},
		{"the source's name", "lines: {}", "lines: {name: other}", "p.yaml:2:10: source.lines: the source has changed"},
		{"a stored column more", "stored: [v]", "stored: [v, w]", `p.yaml:9:5: sinks.0.memory: sink memory: the column "w" is new`},
		{"a stored column less", "stored: [v], ", "", `the column "v" is gone`},
		{"a column is stored no more", "stored: [v], transient: [t]", "transient: [v, t]", `the column "v" is gone`},
		{"a column of a stateful step", "column: n", "column: m", "steps.2.tally: step tally keeps state, and its settings have changed"},
		{"a stateful step less", "  - tally: {column: n}\n", "", "step tally, which keeps state, is gone"},
		{"a stateful step more", "  - tally: {column: n}\n", "  - tally: {column: n}\n  - tally: {name: two, column: m}\n", "step two keeps state and is new"},
		{"a sink more", "  - memory: {name: some, from: [posts]}\n", "  - memory: {name: some, from: [posts]}\n  - memory: {name: more}\n", "there are 3 sinks now, not 2"},
		{"what a sink takes", "from: [posts]", "from: [posts, rejected]", "sink some has changed"},
		{"a sink's name", "name: some", "name: any", "sink any has changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := buildWith(t, replaceable, ".", nil, nil)
			g := buildWith(t, strings.Replace(replaceable, c.old, c.new, 1), ".", nil, old)
			err := g.CanReplace(old)
			var restart *graph.RestartError
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want nil", err)
			case c.want != "" && (!errors.As(err, &restart) || !strings.Contains(err.Error(), c.want) || !strings.HasSuffix(err.Error(), "started again")):
				t.Errorf("got %v, want a RestartError with %q", err, c.want)
			}
			if same := old.StateKey() == g.StateKey(); same != (c.want == "" || !strings.Contains(c.want, "state")) {
				t.Errorf("the state's key is the same: %t", same)
			}
		})
	}
}

// TestCanReplaceVariables: a manifest has ${...} as it is written, so that two
// values of one can not be told apart by it.
func TestCanReplaceVariables(t *testing.T) {
	old := buildWith(t, replaceable, ".", map[string]string{"WHERE": "a"}, nil)
	g := buildWith(t, replaceable, ".", map[string]string{"WHERE": "b"}, old)
	if err := g.CanReplace(old); err == nil || !strings.Contains(err.Error(), "what a ${...} of step last stands for has changed") {
		t.Errorf("got %v", err)
	}
	g = buildWith(t, strings.Replace(replaceable, `"${WHERE:last}"`, "b", 1), ".", nil, old)
	if err := g.CanReplace(old); err != nil {
		t.Errorf("written out: %v", err)
	}
}

// TestPreviousPlansAreUsedAgain: a step is planned anew if its settings, its
// input or its files have changed, and only then.
func TestPreviousPlansAreUsedAgain(t *testing.T) {
	const yaml = "pipeline: p\nsource: {lines: {}}\nsteps:\n  - mark: {column: one}\n  - stamp: {path: version.txt}\n  - mark: {name: last, column: two}\nsinks: [memory]\n"
	for _, c := range []struct {
		name     string
		old, new string
		file     string // what version.txt is then
		kept     string // a letter a step
	}{
		{"nothing", "", "", "1", "yyy"},
		{"a file", "", "", "2", "yny"},
		{"the last step", "column: two", "column: 2nd", "1", "yyn"},
		{"the first step, and so the input of all", "column: one", "column: 1st", "1", "nnn"},
		{"a sink", "[memory]", "[memory: {name: m}]", "1", "yyy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/version.txt", "1")
			old := buildWith(t, yaml, dir, nil, nil)
			write(t, dir+"/version.txt", c.file)
			g := buildWith(t, strings.Replace(yaml, c.old, c.new, 1), dir, nil, old)
			for i, n := range g.Nodes[1:] {
				// A stamp's plan is a pointer; a mark's is told by its schema.
				same := n.Plan.Output() == old.Nodes[i+1].Plan.Output()
				if l, ok := n.Plan.(pipeline.RuleLister); ok {
					same = n.Plan == old.Nodes[i+1].Plan
					if got := l.Rules()[0].Version; got != uint32(c.file[0]-'0') {
						t.Errorf("step %s has version %d, want %s", n.Name, got, c.file)
					}
				}
				if want := c.kept[i] != 'n'; same != want {
					t.Errorf("step %s was kept: %t, want %t", n.Name, same, want)
				}
			}
			if want := old.Mem; g.Mem != want || g.Mem != memory.DefaultAllocator {
				t.Error("another allocator")
			}
		})
	}
}
