package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// objects is a topic with contents under their hashes: the config, rules, lists
// and models of epochs that are under way, for whichever process has to run
// these again. It has one partition, is compacted, and forgets what was not put
// again for a week.
//
// Contents are cut into messages of objectPart bytes, whose keys are the hash,
// the number of the part and the number of parts, joined by slashes.
type objects struct {
	topic    string
	settings func() *client.ConfigMap // of a client; without the group
	logger   *slog.Logger

	mu       sync.Mutex
	producer *client.Producer // nil until the first put
}

const (
	objectPart    = 512 << 10
	maxObject     = 1 << 30
	objectsKept   = 7 * 24 * time.Hour
	objectTimeout = 20 * time.Second
	createTimeout = 5 * time.Second
)

// put makes contents available. It returns when the brokers have them.
func (o *objects) put(ctx context.Context, hash string, contents []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.connect(ctx); err != nil {
		return err
	}
	parts := max(1, (len(contents)+objectPart-1)/objectPart)
	acks := make(chan client.Event, parts)
	for i := range parts {
		part := contents[i*objectPart : min((i+1)*objectPart, len(contents))]
		m := &client.Message{
			TopicPartition: client.TopicPartition{Topic: &o.topic, Partition: 0},
			Key:            fmt.Appendf(nil, "%s/%d/%d", hash, i, parts), Value: part,
		}
		if err := o.producer.Produce(m, acks); err != nil {
			return fmt.Errorf("kafka: topic %s: %w", o.topic, kafka.Classify(err))
		}
	}
	for range parts {
		select {
		case e := <-acks:
			if m, ok := e.(*client.Message); ok && m.TopicPartition.Error != nil {
				return fmt.Errorf("kafka: topic %s: %w", o.topic, kafka.Classify(m.TopicPartition.Error))
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// connect makes the producer, and the topic if it is not there.
func (o *objects) connect(ctx context.Context) error {
	if o.producer != nil {
		return nil
	}
	m := *o.settings()
	m["enable.idempotence"], m["compression.type"] = true, "lz4"
	p, err := client.NewProducer(&m)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if err := o.create(ctx, p); err != nil {
		p.Close()
		return err
	}
	go func() { // errors of the connection; those of messages go to put
		for e := range p.Events() {
			if err, ok := e.(client.Error); ok {
				o.logger.Warn("kafka: "+err.Error(), "topic", o.topic)
			}
		}
	}()
	o.producer = p
	return nil
}

// create makes the topic. Where that is not allowed it must be there.
func (o *objects) create(ctx context.Context, p *client.Producer) error {
	admin, err := client.NewAdminClientFromProducer(p)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer admin.Close()
	ctx, end := context.WithTimeout(ctx, createTimeout)
	defer end()
	err = kafka.CreateTopic(ctx, admin, client.TopicSpecification{Topic: o.topic, NumPartitions: 1, Config: map[string]string{
		"cleanup.policy": "compact,delete", "retention.ms": strconv.FormatInt(objectsKept.Milliseconds(), 10),
	}})
	var ke client.Error
	switch {
	case err == nil:
		o.logger.Info("kafka: made the topic for what epochs are computed with", "topic", o.topic)
	case errors.As(err, &ke) && ke.Code() == client.ErrTopicAlreadyExists:
	case errors.As(err, &ke) && !kafka.Permanent(ke):
		return pipeline.Retryable(fmt.Errorf("kafka: making topic %s: %w", o.topic, err))
	default:
		o.logger.Warn("kafka: the topic for what epochs are computed with could not be made; it must be there", "topic", o.topic, "error", err)
	}
	return nil
}

// get returns contents that any process has put. It reads the topic from its
// begin to its end: it is needed only when epochs of another config are taken
// over.
func (o *objects) get(ctx context.Context, hash string) ([]byte, error) {
	settings := *o.settings()
	settings["group.id"] = o.topic
	a := assembly{hash: hash}
	err := kafka.ReadAll(ctx, settings, o.topic, objectTimeout, func(m *client.Message) { a.add(string(m.Key), m.Value) })
	if err != nil {
		return nil, err
	}
	if data, ok := a.whole(); ok {
		return data, nil
	}
	return nil, fmt.Errorf("kafka: topic %s has not what hashes to %s: %w", o.topic, hash, fs.ErrNotExist)
}

// assembly gathers the parts of one object.
type assembly struct {
	hash  string
	parts [][]byte
	size  int
}

func (a *assembly) add(key string, value []byte) {
	rest, mine := strings.CutPrefix(key, a.hash+"/")
	nth, of, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(nth)
	n, err2 := strconv.Atoi(of)
	if !mine || err != nil || err2 != nil || value == nil || i < 0 || i >= n || n > maxObject/objectPart {
		return // of another object, or none of ours
	}
	if len(a.parts) != n {
		a.parts, a.size = make([][]byte, n), 0
	}
	a.size += len(value) - len(a.parts[i])
	if a.size <= maxObject {
		a.parts[i] = bytes.Clone(value)
	}
}

// whole returns the contents when all parts are there. Whether they are those of
// the hash, the reader finds out.
func (a *assembly) whole() ([]byte, bool) {
	for _, p := range a.parts {
		if p == nil {
			return nil, false
		}
	}
	return bytes.Join(a.parts, nil), len(a.parts) > 0
}

// close ends the producer. All that was put has been acknowledged.
func (o *objects) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.producer != nil {
		o.producer.Close()
		o.producer = nil
	}
}
