package kafka

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/arrowipc"
	"github.com/sluicehq/sluice/internal/column"
)

// ipcBuilder builds a column of runs of rows of messages. It has the builder of
// its kind only; floats and times are integers here, of which only the bits
// are moved.
type ipcBuilder struct {
	text  *column.Strings // of Utf8, or the elements of Utf8List
	lists *column.Offsets
	fixed *column.Fixed[int64]
	bools *column.Bools
}

func newIPCBuilder(mem memory.Allocator, kind arrowipc.Kind) (b ipcBuilder) {
	switch kind {
	case arrowipc.Utf8:
		b.text = column.NewStrings(mem)
	case arrowipc.Utf8List:
		b.text, b.lists = column.NewStrings(mem), column.NewOffsets(mem)
	case arrowipc.Bool:
		b.bools = column.NewBools(mem)
	default:
		b.fixed = column.NewFixed[int64](mem)
	}
	return b
}

// append adds rows from up to to of a column, which is nil if the message has
// none: then they have the constant, or no value. It returns how many bytes of
// text were added.
func (b *ipcBuilder) append(c *arrowipc.Column, from, to int, constant string) int {
	switch {
	case b.lists != nil:
		return b.appendLists(c, from, to)
	case b.text != nil:
		before := b.text.Data.Len()
		switch {
		case c == nil:
			for range to - from {
				b.text.AppendString(constant)
			}
		case c.Nulls > 0: // a null is empty, whatever its offsets say
			for row := from; row < to; row++ {
				if c.IsNull(row) {
					b.text.AppendString("")
				} else {
					b.text.Append(c.Text(row))
				}
			}
		default:
			appendText(b.text, c, from, to)
		}
		return b.text.Data.Len() - before
	case b.bools != nil:
		for row := from; row < to; row++ {
			if c == nil || c.IsNull(row) {
				b.bools.AppendNull()
			} else {
				b.bools.Append(c.True(row))
			}
		}
	case c == nil:
		for range to - from {
			b.fixed.AppendNull()
		}
	default:
		first := b.fixed.Len()
		copy(arrow.Int64Traits.CastToBytes(b.fixed.Extend(to-from)), c.Values[8*from:8*to])
		if c.Nulls > 0 {
			for row := from; row < to; row++ {
				if c.IsNull(row) {
					b.fixed.MakeNull(first + row - from)
				}
			}
		}
	}
	return 0
}

// appendText adds values from up to to, all at once.
func appendText(dst *column.Strings, c *arrowipc.Column, from, to int) {
	base := dst.Data.Len() - c.Offset(from)
	text := c.Values[c.Offset(from):c.Offset(to)]
	copy(dst.Data.Extend(len(text)), text)
	for i, ends := 0, dst.Extend(to-from); i < len(ends); i++ {
		ends[i] = int32(base + c.Offset(from+1+i))
	}
}

func (b *ipcBuilder) appendLists(c *arrowipc.Column, from, to int) int {
	before := b.text.Data.Len()
	switch {
	case c == nil:
		ends := b.lists.Extend(to - from)
		for i := range ends {
			ends[i] = int32(b.text.Len())
		}
	case c.Nulls > 0:
		for row := from; row < to; row++ {
			if !c.IsNull(row) {
				appendText(b.text, c.Elements, c.Offset(row), c.Offset(row+1))
			}
			b.lists.End(b.text.Len())
		}
	default:
		base := b.text.Len() - c.Offset(from)
		appendText(b.text, c.Elements, c.Offset(from), c.Offset(to))
		for i, ends := 0, b.lists.Extend(to-from); i < len(ends); i++ {
			ends[i] = int32(base + c.Offset(from+1+i))
		}
	}
	return b.text.Data.Len() - before
}

// array returns the column and empties the builder.
func (b *ipcBuilder) array(t arrow.DataType) arrow.Array {
	switch {
	case b.lists != nil:
		return b.lists.NewLists(b.text.NewArray(arrow.BinaryTypes.String))[0]
	case b.text != nil:
		return b.text.NewArray(t)
	case b.bools != nil:
		return b.bools.NewArray()
	}
	return b.fixed.NewArray(t)
}

func (b *ipcBuilder) release() {
	if b.text != nil {
		b.text.Release()
	}
	if b.lists != nil {
		b.lists.Release()
	}
	if b.fixed != nil {
		b.fixed.Release()
	}
	if b.bools != nil {
		b.bools.Release()
	}
}
