package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/pipeline"
)

// TestDrift changes the tables as people do, and shows what Open says. The
// cases are in testdata/drift: a list of statements, then Open's error.
func TestDrift(t *testing.T) {
	needEngine(t)
	datadriven.RunTest(t, "testdata/drift", func(t *testing.T, d *datadriven.TestData) string {
		cfg := testConfig(t)
		s := openSink(t, cfg, testSchemas())
		for sql := range strings.SplitSeq(strings.TrimSpace(d.Input), "\n") {
			if err := s.conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %s: %v", d.Pos, sql, err)
			}
		}
		var log logBuffer
		again := newSink(t, cfg, testSchemas(), &log)
		err := again.Open(t.Context())
		if e := again.Close(t.Context()); e != nil {
			t.Error(e)
		}
		if err == nil {
			return "ok\n"
		}
		if _, ok := pipeline.IsRetryable(err); ok {
			t.Errorf("%s: retryable: %v", d.Pos, err)
		}
		// The engine's own words differ between versions.
		text, _, _ := strings.Cut(err.Error(), ": sql: no rows")
		return text + "\n"
	})
}

// TestColumnsAreAdded gives one table two pipelines with columns of their own.
func TestColumnsAreAdded(t *testing.T) {
	cfg := testConfig(t)
	openSink(t, cfg, testSchemas())
	other := pipeline.Schemas{pipeline.PostsSchema(
		arrow.Field{Name: "campaign_id", Type: arrow.BinaryTypes.String},
		arrow.Field{Name: "campaign.sizes", Type: pipeline.ListOf(arrow.PrimitiveTypes.Uint32)},
	)}
	cfg.Columns = map[string]string{"campaign_id": "LowCardinality(String)"}
	s := openSink(t, cfg, other)
	mustWrite(t, s, testKey(0), []pipeline.Batch{{Record: newFiller(1).record(other[pipeline.Posts], 10)}})
	got := scan(t, s.conn, "SELECT concat(name, ' ', type) FROM system.columns WHERE database = currentDatabase() AND table = 'posts' AND name IN ('campaign_id', 'campaign.sizes', 'region', 'text_folded') ORDER BY name")
	if want := "campaign.sizes Array(UInt32), campaign_id LowCardinality(String), region Nullable(String)"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// testMigrations are a schema's history of three versions.
func testMigrations() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"m/0001_a.sql": file("-- first\n-- step a\nCREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x\n-- step b\nCREATE TABLE IF NOT EXISTS b (x UInt8) ENGINE = MergeTree ORDER BY x"),
		"m/0002_b.sql": file("-- step y\nALTER TABLE a ADD COLUMN IF NOT EXISTS y String"),
		"m/0003_c.sql": file("-- step z\nALTER TABLE a ADD COLUMN IF NOT EXISTS z String"),
	}
}

// TestMigrate goes up from each version, and refuses what it cannot know.
func TestMigrate(t *testing.T) {
	all, err := loadMigrations(testMigrations(), "m")
	if err != nil {
		t.Fatal(err)
	}
	for from := range len(all) + 1 {
		s := openSink(t, testConfig(t), pipeline.Schemas{})
		if err := s.conn.Exec(t.Context(), "DROP TABLE schema_migrations"); err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]migration{all[:from], all, all} {
			if err := migrate(t.Context(), s.conn, part, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatalf("from version %d: %v", from, err)
			}
		}
		got := scan(t, s.conn, "SELECT concat(toString(version), step) FROM schema_migrations ORDER BY version, step")
		if strings.Join(got, " ") != "1a 1b 2y 3z" {
			t.Errorf("from version %d: log %v", from, got)
		}
		got = scan(t, s.conn, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'a' ORDER BY name")
		if strings.Join(got, " ") != "x y z" {
			t.Errorf("from version %d: columns %v", from, got)
		}
		err := migrate(t.Context(), s.conn, all[:2], slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "the database has schema version 3, and this program knows versions up to 2: run a newer sluice") {
			t.Errorf("newer database: %v", err)
		}
		changed := testMigrations()
		changed["m/0002_b.sql"].Data = append(changed["m/0002_b.sql"].Data, " DEFAULT 'y'"...)
		other, err := loadMigrations(changed, "m")
		if err != nil {
			t.Fatal(err)
		}
		err = migrate(t.Context(), s.conn, other, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "schema version 2, step y (0002_b.sql): the database ran it with another text") {
			t.Errorf("changed step: %v", err)
		}
	}
}

// TestMigrationsStopHalfway runs the real migrations with the log lost after
// each step: all statements are idempotent.
func TestMigrationsStopHalfway(t *testing.T) {
	cfg := testConfig(t)
	s := openSink(t, cfg, testSchemas())
	epoch := newFiller(1).epoch(testSchemas(), 100)
	mustWrite(t, s, testKey(0), epoch)
	want := fingerprint(t, s.conn)
	if err := s.conn.Exec(t.Context(), "TRUNCATE TABLE schema_migrations"); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	again := newSink(t, cfg, testSchemas(), &log)
	defer again.Close(t.Context())
	if err := again.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, again, testKey(0), epoch)
	if got := fingerprint(t, s.conn); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := strings.Count(log.String(), "schema step done"); n != 25 {
		t.Errorf("told of %d steps, want 25:\n%s", n, log.String())
	}
}

