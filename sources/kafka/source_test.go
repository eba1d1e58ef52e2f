package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
)

// post returns a post of the plain format.
func post(id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"created_at":"2026-01-01T00:00:00Z","text":"word of %s"}`, id, id)
}

func newTestPlan(t testing.TB, servers string, set func(*Config)) *plan {
	t.Helper()
	cfg := Defaults()
	cfg.Brokers = strings.Split(servers, ",")
	cfg.Follow, cfg.Assign = false, "all"
	set(&cfg)
	p, err := newPlan(pipeline.BuildContext{Pipeline: strings.ReplaceAll(t.Name(), "/", "-"), Mem: memory.DefaultAllocator, Logger: slog.New(slog.NewTextHandler(logWriter{t}, nil))}, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*plan)
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) { w.t.Logf("%s", b); return len(b), nil }

// result is what was read: rows as "offset id", rejected as "offset reason",
// by partition, and the ends of chunks.
type result struct {
	posts, rejected map[string][]string
	ends            map[string][]pipeline.Position
	rows            []map[string]any
}

// read opens a source and reads until it ends, or stop says so.
func read(t testing.TB, p *plan, resume map[string]pipeline.Resume, stop func(*result) bool) (*result, error) {
	t.Helper()
	src, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := src.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := openWaiting(ctx, src, resume); err != nil {
		return &result{}, err
	}
	dec := p.Decode().New()
	r := &result{posts: map[string][]string{}, rejected: map[string][]string{}, ends: map[string][]pipeline.Position{}}
	at := map[string]pipeline.Position{}
	for stop == nil || !stop(r) {
		c, err := src.Read(ctx)
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		if last, ok := at[c.Span.Partition]; ok && last != c.Span.From {
			t.Errorf("%s: a chunk begins at %s, the one before ended at %s", c.Span.Partition, c.Span.From, last)
		}
		at[c.Span.Partition] = c.Span.To
		r.ends[c.Span.Partition] = append(r.ends[c.Span.Partition], c.Span.To)
		rows := 0
		err = dec.Decode(ctx, &c, func(b pipeline.Batch) error {
			defer b.Record.Release()
			rows += b.Rows()
			js, err := b.Record.MarshalJSON()
			if err != nil {
				return err
			}
			var out []map[string]any
			if err := json.Unmarshal(js, &out); err != nil {
				return err
			}
			for _, row := range out {
				origin := row["source"].(string)
				if b.Stream == pipeline.Posts {
					r.posts[origin] = append(r.posts[origin], fmt.Sprint(row["source_offset"], " ", row["id"]))
					r.rows = append(r.rows, row)
				} else {
					r.rejected[origin] = append(r.rejected[origin], fmt.Sprint(row["source_offset"], " ", row["reason"]))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if rows > c.Records {
			t.Errorf("a chunk of %d records gave %d rows", c.Records, rows)
		}
		if err := src.Commit(ctx, c.Span.Partition, c.Span.To); err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
	return r, nil
}

// openWaiting opens as the engine does: a broker that has just started says "not
// yet".
func openWaiting(ctx context.Context, src pipeline.Source, resume map[string]pipeline.Resume) error {
	for {
		err := src.Open(ctx, resume)
		if _, again := pipeline.IsRetryable(err); !again || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, " | "), strings.Join(want, " | "))
	}
}

// frame is a schema registry's: schema 7.
func frame(payload string) []byte { return append([]byte{0, 0, 0, 0, 7}, payload...) }

// TestMessages reads all kinds of messages.
func TestMessages(t *testing.T) {
	b := kafkatest.Start(t)
	t.Run("posts", func(t *testing.T) {
		b.CreateTopic(t, "kinds", 1, nil)
		m := func(key string, value []byte, h ...client.Header) client.Message {
			return kafkatest.Message("kinds", 0, []byte(key), value, h...)
		}
		b.Produce(t,
			m("k0", post("a"), client.Header{Key: "trace", Value: []byte("old")}, client.Header{Key: "trace", Value: []byte("new")}),
			m("k1", nil), // a tombstone
			m("k2", []byte("not json")),
			m("k3", frame(`{"id":"framed","created_at":"2026-01-01T00:00:00Z"}`)),
			m("k4", frame("\x02\x04ab")), // as Avro and Protobuf look
			m("\xff", post("b")),
			m("k6", []byte{0, 1}),
		)
		for _, tombstones := range []string{"skip", "reject"} {
			p := newTestPlan(t, b.Servers, func(c *Config) {
				c.Topics, c.Tombstones, c.Group = []string{"kinds"}, tombstones, "kinds-"+tombstones
				c.KeyColumn, c.TimeColumn, c.Headers = "kafka_key", "kafka_time", map[string]string{"trace_id": "trace"}
			})
			r, err := read(t, p, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "posts", r.posts["kinds/0"], "0 a", "3 framed", "5 b")
			if tombstones == "skip" {
				want(t, "rejected", r.rejected["kinds/0"], "2 invalid_json", "6 invalid_json", "4 schema_registry_binary")
			} else {
				want(t, "rejected", r.rejected["kinds/0"], "2 invalid_json", "6 invalid_json", "1 tombstone", "4 schema_registry_binary")
			}
			if r.rows[0]["kafka_key"] != "k0" || r.rows[0]["trace_id"] != "new" || r.rows[1]["trace_id"] != "" || r.rows[2]["kafka_key"] != "\uFFFD" {
				t.Errorf("key and headers: %v", r.rows)
			}
			if s, _ := r.rows[0]["kafka_time"].(string); !strings.HasPrefix(s, "20") {
				t.Errorf("kafka_time is %v", r.rows[0]["kafka_time"])
			}
		}
	})
	t.Run("lines", func(t *testing.T) {
		b.CreateTopic(t, "lines", 1, nil)
		many := string(post("a")) + "\n" + string(post("b")) + "\r\n\nbad\n" + string(post("c"))
		b.Produce(t, kafkatest.Message("lines", 0, nil, []byte(many)), kafkatest.Message("lines", 0, nil, nil),
			kafkatest.Message("lines", 0, []byte("k"), append(post("d"), '\n')), kafkatest.Message("lines", 0, nil, []byte("\n\n")))
		for _, key := range []string{"", "kafka_key"} {
			p := newTestPlan(t, b.Servers, func(c *Config) {
				c.Topics, c.Messages, c.KeyColumn, c.Group = []string{"lines"}, "lines", key, "lines-"+key
			})
			r, err := read(t, p, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "posts", r.posts["lines/0"], "0 a", "0 b", "0 c", "2 d")
			want(t, "rejected", r.rejected["lines/0"], "0 invalid_json")
			if key != "" && (r.rows[3][key] != "k" || r.rows[0][key] != "") {
				t.Errorf("keys: %v", r.rows)
			}
		}
	})
}

// produceNumbered writes n posts to each partition.
func produceNumbered(t testing.TB, b *kafkatest.Broker, topic string, partitions, n int) {
	t.Helper()
	var ms []client.Message
	for i := range n {
		for p := range partitions {
			ms = append(ms, kafkatest.Message(topic, int32(p), nil, post(fmt.Sprintf("%d-%d", p, i))))
		}
	}
	b.Produce(t, ms...)
}

// TestWhereToBegin reads parts of a topic: from a checkpoint with recorded
// ends, from the group's offset, from offsets of the config, and at the end.
func TestWhereToBegin(t *testing.T) {
	b := kafkatest.Start(t)
	const n = 200
	b.CreateTopic(t, "numbers", 3, nil)
	produceNumbered(t, b, "numbers", 3, n)
	topics := func(c *Config) { c.Topics, c.Consumers, c.ChunkSize = []string{"numbers"}, 2, 4<<10 }
	count := func(r *result) string {
		return fmt.Sprint(len(r.posts["numbers/0"]), len(r.posts["numbers/1"]), len(r.posts["numbers/2"]))
	}
	r, err := read(t, newTestPlan(t, b.Servers, topics), nil, nil)
	if err != nil || count(r) != "200 200 200" {
		t.Fatalf("all: %v, %v", err, count(r))
	}
	for i, row := range r.posts["numbers/1"] {
		if row != fmt.Sprintf("%d 1-%d", i, i) {
			t.Fatalf("row %d is %q", i, row)
		}
	}
	t.Run("checkpoint", func(t *testing.T) {
		r, err := read(t, newTestPlan(t, b.Servers, topics), map[string]pipeline.Resume{
			"numbers/0": {From: "150", Until: []pipeline.Position{"151", "151", "160", "199"}},
			"numbers/1": {From: "200"},
			"numbers/2": {},
		}, nil)
		if err != nil || count(r) != "50 0 200" {
			t.Fatalf("%v, %v", err, count(r))
		}
		for _, end := range []pipeline.Position{"151", "160", "199", "200"} {
			if !strings.Contains(fmt.Sprint(r.ends["numbers/0"], " "), string(end)) {
				t.Errorf("no chunk ends at %s: %v", end, r.ends["numbers/0"])
			}
		}
	})
	t.Run("group", func(t *testing.T) {
		p := newTestPlan(t, b.Servers, topics)
		if _, err := read(t, p, nil, nil); err != nil {
			t.Fatal(err)
		}
		r, err := read(t, p, nil, nil) // the first one has committed all when it was closed
		if err != nil || count(r) != "0 0 0" {
			t.Errorf("a second run of the group: %v, %v", err, count(r))
		}
	})
	t.Run("offsets", func(t *testing.T) {
		r, err := read(t, newTestPlan(t, b.Servers, func(c *Config) {
			topics(c)
			c.Offsets = map[string]int64{"numbers/1": 190}
		}), nil, nil)
		if err != nil || count(r) != "200 10 200" {
			t.Errorf("%v, %v", err, count(r))
		}
	})
	t.Run("latest", func(t *testing.T) {
		r, err := read(t, newTestPlan(t, b.Servers, func(c *Config) { topics(c); c.Start = "latest" }), nil, nil)
		if err != nil || count(r) != "0 0 0" {
			t.Errorf("%v, %v", err, count(r))
		}
	})
	t.Run("time", func(t *testing.T) {
		b.NeedReal(t, "which looks offsets up by time")
		for start, all := range map[string]string{"2020-01-01T00:00:00Z": "200 200 200", "2100-01-01T00:00:00Z": "0 0 0"} {
			r, err := read(t, newTestPlan(t, b.Servers, func(c *Config) { topics(c); c.Start, c.Group = start, "at-"+start[:4] }), nil, nil)
			if err != nil || count(r) != all {
				t.Errorf("from %s: %v, %v", start, err, count(r))
			}
		}
	})
	t.Run("errors", func(t *testing.T) {
		for _, c := range []struct {
			topic, partition string
			from             pipeline.Position
			want             string
		}{
			{"numbers", "numbers/0", "201", "ends at 200"},
			{"numbers", "numbers/0", "x", "no offset"},
			{"numbers", "numbers/7", "0", "do not have"},
			{"absent", "", "", "topic absent"},
		} {
			resume := map[string]pipeline.Resume{}
			if c.partition != "" {
				resume[c.partition] = pipeline.Resume{From: c.from}
			}
			if !b.Real() && c.topic == "absent" {
				continue // the mock cluster makes topics that are asked for
			}
			_, err := read(t, newTestPlan(t, b.Servers, func(cfg *Config) { cfg.Topics = []string{c.topic} }), resume, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: error %v", c, err)
			}
			if _, again := pipeline.IsRetryable(err); again {
				t.Errorf("%+v: %v is retryable", c, err)
			}
		}
	})
}
