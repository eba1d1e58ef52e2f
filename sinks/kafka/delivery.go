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

// link is a producer with what goes with it.
type link struct {
	*client.Producer
	stats  *kafka.Stats
	logs   *kafka.Logs
	events chan struct{} // closed when the producer's events have ended
	limit  int           // message.max.bytes, less what comes around a value
}

// newLink makes a producer: of transactions if it is given an id.
func (s *Sink) newLink(id string) (*link, error) {
	l := &link{stats: s.Stats, events: make(chan struct{}), limit: 1_000_000} // librdkafka's default
	if v, ok := s.cfg.Settings["message.max.bytes"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, &pipeline.FieldError{Path: "settings.message.max.bytes", Err: err}
		}
		l.limit = n
	}
	l.limit -= 1024
	logger := s.logger()
	l.logs = kafka.NewLogs(logger)
	settings := s.settings(l.logs)
	if id != "" {
		s.transactional(settings, id)
	}
	var err error
	if l.Producer, err = client.NewProducer(settings); err != nil {
		l.logs.Close()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	go func() { // what is not a delivery report
		defer close(l.events)
		for e := range l.Events() {
			switch e := e.(type) {
			case client.Error:
				logger.Warn("kafka: "+e.Error(), "code", e.Code().String())
			case *client.Stats:
				l.stats.Take(e)
			}
		}
	}()
	return l, nil
}

// close gives up what was not acknowledged.
func (l *link) close() {
	name := l.String()
	_ = l.Purge(client.PurgeInFlight | client.PurgeQueue) // nobody waits for it
	l.Flush(1000)
	l.Close()
	<-l.events
	l.logs.Close()
	l.stats.Forget(name)
}

// why returns the fatal error that a call has failed for, where librdkafka says
// only that there was one.
func (l *link) why(err error) error {
	var ke client.Error
	if errors.As(err, &ke) && ke.Code() == client.ErrFatal {
		if fatal := l.GetFatalError(); fatal != nil {
			return fatal
		}
	}
	return err
}

// delivery is the sending of an epoch's messages.
type delivery struct {
	ctx     context.Context
	to      *link
	acked   *[]bool           // which the brokers have, by number; nil without interest
	reports chan client.Event // has room for all, so that nobody waits for us
	nth     int               // of the message
	open    int               // sent and not reported
	err     error             // the first failed delivery
}

// send hands a message to the producer, unless the brokers have it.
func (w *delivery) send(m *client.Message) error {
	nth := w.nth
	w.nth++
	if w.acked != nil {
		if nth == len(*w.acked) {
			*w.acked = append(*w.acked, false)
		}
		if (*w.acked)[nth] {
			return nil
		}
	}
	m.Opaque = nth
	for {
		err := w.to.Produce(m, w.reports)
		if err == nil {
			w.open++
			return nil
		}
		err = w.to.why(err)
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
func (w *delivery) wait() error {
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
	if w.acked != nil {
		(*w.acked)[m.Opaque.(int)] = true
	}
	return nil
}
