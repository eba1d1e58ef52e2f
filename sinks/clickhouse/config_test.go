package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// TestValidate shows what each mistake in the config is answered with.
func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"": func(*Config) {},
		"no store is given: write embedded: { path: ./data } or dsn: clickhouse://host:9000": func(c *Config) { c.Embedded.Path = "" },
		"dsn: embedded and dsn are both given: keep the one that the data is in":             func(c *Config) { c.DSN = "http://h:8123" },
		`database: database "a-b": write up to 64 letters`:                                   func(c *Config) { c.Database = "a-b" },
		"retention: 1s: write at least 1m, or 0 to keep everything":                          func(c *Config) { c.Retention = time.Second },
		"timeout: 1ms: write at least 1s":                                                    func(c *Config) { c.Timeout = time.Millisecond },
		`compression: "brotli": write none, lz4 or zstd`:                                     func(c *Config) { c.Compression = "brotli" },
		`embedded.listen: "8123": write host:port, such as 127.0.0.1:8123`:                   func(c *Config) { c.Embedded.Listen = "8123" },
		"embedded.background_pool_size: -1: write 0 to 256":                                  func(c *Config) { c.Embedded.BackgroundPoolSize = -1 },
		"embedded.max_memory: 1KiB: the engine needs at least 256MiB":                        func(c *Config) { c.Embedded.MaxMemory = 1024 },
		"tls: the embedded store is reached on this machine, without TLS":                    func(c *Config) { c.TLS.CA = "x" },
		`columns.x: "Int8; DROP" is not a ClickHouse type`:                                   func(c *Config) { c.Columns = map[string]string{"x": "Int8; DROP"} },
		"columns.a`b: column \"a`b\": a stored column's name has no quotes":                  func(c *Config) { c.Columns = map[string]string{"a`b": "Int8"} },
		"dsn: not an address of a ClickHouse server: write clickhouse://user": func(c *Config) {
			c.Embedded.Path, c.DSN = "", "clickhouse://u:pa%zz%ss@h:9000"
		},
		"dsn: not an address of a ClickHouse server: write clickhouse://user:password@host:9000/database, http:// or https://": func(c *Config) {
			c.Embedded.Path, c.DSN = "", "postgres://h"
		},
		`database: "b", but the dsn names the database "a": keep one of them`: func(c *Config) {
			c.Embedded.Path, c.DSN, c.Database = "", "http://h:8123/a", "b"
		},
		"tls: cert and key belong together": func(c *Config) {
			c.Embedded.Path, c.DSN, c.TLS.Cert = "", "https://h:8443", "c.pem"
		},
		"tls: the dsn does not use TLS": func(c *Config) {
			c.Embedded.Path, c.DSN, c.TLS.CA = "", "http://h:8123", "ca.pem"
		},
	} {
		cfg := Defaults()
		cfg.Embedded.Path = "data"
		change(&cfg)
		err := cfg.Validate()
		if want == "" {
			if err != nil {
				t.Errorf("defaults: %v", err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "%ss") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestPlanRefuses shows the errors of columns.
func TestPlanRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		field   arrow.Field
		columns map[string]string
	}{
		`column "m": type map<utf8, utf8, items_nullable> is not stored in ClickHouse`: {arrow.Field{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)}, nil},
		`column "l": type list<item: list`:                                             {arrow.Field{Name: "l", Type: arrow.ListOf(arrow.ListOf(arrow.BinaryTypes.String))}, nil},
		"column \"a`b\": a stored column's name has no quotes":                         {arrow.Field{Name: "a`b", Type: arrow.BinaryTypes.String}, nil},
		`columns.n: type String cannot hold the pipeline's int64; write Int64`:         {arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64}, map[string]string{"n": "String"}},
		`columns.z: no step or source stores a column "z"`:                             {arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64}, map[string]string{"z": "String"}},
		`columns.lang: "lang" is a column of every posts table`:                        {arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64}, map[string]string{"lang": "String"}},
	} {
		cfg := Defaults()
		cfg.Embedded.Path, cfg.Columns = "data", c.columns
		_, err := Factory().PlanSink(pipeline.BuildContext{}, &cfg, pipeline.Schemas{pipeline.PostsSchema(c.field)})
		var field *pipeline.FieldError
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &field) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestCompatible(t *testing.T) {
	for _, c := range []struct {
		have, want string
		ok         bool
	}{
		{"String", "String", true},
		{"LowCardinality(String)", "String", true},
		{"LowCardinality(Nullable(String))", "Nullable(String)", true},
		{"LowCardinality(Nullable(String))", "String", true},
		{"Array(LowCardinality(String))", "Array(String)", true},
		{"DateTime64(3)", "DateTime64(3, 'UTC')", true},
		{"Nullable(DateTime64(3, 'Asia/Tokyo'))", "DateTime64(3, 'UTC')", true},
		{"DateTime64(6, 'UTC')", "DateTime64(3, 'UTC')", false},
		{"String", "Nullable(String)", false},
		{"Int64", "Int32", false},
		{"UInt64", "Int64", false},
		{"Array(UInt32)", "Array(UInt64)", false},
		{"LowCardinality(String", "String", false},
		{"Nullable(Array(String))", "String", false},
	} {
		if got := compatible(c.have, c.want); got != c.ok {
			t.Errorf("compatible(%q, %q) = %v", c.have, c.want, got)
		}
	}
}

