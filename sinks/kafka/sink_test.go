package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) { w.t.Logf("%s", b); return len(b), nil }

// open opens a sink that takes detections and rejected rows.
func open(t testing.TB, servers string, set func(*Config)) (*Sink, error) {
	t.Helper()
	cfg := Defaults()
	cfg.Brokers = strings.Split(servers, ",")
	set(&cfg)
	in := pipeline.Schemas{pipeline.Detections: pipeline.DetectionsSchema()}
	plan, err := newPlan(pipeline.BuildContext{Pipeline: "p", Logger: slog.New(slog.NewTextHandler(logWriter{t}, nil))}, &cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	k, err := plan.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for range 600 {
		err = k.Open(t.Context())
		if _, again := pipeline.IsRetryable(err); !again {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return k.(*Sink), err
}

// detections returns batches of n detections in all, by authors a0 to a9.
func detections(t testing.TB, batch, n int) (out []pipeline.Batch) {
	t.Helper()
	for from := 0; from < n; from += batch {
		var rows []pipelinetest.Row
		for i := from; i < min(from+batch, n); i++ {
			rows = append(rows, pipelinetest.Row{"post_id": fmt.Sprint(i), "author_id": fmt.Sprintf("a%d", i%10), "rule_version": i})
		}
		rec := pipelinetest.Record(t, memory.DefaultAllocator, pipeline.DetectionsSchema(), rows)
		t.Cleanup(rec.Release)
		out = append(out, pipeline.Batch{Record: rec, Stream: pipeline.Detections})
	}
	return out
}

// huge returns a batch of one detection that no message holds.
func huge(t testing.TB) pipeline.Batch {
	t.Helper()
	rec := pipelinetest.Record(t, memory.DefaultAllocator, pipeline.DetectionsSchema(), []pipelinetest.Row{{"post_id": strings.Repeat("x", 1<<20)}})
	t.Cleanup(rec.Release)
	return pipeline.Batch{Record: rec, Stream: pipeline.Detections}
}

func epoch(n int) pipeline.Key {
	return pipeline.Key{Pipeline: "p", Sink: "kafka", Span: pipeline.Span{Partition: "x/0", From: pipeline.Position(fmt.Sprint(n)), To: pipeline.Position(fmt.Sprint(n + 1))}}
}

func headerOf(m *client.Message, name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// TestMurmur2 has values that Java's own tests have.
func TestMurmur2(t *testing.T) {
	for text, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536} {
		if got := int32(murmur2([]byte(text))); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "out.detections", 5, nil)
	k, err := open(t, b.Servers, func(c *Config) {
		c.Topic, c.KeyColumn, c.Headers = "out.{stream}", "author_id", map[string]string{"version": "rule_version"}
	})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2500
	in := detections(t, 1000, n)
	for range 2 { // the second time, as after an error of another sink: nothing is sent again
		if err := k.Write(t.Context(), epoch(1), in); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Write(t.Context(), epoch(2), in[:1]); err != nil {
		t.Fatal(err)
	}
	if err := k.Write(t.Context(), epoch(3), nil); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, m := range b.Consume(t, "out.detections", n+1000) {
		var row struct {
			Post    string `json:"post_id"`
			Author  string `json:"author_id"`
			Version int    `json:"rule_version"`
		}
		if err := json.Unmarshal(m.Value, &row); err != nil {
			t.Fatalf("%s: %v", m.Value, err)
		}
		id := headerOf(m, headerEpoch) + " " + headerOf(m, headerRow)
		if seen[id] != "" {
			t.Fatalf("%s is there twice", id)
		}
		seen[id] = row.Post
		if headerOf(m, headerRow) != row.Post || headerOf(m, "version") != fmt.Sprint(row.Version) || string(m.Key) != row.Author {
			t.Fatalf("message %s: headers %v, key %q", m.Value, m.Headers, m.Key)
		}
		if want := int32(murmur2(m.Key)&0x7fffffff) % 5; m.TopicPartition.Partition != want {
			t.Fatalf("key %s is in partition %d, Java's is %d", m.Key, m.TopicPartition.Partition, want)
		}
	}
	if len(seen) != n+1000 || seen[epoch(2).String()+" 999"] != "999" {
		t.Errorf("%d messages", len(seen))
	}
}

func TestArrow(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "batches", 1, nil)
	k, err := open(t, b.Servers, func(c *Config) {
		c.Topic, c.Format, c.Settings = "batches", "arrow", map[string]string{"message.max.bytes": "40000"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Write(t.Context(), epoch(1), detections(t, 1000, 1000)); err != nil {
		t.Fatal(err)
	}
	rows, messages := 0, 0
	for rows < 1000 {
		messages++
		m := b.Consume(t, "batches", messages)[messages-1]
		if headerOf(m, headerRow) != fmt.Sprint(rows) || len(m.Value) > 40000 {
			t.Fatalf("message %d begins at row %s, want %d; %d bytes", messages, headerOf(m, headerRow), rows, len(m.Value))
		}
		first := rows
		r, err := ipc.NewReader(bytes.NewReader(m.Value))
		if err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			rows += int(r.Record().NumRows())
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		r.Release()
		if headerOf(m, headerRows) != fmt.Sprint(rows-first) {
			t.Fatalf("message %d has %d rows, its header says %s", messages, rows-first, headerOf(m, headerRows))
		}
	}
	if rows != 1000 || messages < 2 {
		t.Errorf("%d rows in %d messages", rows, messages)
	}
}

// TestArrowByKey divides rows among partitions as Java's producer would divide
// messages with their keys, and keeps the order within a partition.
func TestArrowByKey(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "divided", 3, nil)
	k, err := open(t, b.Servers, func(c *Config) { c.Topic, c.Format, c.KeyColumn = "divided", "arrow", "author_id" })
	if err != nil {
		t.Fatal(err)
	}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	k.bc.Mem = mem
	const n = 5000
	if err := k.Write(t.Context(), epoch(1), detections(t, 700, n)); err != nil {
		t.Fatal(err)
	}
	mem.AssertSize(t, 0)
	seen := map[int]bool{}
	last := map[int32]int{}
	var all []*client.Message
	for rows := 0; rows < n; {
		all, rows = b.Consume(t, "divided", len(all)+1), 0
		for _, m := range all {
			count, err := strconv.Atoi(headerOf(m, headerRows))
			if err != nil {
				t.Fatal(err)
			}
			rows += count
		}
	}
	for _, m := range all {
		r, err := ipc.NewReader(bytes.NewReader(m.Value))
		if err != nil {
			t.Fatal(err)
		}
		first := true
		for r.Next() {
			rec := r.Record()
			ids, authors := rec.Column(rec.Schema().FieldIndices("post_id")[0]).(*array.String), rec.Column(rec.Schema().FieldIndices("author_id")[0]).(*array.String)
			for i := range ids.Len() {
				id, err := strconv.Atoi(ids.Value(i))
				if err != nil || seen[id] || id > 0 && id <= last[m.TopicPartition.Partition] {
					t.Fatalf("row %q is there twice, or out of order behind %d", ids.Value(i), last[m.TopicPartition.Partition])
				}
				if first && headerOf(m, headerRow) != ids.Value(i) {
					t.Fatalf("a message begins with row %d, its header says %s", id, headerOf(m, headerRow))
				}
				first, seen[id], last[m.TopicPartition.Partition] = false, true, id
				if want := int32(murmur2([]byte(authors.Value(i)))&0x7fffffff) % 3; m.TopicPartition.Partition != want {
					t.Fatalf("author %s is in partition %d, Java's is %d", authors.Value(i), m.TopicPartition.Partition, want)
				}
			}
		}
		r.Release()
	}
	if len(seen) != n || len(all) > n/500 {
		t.Errorf("%d rows in %d messages", len(seen), len(all))
	}
}

// TestStats looks at what the metrics say after a write.
func TestStats(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "counted", 1, nil)
	k, err := open(t, b.Servers, func(c *Config) { c.Topic, c.Settings = "counted", map[string]string{"statistics.interval.ms": "50"} })
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Write(t.Context(), epoch(1), detections(t, 100, 300)); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(k)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			got[f.GetName()] = f.Metric[0].GetGauge().GetValue() + f.Metric[0].GetCounter().GetValue()
		}
		queue, ok := got["sluice_kafka_queue_messages"]
		if got["sluice_kafka_messages_total"] == 300 && ok && queue == 0 && got["sluice_kafka_broker_up"] == 1 && got["sluice_kafka_broker_tx_bytes_total"] > 300 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the metrics are %v", got)
		}
	}
}

// TestTooLarge checks that a message that does not fit ends the run.
func TestTooLarge(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "large", 1, nil)
	k, err := open(t, b.Servers, func(c *Config) { c.Topic = "large" })
	if err != nil {
		t.Fatal(err)
	}
	err = k.Write(t.Context(), epoch(1), []pipeline.Batch{huge(t)})
	if _, again := pipeline.IsRetryable(err); err == nil || again || !strings.Contains(err.Error(), "message.max.bytes") {
		t.Errorf("error %v", err)
	}
}

