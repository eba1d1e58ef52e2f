package normalize

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/pipeline"
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
