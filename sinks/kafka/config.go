// Package kafka is the sink that writes rows to topics of Kafka: a JSON object
// a message, or an Arrow IPC stream of many rows.
//
// The producer is idempotent and Write waits for every delivery report, so an
// epoch that is committed is on the brokers. By default delivery is at least
// once: an epoch that was written, but not committed when the process died, is
// written again. Each message names its epoch and its place in it, which are the
// same both times, so that a consumer can drop repeats. With delivery:
// exactly_once each epoch is a transaction: see exact.
package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is the sink's configuration. The fields of kafka.Connection stand
// beside it.
type Config struct {
	kafka.Connection
	Topic           string            `koanf:"topic" doc:"Topic to write to, with {stream} filled in, such as sluice.{stream}; it must exist."`
	Format          string            `koanf:"format" enum:"json,arrow" doc:"json (one row a message) or arrow (an IPC stream of many rows a message)."`
	KeyColumn       string            `koanf:"key_column" doc:"Column whose value is the message's key: rows of one key keep their order. An empty value is no key. With format arrow messages have no key, but rows are divided among the partitions as messages with it would be."`
	Headers         map[string]string `koanf:"headers" doc:"Further headers from columns, as header: column. With format json."`
	Compression     string            `koanf:"compression" enum:"none,gzip,snappy,lz4,zstd" doc:"How batches of messages are compressed: none, gzip, snappy, lz4 or zstd."`
	Delivery        string            `koanf:"delivery" enum:"at_least_once,exactly_once" doc:"at_least_once, or exactly_once: each epoch is a transaction, and consumers that read committed messages only, as most do by default, see each row once."`
	TransactionalID string            `koanf:"transactional_id" doc:"What the transactional ids and the groups of exactly_once begin with; default: sluice-, the pipeline's name, - and the sink's name. Two pipelines must not have the same one."`
	Partitioner     string            `koanf:"partitioner" enum:"murmur2_random,murmur2,consistent_random,random" doc:"How a key chooses its partition; murmur2_random is what Java's producer does with keys."`
}

// Defaults returns the configuration before a user's file is read over it.
func Defaults() Config {
	return Config{Connection: kafka.DefaultConnection(), Format: "json", Compression: "lz4", Delivery: "at_least_once", Partitioner: "murmur2_random"}
}

// reserved has the settings that the sink makes itself, with the reason.
func reserved() map[string]string {
	const delivery = "the sink's delivery rests on it"
	return map[string]string{
		"enable.idempotence": delivery, "acks": delivery, "request.required.acks": delivery, "transactional.id": "set delivery and transactional_id beside settings",
		"partitioner": "set partitioner beside settings", "compression.codec": "set compression instead", "compression.type": "set compression instead",
		"delivery.report.only.error": delivery, "enable.gapless.guarantee": delivery,
	}
}

// Validate checks the fields.
func (c *Config) Validate() error {
	errs := c.Connection.Validate(reserved())
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	if c.Topic == "" {
		fail("topic", "no topic")
	} else if rest := strings.ReplaceAll(c.Topic, "{stream}", ""); strings.ContainsAny(rest, "{}/ ") {
		fail("topic", "%q is not a topic's name: use letters, digits, '.', '_', '-' and {stream}", c.Topic)
	}
	oneOf := func(path, v string, of ...string) {
		if !slices.Contains(of, v) {
			fail(path, "%q: use one of %s", v, strings.Join(of, ", "))
		}
	}
	oneOf("format", c.Format, "json", "arrow")
	oneOf("compression", c.Compression, "none", "gzip", "snappy", "lz4", "zstd")
	oneOf("delivery", c.Delivery, "at_least_once", "exactly_once")
	if c.TransactionalID != "" && c.Delivery != "exactly_once" {
		fail("transactional_id", "it has no effect without delivery: exactly_once")
	}
	oneOf("partitioner", c.Partitioner, "murmur2_random", "murmur2", "consistent_random", "random")
	if c.Format == "arrow" && len(c.Headers) > 0 {
		fail("format", "a message of format arrow holds many rows: leave headers out")
	}
	if c.Format == "arrow" && c.KeyColumn != "" && !strings.HasPrefix(c.Partitioner, "murmur2") {
		fail("partitioner", "with format: arrow and key_column rows are divided by murmur2: leave it out")
	}
	return errors.Join(errs...)
}

// Factory returns the factory of the sink.
func Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name:    "kafka",
		Summary: "writes detections, or other streams, to topics of Kafka",
		Doc: `Writes each row as a message with a JSON object, or, with format: arrow, batches of rows
as Arrow IPC streams. The producer is idempotent, and an epoch is committed when the brokers
have acknowledged all its messages.

By default delivery is at least once: an epoch that was written but not committed when the process
died is written again. The headers sluice-epoch and sluice-row (and with format: arrow sluice-rows, the
number of rows from there on) name a message; a repeat has the same
ones, so a consumer that remembers them since the last epoch can drop it.

With delivery: exactly_once an epoch is a transaction, one that repeats is left out, and rows are
seen once by consumers that read committed messages (isolation.level: read_committed, librdkafka's
default; Java's must be set so). Each partition of the source has a transactional id and a consumer
group, both called like transactional_id, a slash, and the partition.

With format: arrow a message has at most the rows of a batch (1,024), and is cut in halves where it
is larger than message.max.bytes. With key_column the rows of each message belong to its partition. The kafka source reads posts written so with messages: arrow.

A message that is larger than the brokers take ends the run: raise message.max.bytes in
settings and at the topic. While the brokers are away, the sink waits, and the pipeline with it.`,
		Example: "brokers: [\"kafka-1:9092\"]\ntopic: sluice.{stream}\nkey_column: author_id\n",
		Takes:   []pipeline.Stream{pipeline.Detections},
	}, Defaults, newPlan)
}

