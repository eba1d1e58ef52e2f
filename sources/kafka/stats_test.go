package kafka

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/internal/kafkatest"
)

// TestStats reads a topic and looks at what the metrics say of it.
func TestStats(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "counted", 2, nil)
	produceNumbered(t, b, "counted", 2, 50)
	p := newTestPlan(t, b.Servers, func(c *Config) {
		c.Topics, c.Consumers, c.Follow = []string{"counted"}, 2, true
		c.Settings = map[string]string{"statistics.interval.ms": "50"}
	})
	n, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	src := n.(*source)
	defer func() { _ = src.Close(t.Context()) }()
	if err := openWaiting(t.Context(), src, nil); err != nil {
		t.Fatal(err)
	}
	for rows := 0; rows < 100; {
		c, err := src.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows += c.Records
		if err := src.Commit(t.Context(), c.Span.Partition, c.Span.To); err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
	waitForMetrics(t, src)
}

// TestStatsOfMember does so with a member of a group.
func TestStatsOfMember(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "which has groups with commit metadata")
	b.CreateTopic(t, "counted", 2, nil)
	produceNumbers(t, b, "counted", 2, 0, 100)
	read := &reads{rows: map[string][]string{}}
	l, leave := join(t, b.Servers, read, func(c *Config) {
		c.Topics, c.Settings = []string{"counted"}, map[string]string{"statistics.interval.ms": "50"}
	})
	defer leave()
	waitFor(t, "all messages", func() bool { return read.count() == 100 })
	waitForMetrics(t, l.src.(prometheus.Collector))
}

// waitForMetrics waits until the metrics say that 50 messages of each of two
// partitions were read and are durable.
func waitForMetrics(t *testing.T, src prometheus.Collector) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(src)
	want := map[string]float64{
		"sluice_kafka_partition_lag": 0, "sluice_kafka_partition_high_offset": 50, "sluice_kafka_partition_low_offset": 0,
		"sluice_kafka_messages_total": 100, "sluice_kafka_assigned_partitions": 2, "sluice_kafka_broker_up": 1,
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		right := 0
		for _, f := range families {
			v, ok := want[f.GetName()]
			all := ok
			for _, m := range f.Metric {
				all = all && m.GetGauge().GetValue()+m.GetCounter().GetValue() == v
			}
			if all {
				right++
			}
		}
		if right == len(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the metrics are %v", families)
		}
	}
}
