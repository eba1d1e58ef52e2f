// Package jsonlines writes Arrow records as JSON lines: one object a row, one
// member a column, in the order of the schema.
//
// Timestamps are RFC 3339 in UTC with milliseconds; nulls, NaN and infinities
// are null; a column named a.b is a member named "a.b". Bytes that are
// not UTF-8 become U+FFFD, so that every line is valid JSON whatever a post holds.
package jsonlines

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// kind says how a value is printed.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt
	kindUint
	kindFloat32
	kindFloat64
	kindTime
)

// column is a column of the schema, and, while a record is encoded, its
// values.
type column struct {
	key   []byte // `"name":`
	index int
	kind  kind
	list  bool
	milli int64 // kindTime: units in a millisecond if positive, else its milliseconds, negated

	nulls   arrow.Array // not nil if a row is null
	offsets []int32     // list: row i has the values offsets[i] to offsets[i+1]

	text    []byte
	at      []int32 // kindString: value i is text[at[i]:at[i+1]]
	valid   bool    // text is UTF-8
	bools   *array.Boolean
	ints    ints
	uints   uints
	float32 []float32
	float64 []float64
}

// Encoder encodes the records of one schema. It keeps scratch memory and is
// not safe for concurrent use.
type Encoder struct {
	columns []column
	width   int
	prefix  []byte // what each line begins with
}

// New returns an encoder for records of schema. Each line begins with the
// member name=value if name is not empty. It fails on a column type that has
// no form in JSON.
func New(schema *arrow.Schema, name, value string) (*Encoder, error) {
	e := &Encoder{width: schema.NumFields(), prefix: []byte{'{'}}
	if name != "" {
		e.prefix = AppendString(e.prefix, name)
		e.prefix = AppendString(append(e.prefix, ':'), value)
	}
	for i, f := range schema.Fields() {
		c := column{index: i, key: append(AppendString(nil, f.Name), ':')}
		dt := f.Type
		if l, ok := dt.(*arrow.ListType); ok {
			c.list, dt = true, l.Elem()
		}
		if err := c.setKind(dt); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		e.columns = append(e.columns, c)
	}
	return e, nil
}

func (c *column) setKind(dt arrow.DataType) error {
	switch dt.ID() {
	case arrow.STRING, arrow.BINARY:
		c.kind = kindString
	case arrow.BOOL:
		c.kind = kindBool
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64:
		c.kind = kindInt
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		c.kind = kindUint
	case arrow.FLOAT32:
		c.kind = kindFloat32
	case arrow.FLOAT64:
		c.kind = kindFloat64
	case arrow.TIMESTAMP:
		c.kind = kindTime
		c.milli = [...]int64{-1000, 1, 1000, 1_000_000}[dt.(*arrow.TimestampType).Unit]
	default:
		return fmt.Errorf("type %s has no form in JSON lines", dt)
	}
	return nil
}

// Append appends the rows of rec to dst, each with a newline, and returns dst.
func (e *Encoder) Append(dst []byte, rec arrow.Record) ([]byte, error) {
	if int(rec.NumCols()) != e.width {
		return dst, fmt.Errorf("jsonlines: a record has %d columns, its schema %d", rec.NumCols(), e.width)
	}
	for i := range e.columns {
		if err := e.columns[i].bind(rec.Column(e.columns[i].index)); err != nil {
			return dst, fmt.Errorf("jsonlines: column %s %w", e.columns[i].key, err)
		}
	}
	for row := range int(rec.NumRows()) {
		dst = append(dst, e.prefix...)
		for i := range e.columns {
			if i > 0 || len(e.prefix) > 1 {
				dst = append(dst, ',')
			}
			dst = e.columns[i].append(dst, row)
		}
		dst = append(dst, '}', '\n')
	}
	for i := range e.columns {
		e.columns[i].unbind()
	}
	return dst, nil
}

// unbind drops the references to the record's memory.
func (c *column) unbind() {
	*c = column{key: c.key, index: c.index, kind: c.kind, list: c.list, milli: c.milli}
}

// bind takes the values of a record's column.
func (c *column) bind(col arrow.Array) error {
	if col.NullN() > 0 {
		c.nulls = col
	}
	if c.list {
		l, ok := col.(*array.List)
		if !ok {
			return fmt.Errorf("is of type %s, want a list", col.DataType())
		}
		if l.Len() > 0 {
			c.offsets = l.Offsets()[l.Offset() : l.Offset()+l.Len()+1]
		}
		col = l.ListValues()
		if col.NullN() > 0 {
			return fmt.Errorf("has a null in a list")
		}
	}
	switch a := col.(type) {
	case *array.String:
		return c.bindText(a.ValueBytes(), a.ValueOffsets(), a.Len())
	case *array.Binary:
		return c.bindText(a.ValueBytes(), a.ValueOffsets(), a.Len())
	case *array.Boolean:
		c.bools = a
		return c.check(kindBool, col)
	case *array.Float32:
		c.float32 = a.Float32Values()
		return c.check(kindFloat32, col)
	case *array.Float64:
		c.float64 = a.Float64Values()
		return c.check(kindFloat64, col)
	}
	if c.ints.bind(col) {
		if _, ok := col.(*array.Timestamp); ok {
			return c.check(kindTime, col)
		}
		return c.check(kindInt, col)
	}
	if c.uints.bind(col) {
		return c.check(kindUint, col)
	}
	return c.check(255, col)
}

func (c *column) check(got kind, col arrow.Array) error {
	if got != c.kind {
		return fmt.Errorf("is of another type than in the schema: %s", col.DataType())
	}
	return nil
}

// bindText takes the column's bytes. Whether they are UTF-8 is found out once
// for all rows, see appendText.
func (c *column) bindText(text []byte, offsets []int32, rows int) error {
	if c.kind != kindString {
		return fmt.Errorf("is of another type than in the schema: text")
	}
	c.text, c.at, c.valid = text, offsets, utf8.Valid(text)
	if rows > 0 && len(offsets) < rows+1 {
		return fmt.Errorf("has %d offsets for %d rows", len(offsets), rows)
	}
	return nil
}

// append appends the member of a row.
func (c *column) append(dst []byte, row int) []byte {
	dst = append(dst, c.key...)
	if c.nulls != nil && c.nulls.IsNull(row) {
		return append(dst, "null"...)
	}
	if !c.list {
		return c.appendValue(dst, row)
	}
	dst = append(dst, '[')
	from, until := c.offsets[row], c.offsets[row+1]
	for i := from; i < until; i++ {
		if i > from {
			dst = append(dst, ',')
		}
		dst = c.appendValue(dst, int(i))
	}
	return append(dst, ']')
}

func (c *column) appendValue(dst []byte, i int) []byte {
	switch c.kind {
	case kindString:
		base := c.at[0]
		return appendText(dst, c.text[c.at[i]-base:c.at[i+1]-base], c.valid)
	case kindBool:
		return strconv.AppendBool(dst, c.bools.Value(i))
	case kindInt:
		return strconv.AppendInt(dst, c.ints.at(i), 10)
	case kindUint:
		return strconv.AppendUint(dst, c.uints.at(i), 10)
	case kindFloat32:
		return appendFloat(dst, float64(c.float32[i]), 32)
	case kindFloat64:
		return appendFloat(dst, c.float64[i], 64)
	default:
		return appendTime(dst, c.ints.at(i), c.milli)
	}
}

// appendFloat writes the shortest form that reads back as v.
func appendFloat(dst []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, bits)
}
