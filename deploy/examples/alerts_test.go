package examples_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sinks/alert"
	store "github.com/sluicehq/sluice/sinks/clickhouse"
	"github.com/sluicehq/sluice/sources"
)

// TestAlerts runs alerts.yaml into a store and a receiver. Each alert's SQL
// must show as many detections as the alert counts, for groups by a rule, by
// columns that posts fill, and of routes that take from one another. The store
// must have a row for each message and for its delivery.
func TestAlerts(t *testing.T) {
	for name, sets := range map[string][]string{
		"rule":    {"by=[rule_id]"},
		"author":  {"by=[author_id, rule_version]"},
		"content": {"by=[labels, text_hash, kind]"},
		"routes": {
			"by=[rule_id]", "default=[local]",
			`routes=[{name: terms, match: ['label =~ "extremism/.*"', "severity >= medium", "rule != recruitment-link"], targets: [local], by: [labels]},` +
				` {name: copied, match: ["label !~ spam/.*", "rule =~ recruit.*"], targets: [local], continue: true, by: [rule_id, author_id]},` +
				` {name: high, match: ["severity > medium", "kind = rule", "owner != nobody", "label != spam/copypasta"], targets: [local]}]`,
		},
	} {
		t.Run(name, func(t *testing.T) { testAlerts(t, sets) })
	}
}

func testAlerts(t *testing.T, sets []string) {
	reg, err := graph.NewRegistry(sources.All(), operators.All(), []pipeline.Factory{alert.Factory(), store.Factory()})
	if err != nil {
		t.Fatal(err)
	}
	dsn := startStore(t)
	var mu sync.Mutex
	last := map[string]*alert.Message{} // by alert
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m alert.Message
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		if err != nil || r.Header.Get(alert.HeaderKey) != m.Key {
			t.Errorf("%s: %v", body, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if b := last[m.AlertID]; b == nil || b.Sequence < m.Sequence {
			last[m.AlertID] = &m
		}
	}))
	defer srv.Close()
	for i := range sets {
		sets[i] = "sinks.1.alert." + sets[i]
	}
	spec, err := config.Load("alerts.yaml", config.Options{Sets: append(sets,
		"source.generate.rows=20000", "source.generate.rate=0", "sinks.0.clickhouse.embedded=null", "sinks.0.clickhouse.dsn="+dsn,
		"sinks.1.alert.path="+t.TempDir(), "sinks.1.alert.group_wait=1h",
		"sinks.1.alert.targets.local.webhook.url="+srv.URL,
	)})
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
	var told int64
	checked := 0
	routed := map[string]int64{}
	for _, m := range last {
		routed[m.Route] += m.Count
		if m.Route != "copied" { // whose detections go on to other routes
			told += m.Count
		}
		if checked++; checked > 50 {
			continue // enough of queries
		}
		sql := strings.TrimSuffix(m.SQL, " LIMIT 1000")
		var n, authors uint64
		if err := conn.QueryRow(t.Context(), "SELECT count(), uniqExact(author_id) FROM ("+sql+")").Scan(&n, &authors); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if int64(n) != m.Count || (m.AuthorsSure && int64(authors) != m.Authors) {
			t.Errorf("%s: %d rows of %d authors, but the alert says %d of %d", sql, n, authors, m.Count, m.Authors)
		}
	}
	var stored uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM detections FINAL WHERE mode != 'shadow' AND severity IN ('medium', 'high', 'critical')").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if told != int64(stored) || told == 0 {
		t.Errorf("alerts tell of %d detections, the store has %d", told, stored)
	}
	if n := map[bool]int{true: 4, false: 1}[strings.HasSuffix(t.Name(), "/routes")]; len(routed) != n {
		t.Errorf("detections by route: %v", routed)
	}
	var alerts, detections, sent uint64
	if err := conn.QueryRow(t.Context(), "SELECT count(), sum(detections) FROM alerts_now").Scan(&alerts, &detections); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT uniqExact(alert_id) FROM alert_deliveries FINAL WHERE result = 'sent'").Scan(&sent); err != nil {
		t.Fatal(err)
	}
	if alerts != uint64(len(last)) || detections != uint64(told+routed["copied"]) || sent != alerts {
		t.Errorf("the store has %d alerts of %d detections, %d of them sent; %d were told of", alerts, detections, sent, len(last))
	}
	t.Logf("%d alerts of %d detections, by route %v", len(last), told, routed)
}
