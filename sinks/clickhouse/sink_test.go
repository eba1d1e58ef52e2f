package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// TestReplay writes epochs again, in the same process and after opening anew,
// over several years and so several partitions: nothing may change anywhere.
func TestReplay(t *testing.T) {
	cfg, schemas := testConfig(t), testSchemas()
	f := newFiller(1)
	f.step = 3 * 3_600_000 // 3,000 rows span a year
	s := openSink(t, cfg, schemas)
	epochs := [][]pipeline.Batch{f.epoch(schemas, 3000), f.epoch(schemas, 1), f.epoch(schemas, 2500)}
	for i, e := range epochs {
		mustWrite(t, s, testKey(i), e)
	}
	want := fingerprint(t, s.conn)
	t.Logf("\n%s", want)
	for table, n := range map[string]int{"posts": 5501, "detections": 464, "rejected": 58} {
		if !strings.Contains(want, fmt.Sprintf("%s %d ", table, n)) {
			t.Errorf("%s has not %d rows:\n%s", table, n, want)
		}
	}
	if !strings.Contains(want, " 5501 ") || strings.Count(want, " 5501 ") < 3 {
		t.Errorf("the rollups do not count 5501 posts:\n%s", want)
	}
	again := func(how string, s *Sink) {
		for i, e := range epochs {
			mustWrite(t, s, testKey(i), e)
		}
		if got := fingerprint(t, s.conn); got != want {
			t.Errorf("%s changed the tables:\n got\n%s\nwant\n%s", how, got, want)
		}
	}
	again("writing again", s)
	s2 := openSink(t, cfg, schemas)
	again("writing again after opening anew", s2)
	if got := scan(t, s.conn, "SELECT toString(count()) FROM system.parts WHERE database = currentDatabase() AND table = 'posts' AND active AND level = 0 AND partition = '2023'"); len(got) != 1 {
		t.Errorf("parts: %v", got)
	}
}

// TestOneBlock shows that an epoch of many batches is one part of each
// partition: one block, which one token covers.
func TestOneBlock(t *testing.T) {
	cfg, schemas := testConfig(t), testSchemas()
	s := openSink(t, cfg, schemas)
	if err := s.conn.Exec(t.Context(), "SYSTEM STOP MERGES posts"); err != nil {
		t.Fatal(err)
	}
	for name, insert := range map[string]inserter{"arrow": insertArrow(memory.DefaultAllocator, "none"), "native": insertNative} {
		s.insert = insert
		mustWrite(t, s, testKey(len(name)), newFiller(2).epoch(schemas, 40_000))
	}
	got := scan(t, s.conn, "SELECT toString(rows) FROM system.parts WHERE database = currentDatabase() AND table = 'posts' AND active")
	if strings.Join(got, " ") != "40000 40000" {
		t.Errorf("parts of %v rows, want one of 40000 for each epoch", got)
	}
}

// TestUnfinishedEpoch dies after each of the epoch's inserts, and writes the
// epoch again: the end is that of an undisturbed run.
func TestUnfinishedEpoch(t *testing.T) {
	schemas := testSchemas()
	epoch := newFiller(3).epoch(schemas, 2000)
	clean := openSink(t, testConfig(t), schemas)
	mustWrite(t, clean, testKey(0), epoch)
	want := fingerprint(t, clean.conn)
	streams, err := splitStreams(epoch)
	if err != nil {
		t.Fatal(err)
	}
	for done := 1; done <= pipeline.NumStreams; done++ {
		s := openSink(t, testConfig(t), schemas)
		for stream := range done {
			if err := s.insertOne(t.Context(), testKey(0), s.targets[stream], streams[stream]); err != nil {
				t.Fatal(err)
			}
		}
		mustWrite(t, s, testKey(0), epoch)
		if got := fingerprint(t, s.conn); got != want {
			t.Errorf("after %d tables:\n got\n%s\nwant\n%s", done, got, want)
		}
	}
}

