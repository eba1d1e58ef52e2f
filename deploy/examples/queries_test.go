package examples_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/chdb"
	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sinks/alert"
	store "github.com/sluicehq/sluice/sinks/clickhouse"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
	"github.com/sluicehq/sluice/sources"
)

// roleVar tells this binary that it is the engine's process.
const roleVar = "SLUICE_TEST_EXAMPLES_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) != "" {
		opts := embedded.ServeOptions{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		if err := embedded.Serve(context.Background(), opts); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// startStore starts an embedded engine and returns a DSN of it.
func startStore(t *testing.T) string {
	t.Helper()
	if _, err := chdb.Find(""); err != nil {
		t.Skip(err)
	}
	e, err := embedded.Start(t.Context(), embedded.Options{
		EngineOptions: embedded.EngineOptions{Path: t.TempDir()},
		Command:       []string{os.Args[0]}, Env: []string{roleVar + "=1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return e.DSN("demo")
}

// table is a query's result as text.
type table struct {
	columns []string
	rows    [][]string
}

// share returns the value of column in the row whose first cells are key.
func (r table) share(t *testing.T, column string, key ...string) string {
	t.Helper()
	for _, row := range r.rows {
		match := true
		for i, k := range key {
			match = match && row[i] == k
		}
		for i, c := range r.columns {
			if match && c == column {
				return row[i]
			}
		}
	}
	t.Errorf("no row %v with column %s in %v", key, column, r)
	return ""
}

func query(ctx context.Context, conn driver.Conn, file string) (table, error) {
	sql, err := os.ReadFile(file)
	if err != nil {
		return table{}, err
	}
	return ask(ctx, conn, string(sql))
}

func ask(ctx context.Context, conn driver.Conn, sql string) (table, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return table{}, err
	}
	defer rows.Close()
	out := table{columns: rows.Columns()}
	for rows.Next() {
		cells := make([]any, len(out.columns))
		for i, c := range rows.ColumnTypes() {
			cells[i] = reflect.New(c.ScanType()).Interface()
		}
		if err := rows.Scan(cells...); err != nil {
			return table{}, err
		}
		line := make([]string, len(cells))
		for i, c := range cells {
			v := reflect.ValueOf(c).Elem()
			if v.Kind() == reflect.Pointer && !v.IsNil() { // a Nullable column
				v = v.Elem()
			}
			line[i] = fmt.Sprint(v.Interface())
		}
		out.rows = append(out.rows, line)
	}
	return out, rows.Err()
}

// The whole example runs into a store, every query answers, and what the rules
// found is what was planted, in disguise or not.
func TestQueries(t *testing.T) {
	reg, err := graph.NewRegistry(sources.All(), operators.All(), []pipeline.Factory{store.Factory(), alert.Factory()})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := reg.Operators["rules"]; !ok {
		t.Skip("this build has no rules step")
	}
	dsn := startStore(t)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer hook.Close()
	text, err := os.ReadFile("firehose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Alerts are told of too: the queries about them need some.
	last := "        truth_detail: LowCardinality(String)\n"
	with := strings.Replace(string(text), last, last+fmt.Sprintf("  - alert: { path: %q, targets: { hook: { allow_private: true, webhook: { url: %q } } } }\n", t.TempDir(), hook.URL), 1)
	spec, err := config.Parse("firehose.yaml", []byte(with), config.Options{Sets: []string{
		"source.generate.rows=200000", "sinks.0.clickhouse.embedded=null", "sinks.0.clickhouse.dsn=" + dsn,
	}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(spec, graph.Options{Registry: reg, Files: graph.NewDirFiles(".")})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Run(t.Context(), engine.Options{Graph: g, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}

	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	files, err := filepath.Glob("queries/*.sql")
	if err != nil || len(files) < 8 {
		t.Fatalf("queries %v, error %v", files, err)
	}
	results := map[string]table{}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".sql")
		r, err := query(t.Context(), conn, f)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		} else if len(r.rows) == 0 {
			t.Errorf("%s: no rows", f)
		}
		results[name] = r
		for _, row := range r.rows {
			t.Log(name, row)
		}
	}
	for _, c := range []struct {
		query, column, want string
		key                 []string
	}{
		{"02_posts_by_truth", "posts", "4001", []string{"campaign"}},
		{"06_quality", "share", "1", []string{"term"}},
		{"06_quality", "share", "0", []string{"organic"}},
		{"06_quality", "share", "0", []string{"lookalike"}},
		{"06_quality", "share", "0", []string{"campaign"}},
		{"07_disguises", "share", "1", []string{"disguise", "fullwidth"}},
		{"07_disguises", "share", "1", []string{"disguise", "leet"}},
		{"07_disguises", "share", "1", []string{"disguise", "homoglyph"}},
		{"07_disguises", "share", "1", []string{"disguise", "zero_width"}},
		{"07_disguises", "share", "0", []string{"news", "news"}},
		{"07_disguises", "share", "1", []string{"news", "counter_unlisted"}},
		{"08_precision", "expected", "1", []string{"recruitment-link"}},
		{"08_precision", "expected", "1", []string{"spam-phrases"}},
	} {
		if got := results[c.query].share(t, c.column, c.key...); got != c.want {
			t.Errorf("%s: %s of %v is %s, want %s", c.query, c.column, c.key, got, c.want)
		}
	}
	rules := map[string]bool{}
	for _, row := range results["01_detections_by_rule"].rows {
		rules[row[0]] = true
	}
	if len(rules) != 7 {
		t.Errorf("rules with detections: %v, want all seven", rules)
	}
	t.Run("docs/sql.md", func(t *testing.T) { runDoc(t, conn) })
	t.Run("dashboard", func(t *testing.T) { runDashboard(t, conn) }) // after the page, which has written feedback
}
