package language

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

type post struct{ said, text string }

// cases are posts, and what is made of them by default and without trust in what
// they say. Confidences are given where they are 0 or 1.
var cases = []struct {
	post
	want, detected string
}{
	{post{"en", "the weather is very nice today"}, "en 1", "en"},
	{post{"pt-br", "o tempo está muito bom hoje"}, "pt 1", "pt"},
	{post{"de", "the weather is very nice today"}, "de 1", "en"},
	{post{"", "heute ist das Wetter sehr schön"}, "de", "de"},
	{post{"und", "сегодня очень хорошая погода"}, "ru", "ru"},
	{post{"qme", "今日は天気がとてもいい"}, "ja", "ja"},
	{post{"zxx", "#tag @someone 🎉"}, " 0", " 0"},
	{post{"english", "il fait très beau aujourd'hui"}, "fr", "fr"},
	{post{"iw", ""}, "he 1", " 0"},
	{post{"no", "i dag er været veldig fint"}, "nb 1", "nb"},
	{post{"", "I was going to the store pero mi mamá me dijo que no podía ir"}, "", ""},
	{post{"", ""}, " 0", " 0"},
	{post{"", "ｗｅ ａｒｅ ｇｏｉｎｇ ｔｏ ｔｈｅ ｍａｒｋｅｔ"}, "en", "en"},
}

// posts returns a batch of the cases with their folded views.
func posts(t testing.TB, mem memory.Allocator) arrow.Record {
	var rows []pipelinetest.Row
	folded := column.NewStrings(mem)
	for _, c := range cases {
		rows = append(rows, pipelinetest.Row{"text": c.text, "lang": c.said})
		folded.Append(fold.Append(nil, []byte(c.text)))
	}
	rec := pipelinetest.Posts(t, mem, rows)
	schema, err := pipeline.AppendFields(rec.Schema(), pipeline.Transient(arrow.Field{Name: pipeline.ColTextFolded, Type: arrow.BinaryTypes.String}))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	added := folded.NewArray(arrow.BinaryTypes.String)
	defer added.Release()
	return array.NewRecord(schema, append(rec.Columns(), added), rec.NumRows())
}

// run gives the cases to an operator of config c and returns what it adds: the
// language and, where it is 0 or 1, the confidence.
func run(t *testing.T, c *Config) (out []string) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := posts(t, mem)
	defer rec.Release()
	p, err := newPlan(pipeline.BuildContext{Mem: mem}, c, rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	err = p.New().Process(t.Context(), pipeline.Batch{Record: rec, Stream: pipeline.Posts}, func(b pipeline.Batch) error {
		defer b.Record.Release()
		n := int(b.Record.NumCols())
		languages := b.Record.Column(n - 2).(*array.String)
		sure := b.Record.Column(n - 1).(*array.Float32).Float32Values()
		for i, v := range sure {
			s := languages.Value(i)
			if v == 0 || v == 1 {
				s = fmt.Sprintf("%s %v", s, v)
			}
			if v < 0 || v > 1 || s != "" && !strings.ContainsRune(s, ' ') && float64(v) < c.MinConfidence {
				t.Errorf("row %d: language %q, confidence %v", i, s, v)
			}
			out = append(out, s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProcess(t *testing.T) {
	for i, got := range run(t, &Config{TrustPost: true, MinConfidence: 0.5}) {
		if got != cases[i].want {
			t.Errorf("%q: %q, want %q", cases[i].post, got, cases[i].want)
		}
	}
	for i, got := range run(t, &Config{MinConfidence: 0.5}) {
		if got != cases[i].detected {
			t.Errorf("%q, detected: %q, want %q", cases[i].post, got, cases[i].detected)
		}
	}
	for i, got := range run(t, &Config{TrustPost: true, MinConfidence: 0.5, Languages: []string{"fr", "de"}}) {
		want := cases[i].want
		if !strings.HasSuffix(want, " 1") && want != "fr" && want != "de" && got != "" && got != " 0" {
			t.Errorf("%q, only fr and de: %q", cases[i].post, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		languages  []string
		path, want string
	}{
		{[]string{"en", "tlh"}, "languages.1", `language "tlh" is not known`},
		{[]string{"en", "de", "en"}, "languages.2", "twice"},
	} {
		err := (&Config{Languages: c.languages}).Validate()
		var fe *pipeline.FieldError
		if !errors.As(err, &fe) || fe.Path != c.path || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q at %s", c.languages, err, c.want, c.path)
		}
	}
	f := Factory()
	if _, err := f.PlanOperator(pipeline.BuildContext{}, f.NewConfig(), pipeline.PostsSchema()); err == nil || !strings.Contains(err.Error(), `column "text_folded" does not reach this step`) {
		t.Errorf("without normalize: %v", err)
	}
}

func TestHarness(t *testing.T) {
	f := Factory()
	pipelinetest.RunOperator(t, pipelinetest.OperatorCase{Factory: f, Config: f.NewConfig(), Input: posts})
}
