package kafka

import (
	"errors"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/pipeline"
)

// Classify marks err as retryable if it passes by itself: a broker that is
// down, an election, an overload. Wrong names, sizes and rights do not.
func Classify(err error) error {
	var ke kafka.Error
	if !errors.As(err, &ke) || Permanent(ke) {
		return err
	}
	return pipeline.Retryable(err)
}

// ClassifyKnown is Classify for an error about a partition that the brokers have
// told of: one that has just been started may not have heard of it yet.
func ClassifyKnown(err error) error {
	var ke kafka.Error
	if errors.As(err, &ke) && (ke.Code() == kafka.ErrUnknownPartition || ke.Code() == kafka.ErrUnknownTopicOrPart) {
		return pipeline.Retryable(err)
	}
	return Classify(err)
}

// Permanent reports whether waiting does not help.
func Permanent(ke kafka.Error) bool {
	return ke.IsFatal() || PermanentCode(ke.Code())
}

// Again reports whether the same call of a transaction is to be made again.
func Again(err error) bool {
	var ke kafka.Error
	return errors.As(err, &ke) && !ke.IsFatal() && !ke.TxnRequiresAbort() && (ke.IsRetriable() || ke.IsTimeout())
}

// PermanentCode is Permanent for what a new client would be told too: unlike
// one that was fenced, or has lost its place in a partition.
func PermanentCode(code kafka.ErrorCode) bool {
	switch code {
	case kafka.ErrUnknownTopic, kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownPartition,
		kafka.ErrTopicAuthorizationFailed, kafka.ErrGroupAuthorizationFailed, kafka.ErrClusterAuthorizationFailed,
		kafka.ErrAuthentication, kafka.ErrSaslAuthenticationFailed, kafka.ErrUnsupportedSaslMechanism, kafka.ErrSsl,
		kafka.ErrMsgSizeTooLarge, kafka.ErrInvalidMsg, kafka.ErrInvalidMsgSize, kafka.ErrInvalidRecord, kafka.ErrRecordListTooLarge, kafka.ErrTopicException,
		kafka.ErrTransactionalIDAuthorizationFailed, kafka.ErrInvalidTransactionTimeout,
		kafka.ErrInvalidConfig, kafka.ErrUnsupportedFeature, kafka.ErrInvalidArg, kafka.ErrPolicyViolation,
		kafka.ErrAutoOffsetReset, kafka.ErrOffsetOutOfRange, kafka.ErrUnsupportedForMessageFormat:
		return true
	}
	return false
}
