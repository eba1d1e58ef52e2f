package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// ahead is how many chunks are kept ready.
const ahead = 4

// linger is how long a message waits for others to share its chunk.
const linger = 10 * time.Millisecond

// source is the run half: Read takes what the consumers' goroutines have put
// into chunks.
type source struct {
	*plan
	*kafka.Stats // what librdkafka counts, as metrics
	pool         sync.Pool
	logs         *kafka.Logs
	consumers    []*client.Consumer
	parts        []*partition
	index        map[string]int // of parts, by name

	chunks  chan pipeline.Chunk
	reading atomic.Int64  // partitions that have not reached their stop
	ended   chan struct{} // closed when all have
	failed  chan struct{} // closed when err is set
	fail    sync.Once
	err     error
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Open finds the partitions, and where each is to go on, and begins to read.
func (s *source) Open(ctx context.Context, resume map[string]pipeline.Resume) (err error) {
	s.release()
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	s.logs = kafka.NewLogs(s.logger)
	for range s.cfg.Consumers {
		c, err := client.NewConsumer(s.settings(s.logs))
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		s.consumers = append(s.consumers, c)
	}
	if err := s.find(ctx, resume); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.chunks, s.ended, s.failed = make(chan pipeline.Chunk, ahead), make(chan struct{}), make(chan struct{})
	s.fail, s.err = sync.Once{}, nil
	s.reading.Store(int64(len(s.parts)))
	for i, c := range s.consumers {
		mine := map[topicPartition]*partition{}
		var assign []client.TopicPartition
		for j, p := range s.parts {
			if j%len(s.consumers) == i {
				mine[topicPartition{p.topic, p.num}] = p
				assign = append(assign, client.TopicPartition{Topic: &p.topic, Partition: p.num, Offset: client.Offset(p.begin)})
			}
		}
		if err := c.Assign(assign); err != nil {
			return fmt.Errorf("kafka: assigning partitions: %w", err)
		}
		s.running.Go(func() {
			if err := s.consume(run, c, mine); err != nil && run.Err() == nil {
				s.fail.Do(func() {
					s.err = err
					close(s.failed)
				})
			}
		})
	}
	return nil
}

type topicPartition struct {
	topic string
	num   int32
}

// consume polls until ctx ends or something is wrong for good.
func (s *source) consume(ctx context.Context, c *client.Consumer, parts map[topicPartition]*partition) error {
	for _, p := range parts { // those that have nothing to read
		if p.stop >= 0 && p.begin >= p.stop {
			if err := s.reach(ctx, p, p.stop); err != nil {
				return err
			}
		}
	}
	var last *partition // most messages are of the partition of the one before
	for wait := 0; ctx.Err() == nil; {
		switch e := c.Poll(wait).(type) {
		case *client.Message:
			if last == nil || last.num != e.TopicPartition.Partition || last.topic != *e.TopicPartition.Topic {
				last = parts[topicPartition{*e.TopicPartition.Topic, e.TopicPartition.Partition}]
			}
			if e.TopicPartition.Error != nil {
				if err := s.partitionError(last, e.TopicPartition.Error); err != nil {
					return err
				}
				continue
			}
			if err := s.add(ctx, last, e); err != nil {
				return err
			}
			wait = 0
		case *client.Stats:
			s.Take(e)
		case client.PartitionEOF:
			p := parts[topicPartition{*e.Topic, e.Partition}]
			if err := s.atEnd(ctx, p, int64(e.Offset)); err != nil {
				return err
			}
		case client.Error:
			if e.IsFatal() {
				return fmt.Errorf("kafka: %w", e)
			}
			s.logger.Warn("kafka: "+e.Error(), "code", e.Code().String())
		case client.OffsetsCommitted:
			if e.Error != nil {
				s.logger.Warn("kafka: the group's offsets could not be committed; the checkpoint has them", "group", s.group, "error", e.Error)
			}
		case nil:
			var err error
			if wait, err = s.idle(ctx, parts); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// idle hands on chunks that have waited for long enough, and returns how many
// ms to wait for the next message.
func (s *source) idle(ctx context.Context, parts map[topicPartition]*partition) (wait int, err error) {
	wait = 100
	for _, p := range parts {
		if p.buf == nil {
			continue
		}
		if left := linger - time.Since(p.since); left > 0 {
			wait = min(wait, int(left/time.Millisecond)+1)
		} else if err := s.flush(ctx, p, p.buf.next()); err != nil {
			return 0, err
		}
	}
	return wait, nil
}

// partitionError tells errors that end the reading from those that pass.
func (s *source) partitionError(p *partition, err error) error {
	var ke client.Error
	if errors.As(err, &ke) && (ke.Code() == client.ErrAutoOffsetReset || ke.Code() == client.ErrOffsetOutOfRange) {
		return fmt.Errorf("kafka: %s has no message at the offset that is next, %d: retention has deleted it before it was read, or the topic was made anew: %w; a new start says more",
			p.name, p.end.Load(), err)
	}
	if errors.As(err, &ke) && !kafka.Permanent(ke) {
		s.logger.Warn("kafka: "+err.Error(), "partition", p.name)
		return nil
	}
	return fmt.Errorf("kafka: %s: %w", p.name, err)
}

// Read returns the next chunk.
func (s *source) Read(ctx context.Context) (pipeline.Chunk, error) {
	if s.chunks == nil {
		return pipeline.Chunk{}, errors.New("kafka: Read before Open")
	}
	if err := ctx.Err(); err != nil {
		return pipeline.Chunk{}, err
	}
	select {
	case c := <-s.chunks:
		return c, nil
	case <-ctx.Done():
		return pipeline.Chunk{}, ctx.Err()
	case <-s.failed:
		return pipeline.Chunk{}, s.err
	case <-s.ended:
		select {
		case c := <-s.chunks: // all that there is was put there before
			return c, nil
		default:
			return pipeline.Chunk{}, io.EOF
		}
	}
}

// Commit stores the offset for the consumer, which commits it to the group
// within a second, or when it is closed. The checkpoint has the position, so
// nothing is lost if that fails.
func (s *source) Commit(_ context.Context, name string, upTo pipeline.Position) error {
	offset, err := parsePosition(upTo)
	if err != nil {
		return err
	}
	i, ok := s.index[name]
	if !ok {
		return fmt.Errorf("kafka: commit of partition %q, which is not read", name)
	}
	p := s.parts[i]
	at := []client.TopicPartition{{Topic: &p.topic, Partition: p.num, Offset: client.Offset(offset)}}
	if _, err := s.consumers[i%len(s.consumers)].StoreOffsets(at); err != nil {
		return fmt.Errorf("kafka: %s: %w", name, err)
	}
	return nil
}

// Close commits what is known to be durable and leaves the brokers.
func (s *source) Close(context.Context) error {
	s.release()
	return nil
}

// release ends all that runs. It may be called again.
func (s *source) release() {
	if s.cancel != nil {
		s.cancel()
	}
	s.running.Wait()
	for len(s.chunks) > 0 {
		c := <-s.chunks
		c.Release()
	}
	for _, c := range s.consumers {
		_ = c.Close() // it has no membership to give back
	}
	s.Reset()
	if s.logs != nil {
		s.logs.Close()
	}
	s.cancel, s.consumers, s.logs, s.parts, s.index = nil, nil, nil, nil, nil
}

// Lag returns the messages between what was read and the ends of the
// partitions, as the brokers' last answers told them.
func (s *source) Lag() (left, total int64, unit string, known bool) {
	const records = "records"
	for i, p := range s.parts {
		end := p.stop
		if end < 0 {
			_, high, err := s.consumers[i%len(s.consumers)].GetWatermarkOffsets(p.topic, p.num)
			if err != nil || high < 0 {
				return 0, 0, records, false
			}
			end = high
		} else {
			total += p.stop - p.begin
		}
		left += max(end-p.end.Load(), 0)
	}
	return left, total, records, true
}
