package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/chdb"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// roleVar tells this binary that it is the engine's process.
const roleVar = "SLUICE_TEST_CLICKHOUSE_CHILD"

// TestMain is also the main of the engine's process, which embedded.Start runs
// from this binary.
func TestMain(m *testing.M) {
	if os.Getenv(roleVar) != "" {
		if err := embedded.Serve(context.Background(), embedded.ServeOptions{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	sharedEngine.stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// asChild makes the engine's process from this binary.
func asChild(o *embedded.Options) {
	o.Command, o.Env = []string{os.Args[0]}, []string{roleVar + "=1"}
}

func needEngine(t testing.TB) {
	t.Helper()
	if _, err := chdb.Find(""); err != nil {
		t.Skip(err)
	}
}

// sharedEngine is one engine for all tests that need no own; each takes a
// database of its own.
var sharedEngine lazyEngine

type lazyEngine struct {
	once   sync.Once
	engine *embedded.Engine
	dir    string
	err    error
	mu     sync.Mutex
	dbs    int
}

func (l *lazyEngine) start() {
	if l.dir, l.err = os.MkdirTemp("", "sluice-clickhouse-test"); l.err != nil {
		return
	}
	opts := embedded.Options{EngineOptions: embedded.EngineOptions{Path: l.dir}}
	asChild(&opts)
	l.engine, l.err = embedded.Start(context.Background(), opts)
}

func (l *lazyEngine) stop() {
	if l.engine != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := l.engine.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if l.dir != "" {
		os.RemoveAll(l.dir)
	}
}

// testConfig returns a config for a fresh database of the shared engine.
func testConfig(t testing.TB) Config {
	t.Helper()
	needEngine(t)
	l := &sharedEngine
	l.once.Do(l.start)
	if l.err != nil {
		t.Fatal(l.err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dbs++
	cfg := Defaults()
	cfg.DSN = pipeline.Secret(l.engine.DSN(fmt.Sprintf("test_%d", l.dbs)))
	return cfg
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

// extraFields are what steps and the config add to the posts in tests.
func extraFields() []arrow.Field {
	return []arrow.Field{
		{Name: pipeline.ColTokenCount, Type: arrow.PrimitiveTypes.Uint32},
		{Name: pipeline.ColURLDomains, Type: pipeline.ListOf(arrow.BinaryTypes.String)},
		{Name: pipeline.ColTextHash, Type: arrow.PrimitiveTypes.Uint64},
		{Name: pipeline.ColSimHash, Type: arrow.PrimitiveTypes.Uint64},
		{Name: pipeline.ColHitList, Type: pipeline.ListOf(arrow.BinaryTypes.String)},
		{Name: pipeline.ColHitTerm, Type: pipeline.ListOf(arrow.BinaryTypes.String)},
		{Name: pipeline.ColHitStart, Type: pipeline.ListOf(arrow.PrimitiveTypes.Uint32)},
		{Name: pipeline.ColHitEnd, Type: pipeline.ListOf(arrow.PrimitiveTypes.Uint32)},
		{Name: "score.abuse", Type: arrow.PrimitiveTypes.Float32},
		{Name: "author_posts_1m", Type: arrow.PrimitiveTypes.Int64},
		{Name: "region", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "verified", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "edited_at", Type: pipeline.Timestamp, Nullable: true},
		{Name: "small", Type: arrow.PrimitiveTypes.Int8},
		{Name: "ratio", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	}
}

func testSchemas() pipeline.Schemas {
	return pipeline.Schemas{pipeline.PostsSchema(extraFields()...), pipeline.DetectionsSchema(), pipeline.RejectedSchema()}
}

// filler makes records of any schema with values that look like the real ones
// and depend on the seed only.
type filler struct {
	rng   *rand.Rand
	start int64 // created_at of the first row, in ms
	step  int64 // ms between rows
	words []string
}

func newFiller(seed uint64) *filler {
	f := &filler{rng: rand.New(rand.NewPCG(seed, 99)), start: 1_700_000_000_000, step: 40}
	for i := range 5000 {
		f.words = append(f.words, fmt.Sprintf("w%c%dx", 'a'+i%26, i*7919%5000))
	}
	return f
}

// record returns rows rows of schema in a slice of a larger record, so that
// offsets are seen to be respected.
func (f *filler) record(schema *arrow.Schema, rows int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for range rows + 3 {
		elems := f.rng.IntN(3)
		for i, field := range schema.Fields() {
			f.value(b.Field(i), field, elems)
		}
		f.start += f.step
	}
	rec := b.NewRecord()
	defer rec.Release()
	return rec.NewSlice(2, int64(rows)+2)
}

func (f *filler) value(b array.Builder, field arrow.Field, elems int) {
	if field.Nullable && f.rng.IntN(3) == 0 {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.ListBuilder:
		b.Append(true)
		for range elems {
			f.value(b.ValueBuilder(), arrow.Field{Name: field.Name}, 0)
		}
	case *array.StringBuilder:
		b.Append(f.text(field.Name))
	case *array.BinaryBuilder:
		b.Append([]byte("{\"torn\": \xff\x00" + f.text("text")))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(f.start))
	case *array.BooleanBuilder:
		b.Append(f.rng.IntN(2) == 0)
	case *array.Int64Builder:
		b.Append(f.rng.Int64N(1 << 40))
	case *array.Int32Builder:
		b.Append(f.rng.Int32())
	case *array.Int8Builder:
		b.Append(int8(f.rng.Int32()))
	case *array.Uint32Builder:
		b.Append(f.rng.Uint32N(300))
	case *array.Uint64Builder:
		b.Append(f.rng.Uint64())
	case *array.Float32Builder:
		b.Append(f.rng.Float32())
	case *array.Float64Builder:
		b.Append(f.rng.Float64())
	}
}

// text is a value as the column of that name has it.
func (f *filler) text(name string) string {
	pick := func(from ...string) string { return from[f.rng.IntN(len(from))] }
	switch name {
	case pipeline.ColID, "post_id":
		return fmt.Sprintf("%019d", f.rng.Uint64()>>1)
	case pipeline.ColAuthorID:
		return fmt.Sprintf("%d", f.rng.Uint32N(50_000)*2_654_435)
	case pipeline.ColAuthorHandle:
		return "handle" + fmt.Sprint(f.rng.Uint32N(50_000))
	case pipeline.ColLang:
		return pick("en", "en", "en", "ru", "de", "")
	case pipeline.ColKind:
		return pick("post", "post", "reply", "repost")
	case pipeline.ColPlatform:
		return "made-up"
	case pipeline.ColSource:
		return "posts/0"
	case pipeline.ColReplyTo, pipeline.ColQuoteOf, pipeline.ColRepostOf:
		return pick("", "", "", "1234567890")
	case pipeline.ColURLs:
		return "https://example.org/" + pick(f.words...)
	case pipeline.ColURLDomains:
		return "example.org"
	case "rule_id", "owner", "severity", "mode", "labels", "spans.list", "values.name", pipeline.ColHitList, "step", "reason", "region":
		return pick("one", "two", "three")
	case "rule_hash":
		return strings.Repeat(pick("a", "b"), 64)
	case pipeline.ColText, "detail":
		var b strings.Builder
		for range 8 + f.rng.IntN(18) {
			b.WriteString(pick(f.words...))
			b.WriteByte(' ')
		}
		return b.String() + "\t\"ä\\\n🦜"
	}
	return pick(f.words...)
}

// epoch returns batches of all streams; posts come in several records.
func (f *filler) epoch(schemas pipeline.Schemas, posts int) []pipeline.Batch {
	var out []pipeline.Batch
	for left := posts; left > 0; left -= 1024 {
		out = append(out, pipeline.Batch{Record: f.record(schemas[pipeline.Posts], min(left, 1024)), Stream: pipeline.Posts})
	}
	out = append(out,
		pipeline.Batch{Record: f.record(schemas[pipeline.Detections], posts/20+1), Stream: pipeline.Detections},
		pipeline.Batch{Record: f.record(schemas[pipeline.Detections], posts/30+1), Stream: pipeline.Detections},
		pipeline.Batch{Record: f.record(schemas[pipeline.Rejected], posts/100+1), Stream: pipeline.Rejected})
	return out
}

func testKey(n int) pipeline.Key {
	return pipeline.Key{Pipeline: "test", Sink: "store", Span: pipeline.Span{
		Partition: "posts/0", From: pipeline.Position(fmt.Sprint(n)), To: pipeline.Position(fmt.Sprint(n + 1)),
	}}
}

// newSink plans a sink; the caller opens it.
func newSink(t testing.TB, cfg Config, schemas pipeline.Schemas, log *logBuffer) *Sink {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	bc := pipeline.BuildContext{Pipeline: "test", Name: "store", Dir: t.TempDir(), Mem: memory.DefaultAllocator, Logger: logger}
	p, err := Factory().PlanSink(bc, &cfg, schemas)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Sink)
}

// openSink opens a sink and closes it with the test.
func openSink(t testing.TB, cfg Config, schemas pipeline.Schemas) *Sink {
	t.Helper()
	s := newSink(t, cfg, schemas, nil)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func mustWrite(t testing.TB, s *Sink, key pipeline.Key, in []pipeline.Batch) {
	t.Helper()
	if err := s.Write(t.Context(), key, in); err != nil {
		t.Fatal(err)
	}
}

// scan returns the first column of the query's rows, printed.
func scan(t testing.TB, conn driver.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// fingerprint describes the contents of every table: counts, sums, and a hash
// of all rows, less the times that the store puts on them.
func fingerprint(t testing.TB, conn driver.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, q := range []string{
		"SELECT concat('posts ', toString(count()), ' ', toString(groupBitXor(cityHash64(formatRow('TSV', * EXCEPT inserted_at)))), ' ', toString(sum(length(text)))) FROM posts",
		"SELECT concat('detections ', toString(count()), ' ', toString(groupBitXor(cityHash64(formatRow('TSV', * EXCEPT inserted_at)))), ' ', toString(sum(length(text)))) FROM detections",
		"SELECT concat('rejected ', toString(count()), ' ', toString(groupBitXor(cityHash64(formatRow('TSV', * EXCEPT inserted_at)))), ' ', toString(sum(length(raw)))) FROM rejected",
		"SELECT concat('epochs ', toString(count()), ' ', toString(groupBitXor(cityHash64(formatRow('TSV', * EXCEPT written_at)))), ' ', toString(sum(posts))) FROM epochs",
		"SELECT concat('posts_by_minute ', toString(uniqExact(minute, lang, kind)), ' ', toString(sum(posts)), ' ', toString(sum(with_hits)), ' ', toString(sum(text_bytes)), ' ', toString(uniqCombined64Merge(authors))) FROM posts_by_minute",
		"SELECT concat('posts_by_hour ', toString(uniqExact(hour, lang, kind)), ' ', toString(sum(posts)), ' ', toString(sum(with_hits)), ' ', toString(sum(text_bytes)), ' ', toString(uniqCombined64Merge(authors))) FROM posts_by_hour",
		"SELECT concat('detections_by_minute ', toString(uniqExact(minute, rule_id)), ' ', toString(sum(detections)), ' ', toString(max(max_score)), ' ', toString(uniqCombined64Merge(posts)), ' ', toString(uniqCombined64Merge(authors))) FROM detections_by_minute",
		"SELECT concat('detections_by_hour ', toString(uniqExact(hour, rule_id)), ' ', toString(sum(detections)), ' ', toString(max(max_score)), ' ', toString(uniqCombined64Merge(posts)), ' ', toString(uniqCombined64Merge(authors))) FROM detections_by_hour",
	} {
		b.WriteString(strings.Join(scan(t, conn, q), " ") + "\n")
	}
	return b.String()
}
