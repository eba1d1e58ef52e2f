package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/internal/kafkaconfig"
	"github.com/sluicehq/sluice/pipeline"
)

// Share has one of several processes tell for all. The fields of
// kafkaconfig.Connection stand beside it.
type Share struct {
	kafkaconfig.Connection
	Topic       string        `koanf:"topic" required:"true" doc:"topic that detections go through to the process that tells; that and the topic of this name with -state behind it are the sink's own"`
	Replication int           `koanf:"replication" min:"0" max:"100" doc:"copies of each topic when it is made; 0 for what the brokers do by default"`
	Retention   time.Duration `koanf:"retention" min:"1h" doc:"how long the topic keeps detections when it is made: longer than the longest time without any process"`
}

// SetDefaults is called by the config loader.
func (c *Share) SetDefaults() {
	c.Connection, c.Retention = kafkaconfig.DefaultConnection(), 7*24*time.Hour
}

// validate checks the fields.
func (c *Share) validate(fail func(path, format string, args ...any)) {
	const own = "the sink's sharing rests on it"
	reserved := map[string]string{}
	for _, name := range []string{
		"acks", "request.required.acks", "enable.idempotence", "transactional.id", "message.timeout.ms", "delivery.timeout.ms", "enable.auto.commit",
		"enable.partition.eof", "auto.offset.reset", "group.id", "group.instance.id", "group.protocol", "isolation.level", "partition.assignment.strategy", "message.max.bytes",
	} {
		reserved[name] = own
	}
	for _, err := range c.Validate(reserved) {
		path := "share"
		if fe, ok := errors.AsType[*pipeline.FieldError](err); ok {
			path, err = path+"."+fe.Path, fe.Err
		}
		fail(path, "%w", err)
	}
	if !plainName(c.Topic) || len(c.Topic) > 200 {
		fail("share.topic", "%q is not a topic's name: use letters, digits, '.', '_' and '-', 200 at the most", c.Topic)
	}
}

// stateTopic is where the teller keeps what it knows.
func (c *Share) stateTopic() string { return c.Topic + "-state" }

// sharing is a sink's part in what several processes share. Its writes go to a
// topic of one partition. One of the processes is given the partition: it counts
// what all have written, and tells. What it knows is in a topic too, see changelog,
// so whoever is given the partition next goes on.
type sharing struct {
	s   *Sink
	cfg *Share
	at  kafka.Connection
	id  string // of the consumer group and of the transactions
	mem memory.Allocator

	sender *client.Producer // of detections; nil until it is needed
	logs   *kafka.Logs
	stop   context.CancelFunc // nil unless it is open
	ended  chan struct{}
}

func newSharing(s *Sink, mem memory.Allocator) *sharing {
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	return &sharing{s: s, cfg: s.cfg.Share, at: kafka.Connection{Connection: s.cfg.Share.Connection}, id: "sluice-" + s.pipe + "-" + s.name, mem: mem}
}

// settings of a client that produces, or consumes.
func (x *sharing) settings(producer bool, own client.ConfigMap) *client.ConfigMap {
	c := x.at
	c.Settings = maps.Clone(c.Settings)
	others := kafka.OfProducer
	if producer {
		others = kafka.OfConsumer
	}
	maps.DeleteFunc(c.Settings, func(name, _ string) bool { return others(name) })
	defaults := client.ConfigMap{"client.id": "sluice"}
	if producer {
		defaults["linger.ms"], defaults["compression.type"] = 0, "lz4"
		own["enable.idempotence"], own["acks"] = true, "all"
		own["go.delivery.report.fields"] = "none"
	}
	if x.logs != nil {
		x.logs.Settings(own)
	}
	return c.Map(defaults, own)
}

// open makes the topics if they are not there, and begins to share.
func (x *sharing) open(ctx context.Context) error {
	if x.logs == nil {
		x.logs = kafka.NewLogs(x.s.log.With("sink", x.s.name))
	}
	if err := x.makeTopics(ctx); err != nil {
		return fmt.Errorf("%s: share: %w", x.s.name, err)
	}
	// Telling outlives the call, so it is not under its context; close ends it.
	run, stop := context.WithCancel(context.Background())
	x.stop, x.ended = stop, make(chan struct{})
	go x.run(run)
	return nil
}

// askTimeout is how long a question to the brokers may take.
const askTimeout = 10 * time.Second

// makeTopics makes the two topics, and checks that they have one partition.
func (x *sharing) makeTopics(ctx context.Context) error {
	for _, topic := range []kafka.Topic{
		{Name: x.cfg.Topic, Config: kafka.Retained(x.cfg.Retention)},
		// Whoever takes over reads it all: it is cleaned often.
		{Name: x.cfg.stateTopic(), Config: map[string]string{
			"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "segment.ms": "600000",
			"segment.bytes": strconv.Itoa(32 << 20), "delete.retention.ms": "3600000",
		}},
	} {
		topic.Partitions, topic.Replication = 1, x.cfg.Replication
		made, err := topic.Make(ctx, x.at)
		if made {
			x.s.log.Info("made a topic for alerts of several processes", "sink", x.s.name, "topic", topic.Name)
		}
		if _, other := errors.AsType[*kafka.PartitionsError](err); other {
			return fmt.Errorf("%w: one process can tell only where it has 1: use another topic", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveTime is how long the leaving of the group may take beyond what is sent.
const leaveTime = 5 * time.Second

// close lets another process tell, or, where this is the only one, delivers what
// can be delivered at once.
func (x *sharing) close(ctx context.Context) error {
	if x.stop != nil {
		x.stop()
		limit := time.NewTimer(3*x.s.drain + leaveTime)
		defer limit.Stop()
		select {
		case <-x.ended:
		case <-limit.C: // brokers are away; the group finds out that this process is gone
			x.s.log.Warn("the brokers do not answer: another process tells of alerts when this one's session has ended", "sink", x.s.name)
			return nil
		case <-ctx.Done():
			return nil
		}
		x.stop = nil
	}
	x.dropSender()
	if x.logs != nil {
		x.logs.Close()
		x.logs = nil
	}
	return nil
}
