package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// linger is how long a message waits for others to share its chunk.
const linger = 10 * time.Millisecond

// reader polls one consumer and puts the messages of its partitions into
// chunks. Its goroutine alone uses it, and its partitions.
type reader struct {
	*source
	c     *client.Consumer
	parts map[topicPartition]*partition
	last  *partition // most messages are of the partition of the one before

	member *member // of a group; nil without one
}

type topicPartition struct {
	topic string
	num   int32
}

// begins lists the partitions with where each is to be read from.
func (r *reader) begins() (out []client.TopicPartition) {
	for _, p := range r.parts {
		out = append(out, client.TopicPartition{Topic: &p.topic, Partition: p.num, Offset: client.Offset(p.begin)})
	}
	return out
}

// consume polls until ctx ends or something is wrong for good.
func (r *reader) consume(ctx context.Context) error {
	for _, p := range r.parts { // those that have nothing to read
		if p.stop >= 0 && p.begin >= p.stop {
			if err := r.reach(ctx, p, p.stop); err != nil {
				return err
			}
		}
	}
	for wait := 0; ctx.Err() == nil; {
		var err error
		if e := r.poll(wait); e != nil {
			wait, err = 0, r.handle(ctx, e)
		} else {
			wait, err = r.idle(ctx)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// poll returns the next event, or nil when there was none for wait ms.
func (r *reader) poll(wait int) client.Event {
	if r.member != nil {
		if e := r.member.next(); e != nil {
			return e
		}
	}
	return r.c.Poll(wait)
}

// of returns the partition of a message; nil when it was given up.
func (r *reader) of(topic string, num int32) *partition {
	if l := r.last; l == nil || l.num != num || l.topic != topic {
		r.last = r.parts[topicPartition{topic, num}]
	}
	return r.last
}

func (r *reader) handle(ctx context.Context, event client.Event) error {
	switch e := event.(type) {
	case *client.Message:
		p := r.of(*e.TopicPartition.Topic, e.TopicPartition.Partition)
		switch {
		case e.TopicPartition.Error != nil:
			return r.partitionError(p, e.TopicPartition)
		case p != nil:
			return r.add(ctx, p, e)
		}
	case *client.Stats:
		r.Take(e)
	case client.PartitionEOF:
		if p := r.of(*e.Topic, e.Partition); p != nil {
			return r.atEnd(ctx, p, int64(e.Offset))
		}
	case client.Error:
		if e.IsFatal() {
			return fmt.Errorf("kafka: %w", e)
		}
		r.logger.Warn("kafka: "+e.Error(), "code", e.Code().String())
	case client.OffsetsCommitted:
		if e.Error != nil {
			r.logger.Warn("kafka: the group's offsets could not be committed; the checkpoint has them", "group", r.group, "error", e.Error)
		}
	}
	return nil
}

// idle hands on chunks that have waited for long enough, and returns how many
// ms to wait for the next message.
func (r *reader) idle(ctx context.Context) (wait int, err error) {
	wait = 100
	for _, p := range r.parts {
		if p.buf == nil {
			continue
		}
		if left := linger - time.Since(p.since); left > 0 {
			wait = min(wait, int(left/time.Millisecond)+1)
		} else if err := r.flush(ctx, p, p.buf.next()); err != nil {
			return 0, err
		}
	}
	return wait, nil
}

// partitionError tells errors that end the reading from those that pass.
func (r *reader) partitionError(p *partition, tp client.TopicPartition) error {
	err, name, next := tp.Error, *tp.Topic, int64(-1)
	if p != nil {
		name, next = p.name, p.end.Load()
	}
	var ke client.Error
	if errors.As(err, &ke) && (ke.Code() == client.ErrAutoOffsetReset || ke.Code() == client.ErrOffsetOutOfRange) {
		return fmt.Errorf("kafka: %s has no message at the offset that is next, %d: retention has deleted it before it was read, or the topic was made anew: %w; a new start says more",
			name, next, err)
	}
	if errors.As(err, &ke) && !kafka.Permanent(ke) {
		r.logger.Warn("kafka: "+err.Error(), "partition", name)
		return nil
	}
	return fmt.Errorf("kafka: %s: %w", name, err)
}

// hand puts a chunk where Read finds it.
func (r *reader) hand(ctx context.Context, p *partition, c pipeline.Chunk) error {
	if r.member != nil {
		return r.member.hand(ctx, p, c)
	}
	select {
	case r.chunks <- c:
		return nil
	case <-ctx.Done():
		c.Release()
		return ctx.Err()
	}
}