type plan struct {
	cfg    Config
	bc     pipeline.BuildContext
	in     pipeline.Schemas
	sealed bool // see NewSealed
}

func newPlan(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	return makePlan(bc, cfg, in, false)
}

// NewSealed plans a sink that seals each message (see kafka.Seal): for what reads
// them is the next part of the same pipeline.
func NewSealed(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	return makePlan(bc, cfg, in, true)
}

func makePlan(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas, sealed bool) (pipeline.SinkPlan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if bc.Mem == nil {
		bc.Mem = memory.DefaultAllocator
	}
	p := &plan{cfg: *cfg, bc: bc, in: in, sealed: sealed}
	if _, err := newOutputs(cfg, in, sealed); err != nil {
		return nil, err
	}
	settings := p.settings(nil)
	if cfg.Delivery == "exactly_once" {
		p.transactional(settings, "checked")
	}
	if err := cfg.Check(settings, true); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *plan) New() (pipeline.Sink, error) {
	outputs, err := newOutputs(&p.cfg, p.in, p.sealed)
	if err != nil {
		return nil, err
	}
	s := &Sink{plan: p, Stats: kafka.NewStats(p.bc.Name, p.logger()), outputs: outputs}
	if p.cfg.Delivery == "exactly_once" {
		s.exact = &exact{s: s, prefix: p.transactionalID(), at: p.cfg.commitTopic(p.in), links: maxLinks, claims: map[string]*claim{}}
	}
	return s, nil
}

func (p *plan) logger() *slog.Logger {
	if p.bc.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.bc.Logger
}

func (p *plan) settings(logs *kafka.Logs) *client.ConfigMap {
	own := client.ConfigMap{
		"enable.idempotence": true, "acks": "all",
		"compression.codec": p.cfg.Compression, "partitioner": p.cfg.Partitioner,
		"go.delivery.report.fields": "none",
	}
	if logs != nil {
		logs.Settings(own)
	}
	return p.cfg.Map(client.ConfigMap{
		"client.id": "sluice", "linger.ms": 5, "statistics.interval.ms": kafka.StatsInterval,
		// Messages wait for as long as the brokers are away: to give up and
		// begin again would write some of them twice.
		"message.timeout.ms": 0,
	}, own)
}

// transactional makes settings those of a producer of transactions. Its messages
// do not wait for longer than a transaction may take.
func (p *plan) transactional(settings *client.ConfigMap, id string) {
	(*settings)["transactional.id"] = id
	if _, given := p.cfg.Settings["message.timeout.ms"]; !given {
		delete(*settings, "message.timeout.ms") // librdkafka chooses it then
	}
}

// transactionalID returns what the transactional ids begin with.
func (p *plan) transactionalID() string {
	if p.cfg.TransactionalID != "" {
		return p.cfg.TransactionalID
	}
	return "sluice-" + p.bc.Pipeline + "-" + p.bc.Name
}

// commitTopic is the topic under which it is committed what was written.
func (c *Config) commitTopic(in pipeline.Schemas) string {
	for _, topic := range c.topics(in) {
		if topic != "" {
			return topic
		}
	}
	return ""
}

// topics lists the topics, by stream; empty for a stream that is not taken.
func (c *Config) topics(in pipeline.Schemas) (out [pipeline.NumStreams]string) {
	for i, schema := range in {
		if schema != nil {
			out[i] = strings.ReplaceAll(c.Topic, "{stream}", pipeline.Stream(i).String())
		}
	}
	return out
}

// newOutputs finds the columns of each stream and makes its encoder.
func newOutputs(cfg *Config, in pipeline.Schemas, sealed bool) (out [pipeline.NumStreams]*output, err error) {
	topics := cfg.topics(in)
	streams := 0
	for _, topic := range topics {
		if topic != "" {
			streams++
		}
	}
	var errs []error
	for i, schema := range in {
		if schema == nil {
			continue
		}
		o := &output{topic: topics[i], stream: pipeline.Stream(i)}
		tag := "" // rows of several streams in one topic say which they are of
		if streams > 1 && !strings.Contains(cfg.Topic, "{stream}") {
			tag = "stream"
		}
		if err := o.init(cfg, schema, tag, sealed); err != nil {
			errs = append(errs, err)
		}
		out[i] = o
	}
	return out, errors.Join(errs...)
}

// find returns the position of a column that can be a key or a header.
func find(schema *arrow.Schema, path, name string) (int, error) {
	at := schema.FieldIndices(name)
	if len(at) == 0 {
		return 0, &pipeline.FieldError{Path: path, Err: &pipeline.MissingColumnError{Name: name}}
	}
	switch t := schema.Field(at[0]).Type; t.ID() {
	case arrow.STRING, arrow.INT64, arrow.UINT64, arrow.UINT32, arrow.INT32:
		return at[0], nil
	default:
		return 0, &pipeline.FieldError{Path: path, Err: fmt.Errorf("column %q is of type %s: use one of strings or whole numbers", name, t)}
	}
}

// sortedHeaders returns the header names in order.
func (c *Config) sortedHeaders() []string { return slices.Sorted(maps.Keys(c.Headers)) }
