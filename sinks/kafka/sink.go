package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// askTimeout is how long a question to the brokers may take, in ms.
const askTimeout = 10_000

// Sink writes epochs to topics. It is used by one goroutine.
type Sink struct {
	*plan
	*kafka.Stats // what librdkafka counts, as metrics
	outputs      [pipeline.NumStreams]*output
	logs         *kafka.Logs
	producer     *client.Producer
	events       chan struct{} // closed when the producer's events have ended
	limit        int           // message.max.bytes

	// The epoch that is being written, and which of its messages the brokers
	// have: when Write is called again, these are not sent again.
	key   pipeline.Key
	begun bool
	acked []bool
}

// Open connects and checks that the topics exist.
func (s *Sink) Open(context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	for _, topic := range s.cfg.topics(s.in) {
		if topic == "" {
			continue
		}
		md, err := s.producer.GetMetadata(&topic, false, askTimeout)
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
	}
	return nil
}

// connect makes the producer, unless there is one.
func (s *Sink) connect() error {
	if s.producer != nil {
		return nil
	}
	logger := s.logger()
	s.logs = kafka.NewLogs(logger)
	settings := s.settings(s.logs)
	s.limit = 1_000_000 // librdkafka's default
	if v, ok := s.cfg.Settings["message.max.bytes"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			return &pipeline.FieldError{Path: "settings.message.max.bytes", Err: err}
		}
		s.limit = n
	}
	s.limit -= 1024 // what comes around the value
	p, err := client.NewProducer(settings)
	if err != nil {
		s.logs.Close()
		return fmt.Errorf("kafka: %w", err)
	}
	s.producer, s.events = p, make(chan struct{})
	go func() { // what is not a delivery report
		defer close(s.events)
		for e := range p.Events() {
			switch e := e.(type) {
			case client.Error:
				logger.Warn("kafka: "+e.Error(), "code", e.Code().String())
			case *client.Stats:
				s.Take(e)
			}
		}
	}()
	return nil
}

// Write sends the epoch's messages and waits until the brokers have them all.
func (s *Sink) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	if err := s.connect(); err != nil {
		return err
	}
	if !s.begun || s.key != key {
		s.key, s.begun, s.acked = key, true, s.acked[:0]
	}
	rows := 0
	for _, b := range in {
		rows += b.Rows()
	}
	w := &write{ctx: ctx, s: s, reports: make(chan client.Event, rows)}
	var row [pipeline.NumStreams]int
	epoch := []byte(key.String())
	for _, b := range in {
		o := s.outputs[b.Stream]
		if o == nil {
			continue
		}
		if err := o.messages(b.Record, epoch, row[b.Stream], s.limit, w.send); err != nil {
			return s.failed(err)
		}
		row[b.Stream] += b.Rows()
	}
	for w.open > 0 {
		if err := w.wait(); err != nil {
			return s.failed(err)
		}
	}
	return s.failed(w.err)
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

// write is a call of Write.
type write struct {
	ctx     context.Context
	s       *Sink
	reports chan client.Event // has room for all, so that nobody waits for us
	nth     int               // of the message
	open    int               // sent and not reported
	err     error             // the first failed delivery
}

// send hands a message to the producer, unless the brokers have it.
func (w *write) send(m *client.Message) error {
	nth := w.nth
	w.nth++
	if nth == len(w.s.acked) {
		w.s.acked = append(w.s.acked, false)
	}
	if w.s.acked[nth] {
		return nil
	}
	m.Opaque = nth
	for {
		err := w.s.producer.Produce(m, w.reports)
		if err == nil {
			w.open++
			return nil
		}
		var ke client.Error
		if errors.As(err, &ke) && ke.Code() == client.ErrQueueFull {
			if err := w.wait(); err != nil {
				return err
			}
			continue
		}
		if errors.As(err, &ke) && ke.Code() == client.ErrMsgSizeTooLarge {
			return fmt.Errorf("kafka: message %d of the epoch has %d bytes: raise message.max.bytes in settings and at topic %s: %w", nth, len(m.Value), *m.TopicPartition.Topic, err)
		}
		return fmt.Errorf("kafka: topic %s: %w", *m.TopicPartition.Topic, err)
	}
}

// wait takes one delivery report, or waits a little when none is due.
func (w *write) wait() error {
	var e client.Event
	if w.open == 0 {
		select {
		case <-time.After(10 * time.Millisecond): // the queue has messages of an earlier call
			return nil
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
	select {
	case e = <-w.reports:
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
	w.open--
	m, ok := e.(*client.Message)
	if !ok {
		return fmt.Errorf("kafka: a delivery report is a %T: a defect", e)
	}
	if err := m.TopicPartition.Error; err != nil {
		if w.err == nil {
			w.err = fmt.Errorf("kafka: topic %s: %w", *m.TopicPartition.Topic, err)
		}
		return nil
	}
	w.s.acked[m.Opaque.(int)] = true
	return nil
}

// Close leaves the brokers. What was not acknowledged is given up.
func (s *Sink) Close(context.Context) error {
	s.disconnect()
	return nil
}

func (s *Sink) disconnect() {
	if s.producer == nil {
		return
	}
	_ = s.producer.Purge(client.PurgeInFlight | client.PurgeQueue) // nobody waits for it
	s.producer.Flush(1000)
	s.producer.Close()
	<-s.events
	s.logs.Close()
	s.Reset()
	s.producer, s.logs = nil, nil
}
