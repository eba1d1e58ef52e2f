package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/rule"
	"github.com/sluicehq/sluice/operators/rules"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
)

func testCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "test PIPELINE.yaml ...",
		Short: "Run the tests that stand in the rule files of a pipeline",
		Long: `Test runs the posts of the rules' own tests through the steps of the pipeline
and says which rules fired that should not have, or did not and should have. The
source is not read and nothing is written. Exit code 3 means that a test failed.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			failed := 0
			for _, path := range args {
				n, err := testPipeline(c.Context(), path, &f, c.OutOrStdout())
				if err != nil {
					return err
				}
				failed += n
			}
			if failed > 0 {
				return &exitError{exitTests, fmt.Errorf("%d rule tests failed", failed)}
			}
			return nil
		},
	}
	f.add(c)
	return c
}

// testPipeline runs the tests of all rules steps of one pipeline and returns
// how many failed.
func testPipeline(ctx context.Context, path string, f *fileFlags, out io.Writer) (failed int, err error) {
	if ctx == nil {
		ctx = context.Background()
	}
	b, err := f.build(path, nil, graph.Options{WithoutSinks: true})
	if err != nil {
		return 0, err
	}
	steps := 0
	for node, n := range b.graph.Nodes {
		plan, ok := n.Plan.(*rules.Plan)
		if !ok {
			continue
		}
		steps++
		set := plan.Set()
		if err := checkPosts(set, b.graph.Nodes[graph.Root].Out); err != nil {
			return 0, usage(err)
		}
		t := &ruleTester{g: b.graph, node: node}
		report, err := rule.RunTests(ctx, set, t.run)
		if err != nil {
			return 0, err
		}
		for _, fail := range report.Failures {
			fmt.Fprintln(out, fail)
		}
		fmt.Fprintf(out, "%s: step %s: %d tests passed, %d failed, %d skipped; %d of %d rules have no test%s\n",
			path, n.Name, report.Passed, len(report.Failures), report.Skipped, len(report.Untested), len(set.Rules), untested(report.Untested))
		failed += len(report.Failures)
	}
	if steps == 0 {
		return 0, usage(fmt.Errorf("%s: there is no rules step to test", path))
	}
	return failed, nil
}

func untested(rs []*rule.Rule) string {
	if len(rs) == 0 || len(rs) > 10 {
		return ""
	}
	var ids []string
	for _, r := range rs {
		ids = append(ids, r.ID)
	}
	return ": " + strings.Join(ids, ", ")
}

// checkPosts finds columns of tests' posts that no decoder makes.
func checkPosts(set *rule.Set, schema *arrow.Schema) error {
	var names []string
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	var errs []error
	for _, r := range set.Rules {
		for _, t := range r.Tests {
			for _, name := range slices.Sorted(maps.Keys(t.Post)) {
				if slices.Contains(names, name) {
					continue
				}
				hint := "; posts have " + strings.Join(names, ", ")
				if near := config.Nearest(name, names); near != "" {
					hint = fmt.Sprintf("; did you mean %q?", near)
				}
				errs = append(errs, fmt.Errorf("%s: rule %q: a test's post has the column %q, which the source's decoder does not make%s", t.Pos, r.ID, name, hint))
			}
		}
	}
	return errors.Join(errs...)
}

// ruleTester runs single posts through a graph up to one rules step.
type ruleTester struct {
	g    *graph.Graph
	node int
}

func (t *ruleTester) run(ctx context.Context, posts []map[string]any) ([]rule.Outcome, error) {
	out := make([]rule.Outcome, len(posts))
	for i, post := range posts {
		rec, err := postRecord(t.g, "test-"+strconv.Itoa(i), post)
		if err != nil {
			out[i].Rejected = err.Error()
			continue
		}
		err = t.g.Trace(ctx, rec, func(node int, b pipeline.Batch) error {
			switch {
			case b.Stream == pipeline.Detections && node == t.node:
				out[i].Fired = append(out[i].Fired, fired(b.Record)...)
			case b.Stream == pipeline.Rejected && b.Rows() > 0:
				out[i].Rejected = fmt.Sprintf("step %s rejected the post", t.g.Nodes[node].Name)
			}
			return nil
		})
		rec.Release()
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// postRecord builds a record of one post as a decoder would make it; columns
// that post leaves out are empty, or null where the schema allows it.
func postRecord(g *graph.Graph, id string, post map[string]any) (arrow.Record, error) {
	schema := g.Nodes[graph.Root].Out
	row := map[string]any{pipeline.ColID: id, pipeline.ColCreatedAt: "2026-01-01T00:00:00Z", pipeline.ColKind: "post"}
	for _, f := range schema.Fields() {
		v, given := post[f.Name]
		if given {
			row[f.Name] = v
		} else if _, set := row[f.Name]; !set && !f.Nullable {
			row[f.Name] = emptyValue(f.Type)
		}
	}
	js, err := json.Marshal(row)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(g.Mem, schema)
	defer b.Release()
	if err := b.UnmarshalJSON(js); err != nil {
		return nil, fmt.Errorf("the post does not fit the columns: %w", err)
	}
	return b.NewRecord(), nil
}

func emptyValue(t arrow.DataType) any {
	switch t.ID() {
	case arrow.STRING, arrow.BINARY:
		return ""
	case arrow.LIST:
		return []any{}
	case arrow.BOOL:
		return false
	}
	return 0
}

// fired reads detections.
func fired(rec arrow.Record) []rule.FiredRule {
	col := func(name string) arrow.Array { return rec.Column(rec.Schema().FieldIndices(name)[0]) }
	ids := column.ViewStrings(col("rule_id"))
	off, nameCol := column.ViewList(col("values.name"))
	_, valueCol := column.ViewList(col("values.value"))
	names, values := column.ViewStrings(nameCol), column.ViewStrings(valueCol)
	out := make([]rule.FiredRule, ids.Len())
	for r := range out {
		out[r].ID = string(ids.At(r))
		for e := off[r]; e < off[r+1]; e++ {
			out[r].Values = append(out[r].Values, string(names.At(int(e)))+"="+string(values.At(int(e))))
		}
	}
	return out
}
