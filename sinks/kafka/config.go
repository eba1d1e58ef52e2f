// Package kafka is the sink that writes rows to topics of Kafka: a JSON object
// a message, or an Arrow IPC stream of many rows.
//
// The producer is idempotent and Write waits for every delivery report, so an
// epoch that is committed is on the brokers. Delivery is at least once: Kafka
// keeps no register of epochs, so one that was written, but not committed when
// the process died, is written again. Each message names its epoch and its place
// in it, which are the same both times, so that a consumer can drop repeats.
package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is the sink's configuration. The fields of kafka.Connection stand
// beside it.
type Config struct {
	kafka.Connection
	Topic       string            `koanf:"topic" doc:"Topic to write to, with {stream} filled in, such as sluice.{stream}; it must exist."`
	Format      string            `koanf:"format" enum:"json,arrow" doc:"json (one row a message) or arrow (an IPC stream of many rows a message)."`
	KeyColumn   string            `koanf:"key_column" doc:"Column whose value is the message's key: rows of one key keep their order. With format json. An empty value is no key."`
	Headers     map[string]string `koanf:"headers" doc:"Further headers from columns, as header: column. With format json."`
	Compression string            `koanf:"compression" enum:"none,gzip,snappy,lz4,zstd" doc:"How batches of messages are compressed: none, gzip, snappy, lz4 or zstd."`
	Partitioner string            `koanf:"partitioner" enum:"murmur2_random,murmur2,consistent_random,random" doc:"How a key chooses its partition; murmur2_random is what Java's producer does with keys."`
}

// Defaults returns the configuration before a user's file is read over it.
func Defaults() Config {
	return Config{Connection: kafka.DefaultConnection(), Format: "json", Compression: "lz4", Partitioner: "murmur2_random"}
}

// reserved has the settings that the sink makes itself, with the reason.
func reserved() map[string]string {
	const delivery = "the sink's delivery rests on it"
	return map[string]string{
		"enable.idempotence": delivery, "acks": delivery, "request.required.acks": delivery, "transactional.id": "the sink has no transactions",
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
	oneOf("partitioner", c.Partitioner, "murmur2_random", "murmur2", "consistent_random", "random")
	if c.Format == "arrow" && (c.KeyColumn != "" || len(c.Headers) > 0) {
		fail("format", "a message of format arrow holds many rows: leave key_column and headers out")
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

Delivery is at least once: an epoch that was written but not committed when the process died
is written again. The headers sluice-epoch and sluice-row (and with format: arrow sluice-rows, the
number of rows from there on) name a message; a repeat has the same
ones, so a consumer that remembers them since the last epoch can drop it.

With format: arrow a message has at most the rows of a batch (1,024), and is cut in halves where it
is larger than message.max.bytes. The kafka source reads posts written so with messages: arrow.

A message that is larger than the brokers take ends the run: raise message.max.bytes in
settings and at the topic. While the brokers are away, the sink waits, and the pipeline with it.`,
		Example: "brokers: [\"kafka-1:9092\"]\ntopic: sluice.{stream}\nkey_column: author_id\n",
		Takes:   []pipeline.Stream{pipeline.Detections},
	}, Defaults, newPlan)
}

type plan struct {
	cfg Config
	bc  pipeline.BuildContext
	in  pipeline.Schemas
}

func newPlan(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &plan{cfg: *cfg, bc: bc, in: in}
	if _, err := newOutputs(cfg, in); err != nil {
		return nil, err
	}
	if err := cfg.Check(p.settings(nil), true); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *plan) New() (pipeline.Sink, error) {
	outputs, err := newOutputs(&p.cfg, p.in)
	if err != nil {
		return nil, err
	}
	return &Sink{plan: p, Stats: kafka.NewStats(p.bc.Name, p.logger()), outputs: outputs}, nil
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
func newOutputs(cfg *Config, in pipeline.Schemas) (out [pipeline.NumStreams]*output, err error) {
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
		if err := o.init(cfg, schema, tag); err != nil {
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
