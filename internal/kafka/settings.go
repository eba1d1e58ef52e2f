package kafka

import (
	"slices"
	"strings"
)

var (
	ofConsumer = []string{"auto.offset.", "check.crcs", "fetch.", "group.", "heartbeat.", "isolation.", "max.partition.fetch.", "max.poll.", "partition.assignment.", "queued.", "session."}
	ofProducer = []string{"linger.", "queue.buffering.", "compression.", "batch.", "message.send.", "retries", "transaction.", "sticky.partitioning."}
)

// OfConsumer reports whether librdkafka has a setting for consumers only, of
// which it would warn each producer.
func OfConsumer(name string) bool { return beginsWithAny(name, ofConsumer) }

// OfProducer reports whether librdkafka has a setting for producers only, of
// which it would warn each consumer.
func OfProducer(name string) bool { return beginsWithAny(name, ofProducer) }

func beginsWithAny(name string, begins []string) bool {
	return slices.ContainsFunc(begins, func(s string) bool { return strings.HasPrefix(name, s) })
}
