package column

import (
	"fmt"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// record is a batch that has columns of another one and some more. It is what
// array.NewRecord makes, but only the added columns are checked: a chain of
// steps would check the first ones again at each step.
type record struct {
	refs   atomic.Int64
	schema *arrow.Schema
	rows   int64
	cols   []arrow.Array
}

// Append returns rec with columns added at its end under schema, whose first
// fields are rec's own. The columns' references are taken over; rec's columns
// are shared. As array.NewRecord does, it panics where the columns do not fit
// the schema: in number, or an added one in type or length;
// nothing is taken over then.
func Append(rec arrow.Record, schema *arrow.Schema, added ...arrow.Array) arrow.Record {
	old, rows := rec.Columns(), rec.NumRows()
	if n := len(old) + len(added); n != schema.NumFields() {
		panic(fmt.Errorf("column: %d columns for a schema of %d fields", n, schema.NumFields()))
	}
	for i, a := range added {
		f := schema.Field(len(old) + i)
		if int64(a.Len()) != rows || !sameType(f.Type, a.DataType()) {
			panic(fmt.Errorf("column: %q is of %d %v, want %d %v", f.Name, a.Len(), a.DataType(), rows, f.Type))
		}
	}
	out := &record{schema: schema, rows: rows, cols: make([]arrow.Array, 0, len(old)+len(added))}
	out.refs.Store(1)
	for _, a := range old {
		a.Retain()
	}
	out.cols = append(append(out.cols, old...), added...)
	return out
}

// sameType is arrow.TypeEqual, which compares by reflection, with a short way
// for the types that have no parameters.
func sameType(a, b arrow.DataType) bool {
	if id := a.ID(); id == b.ID() && (arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsBaseBinary(id)) {
		return true
	}
	return arrow.TypeEqual(a, b)
}

// Retain implements [arrow.Record].
func (r *record) Retain() { r.refs.Add(1) }

// Release implements [arrow.Record].
func (r *record) Release() {
	if r.refs.Add(-1) == 0 {
		for _, a := range r.cols {
			a.Release()
		}
		r.cols = nil
	}
}

func (r *record) Schema() *arrow.Schema    { return r.schema }
func (r *record) NumRows() int64           { return r.rows }
func (r *record) NumCols() int64           { return int64(len(r.cols)) }
func (r *record) Columns() []arrow.Array   { return r.cols }
func (r *record) Column(i int) arrow.Array { return r.cols[i] }
func (r *record) ColumnName(i int) string  { return r.schema.Field(i).Name }

// plain returns the record as Arrow's own, for what is seldom asked for. The
// caller releases it.
func (r *record) plain() arrow.Record { return array.NewRecord(r.schema, r.cols, r.rows) }

// SetColumn implements [arrow.Record].
func (r *record) SetColumn(i int, col arrow.Array) (arrow.Record, error) {
	p := r.plain()
	defer p.Release()
	return p.SetColumn(i, col)
}

// NewSlice implements [arrow.Record].
func (r *record) NewSlice(i, j int64) arrow.Record {
	p := r.plain()
	defer p.Release()
	return p.NewSlice(i, j)
}

// MarshalJSON implements [arrow.Record].
func (r *record) MarshalJSON() ([]byte, error) {
	p := r.plain()
	defer p.Release()
	return p.MarshalJSON()
}

// String prints the record.
func (r *record) String() string {
	p := r.plain()
	defer p.Release()
	return fmt.Sprint(p)
}
