package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/pipeline"
)

// chainTables are the tables that an epoch's inserts reach, directly or
// through views. Each needs a deduplication window.
func chainTables() []string {
	return []string{
		"posts", "detections", "rejected", "epochs",
		"posts_by_minute", "posts_by_hour", "detections_by_minute", "detections_by_hour",
	}
}

// expiries gives for each table with a retention the time that counts. Hours
// and minutes of the rollups start before the posts in them, so they go no
// later than these.
func expiries() map[string]string {
	return map[string]string{
		"posts": "toDateTime(created_at)", "detections": "toDateTime(created_at)", "rejected": "toDateTime(inserted_at)",
		"posts_by_minute": "minute", "posts_by_hour": "hour", "detections_by_minute": "minute", "detections_by_hour": "hour",
	}
}

// tableColumn is a column as a table has it.
type tableColumn struct{ typ, kind string }

// tableInfo is a table as the server has it.
type tableInfo struct {
	engine  string // with its arguments, keys and settings
	columns map[string]tableColumn
}

func readTable(ctx context.Context, conn driver.Conn, table string) (*tableInfo, error) {
	named := clickhouse.Named("table", table)
	info := &tableInfo{columns: map[string]tableColumn{}}
	err := conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}", named).Scan(&info.engine)
	if err != nil {
		return nil, fmt.Errorf("table %s: it is gone, though schema_migrations has it; restore it, or give the pipeline another database: %w", table, err)
	}
	rows, err := conn.Query(ctx, "SELECT name, type, default_kind FROM system.columns WHERE database = currentDatabase() AND table = {table:String}", named)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var c tableColumn
		if err := rows.Scan(&name, &c.typ, &c.kind); err != nil {
			return nil, fmt.Errorf("read the columns of %s: %w", table, err)
		}
		info.columns[name] = c
	}
	return info, rows.Err()
}

// checkWindow fails if the table does not remember the tokens of its inserts.
func (t *tableInfo) checkWindow(table string) error {
	if strings.HasPrefix(t.engine, "Replicated") || strings.HasPrefix(t.engine, "Shared") {
		return nil // these remember by themselves
	}
	m := regexp.MustCompile(`non_replicated_deduplication_window = (\d+)`).FindStringSubmatch(t.engine)
	if m != nil && m[1] != "0" {
		return nil
	}
	return fmt.Errorf("table %s has no deduplication window: an epoch that is written again would double its rows; "+
		"run: ALTER TABLE %s MODIFY SETTING non_replicated_deduplication_window = 10000", table, table)
}

// baseColumns are those of posts that the migrations create. Others are added
// as pipelines bring them.
func baseColumns() map[string]bool {
	base := map[string]bool{}
	for _, f := range pipeline.PostsSchema().Fields() {
		base[f.Name] = true
	}
	for _, name := range []string{
		pipeline.ColTokenCount, pipeline.ColURLDomains, pipeline.ColTextHash, pipeline.ColSimHash,
		pipeline.ColHitList, pipeline.ColHitTerm, pipeline.ColHitStart, pipeline.ColHitEnd,
		pipeline.ColHitView, pipeline.ColHitDisguise, pipeline.ColHitWeight,
	} {
		base[name] = true
	}
	return base
}

// fit brings the table up to the columns that t writes: it adds those that
// only this pipeline has, and reports every other difference. It marks the
// columns of t that an INSERT may leave out.
func fit(ctx context.Context, conn driver.Conn, t *target, info *tableInfo, log *slog.Logger) error {
	base := baseColumns()
	var errs []error
	for i, c := range t.columns {
		name := c.field.Name
		have, ok := info.columns[name]
		switch {
		case !ok && (t.table != "posts" || base[name]):
			errs = append(errs, fmt.Errorf("table %s lacks the column %q (%s), which it was created with: "+
				"run: ALTER TABLE %s ADD COLUMN %s %s", t.table, name, c.ddl, t.table, quoteName(name), c.ddl))
		case !ok:
			if err := conn.Exec(ctx, "ALTER TABLE "+quoteName(t.table)+" ADD COLUMN IF NOT EXISTS "+quoteName(name)+" "+c.ddl); err != nil {
				return fmt.Errorf("add column %q %s to %s: %w", name, c.ddl, t.table, err)
			}
			log.Info("clickhouse: column added", "table", t.table, "column", name, "type", c.ddl)
		case have.kind == "MATERIALIZED" || have.kind == "ALIAS":
			errs = append(errs, fmt.Errorf("table %s: column %q is %s there, and the pipeline writes it: rename one of them", t.table, name, have.kind))
		case !compatible(have.typ, c.ddl):
			errs = append(errs, fmt.Errorf("table %s: column %q is of type %s, and the pipeline's is %s (%s): "+
				"rename the pipeline's column, or run: ALTER TABLE %s MODIFY COLUMN %s %s",
				t.table, name, have.typ, c.ddl, c.field.Type, t.table, quoteName(name), c.ddl))
		}
		// A default that somebody has set, or a null where the pipeline has an
		// empty string, is another value than ours.
		t.columns[i].omittable = !ok || have.kind == "" && strings.Contains(have.typ, "Nullable(") == c.field.Nullable
	}
	return errors.Join(errs...)
}

