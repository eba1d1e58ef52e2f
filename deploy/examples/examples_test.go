// Package examples_test runs the example pipeline of this folder.
package examples_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/rule"
	"github.com/sluicehq/sluice/internal/synth"
	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sources"
)

// load reads firehose.yaml with some settings changed.
func load(t testing.TB, sets ...string) *config.Spec {
	t.Helper()
	spec, err := config.Load("firehose.yaml", config.Options{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func registry(t testing.TB) graph.Registry {
	t.Helper()
	r, err := graph.NewRegistry(sources.All(), operators.All(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// found is what a run found in one post.
type found struct {
	kind, id, detail, text string
	hits                   map[string]int // by list
	terms                  []string
}

// run sends the posts of the spec's source through its steps.
func run(t testing.TB, spec *config.Spec) []found {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	g, err := graph.Build(spec, graph.Options{Registry: registry(t), Files: graph.NewDirFiles("."), Mem: mem, WithoutSinks: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	src, err := g.Source.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Open(ctx, nil); err != nil {
		t.Fatal(err)
	}
	defer src.Close(ctx)

	var out []found
	last := func(b pipeline.Batch) error {
		defer b.Record.Release()
		if b.Stream == pipeline.Rejected {
			t.Errorf("%d posts were rejected: %v", b.Rows(), b.Record)
		}
		if b.Stream == pipeline.Posts {
			out = append(out, collect(t, b.Record)...)
		}
		return nil
	}
	emit := last
	for _, n := range slices.Backward(g.Nodes) {
		if n.Plan == nil {
			continue
		}
		op, next := n.Plan.New(), emit
		emit = func(b pipeline.Batch) error {
			if b.Stream != pipeline.Posts {
				return last(b)
			}
			defer b.Record.Release()
			return op.Process(ctx, b, next)
		}
	}
	decoder := g.Decode.New()
	for {
		c, err := src.Read(ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := decoder.Decode(ctx, &c, emit); err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
}

func collect(t testing.TB, rec arrow.Record) []found {
	t.Helper()
	text := func(name string) *array.String {
		i, err := pipeline.Column(rec.Schema(), name, arrow.BinaryTypes.String)
		if err != nil {
			t.Fatal(err)
		}
		return rec.Column(i).(*array.String)
	}
	lists := func(name string) (*array.List, *array.String) {
		l := rec.Column(rec.Schema().FieldIndices(name)[0]).(*array.List)
		return l, l.ListValues().(*array.String)
	}
	kind, id, detail, body := text("truth_kind"), text("truth_id"), text("truth_detail"), text(pipeline.ColText)
	rows, list := lists(pipeline.ColHitList)
	_, term := lists(pipeline.ColHitTerm)
	out := make([]found, rec.NumRows())
	for i := range out {
		f := found{
			kind: strings.Clone(kind.Value(i)), id: strings.Clone(id.Value(i)), detail: strings.Clone(detail.Value(i)),
			text: strings.Clone(body.Value(i)), hits: map[string]int{},
		}
		from, to := rows.ValueOffsets(i)
		for j := int(from); j < int(to); j++ {
			f.hits[strings.Clone(list.Value(j))]++
			f.terms = append(f.terms, strings.Clone(term.Value(j)))
		}
		out[i] = f
	}
	return out
}

// The lists find what they are meant to find in the synthetic firehose, and
// nothing in ordinary posts.
func TestListsAgainstTheTruth(t *testing.T) {
	spec := load(t, "source.generate.rows=60000")
	spec.Steps = slices.DeleteFunc(spec.Steps, func(c config.Component) bool { return c.Kind == "rules" })
	posts, hits := map[string]int{}, map[string]int{}
	context := map[string]int{}
	for _, f := range run(t, spec) {
		key := f.kind + "/" + f.detail
		if f.kind == "campaign" || f.kind == "organic" || f.kind == "burst" {
			key = f.kind
		}
		posts[key]++
		term := f.hits["extremist_terms"] > 0
		news := f.hits["news_context"] > 0
		if term {
			hits[key]++
		}
		if news {
			context[key]++
		}
		switch {
		case (key == "term/plain" || f.kind == "news") && !slices.Contains(f.terms, f.id):
			t.Errorf("%s: %q was not found in %q", key, f.id, f.text)
		case (key == "news/news" || key == "news/counter") && !news:
			t.Errorf("%s without a word of the news context: %q", key, f.text)
		case (f.kind == "organic" || f.kind == "burst" || f.kind == "campaign" || f.kind == "lookalike") && (term || news):
			t.Errorf("%s with %v: %q", key, f.terms, f.text)
		}
	}
	// What the squeezed view sees through: all, but for one spaced or stretched
	// text in a hundred at the most.
	for key, least := range map[string]float64{
		"disguise/fullwidth": 1, "disguise/zero_width": 1, "disguise/diacritics": 1, "disguise/uppercase": 1, "disguise/tatweel": 1,
		"disguise/leet": 1, "disguise/spaced": 0.98, "disguise/repeated": 0.98, "disguise/homoglyph": 1,
	} {
		if posts[key] == 0 || float64(hits[key]) < least*float64(posts[key]) {
			t.Errorf("%s: %d of %d found, want at least the share %.2f", key, hits[key], posts[key], least)
		}
	}
	if context["news/counter_unlisted"] != 0 || posts["news/counter_unlisted"] == 0 {
		t.Errorf("%d of %d counter_unlisted posts have a listed word", context["news/counter_unlisted"], posts["news/counter_unlisted"])
	}
}

// The list of terms is the one that the generator plants.
func TestTermsAreThoseOfTheGenerator(t *testing.T) {
	want, err := synth.Terms()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join("lists", "extremist.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
		term, _, _ := strings.Cut(line, ",")
		got = append(got, term)
	}
	if !slices.Equal(got, want) {
		t.Errorf("lists/extremist.csv has %q, the generator plants %q", got, want)
	}
}

// The rule files parse, each rule has tests of both sorts, and every list that
// is named is there.
func TestRuleFiles(t *testing.T) {
	set, err := rule.Load(graph.NewDirFiles("."), []string{"rules/*.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules) < 6 {
		t.Errorf("%d rules, want 6 at least", len(set.Rules))
	}
	for _, r := range set.Rules {
		expects := map[rule.Expectation]int{}
		for _, test := range r.Tests {
			expects[test.Expect]++
		}
		if expects[rule.Match] == 0 || expects[rule.NoMatch] == 0 || r.Description == "" {
			t.Errorf("rule %s: tests %v, description %q", r.ID, expects, r.Description)
		}
	}
}
