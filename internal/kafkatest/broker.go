// Package kafkatest starts a Kafka broker for tests, and for benchmarks: Apache
// Kafka itself where it is at hand, and librdkafka's mock cluster everywhere else.
//
// Apache Kafka is at hand when KAFKA_LIB_PATH names the folder with its jars,
// as deploy/kafka/fetch.sh prints it and `make test` sets it. It is then
// expected: a test fails when it does not start. The mock cluster has topics,
// groups and offsets, but keeps nothing, authenticates nobody and can not be
// stopped; tests that need more call [Broker.NeedReal].
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	ours "github.com/sluicehq/sluice/internal/kafka"
)

// Users of the real broker's SASL listener.
const (
	PlainUser, ScramUser = "plain-user", "scram-user"
	Password             = "not-a-secret"
)

// Broker is a running broker.
type Broker struct {
	Servers string // bootstrap address of the listener without authentication
	SASL    string // that of the listener with SASL, PLAIN and SCRAM; empty of the mock cluster
	TLS     string // that of the listener with TLS; empty of the mock cluster
	CA      string // PEM file of what signs its certificate

	real *server
	mock *kafka.MockCluster
}

// Start starts a broker that is stopped when the test ends. It logs which kind
// it is; the log of a real one is shown if the test failed.
func Start(tb testing.TB) *Broker {
	tb.Helper()
	b, err := Launch(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		b.Close()
		if tb.Failed() && b.Real() {
			tb.Logf("the broker's log ends with\n%s", b.LogTail())
		}
	})
	tb.Log("broker: " + b.String())
	return b
}

// Launch starts a broker outside a test. The files of a real one are in dir.
// The caller ends it by Close; a real one ends with this process too, in
// whatever way that ends.
func Launch(dir string) (*Broker, error) {
	libs := os.Getenv("KAFKA_LIB_PATH")
	if libs == "" {
		mock, err := kafka.NewMockCluster(1)
		if err != nil {
			return nil, fmt.Errorf("kafkatest: %w", err)
		}
		return &Broker{Servers: mock.BootstrapServers(), mock: mock}, nil
	}
	s, err := newServer(libs, dir)
	if err == nil {
		err = s.start()
	}
	if err != nil {
		return nil, fmt.Errorf("kafkatest: Apache Kafka is expected, since KAFKA_LIB_PATH is %s, and did not start: %w", libs, err)
	}
	return &Broker{Servers: s.plain, SASL: s.sasl, TLS: s.tls, CA: filepath.Join(s.dir, "ca.pem"), real: s}, nil
}

// String says which kind of broker it is.
func (b *Broker) String() string {
	if b.real == nil {
		return "librdkafka's mock cluster (KAFKA_LIB_PATH is not set: see deploy/kafka/fetch.sh)"
	}
	return fmt.Sprintf("Apache Kafka from %s at %s", b.real.libs, b.real.plain)
}

// Close ends the broker.
func (b *Broker) Close() {
	if b.real != nil {
		b.real.kill()
	} else {
		b.mock.Close()
	}
}

// LogTail returns the end of a real broker's log.
func (b *Broker) LogTail() string { return b.real.logTail() }

// Real reports whether it is Apache Kafka.
func (b *Broker) Real() bool { return b.real != nil }

// NeedReal skips the test where Apache Kafka is not at hand.
func (b *Broker) NeedReal(tb testing.TB, why string) {
	tb.Helper()
	if b.real == nil {
		tb.Skipf("needs Apache Kafka, %s: set KAFKA_LIB_PATH to what deploy/kafka/fetch.sh prints", why)
	}
}

// Kill ends a real broker at once, as SIGKILL does.
func (b *Broker) Kill() { b.real.kill() }

// Stop ends a real broker by SIGTERM, and by SIGKILL when that has taken long.
func (b *Broker) Stop() { b.real.stop() }

// Up starts a real broker that was ended, on the same ports and with its data.
func (b *Broker) Up() error {
	if err := b.real.start(); err != nil {
		return fmt.Errorf("kafkatest: the broker did not start again: %w", err)
	}
	return nil
}

// Restart is Up within a test.
func (b *Broker) Restart(tb testing.TB) {
	tb.Helper()
	if err := b.Up(); err != nil {
		tb.Fatal(err)
	}
}

// CreateTopic creates a topic; config has settings of the topic, such as
// cleanup.policy, which the mock cluster ignores.
func (b *Broker) CreateTopic(tb testing.TB, topic string, partitions int, config map[string]string) {
	tb.Helper()
	if err := b.AddTopic(topic, partitions, config); err != nil {
		tb.Fatal(err)
	}
}

// AddTopic is CreateTopic outside a test.
func (b *Broker) AddTopic(topic string, partitions int, config map[string]string) error {
	if b.mock != nil {
		if err := b.mock.CreateTopic(topic, partitions, 1); err != nil {
			return fmt.Errorf("kafkatest: topic %s: %w", topic, err)
		}
		return nil
	}
	return b.administer("topic "+topic, func(ctx context.Context, admin *kafka.AdminClient) error {
		return ours.CreateTopic(ctx, admin, kafka.TopicSpecification{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, Config: config})
	})
}

