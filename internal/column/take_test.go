package column

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestTakeOfEmptyLists takes rows of lists without elements, as Arrow's own
// builders make them: their array of elements has no buffer.
func TestTakeOfEmptyLists(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for _, elem := range []arrow.DataType{arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String, arrow.FixedWidthTypes.Boolean} {
		b := array.NewListBuilderWithField(mem, arrow.Field{Name: "item", Type: elem})
		for range 3 {
			b.Append(true)
		}
		lists := b.NewArray()
		rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "l", Type: lists.DataType(), Nullable: true}}, nil), []arrow.Array{lists}, 3)
		got, err := Take(mem, rec, []int{2, 0})
		if err != nil {
			t.Fatalf("%s: %v", elem, err)
		}
		if l := got.Column(0).(*array.List); l.Len() != 2 || l.ListValues().Len() != 0 {
			t.Errorf("%s: took %s", elem, got)
		}
		for _, r := range []interface{ Release() }{got, rec, lists, b} {
			r.Release()
		}
	}
}
