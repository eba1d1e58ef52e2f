package operators_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// hit is an element of the hits columns.
type hit struct {
	list, term, view, disguise string
	start, end                 uint32
	weight                     float32
}

// hitsOf returns the hits of row i.
func hitsOf(rec arrow.Record, i int) (out []hit) {
	cols := rec.Schema().FieldIndices
	list := func(name string) arrow.Array {
		_, child := column.ViewList(rec.Column(cols(name)[0]))
		return child
	}
	rows, _ := column.ViewList(rec.Column(cols(pipeline.ColHitList)[0]))
	for j := int(rows[i]); j < int(rows[i+1]); j++ {
		out = append(out, hit{
			list: list(pipeline.ColHitList).ValueStr(j), term: list(pipeline.ColHitTerm).ValueStr(j),
			view: list(pipeline.ColHitView).ValueStr(j), disguise: list(pipeline.ColHitDisguise).ValueStr(j),
			start: list(pipeline.ColHitStart).(*array.Uint32).Value(j), end: list(pipeline.ColHitEnd).(*array.Uint32).Value(j),
			weight: list(pipeline.ColHitWeight).(*array.Float32).Value(j),
		})
	}
	return out
}

// matchChain makes normalize, tokenize and match.
func matchChain(mem memory.Allocator, files memFiles, lists map[string]match.List) (*chain, error) {
	return newChain(mem, files, step{factory: normalize.Factory()}, step{factory: tokenize.Factory()}, step{match.Factory(), &match.Config{Lists: lists}})
}

// TestMatch holds lists of all kinds against posts. A post is written as a map
// of its columns, or as its text.
func TestMatch(t *testing.T) {
	datadriven.Walk(t, "testdata/match", func(t *testing.T, path string) {
		files, lists := memFiles{}, map[string]match.List{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "list":
				ext, name := "txt", d.CmdArgs[0].Key
				var l match.List
				d.MaybeScanArgs(t, "format", &ext)
				d.MaybeScanArgs(t, "view", &l.View)
				d.MaybeScanArgs(t, "on", &l.On)
				d.MaybeScanArgs(t, "match", &l.Match)
				l.Path = name + "." + ext
				files[l.Path], lists[name] = d.Input, l
				return ""
			case "reset":
				clear(lists)
				return ""
			case "posts":
				return matchPosts(t, files, lists, d.Input)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

func matchPosts(t *testing.T, files memFiles, lists map[string]match.List, input string) string {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	c, err := matchChain(mem, files, lists)
	if err != nil {
		return err.Error() + "\n"
	}
	var rows []pipelinetest.Row
	for line := range strings.Lines(input) {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		row := pipelinetest.Row{}
		for col, ok := "", true; ok; { // column=value| before the text
			row["text"] = text
			if col, text, ok = strings.Cut(text, "|"); ok {
				name, value, _ := strings.Cut(col, "=")
				if row[name] = value; name == "urls" || name == "hashtags" {
					row[name] = strings.Split(value, ",")
				}
			}
		}
		rows = append(rows, row)
	}
	in := pipelinetest.Posts(t, mem, rows)
	defer in.Release()
	var b strings.Builder
	err = c.run(0, pipeline.Batch{Record: in}, func(out pipeline.Batch) error {
		defer out.Record.Release()
		for i, row := range rows {
			text := row["text"].(string)
			fmt.Fprintf(&b, "%+q\n", text)
			count, sum := map[string]int{}, map[string]float32{}
			for _, h := range hitsOf(out.Record, i) {
				fmt.Fprintf(&b, "  %s %q: %+q [%d:%d] %s", h.list, h.term, text[h.start:h.end], h.start, h.end, h.view)
				if h.weight != 1 {
					fmt.Fprintf(&b, " weight %g", h.weight)
				}
				b.WriteByte('\n')
				count[h.list]++
				sum[h.list] += h.weight
			}
			for name := range lists {
				at := out.Record.Schema().FieldIndices
				n := out.Record.Column(at(pipeline.ColMatchPrefix + name)[0]).(*array.Int32).Value(i)
				w := out.Record.Column(at(pipeline.ColWeightPrefix + name)[0]).(*array.Float32).Value(i)
				if int(n) != count[name] || w != sum[name] {
					fmt.Fprintf(&b, "  WRONG: match.%s is %d and weight.%s %g, of %d hits of %g\n", name, n, name, w, count[name], sum[name])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestMaxHits checks that the hits of one post are bounded, that those kept are
// the first by place, and that the posts beside it lose none.
func TestMaxHits(t *testing.T) {
	const most = 4096
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	c, err := matchChain(mem, nil, map[string]match.List{
		"words": {Terms: []string{"abc", "abc abc"}}, "subs": {Terms: []string{"bcd", "abc"}, Match: "substring"}, "starts": {Terms: []string{"ab*"}},
		"raw": {Terms: []string{"regex:[a-c]{3}"}, View: "raw"},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := posts(mem, []post{{text: "abc"}, {text: strings.Repeat("abc ", 10_000)}, {text: "abc bcd"}})
	defer rec.Release()
	err = c.run(0, pipeline.Batch{Record: rec}, func(out pipeline.Batch) error {
		defer out.Record.Release()
		if n := len(hitsOf(out.Record, 0)); n != 4 {
			t.Errorf("%d hits in the post before, want 4", n)
		}
		if n := len(hitsOf(out.Record, 2)); n != 5 {
			t.Errorf("%d hits in the post behind, want 5", n)
		}
		hits := hitsOf(out.Record, 1)
		if len(hits) != most {
			t.Errorf("%d hits, want %d", len(hits), most)
		}
		for i, h := range hits[1:] {
			if h.start < hits[i].start {
				t.Fatalf("hit %d at %d comes after one at %d", i+1, h.start, hits[i].start)
			}
		}
		if last := hits[len(hits)-1]; last.start > most*4 {
			t.Errorf("the last hit is at %d: others before it are lost", last.start)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
