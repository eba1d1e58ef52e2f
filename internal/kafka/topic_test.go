package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/internal/kafkaconfig"
	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
)

// TestMakeTopic makes a topic, finds it there, and finds it with another number
// of partitions.
func TestMakeTopic(t *testing.T) {
	b := kafkatest.Start(t)
	at := kafka.Connection{Connection: kafkaconfig.DefaultConnection()}
	at.Brokers = []string{b.Servers}
	topic := kafka.Topic{Name: "made", Partitions: 3, Config: kafka.Retained(time.Hour)}
	if !b.Real() { // the mock cluster makes topics when it is asked for them
		b.CreateTopic(t, "made", 3, nil)
	} else if made, err := topic.Make(t.Context(), at); err != nil || !made {
		t.Fatalf("made %t, error %v", made, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		made, err := topic.Make(t.Context(), at)
		if _, again := pipeline.IsRetryable(err); again && time.Now().Before(deadline) {
			continue
		}
		if err != nil || made {
			t.Fatalf("the second time: made %t, error %v", made, err)
		}
		break
	}
	topic.Partitions = 4
	if _, err := topic.Make(t.Context(), at); err == nil || !strings.Contains(err.Error(), "topic made has 3 partitions, not 4") {
		t.Errorf("error %v", err)
	}
}