// DropTopic deletes a topic and what is in it; the mock cluster keeps it.
func (b *Broker) DropTopic(topic string) error {
	if b.mock != nil {
		return nil
	}
	return b.administer("topic "+topic, func(ctx context.Context, admin *kafka.AdminClient) error {
		res, err := admin.DeleteTopics(ctx, []string{topic})
		if err == nil && res[0].Error.Code() != kafka.ErrNoError {
			err = res[0].Error
		}
		return err
	})
}

// administer calls f with a client, for up to a minute.
func (b *Broker) administer(what string, f func(context.Context, *kafka.AdminClient) error) error {
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": b.Servers})
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f(ctx, admin); err != nil {
		return fmt.Errorf("kafkatest: %s: %w", what, err)
	}
	return nil
}

// DeleteRecords deletes the messages of a partition of a real broker that are
// before offset, as retention does.
func (b *Broker) DeleteRecords(tb testing.TB, topic string, partition int32, offset int64) {
	tb.Helper()
	at := kafka.TopicPartition{Topic: &topic, Partition: partition, Offset: kafka.Offset(offset)}
	err := b.administer("deleting records of "+topic, func(ctx context.Context, admin *kafka.AdminClient) error {
		res, err := admin.DeleteRecords(ctx, []kafka.TopicPartition{at})
		if err == nil {
			err = res.DeleteRecordsResults[0].TopicPartition.Error
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// Produce writes messages, in order, and returns when the broker has them.
func (b *Broker) Produce(tb testing.TB, messages ...kafka.Message) {
	tb.Helper()
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": b.Servers, "enable.idempotence": b.Real(), "linger.ms": 5})
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	defer p.Close()
	reports := make(chan kafka.Event, len(messages))
	for i := range messages {
		for {
			err := p.Produce(&messages[i], reports)
			var ke kafka.Error
			if errors.As(err, &ke) && ke.Code() == kafka.ErrQueueFull {
				p.Flush(100)
				continue
			}
			if err != nil {
				tb.Fatalf("kafkatest: produce: %v", err)
			}
			break
		}
	}
	for range messages {
		if m, ok := (<-reports).(*kafka.Message); ok && m.TopicPartition.Error != nil {
			tb.Fatalf("kafkatest: produce: %v", m.TopicPartition.Error)
		}
	}
}

// Message returns a message for Produce.
func Message(topic string, partition int32, key, value []byte, headers ...kafka.Header) kafka.Message {
	return kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: partition}, Key: key, Value: value, Headers: headers}
}

// Consume reads n messages of a topic from its beginning, for up to a minute.
func (b *Broker) Consume(tb testing.TB, topic string, n int) []*kafka.Message {
	tb.Helper()
	return b.ConsumeWithin(tb, time.Minute, topic, n)
}

// ConsumeWithin is Consume with another time.
func (b *Broker) ConsumeWithin(tb testing.TB, within time.Duration, topic string, n int) []*kafka.Message {
	tb.Helper()
	var out []*kafka.Message
	b.consume(tb, topic, func(c *kafka.Consumer, _ int) {
		for deadline := time.Now().Add(within); len(out) < n; {
			if time.Now().After(deadline) {
				tb.Fatalf("kafkatest: topic %s has %d messages, want %d", topic, len(out), n)
			}
			if m, ok := c.Poll(100).(*kafka.Message); ok && m.TopicPartition.Error == nil {
				out = append(out, m)
			}
		}
	})
	return out
}

// ConsumeAll reads the messages that are committed in a topic, from its beginning
// to its end.
func (b *Broker) ConsumeAll(tb testing.TB, topic string) []*kafka.Message {
	tb.Helper()
	var out []*kafka.Message
	b.consume(tb, topic, func(c *kafka.Consumer, partitions int) {
		ended := map[int32]bool{}
		for deadline := time.Now().Add(time.Minute); len(ended) < partitions; {
			if time.Now().After(deadline) {
				tb.Fatalf("kafkatest: topic %s could not be read to its end", topic)
			}
			switch e := c.Poll(100).(type) {
			case *kafka.Message:
				if e.TopicPartition.Error == nil {
					out = append(out, e)
				}
			case kafka.PartitionEOF:
				ended[e.Partition] = true
			}
		}
	})
	return out
}

// consume calls read with a consumer of all partitions of a topic.
func (b *Broker) consume(tb testing.TB, topic string, read func(c *kafka.Consumer, partitions int)) {
	tb.Helper()
	c, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": b.Servers, "group.id": fmt.Sprintf("kafkatest-%d", time.Now().UnixNano()),
		"auto.offset.reset": "earliest", "enable.auto.commit": false, "enable.partition.eof": true,
	})
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	defer c.Close()
	md, err := c.GetMetadata(&topic, false, 30_000)
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	var all []kafka.TopicPartition // assigned by hand: joining a group takes seconds
	for p := range md.Topics[topic].Partitions {
		all = append(all, kafka.TopicPartition{Topic: &topic, Partition: int32(p), Offset: kafka.OffsetBeginning})
	}
	if err := c.Assign(all); err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	read(c, len(all))
}
