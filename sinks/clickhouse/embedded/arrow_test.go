package embedded

import (
	"bytes"
	"io"
	"strconv"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

const postsTable = ` (id UInt64, ts DateTime64(3), lang LowCardinality(String), text String, spans Array(UInt32), author UInt64)
	ENGINE = MergeTree ORDER BY (ts, id) SETTINGS non_replicated_deduplication_window = 1000`

// TestInsertFormat sends Arrow through the driver, the same token twice.
func TestInsertFormat(t *testing.T) {
	e := startTest(t, nil)
	ctx := t.Context()
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionGZIP, clickhouse.CompressionLZ4} {
		conn := open(t, e.DSN("default"), method)
		table := "p_" + method.String()
		must(t, conn.Exec(ctx, "CREATE TABLE "+table+postsTable))
		var data bytes.Buffer
		arrowStream(t, &data, 1, 65536)
		for range 2 {
			must(t, conn.InsertFormat(withToken(ctx, "epoch-1"), "ArrowStream", "INSERT INTO "+table, bytes.NewReader(data.Bytes())))
		}
		if n := count(t, conn, "SELECT count() FROM "+table); n != 65536 {
			t.Errorf("%s: %d rows after the same token twice", method, n)
		}
		must(t, conn.InsertFormat(withToken(ctx, "epoch-2"), "ArrowStream", "INSERT INTO "+table, bytes.NewReader(data.Bytes())))
		if n := count(t, conn, "SELECT count() FROM "+table); n != 2*65536 {
			t.Errorf("%s: %d rows after another token", method, n)
		}
		if n := count(t, conn, "SELECT uniqExact(text) FROM "+table+" WHERE has(spans, 7) AND lang = 'ar'"); n != 21845 {
			t.Errorf("%s: %d texts", method, n)
		}
	}
}

// BenchmarkInsertFormat inserts 65,536 rows of 6 columns at a time as Arrow.
func BenchmarkInsertFormat(b *testing.B) {
	e := startTest(b, nil)
	conn := open(b, e.DSN("default"), clickhouse.CompressionNone)
	must(b, conn.Exec(b.Context(), "CREATE TABLE p"+postsTable))
	var data bytes.Buffer
	arrowStream(b, &data, 1, 65536)
	b.SetBytes(int64(data.Len()))
	b.ResetTimer()
	for b.Loop() {
		must(b, conn.InsertFormat(b.Context(), "ArrowStream", "INSERT INTO p SETTINGS insert_deduplicate = 0", bytes.NewReader(data.Bytes())))
	}
	b.ReportMetric(float64(b.N)*65536/b.Elapsed().Seconds(), "rows/s")
}

// arrowStream is rows records of size rows each, as Arrow IPC.
func arrowStream(t testing.TB, w io.Writer, batches, size int) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}},
		{Name: "lang", Type: arrow.BinaryTypes.String},
		{Name: "text", Type: arrow.BinaryTypes.String},
		{Name: "spans", Type: arrow.ListOf(arrow.PrimitiveTypes.Uint32)},
		{Name: "author", Type: arrow.PrimitiveTypes.Uint64},
	}, nil)
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	defer b.Release()
	out := ipc.NewWriter(w, ipc.WithSchema(schema))
	for k := range batches {
		for i := range size {
			n := k*size + i
			b.Field(0).(*array.Uint64Builder).Append(uint64(n))
			b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(1700000000000 + n))
			b.Field(2).(*array.StringBuilder).Append([...]string{"en", "ar", "de"}[n%3])
			b.Field(3).(*array.StringBuilder).Append("words of a post, some eighty bytes of them, number " + strconv.Itoa(n) + " of the stream")
			l := b.Field(4).(*array.ListBuilder)
			l.Append(true)
			l.ValueBuilder().(*array.Uint32Builder).AppendValues([]uint32{uint32(n), 7}, nil)
			b.Field(5).(*array.Uint64Builder).Append(uint64(n % 1000))
		}
		rec := b.NewRecord()
		if err := out.Write(rec); err != nil {
			t.Error(err)
		}
		rec.Release()
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
}