// TestMigrationFiles refuses files that are put together wrongly.
func TestMigrationFiles(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"its number is not 0002":                    {"0001_a.sql": "-- step a\nX", "0003_b.sql": "-- step a\nX"},
		`step "a": a step has a name`:               {"0001_a.sql": "-- step a\n"},
		`step "a" is there twice`:                   {"0001_a.sql": "-- step a\nX\n-- step a\nY"},
		`migration m/0001_a.sql: no "-- step" line`: {"0001_a.sql": "CREATE TABLE t"},
	} {
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys["m/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		if _, err := loadMigrations(fsys, "m"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestRetention sets, changes and removes the TTL, tells of rows that are too
// old, and leaves a TTL alone that is not ours.
func TestRetention(t *testing.T) {
	cfg, schemas := testConfig(t), testSchemas()
	ttl := func(table string) string {
		s := openSink(t, cfg, schemas)
		engine := scan(t, s.conn, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = '"+table+"'")[0]
		if _, after, ok := strings.Cut(engine, " TTL "); ok {
			before, _, _ := strings.Cut(after, " SETTINGS")
			return before
		}
		return ""
	}
	for _, step := range []struct {
		keep        time.Duration
		posts, hour string
	}{
		{0, "", ""},
		{720 * time.Hour, "toDateTime(created_at) + toIntervalSecond(2592000)", "hour + toIntervalSecond(2592000)"},
		{24 * time.Hour, "toDateTime(created_at) + toIntervalSecond(86400)", "hour + toIntervalSecond(86400)"},
		{0, "", ""},
	} {
		cfg.Retention = step.keep
		for range 2 {
			if posts, hour := ttl("posts"), ttl("posts_by_hour"); posts != step.posts || hour != step.hour {
				t.Errorf("retention %s: TTL %q and %q, want %q and %q", step.keep, posts, hour, step.posts, step.hour)
			}
		}
	}
	s := openSink(t, cfg, schemas)
	if err := s.conn.Exec(t.Context(), "ALTER TABLE rejected MODIFY TTL toDateTime(inserted_at) + INTERVAL 3 DAY"); err != nil {
		t.Fatal(err)
	}
	if got := ttl("rejected"); got != "toDateTime(inserted_at) + toIntervalDay(3)" {
		t.Errorf("somebody's own TTL became %q", got)
	}
}

func TestRetentionTells(t *testing.T) {
	cfg, schemas := testConfig(t), testSchemas()
	cfg.Retention = 24 * time.Hour
	var log logBuffer
	s := newSink(t, cfg, schemas, &log)
	defer s.Close(context.WithoutCancel(t.Context()))
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := newFiller(1)
	f.step = 1000
	f.start = time.Now().Add(-25 * time.Hour).UnixMilli()
	mustWrite(t, s, testKey(0), []pipeline.Batch{
		{Record: f.record(schemas[0], 600)}, {Record: f.record(schemas[0], 600)}, {Record: f.record(schemas[1], 600), Stream: pipeline.Detections},
	})
	f.start = time.Now().UnixMilli()
	mustWrite(t, s, testKey(1), []pipeline.Batch{{Record: f.record(schemas[0], 10)}})
	if n := strings.Count(log.String(), "rows are older than the retention"); n != 1 || !strings.Contains(log.String(), "rows=1800") {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	if got := s.Stats(); got.Expired != 1800 || got.Epochs != 2 || got.Rows != [pipeline.NumStreams]int64{1210, 600, 0} || got.Busy <= 0 {
		t.Errorf("stats %+v", got)
	}
}

// TestSwitches turns rollups and the text index off and on.
func TestSwitches(t *testing.T) {
	cfg, schemas := testConfig(t), testSchemas()
	state := func() string {
		s := openSink(t, cfg, schemas)
		return fmt.Sprint(
			scan(t, s.conn, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView' ORDER BY name"),
			scan(t, s.conn, "SELECT name FROM system.data_skipping_indices WHERE database = currentDatabase() AND table = 'posts' ORDER BY name"))
	}
	const views = "[detections_by_hour_view detections_by_minute_view posts_by_hour_view posts_by_minute_view]"
	for _, step := range []struct {
		rollups, index bool
		want           string
	}{
		{true, false, views + " [ix_author ix_id]"},
		{false, true, "[] [ix_author ix_id ix_text]"},
		{true, false, views + " [ix_author ix_id]"},
	} {
		cfg.Rollups, cfg.TextIndex = step.rollups, step.index
		if got := state(); got != step.want {
			t.Errorf("rollups %v, text index %v:\n got %s\nwant %s", step.rollups, step.index, got, step.want)
		}
	}
	cfg.TextIndex = true
	s := openSink(t, cfg, schemas)
	epoch := newFiller(1).epoch(schemas, 5000)
	mustWrite(t, s, testKey(0), epoch)
	if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE posts FINAL"); err != nil {
		t.Fatal(err)
	}
	word := strings.Fields(epoch[0].Record.Column(7).ValueStr(0))[0]
	got := scan(t, s.conn, "SELECT toString(count() > 0) FROM posts WHERE hasToken(text, '"+word+"')")
	if got[0] != "1" && got[0] != "true" {
		t.Errorf("word %q is not found: %v", word, got)
	}
}
