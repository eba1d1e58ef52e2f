// Package kafkatest starts a Kafka broker for tests: Apache Kafka itself where
// it is at hand, and librdkafka's mock cluster everywhere else.
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
	libs := os.Getenv("KAFKA_LIB_PATH")
	if libs == "" {
		mock, err := kafka.NewMockCluster(1)
		if err != nil {
			tb.Fatalf("kafkatest: %v", err)
		}
		tb.Cleanup(mock.Close)
		tb.Log("broker: librdkafka's mock cluster (KAFKA_LIB_PATH is not set: see deploy/kafka/fetch.sh)")
		return &Broker{Servers: mock.BootstrapServers(), mock: mock}
	}
	s, err := newServer(libs, tb.TempDir())
	if err == nil {
		err = s.start()
	}
	if err != nil {
		tb.Fatalf("kafkatest: Apache Kafka is expected, since KAFKA_LIB_PATH is %s, and did not start: %v", libs, err)
	}
	tb.Cleanup(func() {
		s.kill()
		if tb.Failed() {
			tb.Logf("the broker's log ends with\n%s", s.logTail())
		}
	})
	tb.Logf("broker: Apache Kafka from %s at %s", libs, s.plain)
	return &Broker{Servers: s.plain, SASL: s.sasl, TLS: s.tls, CA: filepath.Join(s.dir, "ca.pem"), real: s}
}

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

// Restart starts a killed broker again, on the same ports and with its data.
func (b *Broker) Restart(tb testing.TB) {
	tb.Helper()
	if err := b.real.start(); err != nil {
		tb.Fatalf("kafkatest: the broker did not start again: %v", err)
	}
}

// CreateTopic creates a topic; config has settings of the topic, such as
// cleanup.policy, which the mock cluster ignores.
func (b *Broker) CreateTopic(tb testing.TB, topic string, partitions int, config map[string]string) {
	tb.Helper()
	if b.mock != nil {
		if err := b.mock.CreateTopic(topic, partitions, 1); err != nil {
			tb.Fatalf("kafkatest: topic %s: %v", topic, err)
		}
		return
	}
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": b.Servers})
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, Config: config}})
	if err == nil && res[0].Error.Code() != kafka.ErrNoError {
		err = res[0].Error
	}
	if err != nil {
		tb.Fatalf("kafkatest: topic %s: %v", topic, err)
	}
}

// DeleteRecords deletes the messages of a partition of a real broker that are
// before offset, as retention does.
func (b *Broker) DeleteRecords(tb testing.TB, topic string, partition int32, offset int64) {
	tb.Helper()
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": b.Servers})
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	at := kafka.TopicPartition{Topic: &topic, Partition: partition, Offset: kafka.Offset(offset)}
	res, err := admin.DeleteRecords(ctx, []kafka.TopicPartition{at})
	if err == nil {
		err = res.DeleteRecordsResults[0].TopicPartition.Error
	}
	if err != nil {
		tb.Fatalf("kafkatest: deleting records of %s: %v", topic, err)
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

// Consume reads n messages of a topic from its beginning.
func (b *Broker) Consume(tb testing.TB, topic string, n int) []*kafka.Message {
	tb.Helper()
	c, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": b.Servers, "group.id": fmt.Sprintf("kafkatest-%d", time.Now().UnixNano()),
		"auto.offset.reset": "earliest", "enable.auto.commit": false,
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
	var out []*kafka.Message
	for deadline := time.Now().Add(time.Minute); len(out) < n; {
		if time.Now().After(deadline) {
			tb.Fatalf("kafkatest: topic %s has %d messages, want %d", topic, len(out), n)
		}
		if m, ok := c.Poll(100).(*kafka.Message); ok && m.TopicPartition.Error == nil {
			out = append(out, m)
		}
	}
	return out
}