// TestBrokerAway kills the broker under the sink: a write waits until it is
// back, and nothing is lost or doubled.
func TestBrokerAway(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "to be stopped and started")
	b.CreateTopic(t, "away", 3, nil)
	k, err := open(t, b.Servers, func(c *Config) { c.Topic, c.Settings = "away", map[string]string{"reconnect.backoff.max.ms": "300"} })
	if err != nil {
		t.Fatal(err)
	}
	in := detections(t, 1000, 5000)
	if err := k.Write(t.Context(), epoch(1), in); err != nil {
		t.Fatal(err)
	}
	b.Kill()
	written := make(chan error, 1)
	go func() { written <- k.Write(t.Context(), epoch(2), in) }()
	select {
	case err := <-written:
		t.Fatalf("the write ended without a broker: %v", err)
	case <-time.After(time.Second):
	}
	b.Restart(t)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range b.Consume(t, "away", 10000) {
		ids = append(ids, headerOf(m, headerEpoch)+" "+headerOf(m, headerRow))
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 10000 {
		t.Errorf("%d different messages among 10000", n)
	}
}

// TestStop ends the context of a write that waits for a broker.
func TestStop(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "to be stopped")
	b.CreateTopic(t, "stop", 1, nil)
	k, err := open(t, b.Servers, func(c *Config) { c.Topic = "stop" })
	if err != nil {
		t.Fatal(err)
	}
	b.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := k.Write(ctx, epoch(1), detections(t, 100, 100)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Config)
		want string
	}{
		"topic":            {func(c *Config) { c.Topic = "" }, "topic: no topic"},
		"placeholder":      {func(c *Config) { c.Topic = "{epoch}" }, "topic: "},
		"format":           {func(c *Config) { c.Format = "xml" }, "format: "},
		"key":              {func(c *Config) { c.KeyColumn = "absent" }, "key_column: "},
		"key of list":      {func(c *Config) { c.KeyColumn = "labels" }, "key_column: "},
		"header":           {func(c *Config) { c.Headers = map[string]string{"h": "absent"} }, "headers.h: "},
		"arrow header":     {func(c *Config) { c.Format, c.Headers = "arrow", map[string]string{"h": "author_id"} }, "format: "},
		"arrow key":        {func(c *Config) { c.Format, c.KeyColumn, c.Partitioner = "arrow", "author_id", "random" }, "partitioner: "},
		"delivery":         {func(c *Config) { c.Delivery = "never" }, "delivery: "},
		"transactional id": {func(c *Config) { c.TransactionalID = "x" }, "transactional_id: "},
		"transaction": {func(c *Config) {
			c.Delivery, c.Settings = "exactly_once", map[string]string{"transaction.timeout.ms": "1000", "message.timeout.ms": "5000"}
		}, "settings.message.timeout.ms: "},
		"setting":  {func(c *Config) { c.Settings = map[string]string{"batch.sized": "1"} }, "settings.batch.sized: "},
		"value":    {func(c *Config) { c.Settings = map[string]string{"batch.size": "big"} }, "settings.batch.size: "},
		"reserved": {func(c *Config) { c.Settings = map[string]string{"acks": "1"} }, "settings.acks: "},
	} {
		cfg := Defaults()
		cfg.Brokers, cfg.Topic = []string{"127.0.0.1:1"}, "out"
		c.set(&cfg)
		_, err := newPlan(pipeline.BuildContext{}, &cfg, pipeline.Schemas{pipeline.Detections: pipeline.DetectionsSchema()})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s...", name, err, c.want)
		}
	}
}
