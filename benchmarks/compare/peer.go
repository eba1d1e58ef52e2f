package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	sql "github.com/sluicehq/sluice/benchmarks/peer"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// peer is an embedded engine that answers SQL, as its own user would have it.
type peer struct {
	engine         *embedded.Engine
	conn           driver.Conn
	set, substring string
	rows           int64
	tables         int
}

func startPeer(ctx context.Context, dir string, in *input) (*peer, error) {
	bin, err := filepath.Abs("bin/sluice")
	if err != nil {
		return nil, err
	}
	e, err := embedded.Start(ctx, embedded.Options{
		EngineOptions: embedded.EngineOptions{Path: filepath.Join(dir, "clickhouse")},
		Command:       []string{bin, "clickhouse", "serve"},
	})
	if err != nil {
		return nil, err
	}
	p := &peer{engine: e, rows: in.rows}
	opt, err := clickhouse.ParseDSN(e.DSN("default"))
	if err == nil {
		opt.ReadTimeout = 10 * time.Minute
		opt.Settings = clickhouse.Settings{"max_query_size": 1 << 24, "max_ast_elements": 1_000_000, "max_expanded_ast_elements": 1_000_000}
		p.conn, err = clickhouse.Open(opt)
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	fill := strings.NewReplacer("{terms}", in.termsFile, "{posts}", in.posts, "{needles}", "['"+strings.Join(in.words, "','")+"']")
	p.set, p.substring = fill.Replace(sql.SelectSet), fill.Replace(sql.SelectSubstring)
	for stmt := range strings.SplitSeq(fill.Replace(sql.Setup), ";") {
		if err := p.conn.Exec(ctx, stmt); err != nil {
			p.stop()
			return nil, fmt.Errorf("%s: %w", stmt, err)
		}
	}
	return p, nil
}

func (p *peer) stop() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.engine.Stop(ctx); err != nil {
		fmt.Println("compare: stopping the engine:", err)
	}
}

// dsn is the engine's address for a database of ours.
func (p *peer) dsn(database string) string { return p.engine.DSN(database) }

func (p *peer) exec(ctx context.Context, stmt string) (time.Duration, error) {
	begun := time.Now()
	err := p.conn.Exec(ctx, stmt)
	return time.Since(begun), err
}

func (p *peer) selectSet(ctx context.Context) (time.Duration, error) {
	return p.exec(ctx, p.set+" FORMAT Null")
}

func (p *peer) selectSubstring(ctx context.Context) (time.Duration, error) {
	return p.exec(ctx, p.substring+" FORMAT Null")
}

// insertPlain stores the result in a table of its own columns, no rollups.
func (p *peer) insertPlain(ctx context.Context) (time.Duration, error) {
	p.tables++
	table := fmt.Sprintf("peer.plain_%d", p.tables)
	if err := p.conn.Exec(ctx, "CREATE TABLE "+table+" AS peer.plain"); err != nil {
		return 0, err
	}
	d, err := p.exec(ctx, "INSERT INTO "+table+" "+p.set)
	if err != nil {
		return 0, err
	}
	return d, p.check(ctx, table)
}

// insertSame stores the result in the tables that ours writes to: the same
// columns, indexes and, where the database has them, rollups, but for spans and the exact hash, which SQL
// does not compute.
func (p *peer) insertSame(ctx context.Context, database string) (time.Duration, error) {
	d, err := p.exec(ctx, "INSERT INTO "+database+".posts (id, created_at, author_id, author_handle, author_followers, author_following, text, lang, kind, "+
		"token_count, simhash, `hits.term`, `hits.list`, `hits.start`, `hits.end`, `hits.view`, `hits.disguise`, `hits.weight`) "+
		"SELECT *, arrayMap(x -> 'terms', terms), arrayMap(x -> 0, terms), arrayMap(x -> 0, terms), arrayMap(x -> 'folded', terms), arrayMap(x -> '', terms), arrayMap(x -> 1, terms) FROM ("+p.set+")")
	if err != nil {
		return 0, err
	}
	return d, p.check(ctx, database+".posts")
}

// check makes sure that a contest did its work: every post is in the table.
func (p *peer) check(ctx context.Context, table string) error {
	var n uint64
	if err := p.conn.QueryRow(ctx, "SELECT count() FROM "+table).Scan(&n); err != nil {
		return err
	}
	if int64(n) != p.rows {
		return fmt.Errorf("%s has %d rows, want %d", table, n, p.rows)
	}
	return nil
}
