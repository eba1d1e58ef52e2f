package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// TestKilledWhileInserting kills the child at random moments under several
// inserting clients that retry with their tokens: every row must be there once.
func TestKilledWhileInserting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	e := startTest(t, nil)
	ctx := t.Context()
	conn := open(t, e.DSN("default"), clickhouse.CompressionNone)
	must(t, conn.Exec(ctx, "CREATE TABLE t (writer UInt8, epoch UInt32, n UInt32) ENGINE = MergeTree ORDER BY (writer, epoch) SETTINGS non_replicated_deduplication_window = 1000"))
	must(t, conn.Exec(ctx, "CREATE TABLE r (writer UInt8, epoch UInt32, rows SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY (writer, epoch) SETTINGS non_replicated_deduplication_window = 1000"))
	must(t, conn.Exec(ctx, "CREATE MATERIALIZED VIEW mv TO r AS SELECT writer, epoch, toUInt64(count()) AS rows FROM t GROUP BY writer, epoch"))
	const writers, epochs, rows = 2, 120, 500
	var retries atomic.Int64
	insert := func(conn clickhouse.Conn, w, epoch int) error {
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		batch, err := conn.PrepareBatch(withToken(limited, fmt.Sprintf("%d-%d", w, epoch)), "INSERT INTO t")
		if err != nil {
			return err
		}
		defer batch.Close()
		for n := range rows {
			if err := batch.Append(uint8(w), uint32(epoch), uint32(n)); err != nil {
				return err
			}
		}
		return batch.Send()
	}
	var wg sync.WaitGroup
	for w := range writers {
		mine := open(t, e.DSN("default"), clickhouse.CompressionNone)
		wg.Go(func() {
			for epoch := range epochs {
				for insert(mine, w, epoch) != nil {
					if retries.Add(1) > 5000 || ctx.Err() != nil {
						t.Error("inserts do not come through")
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	random := rand.New(rand.NewPCG(1, 2))
	kills := 0
killing:
	for kills < 6 {
		select {
		case <-done:
			break killing
		case <-time.After(time.Duration(50+random.IntN(400)) * time.Millisecond):
			if pid := e.PID(); pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				kills++
			}
		}
	}
	<-done
	must(t, e.Ready(ctx))
	if kills == 0 {
		t.Error("nothing was killed")
	}
	t.Logf("%d kills, %d retries", kills, retries.Load())
	if n := count(t, conn, "SELECT count() FROM t"); n != writers*epochs*rows {
		t.Errorf("%d rows, want %d", n, writers*epochs*rows)
	}
	if n := count(t, conn, "SELECT uniqExact(writer, epoch, n) FROM t"); n != writers*epochs*rows {
		t.Errorf("%d distinct rows", n)
	}
	if n := count(t, conn, "SELECT sum(rows) FROM r"); n != writers*epochs*rows {
		t.Errorf("the rollup counts %d rows", n)
	}
}

// TestStopFinishesStatements stops the engine under a statement that ends within
// the limit and under one that does not.
func TestStopFinishesStatements(t *testing.T) {
	needLibrary(t)
	e, err := Start(t.Context(), testOptions(t.TempDir())) // 3 s
	must(t, err)
	var wg sync.WaitGroup
	var short, long answer
	wg.Go(func() { short = e.call(t, call{body: strings.NewReader("SELECT sleep(1)")}) })
	wg.Go(func() {
		long = e.call(t, call{body: strings.NewReader("SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1")})
	})
	pr, pw := io.Pipe()
	wg.Go(func() { // a client that never ends its insert
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+e.Addr()+"/?"+
			q("query", "INSERT INTO FUNCTION null('a UInt8') FORMAT CSV").Encode(), pr)
		must(t, err)
		req.SetBasicAuth(e.User(), e.Password())
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				t.Error("half an insert was taken")
			}
		}
	})
	_, err = io.WriteString(pw, "1\n")
	must(t, err)
	e.waitFor(t, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep(1)%' OR query LIKE 'SELECT count() FROM numbers(1000%'", "2\n")
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
	took := time.Since(began)
	pw.CloseWithError(errors.New("over"))
	wg.Wait()
	if short.body != "0\n" {
		t.Errorf("the short statement: %d %q", short.status, short.body)
	}
	if long.header.Get("X-ClickHouse-Exception-Code") != "394" {
		t.Errorf("the long statement: %d %q", long.status, long.body)
	}
	if took < 2*time.Second || took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := e.Ready(t.Context()); err == nil {
		t.Error("a stopped engine is ready")
	}
	must(t, e.Stop(t.Context()))
}

func TestEngineOptions(t *testing.T) {
	e := startTest(t, func(o *Options) {
		o.Fsync, o.BackgroundPoolSize, o.MaxMemory = true, 3, 3<<30
		o.AnalystPassword, o.AnalystTime, o.AnalystMemory = "let me in", 7*time.Second, 1<<29
		o.AllowedHosts = []string{"store.internal"}
		o.User, o.Password = "boss", "a password & more"
	})
	if got := e.sql(t, "SELECT name, value FROM system.server_settings WHERE name IN ('background_pool_size', 'max_server_memory_usage') ORDER BY name"); got != "background_pool_size\t3\nmax_server_memory_usage\t3221225472\n" {
		t.Errorf("%q", got)
	}
	if got := e.sql(t, "SELECT name, value FROM system.merge_tree_settings WHERE name IN ('fsync_after_insert', 'fsync_part_directory') ORDER BY name"); got != "fsync_after_insert\t1\nfsync_part_directory\t1\n" {
		t.Errorf("%q", got)
	}
	if a := e.call(t, call{reader: true, body: strings.NewReader("SELECT 1")}); a.status != 403 {
		t.Errorf("a reader without the password: %d", a.status)
	}
	const limits = "SELECT getSetting('max_execution_time'), getSetting('max_memory_usage'), getSetting('readonly')"
	a := e.call(t, call{reader: true, params: q("user", "analyst", "password", "let me in"), body: strings.NewReader(limits)})
	if a.body != "7\t536870912\t1\n" {
		t.Errorf("%q", a.body)
	}
	if a := e.call(t, call{header: map[string]string{"Host": "store.internal:1"}, body: strings.NewReader("SELECT 1")}); a.status != 200 {
		t.Errorf("an allowed host: %d", a.status)
	}
	for _, dsn := range []string{e.DSN("default"), e.ReaderDSN("default")} {
		must(t, open(t, dsn, clickhouse.CompressionNone).Ping(t.Context()))
	}
	e.sql(t, "CREATE TABLE b (a UInt8) ENGINE = MergeTree ORDER BY a")
	e.sql(t, "INSERT INTO b VALUES (1)")
	e.sql(t, "BACKUP TABLE b TO File('"+e.opts.Path+"/backups/b.tar')")
	e.sql(t, "DROP TABLE b SYNC")
	e.sql(t, "RESTORE TABLE b FROM File('"+e.opts.Path+"/backups/b.tar')")
	if got := e.sql(t, "SELECT * FROM b"); got != "1\n" {
		t.Errorf("restored %q", got)
	}
	for _, name := range []string{lockName, MarkerFile, configName} {
		if text, err := os.ReadFile(filepath.Join(e.opts.Path, name)); err != nil || bytes.Contains(text, []byte(e.Password())) {
			t.Errorf("%s: %v, %s", name, err, text)
		}
	}
}

func TestNoAnalyst(t *testing.T) {
	e := startTest(t, func(o *Options) { o.NoAnalyst = true })
	if a := e.call(t, call{reader: true, body: strings.NewReader("SELECT 1")}); a.status != 403 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestParallelClients runs writers and readers at once.
func TestParallelClients(t *testing.T) {
	e := startTest(t, nil)
	ctx := t.Context()
	conn := open(t, e.DSN("default"), clickhouse.CompressionNone)
	must(t, conn.Exec(ctx, "CREATE TABLE t"+windowed))
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 15 {
				if err := insertToken(ctx, conn, fmt.Sprint(g, "-", i), 100); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 15 {
				a := e.call(t, call{reader: true, params: q("max_block_size", fmt.Sprint(1000+g)), body: strings.NewReader("SELECT getSetting('max_block_size'), count() % 100 FROM t")})
				if a.body != fmt.Sprintf("%d\t0\n", 1000+g) {
					t.Errorf("%d %q", a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, conn, "SELECT count() FROM t"); n != 6*15*100 {
		t.Errorf("%d rows", n)
	}
	var asynchronous uint64
	must(t, conn.Exec(clickhouse.Context(ctx, clickhouse.WithAsync(true)), "INSERT INTO t VALUES (1)"))
	must(t, conn.QueryRow(ctx, "SELECT count() FROM t").Scan(&asynchronous))
	if asynchronous != 6*15*100+1 {
		t.Errorf("%d rows after an asynchronous insert", asynchronous)
	}
}

// TestEarlyErrorOfLongBody sends data that is refused before it is read: the
// client must get the reason, not a broken pipe.
func TestEarlyErrorOfLongBody(t *testing.T) {
	e := startTest(t, nil)
	conn := open(t, e.DSN("default"), clickhouse.CompressionNone)
	data := bytes.Repeat([]byte("1234567890,abcdefgh\n"), 2<<20)
	for range 5 {
		err := conn.InsertFormat(t.Context(), "CSV", "INSERT INTO nosuch", bytes.NewReader(data))
		var ex *clickhouse.Exception
		if !errors.As(err, &ex) || ex.Code != 60 {
			t.Errorf("error %v", err)
		}
	}
}

// TestErrorCodes asks the engine for the names of the codes that are written as
// numbers here.
func TestErrorCodes(t *testing.T) {
	e := startTest(t, nil)
	for code, name := range map[int]string{
		6: "CANNOT_PARSE_TEXT", 8: "THERE_IS_NO_COLUMN", 15: "DUPLICATE_COLUMN", 25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
		26: "CANNOT_PARSE_QUOTED_STRING", 27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED", 36: "BAD_ARGUMENTS",
		38: "CANNOT_PARSE_DATE", 41: "CANNOT_PARSE_DATETIME", 44: "ILLEGAL_COLUMN", 46: "UNKNOWN_FUNCTION",
		47: "UNKNOWN_IDENTIFIER", 48: "NOT_IMPLEMENTED", 50: "UNKNOWN_TYPE", 53: "TYPE_MISMATCH", 56: "UNKNOWN_STORAGE",
		60: "UNKNOWN_TABLE", 62: "SYNTAX_ERROR", 63: "UNKNOWN_AGGREGATE_FUNCTION", 72: "CANNOT_PARSE_NUMBER",
		73: "UNKNOWN_FORMAT", 76: "CANNOT_OPEN_FILE", 78: "UNKNOWN_TYPE_OF_QUERY", 81: "UNKNOWN_DATABASE",
		89: "UNKNOWN_COMPRESSION_METHOD", 115: "UNKNOWN_SETTING", 117: "INCORRECT_DATA", 159: "TIMEOUT_EXCEEDED",
		164: "READONLY", 167: "TOO_DEEP_AST", 168: "TOO_BIG_AST", 192: "UNKNOWN_USER", 193: "WRONG_PASSWORD",
		194: "REQUIRED_PASSWORD", 202: "TOO_MANY_SIMULTANEOUS_QUERIES", 209: "SOCKET_TIMEOUT", 210: "NETWORK_ERROR",
		223: "UNEXPECTED_AST_STRUCTURE", 229: "QUERY_IS_TOO_LARGE", 271: "CANNOT_DECOMPRESS",
		321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", 336: "UNKNOWN_DATABASE_ENGINE", 372: "SESSION_NOT_FOUND",
		373: "SESSION_IS_LOCKED", 376: "CANNOT_PARSE_UUID", 394: "QUERY_WAS_CANCELLED", 427: "CANNOT_COMPILE_REGEXP",
		439: "CANNOT_SCHEDULE_TASK", 441: "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING", 497: "ACCESS_DENIED",
		511: "UNKNOWN_ROLE", 512: "SET_NON_GRANTED_ROLE", 516: "AUTHENTICATION_FAILED", 675: "CANNOT_PARSE_IPV4",
		676: "CANNOT_PARSE_IPV6", 1002: "UNKNOWN_EXCEPTION",
	} {
		if got := strings.TrimSpace(e.sql(t, fmt.Sprintf("SELECT errorCodeToName(%d)", code))); got != name {
			t.Errorf("code %d is %s, not %s", code, got, name)
		}
	}
}
