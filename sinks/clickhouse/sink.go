package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// Sink writes epochs into a ClickHouse store. It is made by the plan of
// [Factory] and used as [pipeline.Sink] says; [Sink.RegisterRules] and
// [Sink.Stats] may be called between Open and Close from any goroutine.
type Sink struct {
	cfg     Config
	name    string
	log     *slog.Logger
	mem     memory.Allocator
	targets [pipeline.NumStreams]*target
	ledger  *target
	reports map[string]*target // by table

	store   *store
	conn    driver.Conn
	version version
	insert  inserter
	created [pipeline.NumStreams]int // position of created_at in the records, or -1
	stats   counters
}

// Open connects, brings the database's schema up to date, and checks that its
// tables take the pipeline's columns without changing a value. After an error
// everything is closed again: a retryable one may be answered by another Open.
func (s *Sink) Open(ctx context.Context) error {
	st, err := openStore(ctx, s.cfg, false, s.log)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.store = st
	if err := s.prepare(ctx); err != nil {
		if e := s.Close(context.WithoutCancel(ctx)); e != nil {
			s.log.Warn("clickhouse: closing after an error", "err", e)
		}
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (s *Sink) prepare(ctx context.Context) error {
	if err := s.createDatabase(ctx); err != nil {
		return err
	}
	conn, v, err := s.store.connect(ctx, s.cfg.database())
	if err != nil {
		return err
	}
	s.conn, s.version = conn, v
	s.insert = insertNative
	if s.http() {
		s.insert = insertArrow(s.mem, s.cfg.Compression)
	}
	migrations, err := loadMigrations(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	if err := migrate(ctx, conn, migrations, s.log); err != nil {
		return s.classify(ctx, err)
	}
	if err := setRollups(ctx, conn, migrations, s.cfg.Rollups, s.log); err != nil {
		return s.classify(ctx, err)
	}
	return s.classify(ctx, s.checkTables(ctx))
}

func (s *Sink) http() bool { return s.store.options.Protocol == clickhouse.HTTP }

// createDatabase creates the database. A user without the right to do so may
// still have been given one that is there.
func (s *Sink) createDatabase(ctx context.Context) error {
	conn, _, err := s.store.connect(ctx, "")
	if err != nil {
		return err
	}
	defer conn.Close()
	name := s.cfg.database()
	err = conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(name))
	if err == nil {
		return nil
	}
	if code, _ := serverCode(err); code == codeAccessDenied {
		var n uint64
		if e := conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = {name:String}", clickhouse.Named("name", name)).Scan(&n); e == nil && n == 1 {
			return nil
		}
		return fmt.Errorf("clickhouse: the user may not create the database %q, and it is not there: create it, or grant CREATE DATABASE: %w", name, err)
	}
	return s.classify(ctx, fmt.Errorf("clickhouse: create the database %q: %w", name, err))
}

// checkTables compares the tables with what is to be written, and sets what
// the config asks of them.
func (s *Sink) checkTables(ctx context.Context) error {
	byTable := map[string]*target{"epochs": s.ledger}
	for stream, t := range s.targets {
		if t != nil {
			own := *t // the plan is not ours to mark
			own.columns = slices.Clone(t.columns)
			s.targets[stream], byTable[t.table] = &own, &own
		}
	}
	if err := setTextIndex(ctx, s.conn, s.version, s.cfg.TextIndex, s.log); err != nil {
		return err
	}
	expiry := expiries()
	var errs []error
	for _, table := range chainTables() {
		info, err := readTable(ctx, s.conn, table)
		if err != nil {
			return err
		}
		errs = append(errs, info.checkWindow(table))
		if err := setMerges(ctx, s.conn, s.version, table, info); err != nil {
			return err
		}
		if t := byTable[table]; t != nil {
			errs = append(errs, fit(ctx, s.conn, t, info, s.log))
		}
		if column, ok := expiry[table]; ok {
			if err := setRetention(ctx, s.conn, table, column, info, s.cfg.Retention, s.log); err != nil {
				return err
			}
		}
	}
	return errors.Join(append(errs, s.checkReports(ctx))...)
}

// Overlap implements [pipeline.Overlapper]. One INSERT keeps one core of the
// server busy, and waits for the network, for files and for the ledger in
// between; two at a time fill the gaps. The tables have no order that the
// epochs' would matter to, and each INSERT's token is its own.
func (s *Sink) Overlap() int { return 2 }

// Write stores the epoch: one INSERT a table, then its row in the ledger. Each
// INSERT has a token made of the key and the table, by which the server drops
// it when it is there already, together with what its views would add.
func (s *Sink) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	streams, err := splitStreams(in)
	if err != nil {
		return err
	}
	start := time.Now()
	for stream, t := range s.targets {
		if t == nil {
			streams[stream] = nil // not ours: neither stored nor counted
		}
		records := streams[stream]
		if len(records) == 0 {
			continue
		}
		if err := s.insertOne(ctx, key, t, records); err != nil {
			return err
		}
	}
	span := s.span(streams)
	row := ledgerRow(s.ledger.schema, key, rowCounts(streams), span)
	defer row.Release()
	if err := s.insertOne(ctx, key, s.ledger, []arrow.Record{row}); err != nil {
		return err
	}
	s.stats.add(rowCounts(streams), time.Since(start))
	s.warnExpired(key, streams, start)
	return nil
}

func (s *Sink) insertOne(ctx context.Context, key pipeline.Key, t *target, records []arrow.Record) error {
	settings := insertSettings(s.version, s.http(), key.String()+"/"+t.table)
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	err := s.insert(clickhouse.Context(bounded, clickhouse.WithSettings(settings)), s.conn, t, records)
	if err != nil {
		return s.classify(ctx, fmt.Errorf("%s: insert into %s of %s: %w", s.name, t.table, s.store.name, err))
	}
	return nil
}

func (s *Sink) classify(ctx context.Context, err error) error {
	return classify(ctx, redact(err, s.store.options.Auth.Password))
}

// warnExpired tells once an epoch of rows that are older than the retention:
// the store drops them with its next merge, if it keeps them at all.
func (s *Sink) warnExpired(key pipeline.Key, streams [pipeline.NumStreams][]arrow.Record, now time.Time) {
	if s.cfg.Retention == 0 {
		return
	}
	limit := arrow.Timestamp(now.Add(-s.cfg.Retention).UnixMilli())
	var n int64
	for stream, records := range streams {
		if s.created[stream] < 0 {
			continue
		}
		for _, rec := range records {
			for _, at := range rec.Column(s.created[stream]).(*array.Timestamp).TimestampValues() {
				if at < limit {
					n++
				}
			}
		}
	}
	if n > 0 {
		s.stats.expired.Add(n)
		s.log.Warn("clickhouse: rows are older than the retention, so the store drops them; raise retention to keep them",
			"rows", n, "retention", s.cfg.Retention, "epoch", key.String())
	}
}

// Close closes the connection and stops the embedded engine, if this sink
// started one.
func (s *Sink) Close(ctx context.Context) error {
	var errs []error
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
		s.conn = nil
	}
	if s.store != nil {
		errs = append(errs, s.store.close(ctx))
		s.store = nil
	}
	return errors.Join(errs...)
}
