package clickhouse

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// insertNative sends the records as one block of native columns: for servers
// of which only the native port is open. It copies each value once, which
// costs about half as much again as sending Arrow.
func insertNative(ctx context.Context, conn driver.Conn, t *target, records []arrow.Record) error {
	batch, err := conn.PrepareBatch(ctx, t.insert)
	if err != nil {
		return err
	}
	defer batch.Close() // gives the connection back when Send is not reached
	for _, rec := range records {
		stored, err := t.project(rec)
		if err != nil {
			return err
		}
		err = appendRecord(batch, t, stored)
		stored.Release()
		if err != nil {
			return err
		}
	}
	return batch.Send()
}

func appendRecord(batch driver.Batch, t *target, rec arrow.Record) error {
	for i, c := range t.columns {
		if err := appendColumn(batch.Column(i), rec.Column(i)); err != nil {
			return fmt.Errorf("%s: column %q: %w", t.table, c.field.Name, err)
		}
	}
	return nil
}

// appendColumn appends all values of col.
func appendColumn(to driver.BatchColumn, col arrow.Array) error {
	if list, ok := col.(*array.List); ok {
		return appendLists(to, list)
	}
	values, err := valuesOf(col)
	if err != nil {
		return err
	}
	if col.NullN() > 0 {
		return values.appendNullable(to, col)
	}
	return values.appendAll(to)
}

// appendLists appends a row at a time: the driver's arrays take no columns.
func appendLists(to driver.BatchColumn, list *array.List) error {
	if list.NullN() > 0 || list.ListValues().NullN() > 0 {
		return fmt.Errorf("lists have no nulls in ClickHouse")
	}
	values, err := valuesOf(list.ListValues())
	if err != nil {
		return err
	}
	return values.appendRows(to, list)
}

// columnValues are the values of a column as a Go slice.
type columnValues interface {
	appendAll(to driver.BatchColumn) error
	// appendRows appends the lists that the values are cut into.
	appendRows(to driver.BatchColumn, list *array.List) error
	appendNullable(to driver.BatchColumn, nulls arrow.Array) error
}

type slice[T any] []T

func (s slice[T]) appendAll(to driver.BatchColumn) error { return to.Append([]T(s)) }

func (s slice[T]) appendRows(to driver.BatchColumn, list *array.List) error {
	var empty any = []T{} // most lists are: no allocation for these
	for i := range list.Len() {
		row := empty
		if from, until := list.ValueOffsets(i); from < until {
			row = []T(s[from:until])
		}
		if err := to.AppendRow(row); err != nil {
			return err
		}
	}
	return nil
}

func (s slice[T]) appendNullable(to driver.BatchColumn, nulls arrow.Array) error {
	ptrs := make([]*T, len(s))
	for i := range s {
		if nulls.IsValid(i) {
			ptrs[i] = &s[i]
		}
	}
	return to.Append(ptrs)
}

// valuesOf returns the column's values: those of fixed width in place, strings
// as headers that point into the column's memory. The driver copies them.
func valuesOf(col arrow.Array) (columnValues, error) {
	switch a := col.(type) {
	case *array.String:
		out := make(slice[string], a.Len())
		for i := range out {
			out[i] = a.Value(i)
		}
		return out, nil
	case *array.Binary:
		out := make(slice[string], a.Len())
		for i := range out {
			v := a.Value(i)
			out[i] = unsafe.String(unsafe.SliceData(v), len(v))
		}
		return out, nil
	case *array.Boolean:
		out := make(slice[bool], a.Len())
		for i := range out {
			out[i] = a.Value(i)
		}
		return out, nil
	case *array.Timestamp:
		v := a.TimestampValues()
		return slice[int64](unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(v))), len(v))), nil
	}
	return fixedValues(col)
}

func fixedValues(col arrow.Array) (columnValues, error) {
	switch a := col.(type) {
	case *array.Int8:
		return slice[int8](a.Int8Values()), nil
	case *array.Int16:
		return slice[int16](a.Int16Values()), nil
	case *array.Int32:
		return slice[int32](a.Int32Values()), nil
	case *array.Int64:
		return slice[int64](a.Int64Values()), nil
	case *array.Uint8:
		return slice[uint8](a.Uint8Values()), nil
	case *array.Uint16:
		return slice[uint16](a.Uint16Values()), nil
	case *array.Uint32:
		return slice[uint32](a.Uint32Values()), nil
	case *array.Uint64:
		return slice[uint64](a.Uint64Values()), nil
	case *array.Float32:
		return slice[float32](a.Float32Values()), nil
	case *array.Float64:
		return slice[float64](a.Float64Values()), nil
	}
	return nil, fmt.Errorf("type %s is not sent over the native protocol", col.DataType())
}
