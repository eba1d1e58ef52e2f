package kafka

import (
	"context"
	"errors"
	"fmt"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// askTimeout is how long a question to the brokers may take, in ms.
const askTimeout = 10_000

// Sink writes epochs to topics. Write is called by one goroutine at a time.
type Sink struct {
	*plan
	*kafka.Stats // what librdkafka counts, as metrics
	outputs      [pipeline.NumStreams]*output
	link         *link // of delivery: at_least_once, and for questions

	// The epoch that is being written, and which of its messages the brokers
	// have: when Write is called again, these are not sent again. Of
	// at_least_once.
	key   pipeline.Key
	begun bool
	acked []bool

	exact *exact // of delivery: exactly_once
}

// Open connects and checks that the topics exist.
func (s *Sink) Open(context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	for i, topic := range s.cfg.topics(s.in) {
		if topic == "" {
			continue
		}
		md, err := s.link.GetMetadata(&topic, false, askTimeout)
		if err != nil {
			return fmt.Errorf("kafka: asking for topic %s: %w", topic, kafka.Classify(err))
		}
		if e := md.Topics[topic].Error; e.Code() != client.ErrNoError {
			err := fmt.Errorf("kafka: topic %s: %w: is its name right, and does it exist?", topic, e)
			if !kafka.Permanent(e) {
				err = pipeline.Retryable(err)
			}
			return err
		}
		s.outputs[i].partitions = int32(len(md.Topics[topic].Partitions))
	}
	return nil
}

// connect makes the producer, unless there is one.
func (s *Sink) connect() (err error) {
	if s.link == nil {
		s.link, err = s.newLink("")
	}
	return err
}

// Write sends the epoch's messages and waits until the brokers have them all.
func (s *Sink) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	if err := s.connect(); err != nil {
		return err
	}
	if s.exact != nil {
		return s.exact.write(ctx, key, in)
	}
	if !s.begun || s.key != key {
		s.key, s.begun, s.acked = key, true, s.acked[:0]
	}
	return s.failed(s.send(ctx, s.link, &s.acked, key, in))
}

// send sends an epoch's messages and waits until the brokers have them all.
// Those that acked says they have are left out; with nil all are sent.
func (s *Sink) send(ctx context.Context, to *link, acked *[]bool, key pipeline.Key, in []pipeline.Batch) error {
	w := &delivery{ctx: ctx, to: to, acked: acked, reports: make(chan client.Event, rows(in))}
	epoch := []byte(key.String())
	for stream, o := range s.outputs {
		if o == nil {
			continue
		}
		if err := o.write(s.bc.Mem, in, pipeline.Stream(stream), epoch, to.limit, w.send); err != nil {
			return err
		}
	}
	for w.open > 0 {
		if err := w.wait(); err != nil {
			return err
		}
	}
	return w.err
}

// rows counts the rows of batches.
func rows(in []pipeline.Batch) (n int) {
	for _, b := range in {
		n += b.Rows()
	}
	return n
}

// failed gives up a producer that can not go on.
func (s *Sink) failed(err error) error {
	var ke client.Error
	if !errors.As(err, &ke) {
		return err
	}
	if ke.IsFatal() {
		s.disconnect()
		return pipeline.Retryable(fmt.Errorf("kafka: the producer has lost its place and begins anew: %w", err))
	}
	return kafka.Classify(err)
}

// Close leaves the brokers. What was not acknowledged is given up.
func (s *Sink) Close(context.Context) error {
	if s.exact != nil {
		s.exact.close()
	}
	s.disconnect()
	return nil
}

func (s *Sink) disconnect() {
	if s.link == nil {
		return
	}
	s.link.close()
	s.link = nil
}
