package clickhouse

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one numbered file: a version of the schema.
type migration struct {
	version uint32
	file    string
	steps   []step
}

// step is one idempotent statement of a migration.
type step struct {
	name     string
	sql      string
	checksum string // hex SHA-256 of sql
}

const stepMark = "-- step "

// loadMigrations reads the files NNNN_name.sql of dir, in order, without gaps
// from 1. A file is a list of steps: a line "-- step name", then one statement.
func loadMigrations(fsys fs.FS, dir string) ([]migration, error) {
	names, err := fs.Glob(fsys, path.Join(dir, "*.sql"))
	if err != nil {
		return nil, err
	}
	var out []migration
	for i, name := range names { // Glob sorts
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil || version != uint64(i+1) {
			return nil, fmt.Errorf("migration %s: its number is not %04d: files are numbered without gaps", name, i+1)
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		m := migration{version: uint32(version), file: path.Base(name)}
		if m.steps, err = parseSteps(string(text)); err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		out = append(out, m)
	}
	return out, nil
}

func parseSteps(text string) ([]step, error) {
	var steps []step
	seen := map[string]bool{}
	parts := strings.Split("\n"+text, "\n"+stepMark)
	for _, part := range parts[1:] {
		name, sql, _ := strings.Cut(part, "\n")
		name, sql = strings.TrimSpace(name), strings.TrimSpace(sql)
		switch {
		case name == "" || sql == "":
			return nil, fmt.Errorf("step %q: a step has a name and a statement", name)
		case seen[name]:
			return nil, fmt.Errorf("step %q is there twice", name)
		}
		seen[name] = true
		sum := sha256.Sum256([]byte(sql))
		steps = append(steps, step{name: name, sql: sql, checksum: hex.EncodeToString(sum[:])})
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("no %q line", strings.TrimSpace(stepMark))
	}
	return steps, nil
}

const createMigrationLog = `CREATE TABLE IF NOT EXISTS schema_migrations
(
    version    UInt32,
    step       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (version, step)`

type stepKey struct {
	version uint32
	step    string
}

// migrate brings the connection's database to the last version of the
// migrations and logs each step that it runs. A step that is logged is not run
// again. A crash between a statement and its log entry is harmless, as is a
// second process that migrates at the same time: statements are idempotent.
//
// It fails when the database has a newer version than the migrations, or when
// a logged step's text is not the one it was run with.
func migrate(ctx context.Context, conn driver.Conn, migrations []migration, log *slog.Logger) error {
	if err := conn.Exec(ctx, createMigrationLog); err != nil {
		return fmt.Errorf("create schema_migrations: %w", err)
	}
	done, newest, err := readMigrationLog(ctx, conn)
	if err != nil {
		return err
	}
	if last := uint32(len(migrations)); newest > last {
		return fmt.Errorf("the database has schema version %d, and this program knows versions up to %d: run a newer sluice, or give it another database", newest, last)
	}
	for _, m := range migrations {
		for _, s := range m.steps {
			sum, ok := done[stepKey{m.version, s.name}]
			if ok && sum != s.checksum {
				return fmt.Errorf("schema version %d, step %s (%s): the database ran it with another text (checksum %.12s, here %.12s): "+
					"this program is not of the release that made the database; run that one, or give this one another database",
					m.version, s.name, m.file, sum, s.checksum)
			}
			if ok {
				continue
			}
			if err := runStep(ctx, conn, m, s, log); err != nil {
				return err
			}
		}
	}
	return nil
}

func runStep(ctx context.Context, conn driver.Conn, m migration, s step, log *slog.Logger) error {
	start := time.Now()
	if err := conn.Exec(ctx, s.sql); err != nil {
		return fmt.Errorf("schema version %d, step %s (%s): %w", m.version, s.name, m.file, err)
	}
	if err := conn.Exec(ctx, "INSERT INTO schema_migrations (version, step, checksum) SELECT {version:UInt32}, {step:String}, {checksum:String}",
		driver.NamedValue{Name: "version", Value: strconv.Itoa(int(m.version))},
		driver.NamedValue{Name: "step", Value: s.name},
		driver.NamedValue{Name: "checksum", Value: s.checksum}); err != nil {
		return fmt.Errorf("log schema version %d, step %s: %w", m.version, s.name, err)
	}
	log.Info("clickhouse: schema step done", "version", m.version, "step", s.name, "took", time.Since(start).Round(time.Millisecond))
	return nil
}

func readMigrationLog(ctx context.Context, conn driver.Conn) (map[stepKey]string, uint32, error) {
	rows, err := conn.Query(ctx, "SELECT version, step, checksum FROM schema_migrations FINAL")
	if err != nil {
		return nil, 0, fmt.Errorf("read schema_migrations: %w", err)
	}
	defer rows.Close()
	done, newest := map[stepKey]string{}, uint32(0)
	for rows.Next() {
		var k stepKey
		var sum string
		if err := rows.Scan(&k.version, &k.step, &sum); err != nil {
			return nil, 0, fmt.Errorf("read schema_migrations: %w", err)
		}
		done[k] = sum
		newest = max(newest, k.version)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read schema_migrations: %w", err)
	}
	return done, newest, nil
}
