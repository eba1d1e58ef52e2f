package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/synth"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// producer writes posts to a topic, round its partitions, packed with LZ4.
type producer struct {
	*client.Producer
	topic      string
	partitions int
	next       int // message
	failed     atomic.Pointer[error]
	events     chan struct{}
}

func (e *env) newProducer(topic string) (*producer, error) {
	if err := e.broker.AddTopic(topic, e.partitions, nil); err != nil {
		return nil, err
	}
	p, err := client.NewProducer(&client.ConfigMap{
		"bootstrap.servers": e.broker.Servers, "acks": "all", "linger.ms": 5, "compression.codec": "lz4",
		"queue.buffering.max.messages": 1_000_000, "go.delivery.report.fields": "none", "log_level": 3,
	})
	if err != nil {
		return nil, err
	}
	out := &producer{Producer: p, topic: topic, partitions: e.partitions, events: make(chan struct{})}
	go func() {
		defer close(out.events)
		for ev := range p.Events() {
			if m, ok := ev.(*client.Message); ok && m.TopicPartition.Error != nil {
				out.failed.Store(&m.TopicPartition.Error)
			}
		}
	}()
	return out, nil
}

// send writes a message.
func (p *producer) send(value []byte) error {
	m := &client.Message{TopicPartition: client.TopicPartition{Topic: &p.topic, Partition: int32(p.next % p.partitions)}, Value: value}
	p.next++
	for {
		err := p.Produce(m, nil)
		var ke client.Error
		if !errors.As(err, &ke) || ke.Code() != client.ErrQueueFull {
			return err
		}
		p.Flush(50)
	}
}

// end waits until the broker has all messages.
func (p *producer) end() error {
	left := p.Flush(60_000)
	p.Close()
	<-p.events
	if err := p.failed.Load(); err != nil {
		return *err
	}
	if left > 0 {
		return fmt.Errorf("%d messages are not acknowledged after a minute", left)
	}
	return nil
}

// fill writes n synthetic posts, each of them to a message, or several as lines
// or as an Arrow IPC stream.
func (e *env) fill(sh shape, n int) error {
	g, err := synth.New(synth.DefaultConfig())
	if err != nil {
		return err
	}
	plan, err := decode.NewPlan(decode.Defaults(), memory.DefaultAllocator)
	if err != nil {
		return err
	}
	d := plan.New()
	p, err := e.newProducer(sh.topic)
	if err != nil {
		return err
	}
	for i := 0; i < n && err == nil; i += sh.each {
		var value []byte
		for j := i; j < min(i+sh.each, n); j++ {
			value = append(bytes.TrimSpace(g.AppendRow(value, int64(j))), '\n')
		}
		if sh.messages == "arrow" {
			value, err = toArrow(d, value)
		}
		if err == nil {
			err = p.send(value)
		}
	}
	return errors.Join(err, p.end())
}

// toArrow turns lines, at most as many as a batch of the decoder holds, into
// an Arrow IPC stream.
func toArrow(d pipeline.Decoder, lines []byte) ([]byte, error) {
	var out bytes.Buffer
	c := pipeline.Chunk{Origin: "bench", Data: lines, Records: bytes.Count(lines, []byte{'\n'})}
	err := d.Decode(context.Background(), &c, func(b pipeline.Batch) error {
		defer b.Record.Release()
		w := ipc.NewWriter(&out, ipc.WithSchema(b.Record.Schema()))
		return errors.Join(w.Write(b.Record), w.Close())
	})
	return out.Bytes(), err
}

// Parts of a synthetic post that live posts have anew.
var (
	idAt      = []byte(`"id":"`)
	createdAt = []byte(`"created_at":"`)
)

// live writes posts at a steady rate until ctx ends, created as they are
// written. Every thousandth is planted for the alert's rule, by an author of its
// own, whose id says when it was created.
func (e *env) live(ctx context.Context, topic string, sent *ledger) error {
	g, err := synth.New(synth.DefaultConfig())
	if err != nil {
		return err
	}
	p, err := e.newProducer(topic)
	if err != nil {
		return err
	}
	begun := time.Now()
	for i := int64(0); ctx.Err() == nil; i++ {
		due := begun.Add(time.Duration(i) * time.Second / time.Duration(e.rate))
		if wait := time.Until(due); wait > time.Millisecond {
			time.Sleep(wait)
		}
		now := time.Now().UTC()
		var value []byte
		if i%1000 == 999 {
			value = fmt.Appendf(nil, `{"id":"live-%d","created_at":%q,"author":{"id":"planted-%d-%d"},"text":"a zqxplanted word"}`,
				i, now.Format("2006-01-02T15:04:05.000Z"), now.UnixMilli(), i)
		} else if value, err = relive(g.AppendRow(nil, i), i, now); err != nil {
			return errors.Join(err, p.end())
		}
		if err := p.send(value); err != nil {
			return errors.Join(err, p.end())
		}
		sent.add(now.UnixMilli())
	}
	return p.end()
}

// relive gives a synthetic post a new id and time.
func relive(row []byte, i int64, now time.Time) ([]byte, error) {
	for _, part := range []struct {
		key  []byte
		text string
	}{{idAt, fmt.Sprintf("live-%d", i)}, {createdAt, now.Format("2006-01-02T15:04:05.000Z")}} {
		at := bytes.Index(row, part.key)
		if at < 0 {
			return nil, fmt.Errorf("a synthetic post without %s", part.key)
		}
		from := at + len(part.key)
		n := bytes.IndexByte(row[from:], '"')
		row = append(append(append([]byte(nil), row[:from]...), part.text...), row[from+n:]...)
	}
	return row, nil
}
