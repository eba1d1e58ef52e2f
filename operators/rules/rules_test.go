package rules_test

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/operators/rules"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// dir is the files below testdata.
type dir struct{}

func (dir) ReadFile(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join("testdata", filepath.FromSlash(path)))
}

func (dir) Glob(pattern string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join("testdata", filepath.FromSlash(pattern)))
	for i, f := range found {
		found[i] = filepath.ToSlash(strings.TrimPrefix(f, "testdata"+string(filepath.Separator)))
	}
	slices.Sort(found)
	return found, err
}

// schema is what reaches the step behind tokenize, fingerprint and match.
func schema() *arrow.Schema {
	str, u32, u64, i32 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64, arrow.PrimitiveTypes.Int32
	s := pipeline.PostsSchema(
		arrow.Field{Name: pipeline.ColURLDomains, Type: pipeline.ListOf(str)},
		arrow.Field{Name: pipeline.ColTextHash, Type: u64},
		arrow.Field{Name: pipeline.ColSimHash, Type: u64},
		arrow.Field{Name: "match.banned_terms", Type: i32},
		arrow.Field{Name: "match.news_context", Type: i32},
		arrow.Field{Name: "match.short_links", Type: i32},
		arrow.Field{Name: pipeline.ColHitList, Type: pipeline.ListOf(str)},
		arrow.Field{Name: pipeline.ColHitTerm, Type: pipeline.ListOf(str)},
		arrow.Field{Name: pipeline.ColHitStart, Type: pipeline.ListOf(u32)},
		arrow.Field{Name: pipeline.ColHitEnd, Type: pipeline.ListOf(u32)},
		arrow.Field{Name: pipeline.ColHitView, Type: pipeline.ListOf(str)},
		arrow.Field{Name: pipeline.ColHitDisguise, Type: pipeline.ListOf(str)},
		arrow.Field{Name: pipeline.ColHitWeight, Type: pipeline.ListOf(arrow.PrimitiveTypes.Float32)},
	)
	md := arrow.NewMetadata(
		[]string{"sluice.list.banned_terms", "sluice.list.news_context", "sluice.list.short_links", "sluice.list_version.banned_terms"},
		[]string{"lists/not-read.csv", "", "lists/shorteners.txt", "0123456789abcdef"})
	return arrow.NewSchema(s.Fields(), &md)
}

func input(t testing.TB, mem memory.Allocator) arrow.Record {
	hit := pipelinetest.Row{
		"text": "blorb and zindle at short", "lang": "en", "author_id": "a1", "platform": "p", "source": "s", "source_offset": 7,
		"url_domains": []string{"other.example", "SHORT.example"}, "match.banned_terms": 2, "match.short_links": 1, "text_hash": 11, "simhash": 12,
		"hits.list": []string{"banned_terms", "banned_terms", "elsewhere"}, "hits.term": []string{"blorb", "zindle", "at"},
		"hits.start": []int{0, 10, 17}, "hits.end": []int{5, 16, 19}, "hits.view": []string{"folded", "squeezed", "raw"},
		"hits.disguise": []string{"", "leet", ""}, "hits.weight": []float32{1, 0.5, 2}, "created_at": "2026-01-02T00:00:00Z", "author_created_at": "2026-01-01T12:00:00Z",
	}
	news := pipelinetest.Row{}
	maps.Copy(news, hit)
	news["match.news_context"] = 1
	delete(news, "author_created_at")
	rows := []pipelinetest.Row{
		{"text": "nothing here"},
		hit, news,
		{"text": "LOUD WORDS!", "author_followers": 3, "author_handle": "me", "mentions": []string{"you", "me"}},
		{"text": "LOUD WORDS!"},
	}
	for range 70 {
		rows = append(rows, pipelinetest.Row{"text": strings.Repeat("filler ", 20)})
	}
	return pipelinetest.Record(t, mem, schema(), append(rows, hit))
}

// TestHarness runs the operator under all ways in which the engine may call it.
func TestHarness(t *testing.T) {
	pipelinetest.RunOperator(t, pipelinetest.OperatorCase{
		Factory: rules.Factory(), Config: &rules.Config{Files: []string{"rules/*.yaml"}}, Files: dir{}, Input: input,
	})
}

func plan(t testing.TB, mem memory.Allocator, in *arrow.Schema, files ...string) (pipeline.Plan, error) {
	t.Helper()
	f := rules.Factory()
	cfg := f.NewConfig().(*rules.Config)
	cfg.Files = files
	return f.PlanOperator(pipeline.BuildContext{Name: "rules", Files: dir{}, Mem: mem, Logger: slog.New(slog.DiscardHandler)}, cfg, in)
}

