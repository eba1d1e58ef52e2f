package kafka

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// consumerStats is what a consumer tells, as far as it is read, with some of
// the rest.
const consumerStats = `{"name": "sluice#consumer-%[1]d", "client_id": "sluice", "type": "consumer", "ts": 5016483227792, "rxmsgs": 40, "rxmsg_bytes": 900,
"brokers": {
  "GroupCoordinator": {"name": "GroupCoordinator", "nodeid": 1, "nodename": "", "state": "UP", "txbytes": 7},
  "b:9092/bootstrap": {"name": "b:9092/bootstrap", "nodeid": -1, "nodename": "b:9092", "state": "UP", "txbytes": 7},
  "b:9092/1": {"name": "b:9092/1", "nodeid": 1, "nodename": "b:9092", "state": "%[2]s", "tx": 3, "txbytes": 100, "rxbytes": 200, "txerrs": 1, "rxerrs": 2,
    "rtt": {"cnt": 9, "min": 1, "avg": 2500, "p50": 2000, "p99": %[3]d}, "throttle": {"min": 0, "max": 900, "avg": 500}, "toppars": {}}},
"topics": {"posts": {"topic": "posts", "partitions": {
  "%[1]d": {"partition": %[1]d, "fetch_state": "active", "lo_offset": 5, "hi_offset": 90, "stored_offset": 80, "consumer_lag": 20, "consumer_lag_stored": 10, "fetchq_cnt": 3, "fetchq_size": 333},
  "7": {"partition": 7, "fetch_state": "none", "lo_offset": -1001, "hi_offset": -1001, "consumer_lag_stored": -1},
  "-1": {"partition": -1, "fetch_state": "active", "lo_offset": 0}}}},
"cgrp": {"state": "up", "rebalance_cnt": 2, "assignment_size": 1}}`

// gather returns the values, as name{labels}.
func gather(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				if l.GetName() != "component" || l.GetValue() != "source" {
					labels = append(labels, l.GetValue())
				}
			}
			out = append(out, fmt.Sprintf("%s %s %v", strings.TrimPrefix(f.GetName(), "sluice_kafka_"), strings.Join(labels, " "), m.GetGauge().GetValue()+m.GetCounter().GetValue()))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestStats adds up two consumers of a process.
func TestStats(t *testing.T) {
	s := NewStats("source", slog.New(slog.DiscardHandler))
	if got := gather(t, s); got != "" {
		t.Errorf("without statistics: %s", got)
	}
	s.take(fmt.Sprintf(consumerStats, 0, "DOWN", 9000))
	s.take(fmt.Sprintf(consumerStats, 0, "UP", 3000)) // in place of the first
	s.take(fmt.Sprintf(consumerStats, 1, "CONNECT", 4000))
	s.take("no JSON")
	const want = `assigned_partitions  2
broker_rtt_seconds b:9092 0.5 0.002
broker_rtt_seconds b:9092 0.99 0.004
broker_rx_bytes_total b:9092 400
broker_rx_errors_total b:9092 4
broker_throttle_seconds b:9092 0.5
broker_tx_bytes_total b:9092 200
broker_tx_errors_total b:9092 2
broker_up b:9092 1
fetch_queue_bytes 0 posts 333
fetch_queue_bytes 1 posts 333
fetch_queue_messages 0 posts 3
fetch_queue_messages 1 posts 3
messages_total  80
partition_high_offset 0 posts 90
partition_high_offset 1 posts 90
partition_lag 0 posts 10
partition_lag 1 posts 10
partition_low_offset 0 posts 5
partition_low_offset 1 posts 5
rebalances_total  4`
	if got := gather(t, s); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s.Reset()
	if got := gather(t, s); got != "" {
		t.Errorf("after all have closed: %s", got)
	}
}
