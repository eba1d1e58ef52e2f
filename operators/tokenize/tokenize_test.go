package tokenize

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

func TestPlan(t *testing.T) {
	f := Factory()
	bc := pipeline.BuildContext{Mem: memory.DefaultAllocator}
	if _, err := f.PlanOperator(bc, f.NewConfig(), pipeline.PostsSchema()); err == nil || !strings.Contains(err.Error(), "put a normalize step before it") {
		t.Errorf("no folded view: %v", err)
	}
	in := pipeline.PostsSchema(arrow.Field{Name: pipeline.ColTextFolded, Type: arrow.BinaryTypes.String})
	p, err := f.PlanOperator(bc, f.NewConfig(), in)
	if err != nil {
		t.Fatal(err)
	}
	for name, transient := range map[string]bool{
		pipeline.ColTokenHash: true, pipeline.ColTokenStart: true, pipeline.ColTokenEnd: true, pipeline.ColTokenKind: true,
		pipeline.ColTokenCount: false, pipeline.ColURLDomains: false,
	} {
		fields, ok := p.Output().FieldsByName(name)
		if !ok || pipeline.IsTransient(fields[0]) != transient {
			t.Errorf("%s: there %t, transient %t", name, ok, !transient)
		}
	}
}
