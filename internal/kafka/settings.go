package kafka

import "strings"

// OfConsumer reports whether librdkafka has a setting for consumers only, of
// which it would warn each producer.
func OfConsumer(name string) bool {
	for _, begin := range []string{"auto.offset.", "check.crcs", "fetch.", "group.", "heartbeat.", "isolation.", "max.partition.fetch.", "max.poll.", "partition.assignment.", "queued.", "session."} {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}
