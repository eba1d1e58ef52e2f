package score_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/model"
	"github.com/sluicehq/sluice/internal/model/train"
	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/operators/fingerprint"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/rules"
	"github.com/sluicehq/sluice/operators/score"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

type memFiles map[string][]byte

func (f memFiles) ReadFile(path string) ([]byte, error) {
	if b, ok := f[path]; ok {
		return b, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

func (f memFiles) Glob(pattern string) ([]string, error) { return []string{pattern}, nil }

// trained is a model that learnt that posts with "zorvath" are bad and those
// with "krelling dawn" loud.
func trained(tb testing.TB) *model.Model {
	tb.Helper()
	c := train.Defaults()
	c.Name, c.Version, c.Owner = "made", 4, "the-card"
	c.Features.Bits = 12
	c.Training.Folds = 0
	c.Heads = []train.Head{
		{Name: "bad", Severity: "high", Labels: []string{"made_up"}, Threshold: train.Threshold{At: 0.6}},
		{Name: "loud", Threshold: train.Threshold{At: 0.7}},
	}
	in := &train.Input{Name: "made", Path: "-", Always: map[string]int8{"bad": 0}}
	c.Inputs = []train.Input{*in}
	l := &train.Loaded{Input: in, SHA256: "none"}
	for i := range 600 {
		word := fmt.Sprintf("w%d", i%37)
		bad, loud := int8(0), int8(0)
		text := fmt.Sprintf("%s some common words about w%d and w%d", word, i%11, i)
		if i%3 == 0 {
			text, bad = text+" zorvath", 1
		}
		if i%4 == 0 {
			text, loud = "krelling dawn "+text, 1
		}
		l.Posts = append(l.Posts, train.Post{Text: text, Labels: []int8{bad, loud}})
	}
	out, err := train.Fit(&c, []*train.Loaded{l}, tb.Logf)
	if err != nil {
		tb.Fatal(err)
	}
	return out.Model
}

func encoded(tb testing.TB, m *model.Model) []byte {
	tb.Helper()
	b, err := m.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func context0(mem memory.Allocator, files memFiles) pipeline.BuildContext {
	return pipeline.BuildContext{Pipeline: "test", Name: "score", Files: files, Mem: mem, Logger: slog.New(slog.DiscardHandler)}
}

// upstream is what the steps before a score step make of posts.
func upstream(t testing.TB, mem memory.Allocator, rows []pipelinetest.Row) arrow.Record {
	t.Helper()
	rec := pipelinetest.Posts(t, mem, rows)
	for _, f := range []pipeline.Factory{normalize.Factory(), tokenize.Factory(), fingerprint.Factory()} {
		p, err := f.PlanOperator(context0(mem, nil), f.NewConfig(), rec.Schema())
		if err != nil {
			t.Fatal(err)
		}
		out, _ := process(t, p, rec)
		rec.Release()
		rec = out
	}
	return rec
}

// process runs an operator on one batch.
func process(t testing.TB, p pipeline.Plan, rec arrow.Record) (posts, detections arrow.Record) {
	t.Helper()
	err := p.New().Process(context.Background(), pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
		switch b.Stream {
		case pipeline.Posts:
			posts = b.Record
		case pipeline.Detections:
			detections = b.Record
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return posts, detections
}

var posts = []pipelinetest.Row{
	{"text": "a common post about w1"},
	{"text": ""},
	{"text": "The \u200bＺÖRVÁTH, some say, about w3!", "author_id": "a1", "lang": "en"},
	{"text": "Krelling... DAWN and Zorvath some common words"},
	{"text": "今日は東京タワー @someone https://x.example \U0001F525"},
	{"text": strings.Repeat("zorvath ", 200)},
	{"text": "krelling dawn krelling dawn"},
}

func plan(t testing.TB, mem memory.Allocator, files memFiles, change func(*score.Config), in *arrow.Schema) (pipeline.Plan, error) {
	t.Helper()
	f := score.Factory()
	c := f.NewConfig().(*score.Config)
	c.Model = "made.slm"
	if change != nil {
		change(c)
	}
	return f.PlanOperator(context0(mem, files), c, in)
}

func TestHarness(t *testing.T) {
	f := score.Factory()
	c := f.NewConfig().(*score.Config)
	c.Model = "made.slm"
	pipelinetest.RunOperator(t, pipelinetest.OperatorCase{
		Factory: f, Config: c, Files: memFiles{"made.slm": encoded(t, trained(t))},
		Input: func(t testing.TB, mem memory.Allocator) arrow.Record { return upstream(t, mem, posts) },
	})
}

// TestSameAsTrainer checks that the step gives the probabilities that training
// and `sluice eval` measure, bit for bit.
func TestSameAsTrainer(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	m := trained(t)
	rec := upstream(t, mem, posts)
	defer rec.Release()
	p, err := plan(t, mem, memFiles{"made.slm": encoded(t, m)}, nil, rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	out, found := process(t, p, rec)
	defer out.Release()
	defer found.Release()
	e := train.NewEvaluator(m)
	for h, name := range []string{"score.bad", "score.loud"} {
		col := out.Column(out.Schema().FieldIndices(name)[0]).(*array.Float32)
		for i, row := range posts {
			want := e.Probability(row["text"].(string))[h]
			if got := col.Value(i); math.Float32bits(got) != math.Float32bits(want) {
				t.Errorf("%s of %q: %v, the trainer has %v", name, row["text"], got, want)
			}
		}
	}
}

// TestSameAsTrainerOnRealPosts is TestSameAsTrainer with the shipped model on
// posts that people wrote.
func TestSameAsTrainerOnRealPosts(t *testing.T) {
	text := realdata.Read(t, "labelled", "tweeteval", "hate", "val_text.txt")
	data, err := os.ReadFile(filepath.Join("..", "..", "deploy", "models", "abuse.slm"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	var real []pipelinetest.Row
	for line := range strings.Lines(string(text)) {
		real = append(real, pipelinetest.Row{"text": strings.TrimRight(line, "\n")})
	}
	rec := upstream(t, mem, real)
	defer rec.Release()
	p, err := plan(t, mem, memFiles{"made.slm": data}, func(c *score.Config) { c.Mode = "off" }, rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	out, _ := process(t, p, rec)
	defer out.Release()
	e := train.NewEvaluator(m)
	for h, name := range []string{"score.offensive", "score.hate"} {
		col := out.Column(out.Schema().FieldIndices(name)[0]).(*array.Float32)
		for i, row := range real {
			if got, want := col.Value(i), e.Probability(row["text"].(string))[h]; math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("%s of post %d: %v, the trainer has %v", name, i, got, want)
			}
		}
	}
	t.Logf("%d posts, 2 heads: bit for bit equal", len(real))
}

// detection is a row of the detections stream as the tests read it.
type detection struct {
	Kind     string    `json:"kind"`
	RuleID   string    `json:"rule_id"`
	Version  int       `json:"rule_version"`
	Hash     string    `json:"rule_hash"`
	Severity string    `json:"severity"`
	Mode     string    `json:"mode"`
	Owner    string    `json:"owner"`
	Labels   []string  `json:"labels"`
	Score    float64   `json:"score"`
	Text     string    `json:"text"`
	List     []string  `json:"spans.list"`
	Term     []string  `json:"spans.term"`
	Start    []int     `json:"spans.start"`
	End      []int     `json:"spans.end"`
	View     []string  `json:"spans.view"`
	Weight   []float64 `json:"spans.weight"`
	Names    []string  `json:"values.name"`
	Values   []string  `json:"values.value"`
	TextHash uint64    `json:"text_hash"`
}

func readDetections(t testing.TB, rec arrow.Record) (out []detection) {
	t.Helper()
	if !rec.Schema().Equal(pipeline.DetectionsSchema()) {
		t.Errorf("schema %v", rec.Schema())
	}
	b, err := rec.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDetections checks what a detection of a score says, and that its spans
// are of the original bytes.
func TestDetections(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	m := trained(t)
	rec := upstream(t, mem, posts)
	defer rec.Release()
	p, err := plan(t, mem, memFiles{"made.slm": encoded(t, m)}, func(c *score.Config) { c.Labels, c.Mode = []string{"ours"}, "shadow" }, rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	out, rows := process(t, p, rec)
	defer out.Release()
	defer rows.Release()
	ds := readDetections(t, rows)
	if len(ds) < 4 {
		t.Fatalf("%d detections of posts that were made to have 4 and more", len(ds))
	}
	disguised := false
	for _, d := range ds {
		head := strings.TrimPrefix(d.RuleID, "score.")
		severity, label := "high", "made_up"
		if head == "loud" {
			severity, label = "medium", "ours"
		}
		if d.Kind != "score" || d.Version != 4 || d.Hash != m.Sum() || d.Mode != "shadow" || d.Owner != "the-card" || d.Severity != severity || d.Labels[0] != label || d.TextHash == 0 {
			t.Errorf("%+v", d)
		}
		if strings.Join(d.Names, " ") != d.RuleID+" threshold logit bias" || d.Values[0] != fmt.Sprint(float32(d.Score)) {
			t.Errorf("values %v %v of the score %v", d.Names, d.Values, d.Score)
		}
		if len(d.Term) == 0 || len(d.Term) > 8 {
			t.Fatalf("%q: %d spans", d.Text, len(d.Term))
		}
		for i, term := range d.Term {
			bytes := d.Text[d.Start[i]:d.End[i]]
			if d.List[i] != head || d.View[i] != "folded" || d.Weight[i] <= 0 || bytes == "" {
				t.Errorf("span %d of %+v", i, d)
			}
			if i > 0 && d.Weight[i] > d.Weight[i-1] {
				t.Errorf("%q: weights %v are not in order", d.Text, d.Weight)
			}
			if bytes == "ＺÖRVÁTH" && term == "zorvath" && head == "bad" && i == 0 {
				disguised = true
			}
		}
	}
	if !disguised {
		t.Error("the first span of the disguised post is not its one bad word")
	}
}

// TestThresholds checks that the config's thresholds and modes count.
func TestThresholds(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := upstream(t, mem, posts)
	defer rec.Release()
	files := memFiles{"made.slm": encoded(t, trained(t))}
	count := func(change func(*score.Config)) int64 {
		p, err := plan(t, mem, files, change, rec.Schema())
		if err != nil {
			t.Fatal(err)
		}
		out, found := process(t, p, rec)
		out.Release()
		if found == nil {
			return 0
		}
		defer found.Release()
		return found.NumRows()
	}
	all := count(func(c *score.Config) { c.Threshold = map[string]float64{"bad": 0, "loud": 0} })
	if all != int64(2*len(posts)) {
		t.Errorf("%d detections with thresholds of 0, want one of each head and post", all)
	}
	if n := count(func(c *score.Config) { c.Threshold = map[string]float64{"bad": 1, "loud": 1} }); n != 0 {
		t.Errorf("%d detections with thresholds of 1", n)
	}
	if n := count(func(c *score.Config) { c.Mode, c.Threshold = "off", map[string]float64{"bad": 0} }); n != 0 {
		t.Errorf("%d detections with mode off", n)
	}
}

// TestRules checks that rules can use scores.
func TestRules(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	files := memFiles{"made.slm": encoded(t, trained(t)), "rules.yaml": []byte(`
- id: bad-and-loud
  version: 1
  owner: test
  severity: high
  mode: live
  when: score.bad > 0.6 && score.loud > 0.6
`)}
	rec := upstream(t, mem, posts)
	defer rec.Release()
	p, err := plan(t, mem, files, func(c *score.Config) { c.Mode = "off" }, rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	scoredPosts, _ := process(t, p, rec)
	defer scoredPosts.Release()
	f := rules.Factory()
	r, err := f.PlanOperator(context0(mem, files), &rules.Config{Files: []string{"rules.yaml"}}, scoredPosts.Schema())
	if err != nil {
		t.Fatal(err)
	}
	out, found := process(t, r, scoredPosts)
	defer out.Release()
	if found == nil {
		t.Fatal("no rule fired")
	}
	defer found.Release()
	ds := readDetections(t, found)
	if len(ds) != 1 || ds[0].RuleID != "bad-and-loud" || !strings.HasPrefix(ds[0].Text, "Krelling...") || strings.Join(ds[0].Names, " ") != "score.bad score.loud" {
		t.Errorf("%+v", ds)
	}
}

// TestRefused checks what a plan refuses, where, and what it says.
func TestRefused(t *testing.T) {
	good := encoded(t, trained(t))
	broken := append([]byte(nil), good...)
	broken[len(broken)-100] ^= 4
	later := append([]byte(nil), good...)
	later[8]++
	schema := upstreamSchema(t)
	for _, c := range []struct {
		name   string
		files  memFiles
		change func(*score.Config)
		in     *arrow.Schema
		path   string // of the FieldError, if it is one
		says   string
	}{
		{"no file", memFiles{}, nil, schema, "model", "made.slm"},
		{"a changed file", memFiles{"made.slm": broken}, nil, schema, "model", "checksum is wrong"},
		{"a later format", memFiles{"made.slm": later}, nil, schema, "model", "2; this build reads 1"},
		{"a text", memFiles{"made.slm": []byte("term\n")}, nil, schema, "model", "not a model file"},
		{"no tokens", memFiles{"made.slm": good}, nil, pipeline.PostsSchema(arrow.Field{Name: pipeline.ColTextFolded, Type: arrow.BinaryTypes.String}), "", "put a tokenize step before it"},
		{"no folded view", memFiles{"made.slm": good}, nil, pipeline.PostsSchema(), "", "put a normalize step before it"},
		{"no such head", memFiles{"made.slm": good}, func(c *score.Config) { c.Threshold = map[string]float64{"bid": 0.5} }, schema, "threshold.bid", "it has bad, loud"},
		{"no probability", memFiles{"made.slm": good}, func(c *score.Config) { c.Threshold = map[string]float64{"bad": 5} }, schema, "threshold.bad", "use 0 to 1"},
		{"no model", nil, func(c *score.Config) { c.Model = "" }, schema, "model", "name a file"},
		{"twice", memFiles{"made.slm": good}, nil, pipeline.PostsSchema(append(schema.Fields()[20:], arrow.Field{Name: "score.bad", Type: arrow.PrimitiveTypes.Float32})...), "", "score.bad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := plan(t, memory.DefaultAllocator, c.files, c.change, c.in)
			var fe *pipeline.FieldError
			if err == nil || !strings.Contains(err.Error(), c.says) || errors.As(err, &fe) != (c.path != "") || fe != nil && fe.Path != c.path {
				t.Errorf("got %v, want one at %q that says %q", err, c.path, c.says)
			}
		})
	}
}

func upstreamSchema(t testing.TB) *arrow.Schema {
	rec := upstream(t, memory.DefaultAllocator, nil)
	defer rec.Release()
	return rec.Schema()
}
