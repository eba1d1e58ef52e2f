package kafkatest

import (
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestBroker shows that what is produced is consumed, and that a real broker
// has it still after it was killed, or stopped.
func TestBroker(t *testing.T) {
	b := Start(t)
	b.CreateTopic(t, "words", 2, nil)
	b.Produce(t, Message("words", 0, []byte("k"), []byte("one"), kafka.Header{Key: "h", Value: []byte("v")}), Message("words", 1, nil, nil))
	check := func() {
		t.Helper()
		got := b.Consume(t, "words", 2)
		if got[0].TopicPartition.Partition == 1 {
			got[0], got[1] = got[1], got[0]
		}
		if string(got[0].Value) != "one" || string(got[0].Key) != "k" || got[1].Value != nil {
			t.Errorf("consumed %q with key %q and %q", got[0].Value, got[0].Key, got[1].Value)
		}
	}
	check()
	b.NeedReal(t, "to be stopped and started")
	b.Kill()
	b.Restart(t)
	check()
	b.Stop()
	b.Restart(t)
	check()
}
