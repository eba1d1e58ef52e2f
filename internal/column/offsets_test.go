package column

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestOffsetsExtend mixes End and Extend: the rows are the same.
func TestOffsetsExtend(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	child := NewFixed[uint32](mem)
	rows := NewOffsets(mem)
	copy(rows.Extend(2), []int32{1, 1})
	rows.End(3)
	copy(rows.Extend(100), slices.Repeat([]int32{3}, 100))
	rows.End(5)
	if n := rows.Len(); n != 104 {
		t.Fatalf("%d rows", n)
	}
	copy(child.Extend(5), []uint32{1, 2, 3, 4, 5})
	list := rows.NewLists(child.NewArray(arrow.PrimitiveTypes.Uint32))[0]
	defer list.Release()
	off, _ := ViewList(list)
	want := append([]int32{0, 1, 1, 3}, append(slices.Repeat([]int32{3}, 100), 5)...)
	if !slices.Equal(off, want) {
		t.Fatalf("offsets %v", off)
	}
	if n := rows.Len(); n != 0 {
		t.Fatalf("%d rows left", n)
	}
	if len(rows.Extend(0)) != 0 || rows.Len() != 0 {
		t.Fatal("no rows are some")
	}
	rows.Release()
}