// mergeSettings make merges fewer: a merge costs more than an insert, 1 to 2
// core-seconds a million rows merged, where storing a million posts costs 1.2.
// Joined 16 or more parts at a time, each of 10 million posts was merged 0.84
// times instead of 1.85 times, and storing took 3.1 core-seconds a million in
// all instead of 4.8, at the price of up to 89 parts instead of 59. Statistics
// of every column cost an insert 0.08 core-seconds a million posts, and what
// is asked of these tables goes by their sort keys.
const mergeSettings = "merge_selector_base = 24, min_parts_to_merge_at_once = 16, auto_statistics_types = ''"

// setMerges gives the table the merge settings, unless somebody has chosen
// some. Servers before 26.2 do not know them all, and keep their own.
func setMerges(ctx context.Context, conn driver.Conn, v version, table string, info *tableInfo) error {
	if !v.atLeast(26, 2) || strings.Contains(info.engine, "merge_selector_base = ") {
		return nil
	}
	if err := conn.Exec(ctx, "ALTER TABLE "+quoteName(table)+" MODIFY SETTING "+mergeSettings); err != nil {
		return fmt.Errorf("set how %s is merged: %w", table, err)
	}
	return nil
}

// ttlOfOurs finds the TTL that setRetention writes, and no other.
var ttlOfOurs = regexp.MustCompile(`TTL (?:toDateTime\((?:created_at|inserted_at|made_at)\)|minute|hour) \+ toIntervalSecond\((\d+)\)`)

// setRetention makes the table drop rows after keep, or never when keep is 0.
// A TTL that somebody else has set is left alone when keep is 0.
func setRetention(ctx context.Context, conn driver.Conn, table, expiry string, info *tableInfo, keep time.Duration, log *slog.Logger) error {
	seconds := int64(keep / time.Second)
	m := ttlOfOurs.FindStringSubmatch(info.engine)
	var sql string
	switch {
	case keep == 0 && m == nil, m != nil && m[1] == strconv.FormatInt(seconds, 10):
		return nil
	case keep == 0:
		sql = "ALTER TABLE " + quoteName(table) + " REMOVE TTL"
	default:
		sql = fmt.Sprintf("ALTER TABLE %s MODIFY TTL %s + toIntervalSecond(%d)", quoteName(table), expiry, seconds)
	}
	if err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("set the retention of %s: %w", table, err)
	}
	log.Info("clickhouse: retention changed", "table", table, "retention", keep)
	return nil
}

// rollupViews are the views that feed the rollups, with the migration steps
// that create them.
func rollupViews() []string {
	return []string{"posts_by_minute_view", "posts_by_hour_view", "detections_by_minute_view", "detections_by_hour_view"}
}

// setRollups drops the views, or creates those that are missing: then the
// rollups begin, or go on, with the next row.
func setRollups(ctx context.Context, conn driver.Conn, migrations []migration, want bool, log *slog.Logger) error {
	for _, view := range rollupViews() {
		var n uint64
		err := conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
			clickhouse.Named("name", view)).Scan(&n)
		if err != nil {
			return fmt.Errorf("read the views: %w", err)
		}
		if want == (n > 0) {
			continue
		}
		sql := "DROP VIEW IF EXISTS " + quoteName(view)
		if want {
			if sql, err = statementOf(migrations, view); err != nil {
				return err
			}
		}
		if err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("rollups: view %s: %w", view, err)
		}
		log.Info("clickhouse: rollup changed", "view", view, "on", want)
	}
	return nil
}

// statementOf returns the statement of the last step of that name.
func statementOf(migrations []migration, name string) (string, error) {
	for i := len(migrations) - 1; i >= 0; i-- {
		for _, s := range migrations[i].steps {
			if s.name == name {
				return s.sql, nil
			}
		}
	}
	return "", fmt.Errorf("no migration has the step %s", name)
}

// textIndexName is the index on the words of posts.text.
const textIndexName = "ix_text"

// setTextIndex adds or drops the index on the words of the posts.
func setTextIndex(ctx context.Context, conn driver.Conn, v version, want bool, log *slog.Logger) error {
	if want && !v.atLeast(26, 2) {
		return fmt.Errorf("text_index: the server's version is %d.%d, and text indices need 26.2: leave text_index out", v.major, v.minor)
	}
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.data_skipping_indices WHERE database = currentDatabase() AND table = 'posts' AND name = {name:String}",
		clickhouse.Named("name", textIndexName)).Scan(&n); err != nil {
		return fmt.Errorf("read the indices of posts: %w", err)
	}
	if want == (n > 0) {
		return nil
	}
	sql := "ALTER TABLE posts DROP INDEX IF EXISTS " + textIndexName
	if want {
		sql = "ALTER TABLE posts ADD INDEX IF NOT EXISTS " + textIndexName +
			" text TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(text))"
	}
	if err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("text_index: %w", err)
	}
	log.Info("clickhouse: text index changed", "on", want)
	return nil
}