// TestViewFails breaks the epoch between a table and its rollup: the INSERT
// fails, and the epoch is whole once the view is mended.
func TestViewFails(t *testing.T) {
	schemas := testSchemas()
	epoch := newFiller(4).epoch(schemas, 2000)
	clean := openSink(t, testConfig(t), schemas)
	mustWrite(t, clean, testKey(0), epoch)
	want := fingerprint(t, clean.conn)

	s := openSink(t, testConfig(t), schemas)
	for _, sql := range []string{
		"CREATE TABLE broken (n UInt8) ENGINE = Null",
		"CREATE MATERIALIZED VIEW broken_view TO broken AS SELECT throwIf(text != '', 'broken on purpose') AS n FROM posts",
	} {
		if err := s.conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Write(t.Context(), testKey(0), epoch)
	if err == nil || !strings.Contains(err.Error(), "broken on purpose") {
		t.Fatalf("got %v", err)
	}
	if _, ok := pipeline.IsRetryable(err); ok {
		t.Errorf("retryable: %v", err)
	}
	if err := s.conn.Exec(t.Context(), "DROP TABLE broken_view"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, testKey(0), epoch)
	if got := fingerprint(t, s.conn); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSameRows writes one epoch by every way in, with each compression: all
// leave the same rows.
func TestSameRows(t *testing.T) {
	schemas := testSchemas()
	epoch := newFiller(5).epoch(schemas, 3000)
	var want string
	for _, w := range []struct {
		name   string
		insert inserter
	}{
		{"arrow", insertArrow(memory.DefaultAllocator, "none")}, {"arrow lz4", insertArrow(memory.DefaultAllocator, "lz4")}, {"arrow zstd", insertArrow(memory.DefaultAllocator, "zstd")}, {"native", insertNative},
	} {
		cfg := testConfig(t)
		cfg.Columns = map[string]string{"region": "LowCardinality(Nullable(String))"}
		s := openSink(t, cfg, schemas)
		s.insert = w.insert
		mustWrite(t, s, testKey(0), epoch)
		got := fingerprint(t, s.conn)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s:\n got\n%s\nwant\n%s", w.name, got, want)
		}
	}
}

// TestRoundTrip reads a row back and compares it with what was written.
func TestRoundTrip(t *testing.T) {
	schemas := testSchemas()
	s := openSink(t, testConfig(t), schemas)
	epoch := newFiller(6).epoch(schemas, 50)
	mustWrite(t, s, testKey(0), epoch)
	rec := epoch[0].Record
	col := func(name string) arrow.Array { return rec.Column(rec.Schema().FieldIndices(name)[0]) }
	for row := range int(rec.NumRows()) {
		id := col("id").ValueStr(row)
		got := scan(t, s.conn, "SELECT concat(text, '|', toString(toUnixTimestamp64Milli(created_at)), '|', lang, '|', toString(author_followers), '|', toString(text_hash), '|', "+
			"ifNull(toString(verified), 'null'), '|', arrayStringConcat(urls, ','), '|', arrayStringConcat(arrayMap(x -> toString(x), hits.start), ','), '|', toString(`score.abuse`)) "+
			"FROM (SELECT *, ifNull(toString(author_followers), 'null') AS author_followers FROM posts) WHERE id = '"+id+"'")
		if len(got) != 1 {
			t.Fatalf("row %d: %d rows of id %s", row, len(got), id)
		}
		want := []string{
			col("text").ValueStr(row), fmt.Sprint(int64(col("created_at").(interface {
				Value(int) arrow.Timestamp
			}).Value(row))), col("lang").ValueStr(row), orNull(col("author_followers"), row, "null"), col("text_hash").ValueStr(row),
			orNull(col("verified"), row, "null"),
		}
		if !strings.HasPrefix(got[0], strings.Join(want, "|")+"|") {
			t.Errorf("row %d:\n got %s\nwant %s", row, got[0], strings.Join(want, "|"))
		}
	}
	ledger := scan(t, s.conn, "SELECT concat(pipeline, ' ', sink, ' ', source_partition, ' ', from_position, ' ', to_position, ' ', toString(posts), ' ', toString(detections), ' ', toString(rejected), ' ', toString(dateDiff('ms', min_created_at, max_created_at))) FROM epochs")
	if want := "test store posts/0 0 1 50 5 1 " + fmt.Sprint(49*40); strings.Join(ledger, "\n") != want {
		t.Errorf("ledger %q, want %q", ledger, want)
	}
}

func orNull(a arrow.Array, row int, null string) string {
	if a.IsNull(row) {
		return null
	}
	return a.ValueStr(row)
}

// TestEmptyEpoch leaves a line in the ledger, and nothing else.
func TestEmptyEpoch(t *testing.T) {
	s := openSink(t, testConfig(t), testSchemas())
	mustWrite(t, s, testKey(0), nil)
	mustWrite(t, s, testKey(0), nil)
	got := fingerprint(t, s.conn)
	if !strings.Contains(got, "posts 0 ") || !strings.Contains(got, "epochs 1 ") {
		t.Errorf("got\n%s", got)
	}
}
