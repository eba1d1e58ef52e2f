package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/pipeline"
)

// ReadAll calls f with each message that a topic of one partition has, and returns
// at its end. The settings are a consumer's, who joins no group. When nothing comes
// for as long as patience the error is retryable.
func ReadAll(ctx context.Context, settings kafka.ConfigMap, topic string, patience time.Duration, f func(*kafka.Message)) error {
	settings["enable.auto.commit"], settings["enable.partition.eof"] = false, true
	c, err := kafka.NewConsumer(&settings)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer c.Close() //nolint:errcheck // it has no membership and no offsets
	if err := c.Assign([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.OffsetBeginning}}); err != nil {
		return fmt.Errorf("kafka: topic %s: %w", topic, err)
	}
	for deadline := time.Now().Add(patience); ; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Now().After(deadline) {
			return pipeline.Retryable(fmt.Errorf("kafka: topic %s could not be read to its end within %s", topic, patience))
		}
		switch e := c.Poll(100).(type) {
		case *kafka.Message:
			if err := e.TopicPartition.Error; err != nil {
				return fmt.Errorf("kafka: topic %s: %w", topic, Classify(err))
			}
			f(e)
			deadline = time.Now().Add(patience) // it is read
		case kafka.PartitionEOF:
			return nil
		case kafka.Error:
			if Permanent(e) {
				return fmt.Errorf("kafka: topic %s: %w", topic, e)
			}
		}
	}
}
