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
	c := s.consumers[0]
	for _, topic := range s.cfg.Topics {
		var md *client.Metadata
		var err error
		for range askTimeout / askSlice { // a refusal shows between two questions
			md, err = c.GetMetadata(&topic, false, askSlice)
			if err == nil {
				break
			}
			err = s.unreachable(c, fmt.Errorf("kafka: asking for topic %s: %w", topic, kafka.Classify(err)))
			if _, again := pipeline.IsRetryable(err); !again || ctx.Err() != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		t := md.Topics[topic]
		if t.Error.Code() != client.ErrNoError {
			err := fmt.Errorf("kafka: topic %s: %w: is its name right, and does it exist?", topic, t.Error)
			if !kafka.Permanent(t.Error) {
				err = pipeline.Retryable(err)
			}
			return err
		}
		for n := range t.Partitions {
			p := &partition{topic: topic, num: int32(n), name: partitionName(topic, int32(n)), stop: -1}
			s.parts = append(s.parts, p)
		}
	}
	s.index = map[string]int{}
	for i, p := range s.parts {
		s.index[p.name] = i
	}
	for _, names := range []map[string]bool{keys(resume), keys(s.cfg.Offsets)} {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if _, known := s.index[name]; !known {
				return fmt.Errorf("kafka: the checkpoint or offsets name partition %q, which the topics do not have: put the topic back into topics, or start anew with another checkpoint.path", name)
			}
		}
	}
	starts, err := s.starts(c, resume)
	if err != nil {
		return err
	}
	for _, p := range s.parts {
		if err := s.place(c, p, resume, starts); err != nil {
			return err
		}
	}
	return nil
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

// starts returns where partitions without a checkpoint begin: by the config,
// the group, or the time. A partition that it does not have begins at the
// earliest or latest message.
func (s *source) starts(c *client.Consumer, resume map[string]pipeline.Resume) (map[string]int64, error) {
	out := map[string]int64{}
	var ask []client.TopicPartition
	for _, p := range s.parts {
		if _, ok := resume[p.name]; ok {
			continue
		}
		if o, ok := s.cfg.Offsets[p.name]; ok {
			out[p.name] = o
			continue
		}
		ask = append(ask, client.TopicPartition{Topic: &p.topic, Partition: p.num})
	}
	if len(ask) == 0 {
		return out, nil
	}
	committed, err := c.Committed(ask, askTimeout)
	if err != nil {
		return nil, s.unreachable(c, fmt.Errorf("kafka: asking for the offsets of group %s: %w", s.group, kafka.Classify(err)))
	}
	when, err := time.Parse(time.RFC3339Nano, s.cfg.Start)
	byTime := err == nil
	ask = ask[:0]
	for _, tp := range committed {
		if tp.Error != nil {
			return nil, fmt.Errorf("kafka: offset of group %s: %w", s.group, kafka.Classify(tp.Error))
		}
		name := partitionName(*tp.Topic, tp.Partition)
		if tp.Offset >= 0 {
			out[name] = int64(tp.Offset)
			s.logger.Info("no checkpoint: going on at the group's offset", "partition", name, "offset", int64(tp.Offset), "group", s.group)
		} else if byTime {
			ask = append(ask, client.TopicPartition{Topic: tp.Topic, Partition: tp.Partition, Offset: client.Offset(when.UnixMilli())})
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	found, err := c.OffsetsForTimes(ask, askTimeout)
	if err != nil {
		return nil, fmt.Errorf("kafka: asking for the offsets of %s: %w", s.cfg.Start, kafka.Classify(err))
	}
	for _, tp := range found {
		if tp.Error != nil {
			return nil, fmt.Errorf("kafka: offset of %s: %w", s.cfg.Start, kafka.Classify(tp.Error))
		}
		offset := int64(tp.Offset)
		if offset < 0 {
			offset = -1 // all messages are older: behind the last
		}
		out[partitionName(*tp.Topic, tp.Partition)] = offset
	}
	return out, nil
}

// place sets where a partition begins and ends.
func (s *source) place(c *client.Consumer, p *partition, resume map[string]pipeline.Resume, starts map[string]int64) error {
	low, high, err := c.QueryWatermarkOffsets(p.topic, p.num, askTimeout)
	if err != nil {
		return fmt.Errorf("kafka: asking where %s begins and ends: %w", p.name, kafka.Classify(err))
	}
	r, resumed := resume[p.name]
	start, given := starts[p.name]
	switch {
	case resumed:
		if p.begin, err = parsePosition(r.From); err != nil {
			return err
		}
		for _, u := range r.Until {
			o, err := parsePosition(u)
			if err != nil {
				return err
			}
			if n := len(p.until); o < p.begin || n > 0 && o < p.until[n-1] {
				return fmt.Errorf("kafka: %s: the checkpoint's epoch ends go back to offset %d", p.name, o)
			}
			p.until = append(p.until, o)
		}
	case given && start >= 0:
		p.begin = start
	case given || s.cfg.Start == "latest":
		p.begin = high
	default:
		p.begin = low
	}
	p.end.Store(p.begin)
	if p.begin > high {
		return fmt.Errorf("kafka: %s is to be read from offset %d, but ends at %d: was the topic made anew? Then start anew with another checkpoint.path and group", p.name, p.begin, high)
	}
	if p.begin < low {
		if err := lost(p, p.begin, low); s.cfg.OnLost != "skip" {
			return err
		}
		s.logger.Warn("kafka: messages were deleted before they were read; going on behind them", "partition", p.name, "messages", low-p.begin)
		if !resumed {
			p.begin = low
			p.end.Store(low)
		} else {
			p.begin = low // the first chunk's span covers the gap
		}
	}
	if !s.cfg.Follow {
		p.stop = high
		if n := len(p.until); n > 0 && p.until[n-1] > high {
			return errors.New("kafka: " + p.name + " ends before an epoch that was begun: was the topic made anew?")
		}
	}
	return nil
}
