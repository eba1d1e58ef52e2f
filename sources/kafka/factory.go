package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// Factory describes the source.
func Factory() pipeline.Factory {
	return pipeline.SourceFactory(pipeline.Factory{
		Name:    "kafka",
		Summary: "read topics of Kafka: JSON posts, one or several a message",
		Doc: `Reads all partitions of the topics. source is topic/partition, and source_offset
the message's offset; with ` + "`messages: lines`" + ` all posts of a message share it.

With ` + "`assign: group`" + ` all processes that run the pipeline share the partitions, as the
members of a consumer group, and each can go on where another stopped: what is
known of a partition is committed to the group, the epochs that are being written
in the commit's metadata. Start more processes to get more throughput, up to one
for each partition; each needs a ` + "`checkpoint.path`" + ` of its own. Partitions that are
added to a topic are read at once. ` + "`settings`" + ` may choose the protocol
(` + "`group.protocol: consumer`" + ` for that of KIP-848), static membership
(` + "`group.instance.id`" + `) and timeouts. The partition strategy is cooperative-sticky.

With ` + "`assign: all`" + ` one process reads all partitions, and the checkpoint says where to go
on. The offsets committed to the group follow it by about a second and serve tools
that show lag. The group must have no members. Partitions that are added to a
topic are read from the next start on, from their beginning.

Two pipelines of different names each read everything.

A message that is not a post goes to ` + "`rejected`" + ` with its topic, partition and
offset, and stops nothing. The framing of a schema registry (a zero byte and four
bytes of schema id) is recognised: JSON behind it is read, Avro and Protobuf are
rejected as schema_registry_binary. Messages with an empty value count as blank lines.

With ` + "`messages: arrow`" + ` a message is an Arrow IPC stream of record batches, as the kafka sink
writes it with ` + "`format: arrow`" + `. Columns are found by name: those of posts by theirs, those of
` + "`columns`" + ` by their path; a column that is absent or null is empty, and others are passed over.
Types must be equal: utf8, int64, float64, bool, timestamp[ms, UTC], list<utf8>; no dictionaries. Buffers may be packed with
LZ4 or Zstandard. A message of more than 64 MiB, packed or not, or 65,536 rows is
rejected as too_large, one that is no such stream as invalid_arrow, one of other types as wrong_type,
each as a whole; a row without id or time, or with a time out of range, is rejected alone.

` + "`settings`" + ` takes all settings of librdkafka but those that the source makes itself.
Its logs appear among those of the pipeline, and its statistics, every 5 seconds or
every statistics.interval.ms, among the metrics: sluice_kafka_ and so on.`,
		Example: "brokers: [\"kafka-1:9092\", \"kafka-2:9092\"]\ntopics: [posts]\nformat: plain\nsettings: { fetch.min.bytes: \"65536\" }\n",
	}, Defaults, newPlan)
}

type plan struct {
	cfg          Config
	group        string
	objectsTopic string
	logger       *slog.Logger
	decode       *decodePlan
}

func newPlan(bc pipeline.BuildContext, cfg *Config) (pipeline.SourcePlan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	inner, err := decode.NewPlan(cfg.Config, bc.Mem)
	if err != nil {
		return nil, err
	}
	p := &plan{cfg: *cfg, group: cfg.Group, objectsTopic: cfg.ObjectsTopic, logger: bc.Logger}
	if p.group == "" {
		p.group = "sluice-" + bc.Pipeline
	}
	if p.objectsTopic == "" {
		p.objectsTopic = p.group + "-objects"
	}
	if p.Shared() && !validTopic(p.objectsTopic) {
		return nil, &pipeline.FieldError{Path: "objects_topic", Err: fmt.Errorf("%q is not a topic's name: set one", p.objectsTopic)}
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if p.decode, err = newDecodePlan(cfg, inner, bc.Mem); err != nil {
		return nil, err
	}
	if err := cfg.Check(p.settings(nil), false); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *plan) Decode() pipeline.DecodePlan { return p.decode }

// Shared implements pipeline.SharedPlan.
func (p *plan) Shared() bool { return p.cfg.shared() }

func (p *plan) New() (pipeline.Source, error) {
	if !p.Shared() {
		s := &source{plan: p, Stats: kafka.NewStats("source", p.logger)}
		s.pool.New = func() any { return &buffer{} }
		return s, nil
	}
	g := &group{source: source{plan: p, Stats: kafka.NewStats("source", p.logger)}}
	g.pool.New = func() any { return &buffer{} }
	g.objects = objects{topic: p.objectsTopic, settings: p.plainSettings, logger: p.logger}
	return g, nil
}

// plainSettings returns the configuration of a client that is no member of the
// group. What it has to say comes as errors, not as logs.
func (p *plan) plainSettings() *client.ConfigMap {
	return p.cfg.Map(client.ConfigMap{"client.id": "sluice"}, client.ConfigMap{"log_level": 0, "statistics.interval.ms": 0})
}

// settings returns the configuration of one consumer.
func (p *plan) settings(logs *kafka.Logs) *client.ConfigMap {
	own := client.ConfigMap{
		"group.id": p.group, "enable.auto.commit": !p.Shared(), "enable.auto.offset.store": false,
		"auto.offset.reset": "error", "enable.partition.eof": true,
		"queued.max.messages.kbytes": max(int(p.cfg.Prefetch>>10)/p.cfg.Consumers, 1),
	}
	defaults := client.ConfigMap{"client.id": "sluice", "statistics.interval.ms": kafka.StatsInterval}
	switch {
	case !p.Shared():
		own["auto.commit.interval.ms"] = 1000
		// There is no session, but closing waits this long for a broker that is
		// away to take the last offsets.
		own["session.timeout.ms"] = 6000
	case p.cfg.Settings["group.protocol"] != "consumer": // there the broker decides
		defaults["partition.assignment.strategy"] = "cooperative-sticky"
	}
	if logs != nil {
		logs.Settings(own)
	}
	return p.cfg.Map(defaults, own)
}

// fields returns the columns that the source adds.
func (c *Config) fields() (fields []arrow.Field, headers []string, err error) {
	add := func(path, name string, t arrow.DataType) {
		if !slices.ContainsFunc(fields, func(f arrow.Field) bool { return f.Name == name }) {
			fields = append(fields, arrow.Field{Name: name, Type: t, Nullable: t.ID() != arrow.STRING})
			return
		}
		err = errors.Join(err, &pipeline.FieldError{Path: path, Err: &pipeline.DuplicateColumnError{Name: name}})
	}
	if c.KeyColumn != "" {
		add("key_column", c.KeyColumn, arrow.BinaryTypes.String)
	}
	if c.TimeColumn != "" {
		add("time_column", c.TimeColumn, pipeline.Timestamp)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		add("headers."+name, name, arrow.BinaryTypes.String)
		headers = append(headers, c.Headers[name])
	}
	return fields, headers, err
}
