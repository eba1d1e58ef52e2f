package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// Topic is a topic that is made if it is not there.
type Topic struct {
	Name        string
	Partitions  int           // it must have
	Replication int           // when it is made; 0 for the brokers' default
	Retention   time.Duration // when it is made
}

// Make makes the topic, or checks that the one that is there has the right
// number of partitions. It reports whether it made it. The error is retryable
// while the brokers are away.
func (t Topic) Make(ctx context.Context, at kafka.Connection) (made bool, err error) {
	c, err := client.NewAdminClient(at.Map(client.ConfigMap{"client.id": "sluice"}, client.ConfigMap{"log_level": 0}))
	if err != nil {
		return false, fmt.Errorf("kafka: %w", err)
	}
	defer c.Close()
	ctx, end := context.WithTimeout(ctx, askTimeout*time.Millisecond)
	defer end()
	spec := client.TopicSpecification{
		Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replication,
		Config: map[string]string{"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(t.Retention.Milliseconds(), 10)},
	}
	if t.Replication == 0 {
		spec.ReplicationFactor = -1
	}
	md, err := c.GetMetadata(&t.Name, false, askTimeout)
	if err != nil {
		return false, fmt.Errorf("kafka: asking for topic %s: %w", t.Name, kafka.Classify(err))
	}
	switch e := md.Topics[t.Name].Error; e.Code() {
	case client.ErrNoError:
		if n := len(md.Topics[t.Name].Partitions); n != t.Partitions {
			return false, fmt.Errorf("kafka: topic %s has %d partitions, not %d: to change their number moves keys; set partitions: %d, or another topic", t.Name, n, t.Partitions, n)
		}
		return false, nil
	case client.ErrUnknownTopicOrPart, client.ErrUnknownTopic:
	default:
		return false, fmt.Errorf("kafka: topic %s: %w", t.Name, kafka.Classify(e))
	}
	err = kafka.CreateTopic(ctx, c, spec)
	var ke client.Error
	if errors.As(err, &ke) && ke.Code() == client.ErrTopicAlreadyExists { // another process was first: look at it
		return false, pipeline.Retryable(err)
	}
	if err != nil {
		return false, fmt.Errorf("kafka: making topic %s: %w", t.Name, kafka.Classify(err))
	}
	return true, t.settle(ctx, c)
}

// settle waits until brokers know of the topic: to whom asks before that it is
// one that does not exist.
func (t Topic) settle(ctx context.Context, c *client.AdminClient) error {
	for {
		md, err := c.GetMetadata(&t.Name, false, askTimeout)
		if err == nil && md.Topics[t.Name].Error.Code() == client.ErrNoError && len(md.Topics[t.Name].Partitions) == t.Partitions {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return pipeline.Retryable(fmt.Errorf("kafka: topic %s was made, and the brokers do not know it yet", t.Name))
		}
	}
}
