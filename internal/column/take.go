package column

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Take returns a record of the given rows of rec, in that order. It knows the
// types that columns of posts have: fixed-width numbers, timestamps, booleans,
// strings, binary, and lists of those; any other is an error.
func Take(mem memory.Allocator, rec arrow.Record, rows []int) (arrow.Record, error) {
	cols := make([]arrow.Array, 0, rec.NumCols())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, c := range rec.Columns() {
		a, err := takeArray(mem, c, rows)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", rec.ColumnName(i), err)
		}
		cols = append(cols, a)
	}
	return array.NewRecord(rec.Schema(), cols, int64(len(rows))), nil
}

func takeArray(mem memory.Allocator, a arrow.Array, rows []int) (arrow.Array, error) {
	switch t := a.(type) {
	case *array.Boolean:
		c := NewBools(mem)
		for _, r := range rows {
			if t.IsNull(r) {
				c.AppendNull()
			} else {
				c.Append(t.Value(r))
			}
		}
		return c.NewArray(), nil
	case *array.String, *array.Binary:
		v, c := ViewStrings(a), NewStrings(mem)
		for _, r := range rows {
			if a.IsNull(r) {
				c.AppendNull()
			} else {
				c.Append(v.At(r))
			}
		}
		return c.NewArray(a.DataType()), nil
	case *array.List:
		return takeLists(mem, t, rows)
	}
	w, ok := a.DataType().(arrow.FixedWidthDataType)
	if !ok || a.Data().Buffers()[1] == nil && a.Len() > 0 {
		return nil, fmt.Errorf("rows of type %s can not be selected", a.DataType())
	}
	switch w.Bytes() {
	case 1:
		return takeFixed[uint8](mem, a, rows), nil
	case 2:
		return takeFixed[uint16](mem, a, rows), nil
	case 4:
		return takeFixed[uint32](mem, a, rows), nil
	case 8:
		return takeFixed[uint64](mem, a, rows), nil
	}
	return nil, fmt.Errorf("rows of type %s can not be selected", a.DataType())
}

// takeFixed moves values as unsigned integers of their width.
func takeFixed[T Value](mem memory.Allocator, a arrow.Array, rows []int) arrow.Array {
	var vals []T // an empty array may have no buffer
	if a.Len() > 0 {
		vals = arrow.GetData[T](a.Data().Buffers()[1].Bytes())[a.Data().Offset():]
	}
	c := NewFixed[T](mem)
	for _, r := range rows {
		if a.IsNull(r) {
			c.AppendNull()
		} else {
			c.Append(vals[r])
		}
	}
	return c.NewArray(a.DataType())
}

func takeLists(mem memory.Allocator, a *array.List, rows []int) (arrow.Array, error) {
	off, child := ViewList(a)
	o := NewOffsets(mem)
	var picked []int
	for _, r := range rows {
		for e := off[r]; e < off[r+1]; e++ {
			picked = append(picked, int(e))
		}
		o.End(len(picked))
	}
	elems, err := takeArray(mem, child, picked)
	if err != nil {
		o.Release()
		return nil, err
	}
	return o.NewLists(elems)[0], nil
}

// Concat returns the rows of all records, one after the other. Their schemas
// are equal, and there is at least one.
func Concat(mem memory.Allocator, recs []arrow.Record) (arrow.Record, error) {
	var rows int64
	for _, r := range recs {
		rows += r.NumRows()
	}
	cols := make([]arrow.Array, 0, recs[0].NumCols())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	parts := make([]arrow.Array, len(recs))
	for i := range int(recs[0].NumCols()) {
		for j, r := range recs {
			parts[j] = r.Column(i)
		}
		c, err := array.Concatenate(parts, mem)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", recs[0].ColumnName(i), err)
		}
		cols = append(cols, c)
	}
	return array.NewRecord(recs[0].Schema(), cols, rows), nil
}