// TestDetections checks every column of the detections, and that posts go on
// as they came.
func TestDetections(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := input(t, mem)
	defer rec.Release()
	p, err := plan(t, mem, rec.Schema(), "rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	posts := 0
	err = p.New().Process(context.Background(), pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
		defer b.Record.Release()
		switch b.Stream {
		case pipeline.Posts:
			posts++
			if b.Record != rec {
				t.Error("the posts are not the record that came in")
			}
		case pipeline.Detections:
			if !b.Record.Schema().Equal(pipeline.DetectionsSchema()) {
				t.Errorf("schema %v", b.Record.Schema())
			}
			ids, rows := b.Record.Column(6).(*array.String), b.Record.Column(0).(*array.String)
			for i := range ids.Len() {
				got = append(got, rows.Value(i)+" "+ids.Value(i))
			}
			lines := pipelinetest.Lines(t, b.Record)
			if lines[0] != wantFirst {
				t.Errorf("got\n%s\nwant\n%s", lines[0], wantFirst)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"post-1 recruitment-link-burst", "post-1 term-by-new-account",
		"post-3 mentions-itself", "post-3 small-account-shouts",
		"post-75 recruitment-link-burst", "post-75 term-by-new-account",
	}
	if diff := cmp.Diff(want, got); diff != "" || posts != 1 {
		t.Errorf("%d posts batches; detections:\n%s", posts, diff)
	}
	describe := p.(pipeline.Describer).Describe()
	wantLines := []string{
		"rules: 4 live, 1 shadow, 1 off, from 2 files",
		"evaluation: 4 of 5 by kernels alone, 1 with an interpreted part; 24 distinct operations",
		"index: 2 of 5 rules are looked at only where something that they require fired",
	}
	if diff := cmp.Diff(wantLines, describe); diff != "" {
		t.Error(diff)
	}
}

const wantFirst = `{"author_id":"a1","created_at":"2026-01-02 00:00:00","kind":"rule","labels":["recruitment","links"],"lang":"en","lists.name":["banned_terms","news_context","short_links"],"lists.version":["0123456789abcdef","",""],"mode":"live","owner":"field-team","platform":"p","post_id":"post-1","rule_hash":"d8538c5b69ee83ad4c8ec719c96eadb1104d0ec7fd37905bb41bb8eea1babd66","rule_id":"recruitment-link-burst","rule_version":3,"score":1,"severity":"high","simhash":12,"source":"s","source_offset":7,"spans.disguise":["","leet"],"spans.end":[5,16],"spans.list":["banned_terms","banned_terms"],"spans.start":[0,10],"spans.term":["blorb","zindle"],"spans.view":["folded","squeezed"],"spans.weight":[1,0.5],"text":"blorb and zindle at short","text_hash":11,"values.name":["match.banned_terms","url_domains","match.news_context"],"values.value":["2","[\"other.example\", \"SHORT.example\"]","0"]}`

// TestWithoutOptionalSteps checks that detections are made when no match and no
// fingerprint step ran.
func TestWithoutOptionalSteps(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := pipelinetest.Posts(t, mem, []pipelinetest.Row{{"text": "LOUD WORDS!", "author_followers": 1}})
	defer rec.Release()
	p, err := plan(t, mem, rec.Schema(), "rules/accounts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = p.New().Process(context.Background(), pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
		defer b.Record.Release()
		if b.Stream == pipeline.Detections {
			n = b.Rows()
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("%d detections, error %v; want 1", n, err)
	}
}

// TestPlanErrors checks what a wrong config or schema is told.
func TestPlanErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		in    *arrow.Schema
		files []string
		want  string
	}{
		{"no files", schema(), nil, `files: no rule files; write files: ["rules/*.yaml"]`},
		{"blank", schema(), []string{"a", " "}, `files.1: an empty pattern`},
		{"none", schema(), []string{"nothing/*.yaml"}, `files: rule files "nothing/*.yaml": no file matches`},
		{"no match step", pipeline.PostsSchema(), []string{"rules/links.yaml"}, `rules/links.yaml:9:5: rule "recruitment-link-burst": "match.banned_terms": no term list reaches this step: put a match step with the list before it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := plan(t, memory.DefaultAllocator, c.in, c.files...)
			if err == nil {
				t.Fatal("no error")
			}
			if got, _, _ := strings.Cut(err.Error(), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// BenchmarkProcess runs the example rules over a batch in which few posts match.
func BenchmarkProcess(b *testing.B) {
	rec := input(b, memory.DefaultAllocator)
	p, err := plan(b, memory.DefaultAllocator, rec.Schema(), "rules/*.yaml")
	if err != nil {
		b.Fatal(err)
	}
	op := p.New()
	b.ReportAllocs()
	for b.Loop() {
		err := op.Process(context.Background(), pipeline.Batch{Record: rec}, func(out pipeline.Batch) error {
			out.Record.Release()
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rec.NumRows()), "ns/row")
}
