package clickhouse

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

func TestIsDefault(t *testing.T) {
	text, list := arrow.BinaryTypes.String, pipeline.ListOf(arrow.BinaryTypes.String)
	for _, c := range []struct {
		name     string
		typ      arrow.DataType
		nullable bool
		json     string
		from     int // the rows before are sliced away
		want     bool
	}{
		{"empty strings", text, false, `["", ""]`, 0, true},
		{"a string", text, false, `["", "a"]`, 0, false},
		{"a string before the slice", text, false, `["a", "", ""]`, 1, true},
		{"a string in the slice", text, false, `["", "a", ""]`, 1, false},
		{"nullable empty string", text, true, `["", null]`, 0, false},
		{"nulls", text, true, `[null, null]`, 0, true},
		{"null where none may be", text, false, `["", null]`, 0, false},
		{"empty lists", list, false, `[[], []]`, 0, true},
		{"list of an empty string", list, false, `[[], [""]]`, 0, false},
		{"a list before the slice", list, false, `[["a"], []]`, 1, true},
		{"zeros", arrow.PrimitiveTypes.Uint32, false, `[0, 0]`, 0, true},
		{"a number", arrow.PrimitiveTypes.Uint32, false, `[0, 256]`, 0, false},
		{"a number before the slice", arrow.PrimitiveTypes.Int64, false, `[7, 0]`, 1, true},
		{"nullable zero", arrow.PrimitiveTypes.Int64, true, `[0, 0]`, 0, false},
		{"negative zero", arrow.PrimitiveTypes.Float64, false, `[-0.0, 0]`, 0, false},
		{"zero floats", arrow.PrimitiveTypes.Float32, false, `[0, 0]`, 0, true},
		{"the epoch", pipeline.Timestamp, false, `["1970-01-01", "1970-01-01"]`, 0, true},
		{"bits are not looked at", arrow.FixedWidthTypes.Boolean, false, `[false]`, 0, false},
	} {
		col, _, err := array.FromJSON(memory.DefaultAllocator, c.typ, strings.NewReader(c.json))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		col = array.NewSlice(col, int64(c.from), int64(col.Len()))
		if got := isDefault(col, c.nullable); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestDefaultsLeftOut stores an epoch whose columns hold nothing but defaults,
// where the table has defaults of its own for some of them: the pipeline's
// values are stored in every case, however the epoch is cut.
func TestDefaultsLeftOut(t *testing.T) {
	schema := pipeline.PostsSchema(extraFields()...)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	const rows = 100
	for range rows {
		for i, f := range schema.Fields() {
			if f.Nullable {
				b.Field(i).AppendNull()
			} else {
				b.Field(i).AppendEmptyValue()
			}
		}
	}
	rec := b.NewRecord()
	cfg, schemas := testConfig(t), pipeline.Schemas{schema}
	s := openSink(t, cfg, schemas)
	if err := s.conn.Exec(t.Context(), "ALTER TABLE posts MODIFY COLUMN lang DEFAULT 'set', MODIFY COLUMN source_offset Nullable(Int64), MODIFY COLUMN region DEFAULT 'set'"); err != nil {
		t.Fatal(err)
	}
	s = openSink(t, cfg, schemas)
	posts := s.targets[pipeline.Posts]
	left := posts.withoutDefaults([]arrow.Record{rec})
	for _, c := range posts.columns {
		sent := slices.ContainsFunc(left.columns, func(k column) bool { return k.field.Name == c.field.Name })
		want := slices.Contains([]string{"lang", "source_offset", "region"}, c.field.Name)
		if sent != want {
			t.Errorf("column %s: sent %v, want %v", c.field.Name, sent, want)
		}
	}
	mustWrite(t, s, testKey(0), []pipeline.Batch{{Record: rec.NewSlice(0, 30)}, {Record: rec.NewSlice(30, rows)}})
	got := scan(t, s.conn, `SELECT toString((count(), countIf(id = '' AND text = '' AND lang = '' AND source_offset = 0 AND region IS NULL
		AND urls = [] AND hits.list = [] AND hits.start = [] AND author_followers IS NULL AND created_at = 0 AND simhash = 0))) FROM posts`)
	if len(got) != 1 || got[0] != "(100,100)" {
		t.Errorf("rows, and rows as they should be: %v", got)
	}
}

// TestReplayAnotherTime writes an epoch again when the store's clock is in
// another year: a partition by the time of writing would forget the token.
func TestReplayAnotherTime(t *testing.T) {
	cfg, schemas := testConfig(t), testSchemas()
	s := openSink(t, cfg, schemas)
	epoch := newFiller(11).epoch(schemas, 2000)
	mustWrite(t, s, testKey(0), epoch)
	want := fingerprint(t, s.conn)
	for table, stamp := range map[string]string{"posts": "inserted_at", "detections": "inserted_at", "rejected": "inserted_at", "epochs": "written_at"} {
		if err := s.conn.Exec(t.Context(), "ALTER TABLE "+table+" MODIFY COLUMN "+stamp+" DEFAULT toDateTime64('2035-06-07 00:00:00', 3)"); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, s, testKey(0), epoch)
	if got := fingerprint(t, s.conn); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	mustWrite(t, s, testKey(1), epoch)
	if n := scan(t, s.conn, "SELECT toString(count()) FROM rejected WHERE toYear(inserted_at) = 2035"); n[0] == "0" {
		t.Error("the stamp is not the one that was set")
	}
}
