package column

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// StringView reads a Utf8 or Binary column: value i is
// Data[Offsets[i]:Offsets[i+1]]. It is right for sliced arrays too. The
// memory is the array's and must not be changed.
type StringView struct {
	Offsets []int32
	Data    []byte
}

// ViewStrings returns a view of a, which is a Utf8 or Binary array.
func ViewStrings(a arrow.Array) StringView {
	d := a.Data()
	v := StringView{Offsets: offsets(d)}
	if b := d.Buffers()[2]; b != nil {
		v.Data = b.Bytes()
	}
	return v
}

// Len returns the number of values.
func (v StringView) Len() int { return len(v.Offsets) - 1 }

// At returns value i.
func (v StringView) At(i int) []byte { return v.Data[v.Offsets[i]:v.Offsets[i+1]] }

// ViewList returns the offsets of a list column, right for sliced arrays too,
// and its child: the elements of row i are child[offsets[i]:offsets[i+1]].
func ViewList(a arrow.Array) (off []int32, child arrow.Array) {
	return offsets(a.Data()), a.(*array.List).ListValues()
}

// offsets returns the n+1 offsets of a string or list array.
func offsets(d arrow.ArrayData) []int32 {
	b := d.Buffers()[1]
	if b == nil || b.Len() == 0 { // an empty array may lack its one offset
		return []int32{0}
	}
	return arrow.Int32Traits.CastFromBytes(b.Bytes())[d.Offset() : d.Offset()+d.Len()+1]
}

// Fill returns an array of n equal strings, for columns that are the same in
// every row of a batch.
func Fill(mem memory.Allocator, value string, n int) arrow.Array {
	c := NewStrings(mem)
	for range n {
		c.AppendString(value)
	}
	return c.NewArray(arrow.BinaryTypes.String)
}
