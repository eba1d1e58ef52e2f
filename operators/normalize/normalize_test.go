package normalize

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		views      []string
		path, want string
	}{
		{[]string{Folded}, "", ""},
		{nil, "views", "no view"},
		{[]string{"upper"}, "views.0", `no view is called "upper"`},
		{[]string{Folded, Folded}, "views.1", "twice"},
	} {
		err := (&Config{Views: c.views}).Validate()
		var fe *pipeline.FieldError
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%q: %v", c.views, err)
			}
		case !errors.As(err, &fe) || fe.Path != c.path || !strings.Contains(err.Error(), c.want):
			t.Errorf("%q: error %v, want %q at %s", c.views, err, c.want, c.path)
		}
	}
}

func TestPlanErrors(t *testing.T) {
	f := Factory()
	bc := pipeline.BuildContext{Mem: memory.DefaultAllocator}
	if _, err := f.PlanOperator(bc, f.NewConfig(), arrow.NewSchema(nil, nil)); err == nil || !strings.Contains(err.Error(), `column "text" does not reach this step`) {
		t.Errorf("no text: %v", err)
	}
	p, err := f.PlanOperator(bc, f.NewConfig(), pipeline.PostsSchema())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.PlanOperator(bc, f.NewConfig(), p.Output()); err == nil || !strings.Contains(err.Error(), "listed twice") {
		t.Errorf("twice: %v", err)
	}
}

// TestFoldLong checks texts whose folded view outgrows the room that is made
// for most: each character becomes eighteen.
func TestFoldLong(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in, out := column.NewStrings(mem), column.NewStrings(mem)
	texts := []string{"before", strings.Repeat("ﷺ", 500), "", "ﷺ", strings.Repeat("Ä", 100), "after"}
	for _, s := range texts {
		in.AppendString(s)
	}
	a := in.NewArray(arrow.BinaryTypes.String)
	defer a.Release()
	Fold(out, column.ViewStrings(a))
	for i, s := range texts {
		if want := fold.Append(nil, []byte(s)); string(out.At(i)) != string(want) {
			t.Errorf("row %d: %.60q, want %.60q", i, out.At(i), want)
		}
	}
	out.Release()
}

// TestColumns checks the columns of each config, with their values.
func TestColumns(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := pipelinetest.Posts(t, mem, []pipelinetest.Row{{"text": "Z0rvath"}, {"text": "z\u043er\u200bvath aab"}})
	defer rec.Release()
	for _, c := range []struct {
		config Config
		want   map[string]string
	}{
		{Config{Views: []string{Folded}}, map[string]string{pipeline.ColTextFolded: `["z0rvath" "z\u043ervath aab"]`}},
		{Config{Views: []string{Squeezed}}, map[string]string{pipeline.ColTextSqueezed: `["zorvath" "zorvath aab"]`}},
		{Config{Views: []string{Squeezed, Folded, Skeleton}, Evasion: true}, map[string]string{
			pipeline.ColTextFolded: `["z0rvath" "z\u043ervath aab"]`, pipeline.ColTextSkeleton: `["z0rvath" "zorvath aab"]`, pipeline.ColTextSqueezed: `["zorvath" "zorvath aab"]`,
			pipeline.ColInvisibleChars: "[0 1]", pipeline.ColMixedScript: "[0 1]", pipeline.ColFoldDistance: "[0 0.083333336]", pipeline.ColEntropy: "[2.807355 3.188722]",
		}},
		{Config{Views: []string{Folded}, Evasion: true}, map[string]string{pipeline.ColTextFolded: `["z0rvath" "z\u043ervath aab"]`, pipeline.ColMixedScript: "[0 1]"}},
	} {
		plan, err := Factory().PlanOperator(pipeline.BuildContext{Mem: mem}, &c.config, rec.Schema())
		if err != nil {
			t.Fatal(err)
		}
		err = plan.New().Process(context.Background(), pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
			defer b.Record.Release()
			added := int(b.Record.NumCols() - rec.NumCols())
			if added < len(c.want) {
				t.Errorf("%+v: %d columns added", c.config, added)
			}
			for name, want := range c.want {
				col := b.Record.Column(b.Record.Schema().FieldIndices(name)[0])
				if got := fmt.Sprint(col); got != strings.ReplaceAll(want, `\u043e`, "\u043e") {
					t.Errorf("%+v: %s is %s, want %s", c.config, name, got, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
