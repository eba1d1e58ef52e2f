// Package pipelinetest is what every operator, source and sink is tested with:
// records from readable rows, one harness that runs an operator under all the
// ways in which the engine may call it, and fakes with fault injection for the
// engine's own tests.
package pipelinetest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// Row is a row by column name. Columns that are left out are empty, or null
// where the schema allows it; id and created_at get values of their own.
type Row map[string]any

// Record builds a record of schema from rows. The caller releases it.
func Record(t testing.TB, mem memory.Allocator, schema *arrow.Schema, rows []Row) arrow.Record {
	t.Helper()
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	for i, r := range rows {
		full := Row{}
		for _, f := range schema.Fields() {
			v, ok := r[f.Name]
			switch {
			case ok:
				full[f.Name] = v
			case f.Nullable:
				full[f.Name] = nil
			default:
				full[f.Name] = zero(f, i)
			}
		}
		for name := range r {
			if !schema.HasField(name) {
				t.Fatalf("row %d: the schema has no column %q", i, name)
			}
		}
		js, err := json.Marshal(full)
		if err == nil {
			err = b.UnmarshalJSON(js)
		}
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	return b.NewRecord()
}

func zero(f arrow.Field, row int) any {
	switch f.Name {
	case pipeline.ColID:
		return fmt.Sprintf("post-%d", row)
	case pipeline.ColCreatedAt:
		return fmt.Sprintf("2026-01-01T00:%02d:%02dZ", row/60%60, row%60)
	}
	switch f.Type.ID() {
	case arrow.STRING, arrow.BINARY:
		return ""
	case arrow.LIST:
		return []any{}
	case arrow.BOOL:
		return false
	default:
		return 0
	}
}

// Posts builds a record of pipeline.PostsSchema with extra columns.
func Posts(t testing.TB, mem memory.Allocator, rows []Row, extra ...arrow.Field) arrow.Record {
	t.Helper()
	return Record(t, mem, pipeline.PostsSchema(extra...), rows)
}

// Lines renders a record as one JSON object a row, which is how the harness
// compares and how data-driven tests show records.
func Lines(t testing.TB, rec arrow.Record) []string {
	t.Helper()
	var rows []json.RawMessage
	js, err := rec.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(js, &rows)
	}
	if err != nil {
		t.Fatalf("record: %v", err)
	}
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = string(r)
	}
	return out
}
