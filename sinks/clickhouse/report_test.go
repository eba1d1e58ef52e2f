package clickhouse

import (
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// TestReports writes reports again and again, over HTTP and as native columns,
// and with newer rows: each key has one row, the newest, and the views tell of
// alerts as they are and of how fast people were told.
func TestReports(t *testing.T) {
	for name, insert := range map[string]inserter{"arrow": insertArrow(memory.DefaultAllocator, "lz4"), "native": insertNative} {
		t.Run(name, func(t *testing.T) {
			s := openSink(t, testConfig(t), pipeline.Schemas{})
			s.insert = insert
			testReports(t, s)
		})
	}
}

func testReports(t *testing.T, s *Sink) {
	at := func(ms int) time.Time { return time.UnixMilli(1_772_359_200_000 + int64(ms)).UTC() } // 2026-03-01 10:00
	put := func(table string, schema *arrow.Schema, rows ...pipelinetest.Row) {
		t.Helper()
		rec := pipelinetest.Record(t, memory.DefaultAllocator, schema, rows)
		defer rec.Release()
		if err := s.KeepReport(t.Context(), pipeline.Report{Table: table, Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	alert := func(id string, seq int, status string, n int, kind string) pipelinetest.Row {
		return pipelinetest.Row{
			"alert_id": id, "sequence": uint32(seq), "status": status, "rule_id": "r", "kind": kind, "detections": uint64(n), "per_minute": float32(2.5),
			"group.name": []string{"rule_id", "author_id"}, "group.value": []string{"r", "it's"}, "labels": []string{"x"},
			"opening_at": at(0), "detected_at": at(1000), "made_at": at(1000 + seq), "first_seen": at(0), "last_seen": at(n),
		}
	}
	send := func(id string, seq int, target, result string, ms, attempts int) pipelinetest.Row {
		return pipelinetest.Row{
			"alert_id": id, "sequence": uint32(seq), "target": target, "result": result, "attempts": uint32(attempts), "rule_id": "r",
			"made_at": at(1001), "at": at(ms),
		}
	}
	for range 2 {
		put(pipeline.TableAlerts, pipeline.AlertsSchema(), alert("a", 1, "firing", 3, "rule"), alert("a", 2, "updated", 8, "rule"), alert("b", 1, "firing", 1, "rule"), alert("m", 1, "firing", 1, "meta"))
		put(pipeline.TableAlertDeliveries, pipeline.AlertDeliveriesSchema(),
			send("a", 1, "team", "retrying", 1500, 1), send("a", 1, "hook", "sent", 4000, 1), send("b", 1, "team", "silenced", 1200, 0), send("m", 1, "team", "sent", 1300, 1))
	}
	put(pipeline.TableAlerts, pipeline.AlertsSchema(), alert("a", 3, "acknowledged", 9, "rule"), alert("a", 4, "resolved", 9, "rule"))
	put(pipeline.TableAlertDeliveries, pipeline.AlertDeliveriesSchema(), send("a", 1, "team", "sent", 3000, 3))
	for sql, want := range map[string]string{
		"SELECT concat(alert_id, ' ', toString(sequence), ' ', status) FROM alerts FINAL WHERE alert_id = 'a' ORDER BY sequence":                                                                  "a 1 firing|a 2 updated|a 3 acknowledged|a 4 resolved",
		"SELECT concat(alert_id, ' ', status, ' ', toString(detections), ' ', `group.value`[2]) FROM alerts_now ORDER BY alert_id":                                                                "a resolved 9 it's|b firing 1 it's|m firing 1 it's",
		"SELECT concat(target, ' ', result, ' ', toString(attempts)) FROM alert_deliveries FINAL WHERE alert_id = 'a' ORDER BY target":                                                            "hook sent 1|team sent 3",
		"SELECT concat(rule_id, ' ', toString(hour), ' ', toString(alerts), ' ', toString(detected_p50_seconds), ' ', toString(told_p50_seconds), ' ', toString(max_seconds)) FROM time_to_alert": "r 2026-03-01 10:00:00 1 1 2 3",
	} {
		if got := strings.Join(scan(t, s.conn, sql), "|"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", sql, got, want)
		}
	}
	err := s.KeepReport(t.Context(), pipeline.Report{Table: "posts"})
	if err == nil || !strings.Contains(err.Error(), "posts") {
		t.Errorf("another table: %v", err)
	}
}

// TestReportsExpire gives the tables of reports the retention of the others.
func TestReportsExpire(t *testing.T) {
	cfg := testConfig(t)
	cfg.Retention = 100 * time.Hour
	for _, want := range []bool{true, true, false} {
		if !want {
			cfg.Retention = 0
		}
		s := openSink(t, cfg, pipeline.Schemas{})
		for _, engine := range scan(t, s.conn, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name LIKE 'alert%' AND engine LIKE '%MergeTree'") {
			if got := strings.Contains(engine, "TTL toDateTime(made_at) + toIntervalSecond(360000)"); got != want {
				t.Errorf("retention %s: %s", cfg.Retention, engine)
			}
		}
	}
}
