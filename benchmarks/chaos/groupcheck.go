package main

import (
	"fmt"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// checkGroup checks that the group goes on behind the last message of each
// partition: before it, rows would be written again, and behind it nothing is.
func (r *run) checkGroup(res *result) error {
	c, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": r.broker.Servers, "group.id": r.name, "enable.auto.commit": false, "log_level": 0})
	if err != nil {
		return err
	}
	defer c.Close()
	var ask []kafka.TopicPartition
	for p := range r.in.partitions {
		ask = append(ask, kafka.TopicPartition{Topic: &r.name, Partition: int32(p)})
	}
	at, err := c.Committed(ask, 30_000)
	if err != nil {
		return fmt.Errorf("asking for the offsets of group %s: %w", r.name, err)
	}
	for _, tp := range at {
		if end := int64(len(r.in.partitions[tp.Partition])); int64(tp.Offset) != end {
			meta := ""
			if tp.Metadata != nil {
				meta = *tp.Metadata
			}
			res.wrong("group: the offset of partition %d is %d (metadata %q), want %d", tp.Partition, tp.Offset, meta, end)
		}
	}
	return nil
}
