package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"sync/atomic"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// ahead is how many chunks are kept ready.
const ahead = 4

// source is the run half: Read takes what the readers' goroutines have put into
// chunks. As it is it reads all partitions; see group for a share of them.
type source struct {
	*plan
	*kafka.Stats // what librdkafka counts, as metrics
	pool         sync.Pool
	logs         *kafka.Logs
	readers      []*reader

	mu    sync.RWMutex // held to change what follows, which a group does while it runs
	parts []*partition
	index map[string]*partition // parts by name

	chunks  chan pipeline.Chunk
	reading atomic.Int64  // partitions that have not reached their stop
	ended   chan struct{} // closed when all have
	failed  chan struct{} // closed when err is set
	fail    sync.Once
	err     error
	run     context.Context // of the readers
	cancel  context.CancelFunc
	running sync.WaitGroup // the readers, and calls of their consumers
}

// Open finds the partitions, and where each is to go on, and begins to read.
func (s *source) Open(ctx context.Context, resume map[string]pipeline.Resume) (err error) {
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if err := s.connect(nil); err != nil {
		return err
	}
	if err := s.find(ctx, resume); err != nil {
		return err
	}
	s.reading.Store(int64(len(s.parts)))
	for i, p := range s.parts {
		r := s.readers[i%len(s.readers)]
		p.reader = r
		r.parts[topicPartition{p.topic, p.num}] = p
	}
	for _, r := range s.readers {
		if err := r.c.Assign(r.begins()); err != nil {
			return fmt.Errorf("kafka: assigning partitions: %w", err)
		}
		s.start(r, r.consume)
	}
	return nil
}

// connect makes the readers, with settings of their own each.
func (s *source) connect(own func(nth int) client.ConfigMap) error {
	s.release()
	s.logs = kafka.NewLogs(s.logger)
	s.run, s.cancel = context.WithCancel(context.Background())
	s.chunks, s.ended, s.failed = make(chan pipeline.Chunk, ahead), make(chan struct{}), make(chan struct{})
	s.fail, s.err = sync.Once{}, nil
	s.index = map[string]*partition{}
	for nth := range s.cfg.Consumers {
		m := s.settings(s.logs)
		if own != nil {
			maps.Copy(*m, own(nth))
		}
		c, err := client.NewConsumer(m)
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		s.readers = append(s.readers, &reader{source: s, c: c, parts: map[topicPartition]*partition{}})
	}
	return nil
}

// start lets a reader run. When it ends by itself, so does the source.
func (s *source) start(r *reader, run func(context.Context) error) {
	s.running.Go(func() {
		if err := run(s.run); err != nil && s.run.Err() == nil {
			s.giveUp(err)
		}
	})
}

// giveUp makes Read return an error.
func (s *source) giveUp(err error) {
	s.fail.Do(func() {
		s.err = err
		close(s.failed)
	})
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
	p, ok := s.index[name]
	if !ok {
		return fmt.Errorf("kafka: commit of partition %q, which is not read", name)
	}
	at := []client.TopicPartition{{Topic: &p.topic, Partition: p.num, Offset: client.Offset(offset)}}
	if _, err := p.reader.c.StoreOffsets(at); err != nil {
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
	for _, r := range s.readers {
		_ = r.c.Close() // an error is of the leaving; the group does without it after a while
	}
	s.Reset()
	if s.logs != nil {
		s.logs.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel, s.readers, s.logs, s.parts, s.index = nil, nil, nil, nil, nil
}

// Lag returns the messages between what was read and the ends of the
// partitions, as the brokers' last answers told them.
func (s *source) Lag() (left, total int64, unit string, known bool) {
	const records = "records"
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.parts {
		end := p.stop
		if end < 0 {
			_, high, err := p.reader.c.GetWatermarkOffsets(p.topic, p.num)
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
