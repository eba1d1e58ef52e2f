package clickhouse

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/pipeline"
)

const clusterDDL = "../../deploy/clickhouse/cluster.sql"

const clusterHead = `-- The schema on a cluster: every table replicated, and a Distributed table over
-- each that holds rows. Made from the migrations by a test:
--
--   SLUICE_TEST_UPDATE=1 go test ./sinks/clickhouse -run TestClusterDDL
--
-- Run it before Sluice starts for the first time: Sluice finds the tables there and
-- leaves them as they are. The servers need the macros cluster, shard and replica.
-- Sluice writes to one shard, through any of its replicas: the tokens by which an
-- epoch that is written again is known are kept with the replicated table. Read
-- over all shards from the tables that end in _all; the views are of one shard.

CREATE DATABASE IF NOT EXISTS sluice ON CLUSTER '{cluster}';
`

var (
	createTable = regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS (\w+)$`)
	createView  = regexp.MustCompile(`(?m)^CREATE (MATERIALIZED )?VIEW IF NOT EXISTS (\w+)`)
	alterTable  = regexp.MustCompile(`(?m)^ALTER TABLE (\w+)`)
	plainEngine = regexp.MustCompile(`(?m)^ENGINE = (\w*)MergeTree(?:\((\w+)\))?`)
	window      = regexp.MustCompile(`non_replicated_deduplication_window = (\d+)`)
	oneSemi     = regexp.MustCompile(`(?m);\s*$`)
)

// makeClusterDDL turns the migrations into the statements of a cluster.
func makeClusterDDL(migrations []migration) string {
	var out strings.Builder
	out.WriteString(clusterHead)
	var tables []string
	steps := []step{{sql: createMigrationLog}}
	for _, m := range migrations {
		steps = append(steps, m.steps...)
	}
	for _, s := range steps {
		if m := createTable.FindStringSubmatch(s.sql); m != nil {
			tables = append(tables, m[1])
		}
	}
	names := regexp.MustCompile(`\b(FROM|TO) (` + strings.Join(tables, "|") + `)\b`)
	for _, s := range steps {
		sql := createTable.ReplaceAllString(s.sql, "CREATE TABLE IF NOT EXISTS sluice.$1 ON CLUSTER '{cluster}'")
		sql = createView.ReplaceAllString(sql, "CREATE ${1}VIEW IF NOT EXISTS sluice.$2 ON CLUSTER '{cluster}'")
		sql = alterTable.ReplaceAllString(sql, "ALTER TABLE sluice.$1 ON CLUSTER '{cluster}'")
		sql = names.ReplaceAllString(sql, "$1 sluice.$2")
		sql = plainEngine.ReplaceAllStringFunc(sql, func(e string) string {
			m := plainEngine.FindStringSubmatch(e)
			version := ""
			if m[2] != "" {
				version = ", " + m[2]
			}
			return fmt.Sprintf("ENGINE = Replicated%sMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}'%s)", m[1], version)
		})
		// Tokens are forgotten after an hour by default: a pipeline that stood
		// longer would double its last epochs.
		sql = window.ReplaceAllString(sql, "replicated_deduplication_window = $1, replicated_deduplication_window_seconds = 604800")
		out.WriteString("\n" + sql + ";\n")
	}
	for _, t := range []string{"posts", "detections", "rejected", "rules", "epochs", "feedback", "alerts", "alert_deliveries", "posts_by_minute", "posts_by_hour", "detections_by_minute", "detections_by_hour"} {
		fmt.Fprintf(&out, "\nCREATE TABLE IF NOT EXISTS sluice.%s_all ON CLUSTER '{cluster}' AS sluice.%s\nENGINE = Distributed('{cluster}', sluice, %s);\n", t, t, t)
	}
	return out.String()
}

// TestClusterDDL compares deploy's DDL with the migrations.
func TestClusterDDL(t *testing.T) {
	all, err := loadMigrations(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	want := makeClusterDDL(all)
	if os.Getenv("SLUICE_TEST_UPDATE") != "" {
		if err := os.WriteFile(clusterDDL, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(clusterDDL)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the migrations say; make it again with SLUICE_TEST_UPDATE=1", clusterDDL)
	}
	for _, bad := range []string{"ENGINE = MergeTree", "ENGINE = ReplacingMergeTree", "ENGINE = AggregatingMergeTree", "non_replicated"} {
		if strings.Contains(want, bad) {
			t.Errorf("%q is left in it", bad)
		}
	}
	if tables, replicated := len(createTable.FindAllString(joinSteps(all), -1)), strings.Count(want, "ENGINE = Replicated"); replicated != tables+1 {
		t.Errorf("%d replicated tables, want %d and the log of migrations", replicated, tables)
	}
}

func joinSteps(all []migration) string {
	var out strings.Builder
	for _, m := range all {
		for _, s := range m.steps {
			out.WriteString(s.sql + "\n")
		}
	}
	return out.String()
}

var profileSetting = regexp.MustCompile(`(?m)^ {4}(\w+) = \S+(?: CONST| MAX \d+)?[,;]`)

// TestAnalystSettings looks each setting of the analysts' profiles up: the parser
// takes any name. The embedded engine has no accounts to run the file with.
func TestAnalystSettings(t *testing.T) {
	s := openSink(t, testConfig(t), testSchemas())
	text, err := os.ReadFile("../../deploy/clickhouse/analyst.sql")
	if err != nil {
		t.Fatal(err)
	}
	found := profileSetting.FindAllStringSubmatch(string(text), -1)
	if len(found) != 13 {
		t.Errorf("%d settings, want 13", len(found))
	}
	known := scan(t, s.conn, "SELECT name FROM system.settings")
	for _, m := range found {
		if !slices.Contains(known, m[1]) {
			t.Errorf("the engine has no setting %s", m[1])
		}
	}
}

// TestDeployDDLParses gives each statement of deploy/clickhouse to the engine's
// parser, and what needs no cluster to the engine.
func TestDeployDDLParses(t *testing.T) {
	s := openSink(t, testConfig(t), testSchemas())
	db := scan(t, s.conn, "SELECT currentDatabase()")[0]
	for _, file := range []string{clusterDDL, "../../deploy/clickhouse/analyst.sql"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		statements := slices.DeleteFunc(oneSemi.Split(string(text), -1), func(s string) bool { return strings.TrimSpace(s) == "" })
		if len(statements) < 8 {
			t.Errorf("%s: %d statements", file, len(statements))
		}
		for _, sql := range append(statements, "CREATE TABL a (n UInt8)") {
			want := !strings.Contains(sql, "TABL a")
			quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(sql) + "'"
			if got := scan(t, s.conn, "SELECT toString(isNotNull(formatQueryOrNull("+quoted+")))"); (got[0] == "1" || got[0] == "true") != want {
				t.Errorf("%s: the engine says %v, want %v, to\n%s", file, got, want, sql)
			}
		}
	}
	// Without what needs a cluster, the statements run and make the same columns
	// as the migrations.
	text, err := os.ReadFile(clusterDDL)
	if err != nil {
		t.Fatal(err)
	}
	other := db + "_cluster"
	plain := regexp.MustCompile(`ENGINE = Replicated(\w*)MergeTree\('[^']*', '[^']*'(?:, (\w+))?\)`).ReplaceAllString(string(text), "ENGINE = ${1}MergeTree($2)")
	plain = strings.NewReplacer(" ON CLUSTER '{cluster}'", "", "sluice.", other+".", "DATABASE IF NOT EXISTS sluice", "DATABASE IF NOT EXISTS "+other).Replace(plain)
	for _, sql := range oneSemi.Split(plain, -1) {
		if strings.TrimSpace(sql) == "" || strings.Contains(sql, "Distributed(") {
			continue
		}
		if err := s.conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%v in\n%s", err, sql)
		}
	}
	columns := func(db string) string {
		return strings.Join(scan(t, s.conn, "SELECT concat(table, ' ', name, ' ', type) FROM system.columns WHERE database = '"+db+"' AND name NOT IN ('campaign_id', 'region') ORDER BY table, position"), "\n")
	}
	clean := openSink(t, testConfig(t), pipeline.Schemas{})
	if got, want := columns(other), columns(scan(t, clean.conn, "SELECT currentDatabase()")[0]); got != want {
		t.Errorf("the cluster's columns are not those of one server:\n got\n%s\nwant\n%s", got, want)
	}
}
