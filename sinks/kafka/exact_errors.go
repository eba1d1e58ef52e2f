package kafka

import (
	"context"
	"errors"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	// callTimeout is after how long a call of a transaction is given up, and all
	// begun anew: as long as brokers by default keep a transaction.
	callTimeout = time.Minute
	// abortTimeout is how long is waited for the end of a transaction that is
	// given up.
	abortTimeout = 2 * time.Second
)

// codeOf returns librdkafka's code of an error; a deadline has one too.
func codeOf(err error) (client.ErrorCode, bool) {
	var ke client.Error
	if errors.As(err, &ke) {
		return ke.Code(), true
	}
	return client.ErrTimedOut, errors.Is(err, context.DeadlineExceeded)
}

// aborts reports whether the producer can go on when the open transaction has
// been aborted.
func aborts(err error) bool {
	var ke client.Error
	return errors.As(err, &ke) && !ke.IsFatal() && ke.TxnRequiresAbort()
}