// TestClassify pins which errors are tried again.
func TestClassify(t *testing.T) {
	server := func(code int32) error {
		return fmt.Errorf("insert: %w", &clickhouse.HTTPError{StatusCode: 500, Err: &clickhouse.Exception{Code: code, Message: "m"}})
	}
	for _, c := range []struct {
		err   error
		retry bool
	}{
		{server(252), true},
		{server(241), true},
		{server(202), true},
		{server(319), true},
		{server(243), true},
		{server(60), false},
		{server(53), false},
		{server(16), false},
		{server(115), false},
		{&clickhouse.Exception{Code: 159}, true},
		{&clickhouse.HTTPError{StatusCode: 503, Err: errors.New("busy")}, true},
		{&clickhouse.HTTPError{StatusCode: 429, Err: errors.New("busy")}, true},
		{&clickhouse.HTTPError{StatusCode: 404, Err: errors.New("proxy")}, false},
		{fmt.Errorf("send: %w", io.ErrUnexpectedEOF), true},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		{fmt.Errorf("x: %w", clickhouse.ErrAcquireConnTimeout), true},
		{context.DeadlineExceeded, true}, // our own bound of one insert
		{errors.New("column lists are of other lengths"), false},
	} {
		err := classify(t.Context(), c.err)
		if _, ok := pipeline.IsRetryable(err); ok != c.retry {
			t.Errorf("%v: retryable is %v", c.err, ok)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		err = classify(ended, pipeline.Retryable(c.err))
		if _, ok := pipeline.IsRetryable(err); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, context ended: got %v, retryable %v", c.err, err, ok)
		}
	}
	if err := classify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestUnreachable connects where nobody is, where a proxy answers, and with a
// wrong password.
func TestUnreachable(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "come back later, s3cret", http.StatusServiceUnavailable)
	}))
	defer busy.Close()
	shared := testConfig(t)
	opts, err := shared.parseDSN()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dsn, want string
		retry           bool
	}{
		{"http", "http://u:s3cret@" + addr, "clickhouse: connect to " + addr, true},
		{"native", "clickhouse://u:s3cret@" + addr, "clickhouse: connect to " + addr, true},
		{"busy", strings.Replace(busy.URL, "://", "://u:s3cret@", 1), "[secret]", true},
		{"password", "http://sluice:s3cret@" + opts.Addr[0], `refuses the user "sluice"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Defaults()
			cfg.DSN = pipeline.Secret(c.dsn)
			s := newSink(t, cfg, testSchemas(), nil)
			defer s.Close(t.Context())
			err := s.Open(t.Context())
			if again := s.Open(t.Context()); again == nil || again.Error() != err.Error() {
				t.Errorf("opened again: %v", again)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
			if _, ok := pipeline.IsRetryable(err); ok != c.retry {
				t.Errorf("retryable is %v: %v", ok, err)
			}
		})
	}
}

// TestSettings keeps settings from servers that do not know them.
func TestSettings(t *testing.T) {
	old, now := insertSettings(version{24, 8}, false, "tok"), insertSettings(version{26, 7}, true, "tok")
	for _, name := range []string{"deduplicate_insert", "exclude_materialize_skip_indexes_on_insert", "wait_end_of_query"} {
		if _, ok := old[name]; ok {
			t.Errorf("24.8 by the native port is sent %s", name)
		}
		if _, ok := now[name]; !ok {
			t.Errorf("26.7 over HTTP is not sent %s", name)
		}
	}
	for _, s := range []clickhouse.Settings{old, now} {
		if s["insert_deduplication_token"] != "tok" || s["async_insert"] != 0 {
			t.Errorf("settings %v", s)
		}
	}
}

// TestRules registers rules again and again: one row for each that differs,
// with the time it was first seen.
func TestRules(t *testing.T) {
	s := openSink(t, testConfig(t), testSchemas())
	rule := pipeline.RuleInfo{
		ID: "burst", Version: 2, Hash: strings.Repeat("a", 64), Owner: "team", Severity: "high", Mode: "shadow",
		Labels: []string{"x/y"}, Condition: "match.terms > 1 && lang == 'en'\n", File: "rules/a.yaml",
	}
	live := rule
	live.Mode, live.Labels = "live", nil
	for _, rows := range [][]pipeline.RuleInfo{nil, {rule}, {rule, rule}, {rule, live}} {
		if err := s.RegisterRules(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	got := scan(t, s.conn, "SELECT concat(rule_id, ' ', toString(version), ' ', mode, ' ', arrayStringConcat(labels, ','), ' ', condition, ' ', file, ' ', toString(first_seen > now() - 600)) FROM rules ORDER BY mode")
	want := []string{"burst 2 live  match.terms > 1 && lang == 'en'\n rules/a.yaml 1", "burst 2 shadow x/y match.terms > 1 && lang == 'en'\n rules/a.yaml 1"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestServerReader reads a server's database through Connect, and may not
// write.
func TestServerReader(t *testing.T) {
	cfg := testConfig(t)
	mustWrite(t, openSink(t, cfg, testSchemas()), testKey(0), newFiller(1).epoch(testSchemas(), 10))
	conn, cleanup, err := Connect(t.Context(), cfg, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cleanup(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if got := scan(t, conn, "SELECT toString(count()) FROM posts"); got[0] != "10" {
		t.Errorf("%v posts", got)
	}
	if err := conn.Exec(t.Context(), "DROP TABLE posts"); err == nil {
		t.Error("a reader may drop tables")
	}
}
