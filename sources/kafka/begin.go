package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// askTimeout is how long a question to the brokers may take, in ms. After it
// the engine opens the source again.
const askTimeout = 10_000

// askSlice is how long one of several attempts to ask takes, in ms.
const askSlice = 1_000

// find lists the partitions of the topics, sorted, and finds where each begins
// and ends.
func (s *source) find(ctx context.Context, resume map[string]pipeline.Resume) error {
	c := s.readers[0].c
	counts, err := s.topics(ctx, c)
	if err != nil {
		return err
	}
	for i, topic := range s.cfg.Topics {
		for n := range counts[i] {
			p := &partition{topic: topic, num: int32(n), name: partitionName(topic, int32(n)), stop: -1}
			s.parts = append(s.parts, p)
			s.index[p.name] = p
		}
	}
	for _, names := range []map[string]bool{keys(resume), keys(s.cfg.Offsets)} {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if s.index[name] == nil {
				return fmt.Errorf("kafka: the checkpoint or offsets name partition %q, which the topics do not have: put the topic back into topics, or start anew with another checkpoint.path", name)
			}
		}
	}
	var fresh []*partition
	for _, p := range s.parts {
		if _, ok := resume[p.name]; !ok {
			fresh = append(fresh, p)
		}
	}
	known, err := s.committed(c, fresh)
	if err != nil {
		return err
	}
	for _, p := range fresh {
		if k := known[p.name]; k.offset >= 0 {
			if len(k.recorded.Pending) > 0 {
				return fmt.Errorf("kafka: %s has epochs that a process with assign: group has begun and not finished: run the pipeline with assign: group once more, until it has started and stopped", p.name)
			}
			s.logger.Info("no checkpoint: going on at the group's offset", "partition", p.name, "offset", k.offset, "group", s.group)
		}
	}
	starts, err := s.starts(c, fresh, known)
	if err != nil {
		return err
	}
	for _, p := range s.parts {
		r, resumed := resume[p.name]
		if !resumed {
			r.From = starts[p.name]
		}
		if err := s.place(c, p, r); err != nil {
			return err
		}
	}
	return nil
}

// topics returns the number of partitions of each topic.
func (s *source) topics(ctx context.Context, c *client.Consumer) (counts []int, err error) {
	for _, topic := range s.cfg.Topics {
		var md *client.Metadata
		for range askTimeout / askSlice { // a refusal shows between two questions
			md, err = c.GetMetadata(&topic, false, askSlice)
			if err == nil {
				break
			}
			err = s.unreachable(c, fmt.Errorf("kafka: asking for topic %s: %w", topic, kafka.Classify(err)))
			if _, again := pipeline.IsRetryable(err); !again || ctx.Err() != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, err
		}
		t := md.Topics[topic]
		if t.Error.Code() != client.ErrNoError {
			err := fmt.Errorf("kafka: topic %s: %w: is its name right, and does it exist?", topic, t.Error)
			if !kafka.Permanent(t.Error) {
				err = pipeline.Retryable(err)
			}
			return nil, err
		}
		counts = append(counts, len(t.Partitions))
	}
	return counts, nil
}

