package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/pipeline"
)

// CreateTopic creates one topic. The error is the request's, or else the topic's.
func CreateTopic(ctx context.Context, admin *kafka.AdminClient, spec kafka.TopicSpecification) error {
	res, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{spec})
	if err == nil && len(res) == 1 && res[0].Error.Code() != kafka.ErrNoError {
		err = res[0].Error
	}
	return err
}

// Topic is a topic of the pipeline's own, that is made if it is not there.
type Topic struct {
	Name        string
	Partitions  int               // it must have
	Replication int               // when it is made; 0 for the brokers' default
	Config      map[string]string // when it is made
}

// Retained is the config of a topic that keeps its messages for so long.
func Retained(d time.Duration) map[string]string {
	return map[string]string{"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(d.Milliseconds(), 10)}
}

// PartitionsError says that a topic has another number of partitions than it must
// have.
type PartitionsError struct {
	Topic      string
	Have, Want int
}

func (e *PartitionsError) Error() string {
	return fmt.Sprintf("kafka: topic %s has %d partitions, not %d", e.Topic, e.Have, e.Want)
}

// makeTimeout is how long the making of a topic may take, and each question.
const makeTimeout = 10 * time.Second

// Make makes the topic, or checks that the one that is there has the right
// number of partitions: else the error is a [PartitionsError]. It reports whether
// it made it. The error is retryable while the brokers are away.
func (t Topic) Make(ctx context.Context, at Connection) (made bool, err error) {
	c, err := kafka.NewAdminClient(at.Map(kafka.ConfigMap{"client.id": "sluice"}, kafka.ConfigMap{"log_level": 0}))
	if err != nil {
		return false, fmt.Errorf("kafka: %w", err)
	}
	defer c.Close()
	ctx, end := context.WithTimeout(ctx, makeTimeout)
	defer end()
	md, err := t.ask(c)
	if err != nil {
		return false, fmt.Errorf("kafka: asking for topic %s: %w", t.Name, Classify(err))
	}
	switch e := md.Error; e.Code() {
	case kafka.ErrNoError:
		if n := len(md.Partitions); n != t.Partitions {
			return false, &PartitionsError{t.Name, n, t.Partitions}
		}
		return false, nil
	case kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic:
	default:
		return false, fmt.Errorf("kafka: topic %s: %w", t.Name, Classify(e))
	}
	spec := kafka.TopicSpecification{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replication, Config: t.Config}
	if t.Replication == 0 {
		spec.ReplicationFactor = -1
	}
	err = CreateTopic(ctx, c, spec)
	var ke kafka.Error
	if errors.As(err, &ke) && ke.Code() == kafka.ErrTopicAlreadyExists { // another process was first: look at it
		return false, pipeline.Retryable(err)
	}
	if err != nil {
		return false, fmt.Errorf("kafka: making topic %s: %w", t.Name, Classify(err))
	}
	return true, t.settle(ctx, c)
}

func (t Topic) ask(c *kafka.AdminClient) (kafka.TopicMetadata, error) {
	md, err := c.GetMetadata(&t.Name, false, int(makeTimeout.Milliseconds()))
	if err != nil {
		return kafka.TopicMetadata{}, err
	}
	return md.Topics[t.Name], nil
}

// settle waits until brokers know of the topic: to whom asks before that it is
// one that does not exist.
func (t Topic) settle(ctx context.Context, c *kafka.AdminClient) error {
	for {
		md, err := t.ask(c)
		if err == nil && md.Error.Code() == kafka.ErrNoError && len(md.Partitions) == t.Partitions {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return pipeline.Retryable(fmt.Errorf("kafka: topic %s was made, and the brokers do not know it yet", t.Name))
		}
	}
}
