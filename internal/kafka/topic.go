package kafka

import (
	"context"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// CreateTopic creates one topic. The error is the request's, or else the topic's.
func CreateTopic(ctx context.Context, admin *kafka.AdminClient, spec kafka.TopicSpecification) error {
	res, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{spec})
	if err == nil && len(res) == 1 && res[0].Error.Code() != kafka.ErrNoError {
		err = res[0].Error
	}
	return err
}
