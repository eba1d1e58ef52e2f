package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

// open connects the driver as a user would, from the DSN.
func open(t testing.TB, dsn string, compression clickhouse.CompressionMethod) driver.Conn {
	t.Helper()
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	opts.Compression = &clickhouse.Compression{Method: compression, Level: 1}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDriverNative(t *testing.T) {
	e := startTest(t, nil)
	for _, method := range []clickhouse.CompressionMethod{
		clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD,
		clickhouse.CompressionGZIP, clickhouse.CompressionDeflate, clickhouse.CompressionBrotli,
	} {
		t.Run(method.String(), func(t *testing.T) {
			conn := open(t, e.DSN("default"), method)
			ctx := t.Context()
			must(t, conn.Ping(ctx))
			table := "d_" + method.String()
			must(t, conn.Exec(ctx, "CREATE TABLE "+table+` (id UInt64, ts DateTime64(3), lang LowCardinality(String), tags Array(String), n Nullable(Int32))
				ENGINE = MergeTree ORDER BY id`))
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
			must(t, err)
			at := time.UnixMilli(1700000000123).UTC()
			for i := range 1000 {
				n := int32(i)
				must(t, batch.Append(uint64(i), at, "en", []string{"a", fmt.Sprint(i)}, &n))
			}
			must(t, batch.Send())
			rows, err := conn.Query(ctx, "SELECT id, ts, lang, tags, n FROM "+table+" WHERE id >= @from ORDER BY id", clickhouse.Named("from", 998))
			must(t, err)
			var got []string
			for rows.Next() {
				var (
					id   uint64
					ts   time.Time
					lang string
					tags []string
					n    *int32
				)
				must(t, rows.Scan(&id, &ts, &lang, &tags, &n))
				got = append(got, fmt.Sprintf("%d %d %s %v %d", id, ts.UTC().UnixMilli(), lang, tags, *n))
			}
			must(t, rows.Close())
			must(t, rows.Err())
			want := []string{"998 1700000000123 en [a 998] 998", "999 1700000000123 en [a 999] 999"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			var sum uint64
			must(t, conn.QueryRow(ctx, "SELECT sum(id) FROM "+table).Scan(&sum))
			if sum != 499500 {
				t.Errorf("sum %d", sum)
			}
		})
	}
}

func TestDriverErrorsSettingsParameters(t *testing.T) {
	e := startTest(t, nil)
	conn := open(t, e.DSN("default"), clickhouse.CompressionNone)
	ctx := t.Context()

	err := conn.Exec(ctx, "SELECT * FROM nosuch")
	var ex *clickhouse.Exception
	if !errors.As(err, &ex) || ex.Code != 60 || ex.CodeName != "UNKNOWN_TABLE" {
		t.Errorf("error %v", err)
	}
	// A query that fails after its result has begun.
	rows, err := conn.Query(ctx, "SELECT throwIf(number = 3000000) FROM numbers(4000000) SETTINGS max_block_size = 65536")
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		rows.Close()
	}
	if !errors.As(err, &ex) || ex.Code != 395 {
		t.Errorf("mid-stream error %v", err)
	}

	var threads uint8
	limited := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
	must(t, conn.QueryRow(limited, "SELECT getSetting('max_threads')").Scan(&threads))
	if threads != 1 {
		t.Errorf("max_threads %d", threads)
	}
	var text string
	must(t, conn.QueryRow(clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"s": `it's \ "x"`, "n": "7"})),
		"SELECT concat({s:String}, toString({n:UInt8} + 1))").Scan(&text))
	if text != `it's \ "x"8` {
		t.Errorf("parameters gave %q", text)
	}
}

