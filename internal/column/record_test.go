package column

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestAppend compares the record with Arrow's own, in all that it does.
func TestAppend(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	u32 := func(vals ...uint32) arrow.Array {
		c := NewFixed[uint32](mem)
		copy(c.Extend(len(vals)), vals)
		return c.NewArray(arrow.PrimitiveTypes.Uint32)
	}
	fields := []arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Uint32}, {Name: "b", Type: arrow.PrimitiveTypes.Uint32}}
	schema := arrow.NewSchema(fields, nil)
	a, b := u32(1, 2, 3), u32(4, 5, 6)
	first := array.NewRecord(arrow.NewSchema(fields[:1], nil), []arrow.Array{a}, 3)
	want := array.NewRecord(schema, []arrow.Array{a, b}, 3)
	got := Append(first, schema, b) // takes b over
	a.Release()
	first.Release()
	got.Retain()
	got.Release()

	equal := func(got, want arrow.Record) {
		t.Helper()
		if !array.RecordEqual(got, want) || got.NumCols() != want.NumCols() || got.ColumnName(1) != "b" || !got.Schema().Equal(want.Schema()) {
			t.Errorf("got %v, want %v", got, want)
		}
		gj, gerr := got.MarshalJSON()
		wj, werr := want.MarshalJSON()
		if gerr != nil || werr != nil || !bytes.Equal(gj, wj) || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("printed %s %v, want %s %v", gj, gerr, wj, werr)
		}
	}
	equal(got, want)
	gs, ws := got.NewSlice(1, 3), want.NewSlice(1, 3)
	equal(gs, ws)
	gs.Release()
	ws.Release()

	c := u32(7, 8, 9)
	gc, err := got.SetColumn(0, c)
	if err != nil {
		t.Fatal(err)
	}
	wc, err := want.SetColumn(0, c)
	if err != nil {
		t.Fatal(err)
	}
	equal(gc, wc)
	if _, err := got.SetColumn(2, c); err == nil {
		t.Error("a third column was set")
	}
	gc.Release()
	wc.Release()

	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(schema))
	if err := w.Write(got); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Next() {
		t.Fatal("no record was written")
	}
	equal(r.Record(), want)
	r.Release()

	third := func(dt arrow.DataType) *arrow.Schema {
		return arrow.NewSchema(append(fields[:2:2], arrow.Field{Name: "c", Type: dt}), nil)
	}
	short := u32(1)
	for name, try := range map[string]func(){
		"few columns": func() { Append(want, third(arrow.PrimitiveTypes.Uint32)) },
		"length":      func() { Append(want, third(arrow.PrimitiveTypes.Uint32), short) },
		"type":        func() { Append(want, third(arrow.PrimitiveTypes.Int32), c) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			try()
		}()
	}
	short.Release()
	c.Release()
	got.Release()
	want.Release()
}
