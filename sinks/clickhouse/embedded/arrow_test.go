package embedded

import (
	"bytes"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

func arrowMemory() memory.Allocator { return memory.NewGoAllocator() }

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