func keys[V any](m map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// unreachable tells a refusal, for which waiting is no use, from a broker that
// is away: librdkafka reports it apart.
func (s *source) unreachable(c *client.Consumer, err error) error {
	for range 100 {
		e, ok := c.Poll(0).(client.Error)
		if !ok {
			break
		}
		if kafka.Permanent(e) {
			return fmt.Errorf("kafka: %w", e)
		}
	}
	return err
}

// committed is what the group has of a partition.
type committed struct {
	offset   int64             // -1 for nothing
	recorded pipeline.Recorded // of a partition that the group has
}

// committed asks for what the group has of partitions, by name.
func (s *source) committed(c *client.Consumer, parts []*partition) (map[string]committed, error) {
	out := map[string]committed{}
	if len(parts) == 0 {
		return out, nil
	}
	var ask []client.TopicPartition
	for _, p := range parts {
		ask = append(ask, client.TopicPartition{Topic: &p.topic, Partition: p.num})
	}
	found, err := c.Committed(ask, askTimeout)
	if err != nil {
		return nil, s.unreachable(c, fmt.Errorf("kafka: asking for the offsets of group %s: %w", s.group, kafka.Classify(err)))
	}
	for _, tp := range found {
		name := partitionName(*tp.Topic, tp.Partition)
		if tp.Error != nil {
			return nil, fmt.Errorf("kafka: offset of group %s in %s: %w", s.group, name, kafka.ClassifyKnown(tp.Error))
		}
		k := committed{offset: max(int64(tp.Offset), -1)}
		if k.offset >= 0 {
			metadata := ""
			if tp.Metadata != nil {
				metadata = *tp.Metadata
			}
			if k.recorded, err = parseRecorded(k.offset, metadata); err != nil {
				return nil, fmt.Errorf("kafka: the offset of group %s in %s was committed by something else: %w: use another group", s.group, name, err)
			}
		}
		out[name] = k
	}
	return out, nil
}

// starts returns where partitions without a checkpoint begin: by the config,
// the group, or the time. One that it does not have begins at the earliest or
// the latest message.
func (s *source) starts(c *client.Consumer, parts []*partition, known map[string]committed) (map[string]pipeline.Position, error) {
	out := map[string]pipeline.Position{}
	when, err := time.Parse(time.RFC3339Nano, s.cfg.Start)
	byTime := err == nil
	var ask []client.TopicPartition
	for _, p := range parts {
		switch offset, given := s.cfg.Offsets[p.name]; {
		case given:
			out[p.name] = position(offset)
		case known[p.name].offset >= 0:
			out[p.name] = position(known[p.name].offset)
		case byTime:
			ask = append(ask, client.TopicPartition{Topic: &p.topic, Partition: p.num, Offset: client.Offset(when.UnixMilli())})
		case s.cfg.Start == "latest":
			out[p.name] = atLatest
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	found, err := c.OffsetsForTimes(ask, askTimeout)
	if err != nil {
		return nil, fmt.Errorf("kafka: asking for the offsets of %s: %w", s.cfg.Start, kafka.ClassifyKnown(err))
	}
	for _, tp := range found {
		if tp.Error != nil {
			return nil, fmt.Errorf("kafka: offset of %s: %w", s.cfg.Start, kafka.ClassifyKnown(tp.Error))
		}
		at := position(int64(tp.Offset))
		if tp.Offset < 0 {
			at = atLatest // all messages are older
		}
		out[partitionName(*tp.Topic, tp.Partition)] = at
	}
	return out, nil
}

// atLatest stands for the position behind the last message, where that is not
// known yet.
const atLatest pipeline.Position = "latest"

// place sets where a partition begins and ends. The empty position is its
// earliest message.
func (s *source) place(c *client.Consumer, p *partition, r pipeline.Resume) error {
	low, high, err := c.QueryWatermarkOffsets(p.topic, p.num, askTimeout)
	if err != nil {
		return fmt.Errorf("kafka: asking where %s begins and ends: %w", p.name, kafka.ClassifyKnown(err))
	}
	for _, u := range r.Until {
		o, err := parsePosition(u)
		if err != nil {
			return err
		}
		p.until = append(p.until, o)
	}
	switch r.From {
	case "":
		p.begin = low
	case atLatest:
		p.begin = high
	default:
		if p.begin, err = parsePosition(r.From); err != nil {
			return err
		}
	}
	if !slices.IsSorted(append([]int64{p.begin}, p.until...)) {
		return fmt.Errorf("kafka: %s: the checkpoint's epoch ends go back: from offset %d to %d", p.name, p.begin, p.until)
	}
	p.end.Store(p.begin)
	if p.begin > high {
		return fmt.Errorf("kafka: %s is to be read from offset %d, but ends at %d: was the topic made anew? Then start anew with another checkpoint.path and group", p.name, p.begin, high)
	}
	if p.begin < low {
		again := r.Durable != ""
		if s.cfg.OnLost != "skip" {
			return lost(p, p.begin, low, again)
		}
		if again {
			s.logger.Warn("kafka: messages that the state of steps is built from were deleted; it is built from what is left", "partition", p.name, "messages", low-p.begin)
		} else {
			s.logger.Warn("kafka: messages were deleted before they were read; going on behind them", "partition", p.name, "messages", low-p.begin)
		}
		p.begin = low // the first chunk's span covers the gap
	}
	if !s.cfg.Follow {
		p.stop = high
		if n := len(p.until); n > 0 && p.until[n-1] > high {
			return errors.New("kafka: " + p.name + " ends before an epoch that was begun: was the topic made anew?")
		}
	}
	return nil
}