func TestDatabaseSQL(t *testing.T) {
	e := startTest(t, nil)
	db, err := sql.Open("clickhouse", e.DSN("default"))
	must(t, err)
	defer db.Close()
	ctx := t.Context()
	_, err = db.ExecContext(ctx, "CREATE TABLE s (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
	must(t, err)
	tx, err := db.BeginTx(ctx, nil)
	must(t, err)
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO s (a, b)")
	must(t, err)
	for i := range 10 {
		_, err := stmt.ExecContext(ctx, uint32(i), fmt.Sprint(i))
		must(t, err)
	}
	must(t, tx.Commit())
	var n int
	must(t, db.QueryRowContext(ctx, "SELECT count() FROM s WHERE a > ?", 4).Scan(&n))
	if n != 5 {
		t.Errorf("%d rows", n)
	}
	_, err = db.ExecContext(ctx, "INSERT INTO s VALUES (?, ?)", 11, "x'y")
	must(t, err)
	var b string
	must(t, db.QueryRowContext(ctx, "SELECT b FROM s WHERE a = 11").Scan(&b))
	if b != "x'y" {
		t.Errorf("b is %q", b)
	}
}

func TestReaderIsReadOnly(t *testing.T) {
	e := startTest(t, nil)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	must(t, os.WriteFile(secret, []byte("1,2\n"), 0o600))
	writer := open(t, e.DSN("default"), clickhouse.CompressionNone)
	ctx := t.Context()
	must(t, writer.Exec(ctx, "CREATE TABLE r (a UInt8) ENGINE = MergeTree ORDER BY a"))
	must(t, writer.Exec(ctx, "INSERT INTO r VALUES (1), (2)"))
	reader := open(t, e.ReaderDSN("default"), clickhouse.CompressionNone)
	// The driver turns a deadline into max_execution_time.
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var n uint64
	must(t, reader.QueryRow(limited, "SELECT sum(a) FROM r").Scan(&n))
	if n != 3 {
		t.Errorf("sum %d", n)
	}
	for _, sql := range []string{
		"INSERT INTO r VALUES (3)", "INSERT INTO r SELECT 3", "DROP TABLE r", "ALTER TABLE r DELETE WHERE 1",
		"CREATE TABLE q (a UInt8) ENGINE = Memory", "CREATE TEMPORARY TABLE q (a UInt8)", "SET readonly = 0",
		"SET max_execution_time = 0", "KILL QUERY WHERE 1", "SYSTEM FLUSH LOGS", "USE system",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT file('/etc/passwd')", "SELECT `file`('/etc/passwd')",
		"SELECT /* x */ FILE /* y */ ('/etc/passwd')", "DESCRIBE file('/etc/passwd', 'LineAsString')",
		"DESCRIBE TABLE file('/etc/passwd', 'LineAsString')", "DESCRIBE url('http://127.0.0.1:1/x', 'CSV', 'a String')",
		"SELECT * FROM url('http://127.0.0.1:1/x', 'CSV', 'a String')", "SELECT 1 SETTINGS max_execution_time = 0",
		"SELECT 1 SETTINGS readonly = 0", "SELECT * FROM remote('127.0.0.1', system.one)",
		"BACKUP TABLE r TO File('b')", "SELECT * FROM executable('id', 'TSV', 'a String')", "ATTACH TABLE r",
		"SELECT * FROM eval('SELECT file(''/etc/passwd'')')", "SELECT * FROM filesystem('/etc')",
		"SELECT * FROM filesystem()", "SELECT aiGenerate('x', 'y')", "DESCRIBE filesystem('/etc')",
		"SELECT \u201cfile\u201d('/etc/passwd')", "WITH file('/etc/passwd') AS x SELECT x",
	} {
		err := reader.Exec(limited, sql)
		var ex *clickhouse.Exception
		if !errors.As(err, &ex) || ex.Code != 164 {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// No file of the machine is a table.
	for _, name := range []string{"`" + secret + "`", "default.`" + secret + "`", "'" + secret + "'", "default.`" + e.opts.Path + "/" + TokenFile + "`"} {
		for _, sql := range []string{"SELECT * FROM ", "DESCRIBE ", "EXPLAIN SELECT * FROM ", "SELECT 1 WHERE 1 IN ", "CHECK TABLE "} {
			err := reader.Exec(limited, sql+name)
			var ex *clickhouse.Exception
			if !errors.As(err, &ex) || ex.Code != 60 && ex.Code != 47 && ex.Code != 62 && ex.Code != 53 && ex.Code != 6 {
				t.Errorf("%s%s: %v", sql, name, err)
			}
		}
	}
	must(t, writer.QueryRow(ctx, "SELECT sum(a) FROM r").Scan(&n))
	if n != 3 {
		t.Errorf("sum %d after the reader's attempts", n)
	}
}
