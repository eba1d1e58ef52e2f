package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// producer writes the input to the topic: a part at once, the rest spread over
// a time, whatever becomes of the broker meanwhile.
type producer struct {
	in    *input
	topic string
	acked atomic.Int64
}

// ackTime bounds the wait for an acknowledgement, absences of the broker and a
// machine that is busy included.
const ackTime = 10 * time.Minute

// run produces everything and returns when all is acknowledged. After the first
// ahead messages it closes begun; when proceed is closed it goes on, and spreads
// the others over the time.
func (p *producer) run(ctx context.Context, servers string, idempotent bool, ahead int, over time.Duration, begun chan<- struct{}, proceed <-chan struct{}) (err error) {
	defer func() {
		if begun != nil {
			close(begun)
		}
	}()
	client, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": servers, "enable.idempotence": idempotent, "linger.ms": 5, "acks": "all", "message.timeout.ms": int(ackTime.Milliseconds()),
		"queue.buffering.max.messages": 20_000, "reconnect.backoff.max.ms": 500, "log_level": 0,
	})
	if err != nil {
		return fmt.Errorf("producer: %w", err)
	}
	defer client.Close()
	failed := make(chan error, 1)
	go p.reports(client, failed)

	sent, start := 0, time.Time{}
	err = p.in.each(func(m message) error {
		if sent == ahead && begun != nil {
			close(begun)
			begun = nil
			select {
			case <-proceed:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			start = time.Now()
		}
		if begun == nil && sent%64 == 0 {
			due := time.Duration(float64(over) * float64(sent-ahead) / float64(max(p.in.posts-ahead, 1)))
			if err := sleep(ctx, due-time.Since(start)); err != nil {
				return err
			}
		}
		sent++
		return p.send(ctx, client, m, failed)
	})
	if err != nil {
		return err
	}
	for end := time.Now().Add(ackTime); p.acked.Load() < int64(sent); {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("producer: %d of %d messages are not acknowledged after %s", int64(sent)-p.acked.Load(), sent, ackTime)
		}
	}
	return nil
}

// send hands a message to the client, and waits while its queue is full.
func (p *producer) send(ctx context.Context, client *kafka.Producer, m message, failed <-chan error) error {
	for {
		err := client.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &p.topic, Partition: m.partition}, Value: m.value, Opaque: m.offset,
		}, nil)
		var ke kafka.Error
		if !errors.As(err, &ke) || ke.Code() != kafka.ErrQueueFull {
			return err
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// reports counts what the broker has acknowledged. Each message must be where
// it belongs, or the topic is not what the checks expect.
func (p *producer) reports(client *kafka.Producer, failed chan<- error) {
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	for e := range client.Events() {
		m, ok := e.(*kafka.Message)
		if !ok {
			continue // what librdkafka says of the broker's absence
		}
		switch {
		case m.TopicPartition.Error != nil:
			fail(fmt.Errorf("producer: %w", m.TopicPartition.Error))
		case int64(m.TopicPartition.Offset) != m.Opaque.(int64):
			fail(fmt.Errorf("producer: a message of partition %d is at offset %d, not at %d: the broker has doubled or lost one, so the run shows nothing",
				m.TopicPartition.Partition, m.TopicPartition.Offset, m.Opaque))
		default:
			p.acked.Add(1)
		}
	}
}

// sleep waits, unless ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
