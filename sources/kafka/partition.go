package kafka

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/pipeline"
)

// partition is a topic partition. Its reader's goroutine alone uses it, but for
// the atomics and commits.
type partition struct {
	topic  string
	num    int32
	name   string
	reader *reader
	term   uint64 // of pipeline.Resume
	gone   bool   // it was given up

	commits sync.WaitGroup // of a group: those under way

	begin int64        // where reading begins
	end   atomic.Int64 // offset behind the last chunk
	seen  atomic.Int64 // where the broker last said that it ends: messages are before end, markers of transactions up to here
	until []int64      // ends of recorded epochs that are ahead, ascending
	stop  int64        // where reading ends; -1 for never
	done  bool         // stop was reached

	buf   *buffer   // what the next chunk will have; nil for nothing
	since time.Time // when its first message came
}

// maxBlank is how many missing offsets are filled with blank records. At a
// longer gap the chunk ends.
const maxBlank = 256

// maxMessages bounds a chunk of short messages.
const maxMessages = 8192

// add adds a message to the chunk that is being made, and hands on what became
// full.
func (r *reader) add(ctx context.Context, p *partition, m *client.Message) error {
	offset := int64(m.TopicPartition.Offset)
	if p.done || p.stop >= 0 && offset >= p.stop {
		return r.reach(ctx, p, p.stop)
	}
	expected := p.end.Load()
	if p.buf != nil {
		expected = p.buf.next()
	}
	if offset < expected {
		return nil // a repeat after the connection was made anew
	}
	// A recorded epoch may end in a gap.
	for len(p.until) > 0 && offset >= p.until[0] {
		if err := r.flush(ctx, p, p.until[0]); err != nil {
			return err
		}
	}
	if p.buf != nil && (offset-p.buf.next() > maxBlank || p.buf.size()+len(m.Value) > maxChunk) {
		if err := r.flush(ctx, p, p.buf.next()); err != nil {
			return err
		}
	}
	if p.buf == nil {
		p.buf = r.pool.Get().(*buffer)
		p.buf.reset()
		p.buf.begin(offset)
		p.since = time.Now()
	}
	for p.buf.next() < offset {
		p.buf.blank(r.decode)
	}
	p.buf.add(r.decode, m)
	next := offset + 1
	full := p.buf.size() >= int(r.cfg.ChunkSize) || p.buf.records >= maxMessages
	if full || len(p.until) > 0 && next >= p.until[0] {
		if err := r.flush(ctx, p, next); err != nil {
			return err
		}
	}
	if p.stop >= 0 && next >= p.stop {
		return r.reach(ctx, p, p.stop)
	}
	return nil
}

// maxChunk bounds a chunk in bytes: its bounds have 32 bits.
const maxChunk = 1 << 30

// flush hands on what was gathered, as a chunk that ends at an offset. Without
// messages the chunk is empty, and only moves the position over a gap.
func (r *reader) flush(ctx context.Context, p *partition, to int64) error {
	from, b := p.end.Load(), p.buf
	if b == nil && to <= from {
		return nil
	}
	p.buf = nil
	if b == nil {
		b = r.pool.Get().(*buffer)
		b.reset()
		b.begin(to)
	}
	if b.needed {
		b.data = append(b.data, b.side...)
	}
	c := pipeline.Chunk{
		Span: pipeline.Span{Partition: p.name, From: position(from), To: position(to)}, Term: p.term,
		Origin: p.name, Offset: b.from, Data: b.data, Bounds: b.bounds, Records: b.records,
		ReleaseFunc: func() { r.pool.Put(b) },
	}
	if err := r.hand(ctx, p, c); err != nil {
		return err
	}
	p.end.Store(to)
	for len(p.until) > 0 && p.until[0] <= to {
		p.until = p.until[1:]
	}
	return nil
}

// atEnd takes note that the broker has no message at or after offset.
func (r *reader) atEnd(ctx context.Context, p *partition, offset int64) error {
	p.seen.Store(offset)
	if p.buf != nil {
		if err := r.flush(ctx, p, p.buf.next()); err != nil {
			return err
		}
	}
	for len(p.until) > 0 && p.until[0] <= offset {
		if err := r.flush(ctx, p, p.until[0]); err != nil {
			return err
		}
	}
	if p.stop >= 0 && offset >= p.stop {
		return r.reach(ctx, p, p.stop)
	}
	return nil
}

// reach ends the reading of a partition at an offset.
func (r *reader) reach(ctx context.Context, p *partition, stop int64) error {
	if p.done {
		return nil
	}
	if err := r.flush(ctx, p, stop); err != nil {
		return err
	}
	p.done = true
	if r.reading.Add(-1) == 0 {
		close(r.ended)
	}
	return nil
}

// lost says that messages are gone that were not read, or that were to be read
// again for the state of steps.
func lost(p *partition, from, have int64, again bool) error {
	if again {
		return fmt.Errorf("kafka: %s is to be read again from offset %d, for the state of its steps, but the broker's messages begin at %d: retention has deleted what their windows hold. "+
			"Raise the topic's retention above the longest window. Set on_lost: skip to build state from what is left: windows lack what is gone, until it is older than they are long", p.name, from, have)
	}
	return fmt.Errorf("kafka: %s is to be read from offset %d, but the broker's messages begin at %d: retention has deleted what was not read. "+
		"Set on_lost: skip to go on behind the gap, and raise the topic's retention above the longest outage", p.name, from, have)
}
