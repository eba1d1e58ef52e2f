package operators_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/operators/fingerprint"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
)

// memFiles is pipeline.Files over a map.
type memFiles map[string]string

func (f memFiles) ReadFile(path string) ([]byte, error) {
	s, ok := f[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(s), nil
}

func (f memFiles) Glob(pattern string) ([]string, error) {
	var out []string
	for p := range f {
		if ok, err := filepath.Match(pattern, p); err != nil {
			return nil, err
		} else if ok {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out, nil
}

// chain is a run of steps.
type chain struct {
	plans []pipeline.Plan
	ops   []pipeline.Operator
}

type step struct {
	factory pipeline.Factory
	config  any
}

// newChain plans steps one after another, beginning with posts.
func newChain(mem memory.Allocator, files memFiles, steps ...step) (*chain, error) {
	bc := pipeline.BuildContext{Mem: mem, Files: files, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	schema := pipeline.PostsSchema()
	c := &chain{}
	for _, s := range steps {
		if s.config == nil {
			s.config = s.factory.NewConfig()
		}
		p, err := s.factory.PlanOperator(bc, s.config, schema)
		if err != nil {
			return nil, err
		}
		c.plans, c.ops = append(c.plans, p), append(c.ops, p.New())
		schema = p.Output()
	}
	return c, nil
}

// run gives a batch to the chain from step i on.
func (c *chain) run(i int, in pipeline.Batch, out pipeline.Emit) error {
	if i == len(c.ops) {
		in.Record.Retain()
		return out(in)
	}
	return c.ops[i].Process(context.Background(), in, func(b pipeline.Batch) error {
		defer b.Record.Release()
		return c.run(i+1, b, out)
	})
}

// post is what the tests set of a post.
type post struct {
	text           string
	urls, hashtags []string
}

// posts makes a batch by Arrow's own builder.
func posts(mem memory.Allocator, in []post) arrow.Record {
	b := array.NewRecordBuilder(mem, pipeline.PostsSchema())
	defer b.Release()
	for n, p := range in {
		for i, f := range b.Schema().Fields() {
			switch fb := b.Field(i).(type) {
			case *array.StringBuilder:
				switch f.Name {
				case pipeline.ColText:
					fb.Append(p.text)
				case pipeline.ColID:
					fb.Append(strconv.Itoa(n))
				default:
					fb.Append("")
				}
			case *array.ListBuilder:
				fb.Append(true)
				var vals []string
				switch f.Name {
				case pipeline.ColURLs:
					vals = p.urls
				case pipeline.ColHashtags:
					vals = p.hashtags
				}
				for _, v := range vals {
					fb.ValueBuilder().(*array.StringBuilder).Append(v)
				}
			case *array.Int64Builder:
				fb.Append(int64(n))
			default:
				fb.AppendEmptyValue()
			}
		}
	}
	return b.NewRecord()
}

// row prints the columns of row i that the steps have added.
func row(b *strings.Builder, rec arrow.Record, i int, names ...string) {
	for _, name := range names {
		col := rec.Column(rec.Schema().FieldIndices(name)[0])
		if list, ok := col.(*array.List); ok {
			rows, child := column.ViewList(list)
			var vals []string
			for j := rows[i]; j < rows[i+1]; j++ {
				vals = append(vals, child.ValueStr(int(j)))
			}
			fmt.Fprintf(b, "  %s: [%s]\n", name, strings.Join(vals, ", "))
			continue
		}
		fmt.Fprintf(b, "  %s: %s\n", name, col.ValueStr(i))
	}
}

// TestChain runs posts through the four steps: lists and posts in, columns out.
func TestChain(t *testing.T) {
	datadriven.Walk(t, "testdata/chain", func(t *testing.T, path string) {
		files, cfg := memFiles{}, &match.Config{Lists: map[string]match.List{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "list":
				l := match.List{Path: d.CmdArgs[0].Key + ".txt"}
				d.MaybeScanArgs(t, "view", &l.View)
				d.MaybeScanArgs(t, "on", &l.On)
				if d.HasArg("csv") {
					l.Path = d.CmdArgs[0].Key + ".csv"
				}
				files[l.Path] = d.Input
				cfg.Lists[d.CmdArgs[0].Key] = l
				return ""
			case "posts":
				return runPosts(t, files, cfg, d.Input)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

func runPosts(t *testing.T, files memFiles, cfg *match.Config, input string) string {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	c, err := newChain(mem, files, step{factory: normalize.Factory()}, step{factory: tokenize.Factory()},
		step{factory: fingerprint.Factory()}, step{match.Factory(), cfg})
	if err != nil {
		return err.Error() + "\n"
	}
	var in []post
	for line := range strings.Lines(input) {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		p := post{}
		for f := range strings.FieldsSeq(text) { // what the platform gives beside the text
			if u, ok := strings.CutPrefix(f, "url="); ok {
				p.urls = append(p.urls, u)
				text = strings.ReplaceAll(text, f, "")
			}
			if h, ok := strings.CutPrefix(f, "tag="); ok {
				p.hashtags = append(p.hashtags, h)
				text = strings.ReplaceAll(text, f, "")
			}
		}
		p.text = strings.TrimSpace(text)
		in = append(in, p)
	}
	// A batch that is a slice of a larger one must give the same.
	rec := posts(mem, append(append([]post{{text: "the row before"}}, in...), post{text: "the row after"}))
	defer rec.Release()
	part := rec.NewSlice(1, int64(len(in))+1)
	defer part.Release()
	var b strings.Builder
	err = c.run(0, pipeline.Batch{Record: part}, func(out pipeline.Batch) error {
		defer out.Record.Release()
		printPosts(&b, in, out.Record, cfg)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func printPosts(b *strings.Builder, in []post, rec arrow.Record, cfg *match.Config) {
	for i, p := range in {
		fmt.Fprintf(b, "%q\n", p.text)
		row(b, rec, i, pipeline.ColTokenCount, pipeline.ColURLDomains, pipeline.ColTextHash, pipeline.ColSimHash)
		cols := rec.Schema().FieldIndices
		rows, lists := column.ViewList(rec.Column(cols(pipeline.ColHitList)[0]))
		_, terms := column.ViewList(rec.Column(cols(pipeline.ColHitTerm)[0]))
		_, starts := column.ViewList(rec.Column(cols(pipeline.ColHitStart)[0]))
		_, ends := column.ViewList(rec.Column(cols(pipeline.ColHitEnd)[0]))
		per := map[string]int{}
		for j := int(rows[i]); j < int(rows[i+1]); j++ {
			s, e := starts.(*array.Uint32).Value(j), ends.(*array.Uint32).Value(j)
			fmt.Fprintf(b, "  hit %s %q: %q [%d:%d]\n", lists.ValueStr(j), terms.ValueStr(j), p.text[s:e], s, e)
			per[lists.ValueStr(j)]++
		}
		for name := range cfg.Lists {
			n := int(rec.Column(cols(pipeline.ColMatchPrefix + name)[0]).(*array.Int32).Value(i))
			if n != per[name] {
				fmt.Fprintf(b, "  WRONG: match.%s is %d, of %d hits\n", name, n, per[name])
			}
		}
	}
}

// TestEmptyBatch checks that no rows give no rows, with all columns.
func TestEmptyBatch(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	c, err := newChain(mem, nil, step{factory: normalize.Factory()}, step{factory: tokenize.Factory()}, step{factory: fingerprint.Factory()},
		step{match.Factory(), &match.Config{Lists: map[string]match.List{"a": {Terms: []string{"b"}}, "r": {Terms: []string{"b"}, View: "raw"}, "u": {Terms: []string{"x.org"}, On: pipeline.ColURLDomains}}}})
	if err != nil {
		t.Fatal(err)
	}
	rec := posts(mem, nil)
	defer rec.Release()
	for range 2 {
		emitted := 0
		err = c.run(0, pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
			defer b.Record.Release()
			emitted++
			if b.Rows() != 0 || !b.Record.Schema().Equal(c.plans[3].Output()) {
				t.Errorf("%d rows of %v", b.Rows(), b.Record.Schema())
			}
			return nil
		})
		if err != nil || emitted != 1 {
			t.Errorf("%d batches, %v", emitted, err)
		}
	}
}
