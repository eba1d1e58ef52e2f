package kafka

import (
	"errors"
	"fmt"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/pipeline"
)

// TestClassify checks which errors are worth another try: those of a partition
// that is known to be there are so, when a broker says that it does not know it.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err            error
		first, ofKnown bool
	}{
		{kafka.NewError(kafka.ErrAllBrokersDown, "", false), true, true},
		{kafka.NewError(kafka.ErrNotLeaderForPartition, "", false), true, true},
		{kafka.NewError(kafka.ErrUnknownPartition, "", false), false, true},
		{kafka.NewError(kafka.ErrUnknownTopicOrPart, "", false), false, true},
		{kafka.NewError(kafka.ErrTopicAuthorizationFailed, "", false), false, false},
		{kafka.NewError(kafka.ErrAllBrokersDown, "", true), false, false},
		{errors.New("another"), false, false},
	} {
		err := fmt.Errorf("asking: %w", c.err)
		if _, again := pipeline.IsRetryable(Classify(err)); again != c.first {
			t.Errorf("%v: worth another try: %v", c.err, again)
		}
		if _, again := pipeline.IsRetryable(ClassifyKnown(err)); again != c.ofKnown {
			t.Errorf("%v, of a partition that is known: worth another try: %v", c.err, again)
		}
	}
}
