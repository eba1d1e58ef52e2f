package column_test

import (
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/slab"
)

// TestAgainstArrowBuilders fills our builders and Arrow's own with the same
// random values, truncations included, and compares the arrays.
func TestAgainstArrowBuilders(t *testing.T) {
	pool := slab.New(1 << 20)
	rapid.Check(t, func(t *rapid.T) {
		checked := memory.NewCheckedAllocator(pool)
		ints, strs, bools := column.NewFixed[int64](checked), column.NewStrings(checked), column.NewBools(checked)
		off, elems := column.NewOffsets(checked), column.NewFixed[uint32](checked)
		for range 2 { // builders are used again after NewArray
			rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *row {
				if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
					return nil
				}
				return &row{
					rapid.Int64().Draw(t, "i"), rapid.String().Draw(t, "s"), rapid.Bool().Draw(t, "b"),
					rapid.SliceOfN(rapid.Uint32(), 0, 4).Draw(t, "l"),
				}
			}), 0, 300).Draw(t, "rows")
			keep := rapid.IntRange(0, len(rows)).Draw(t, "keep")
			for i, r := range append(rows[:len(rows):len(rows)], rows[keep:]...) {
				if i == len(rows) { // take the tail back, then append it again
					ints.Truncate(keep)
					strs.Truncate(keep)
					bools.Truncate(keep)
					elems.Truncate(off.Truncate(keep))
				}
				add(r, ints, strs, bools, off, elems)
			}
			got := []arrow.Array{ints.NewArray(arrow.PrimitiveTypes.Int64), strs.NewArray(arrow.BinaryTypes.String), bools.NewArray()}
			got = append(got, off.NewLists(elems.NewArray(arrow.PrimitiveTypes.Uint32))...)
			for i, want := range reference(rows) {
				if !array.Equal(got[i], want) {
					t.Fatalf("column %d:\n got %v\nwant %v", i, got[i], want)
				}
				got[i].Release()
				want.Release()
			}
		}
		if n := checked.CurrentAlloc(); n != 0 {
			t.Fatalf("%d bytes leaked", n)
		}
	})
	if n := pool.InUse(); n != 0 {
		t.Fatalf("%d bytes of the pool are still in use", n)
	}
}

type row struct {
	i int64
	s string
	b bool
	l []uint32
}

func add(r *row, ints *column.Fixed[int64], strs *column.Strings, bools *column.Bools, off *column.Offsets, elems *column.Fixed[uint32]) {
	if r == nil {
		ints.AppendNull()
		strs.AppendNull()
		bools.AppendNull()
		off.End(elems.Len())
		return
	}
	ints.Append(r.i)
	strs.AppendString(r.s)
	bools.Append(r.b)
	copy(elems.Extend(len(r.l)), r.l)
	off.End(elems.Len())
}

func reference(rows []*row) []arrow.Array {
	mem := memory.DefaultAllocator
	i, s, b := array.NewInt64Builder(mem), array.NewStringBuilder(mem), array.NewBooleanBuilder(mem)
	l := array.NewListBuilderWithField(mem, arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Uint32})
	for _, r := range rows {
		l.Append(true)
		if r == nil {
			i.AppendNull()
			s.AppendNull()
			b.AppendNull()
			continue
		}
		i.Append(r.i)
		s.Append(r.s)
		b.Append(r.b)
		l.ValueBuilder().(*array.Uint32Builder).AppendValues(r.l, nil)
	}
	return []arrow.Array{i.NewArray(), s.NewArray(), b.NewArray(), l.NewArray()}
}

func TestViewsOfSlices(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	s, off := column.NewStrings(mem), column.NewOffsets(mem)
	for i := range 5 {
		for j := range i {
			s.AppendString(fmt.Sprint(i, j))
		}
		off.End(s.Len())
	}
	list := off.NewLists(s.NewArray(arrow.BinaryTypes.String))[0]
	defer list.Release()
	cut := array.NewSlice(list, 2, 4)
	defer cut.Release()

	var got [][]string
	o, child := column.ViewList(cut)
	v := column.ViewStrings(child)
	for r := range len(o) - 1 {
		var row []string
		for e := o[r]; e < o[r+1]; e++ {
			row = append(row, string(v.At(int(e))))
		}
		got = append(got, row)
	}
	if d := cmp.Diff([][]string{{"2 0", "2 1"}, {"3 0", "3 1", "3 2"}}, got); d != "" {
		t.Error(d)
	}
	none := array.NewSlice(child, 0, 0)
	defer none.Release()
	if v := column.ViewStrings(none); v.Len() != 0 {
		t.Errorf("an empty slice has %d values", v.Len())
	}
}

// BenchmarkBatch builds a batch of three columns as a decoder would.
func BenchmarkBatch(b *testing.B) {
	mem := slab.New(1 << 26)
	ints, strs := column.NewFixed[int64](mem), column.NewStrings(mem)
	text := []byte("a post of an ordinary length, some hundred and ten bytes of text as people write it every day and night")
	b.ReportAllocs()
	for b.Loop() {
		for i := range 1024 {
			ints.Append(int64(i))
			strs.Append(text)
		}
		ints.NewArray(arrow.PrimitiveTypes.Int64).Release()
		strs.NewArray(arrow.BinaryTypes.String).Release()
	}
}
