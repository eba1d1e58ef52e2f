// Package repartition is the step at which a pipeline is cut in two, so that
// posts of one key meet in one process. The step itself hands posts on as they
// are: `sluice run` puts a topic of Kafka in its place, and tests of rules and
// explain do without.
package repartition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/kafkaconfig"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is the step's config. The fields of kafkaconfig.Connection stand beside it.
type Config struct {
	kafkaconfig.Connection
	By          string        `koanf:"by" doc:"Column whose values are kept together: posts of one value go to one partition, and so to one process." required:"true"`
	Topic       string        `koanf:"topic" doc:"Topic that the posts go through. It is the step's own: nothing else writes to it." required:"true"`
	Partitions  int           `koanf:"partitions" min:"1" max:"10000" doc:"Partitions of the topic: as many processes can share what is behind the step. A topic that is there must have this number."`
	Replication int           `koanf:"replication" min:"0" max:"100" doc:"Copies of each partition when the topic is made; 0 for what the brokers do by default."`
	Retention   time.Duration `koanf:"retention" min:"1m" doc:"How long the topic keeps messages when it is made: longer than the longest outage of what is behind the step."`
}

// Defaults returns the config before a user's file is read over it.
func Defaults() Config {
	return Config{Connection: kafkaconfig.DefaultConnection(), Partitions: 12, Retention: 7 * 24 * time.Hour}
}

// Validate checks the fields. No brokers are those of the source.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Brokers) > 0 {
		errs = c.Connection.Validate(nil)
	}
	if strings.Trim(c.Topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || len(c.Topic) > 249 {
		errs = append(errs, &pipeline.FieldError{Path: "topic", Err: fmt.Errorf("%q is not a topic's name: use letters, digits, '.', '_' and '-'", c.Topic)})
	}
	return errors.Join(errs...)
}

// Factory describes the step.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "repartition",
		Summary: "sends posts through a topic of Kafka, so that those of one key meet in one process",
		Doc: `Cuts the pipeline in two. What is before the step ends in a topic, what is behind it begins there,
and ` + "`sluice run`" + ` runs both. All posts of one value of ` + "`by`" + ` are in one partition of the topic,
each once and in the order of the source's partition that they come from, and a partition is read by one process: so
windows and other steps with that key are right over many processes.

All columns go through the topic, as Arrow IPC; source and source_offset still say where the
post came from. Put the step early, before steps that add large columns.

Sinks take the posts of the last step, which is behind the cut, and detections and rejected rows of both
parts. A sink that takes rows of both is there twice, which embedded ClickHouse and alerts can not be:
choose by ` + "`from`" + ` what it takes of one part.

Without brokers the step uses those of the source, if that is kafka. settings are for both the producer and the
consumer. See docs/kafka.md.`,
		Example: "by: author_id\ntopic: firehose-by-author\npartitions: 12\nbrokers: [\"kafka-1:9092\"]\n",
	}, Defaults, newPlan)
}

// Plan is the checked step.
type Plan struct {
	cfg Config
	out *arrow.Schema
}

var _ pipeline.Describer = (*Plan)(nil)

func newPlan(_ pipeline.BuildContext, cfg *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	at := in.FieldIndices(cfg.By)
	if len(at) == 0 {
		return nil, &pipeline.FieldError{Path: "by", Err: &pipeline.MissingColumnError{Name: cfg.By}}
	}
	switch t := in.Field(at[0]).Type; t.ID() {
	case arrow.STRING, arrow.INT64, arrow.UINT64, arrow.UINT32, arrow.INT32:
	default:
		return nil, &pipeline.FieldError{Path: "by", Err: fmt.Errorf("column %q is of type %s: use one of strings or whole numbers", cfg.By, t)}
	}
	return &Plan{cfg: *cfg, out: in}, nil
}

// Config returns the step's config.
func (p *Plan) Config() Config { return p.cfg }

// Output implements pipeline.Plan.
func (p *Plan) Output() *arrow.Schema { return p.out }

// Emits implements pipeline.Plan.
func (p *Plan) Emits() []pipeline.Stream { return nil }

// New implements pipeline.Plan.
func (p *Plan) New() pipeline.Operator { return pass{} }

// Describe implements pipeline.Describer.
func (p *Plan) Describe() []string {
	return []string{fmt.Sprintf("── cut: through topic %s, %d partitions by %s; what follows is run by whoever has a partition ──", p.cfg.Topic, p.cfg.Partitions, p.cfg.By)}
}

// pass hands posts on.
type pass struct{}

// Process implements pipeline.Operator.
func (pass) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	in.Record.Retain()
	return emit(in)
}
