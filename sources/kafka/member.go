package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/pipeline"
)

// member is a reader whose partitions the group gives and takes. All of it is
// called by the reader's goroutine, from within poll, and used by it alone, but
// for the atomic.
type member struct {
	*reader
	g      *group
	paused bool
	held   []client.Event // polled while a chunk waited

	// leaving, while partitions are given up in time, ends the wait for them.
	leaving atomic.Pointer[context.CancelFunc]
}

// rebalance is told by librdkafka of partitions that come or go.
func (m *member) rebalance(_ *client.Consumer, event client.Event) error {
	closing := m.g.run.Err() != nil
	var err error
	switch e := event.(type) {
	case client.AssignedPartitions:
		if !closing { // the questions would wait in vain for answers
			err = m.gain(m.g.run, e.Partitions)
		}
	case client.RevokedPartitions:
		err = m.lose(m.g.run, e.Partitions)
	}
	if err != nil && m.g.run.Err() == nil {
		m.g.giveUp(err)
	}
	return nil // which nobody looks at
}

// gain takes partitions over, and begins to read them.
func (m *member) gain(ctx context.Context, tps []client.TopicPartition) error {
	var parts []*partition
	for _, tp := range tps {
		topic := *tp.Topic
		parts = append(parts, &partition{topic: topic, num: tp.Partition, name: partitionName(topic, tp.Partition), reader: m.reader, stop: -1})
	}
	claims, starts, err := m.ask(ctx, parts)
	if err != nil {
		return err
	}
	var resume map[string]pipeline.Resume
	if len(parts) > 0 {
		if resume, err = m.g.owner.Gain(ctx, claims); err != nil {
			return err
		}
	}
	for _, p := range parts {
		r := resume[p.name]
		p.term = r.Term
		if r.From == "" && len(r.Until) == 0 {
			r.From = starts[p.name]
		}
		if err := m.insist(ctx, func() error { return m.g.place(m.c, p, r) }); err != nil {
			return err
		}
	}
	var begin []client.TopicPartition
	m.g.mu.Lock()
	for _, p := range parts {
		m.parts[topicPartition{p.topic, p.num}] = p
		m.g.index[p.name] = p
		begin = append(begin, client.TopicPartition{Topic: &p.topic, Partition: p.num, Offset: client.Offset(p.begin)})
	}
	m.g.parts = append(m.g.parts, parts...)
	m.g.mu.Unlock()
	m.last = nil
	assign := m.c.IncrementalAssign
	if m.eager() {
		assign = m.c.Assign
	}
	if err := assign(begin); err != nil {
		return fmt.Errorf("kafka: assigning partitions: %w", err)
	}
	// The client remembers of a partition that it was paused, also while others
	// have it.
	if err := m.setPaused(begin); err != nil {
		return err
	}
	m.g.logger.Info("kafka: partitions came", "group", m.g.group, "partitions", names(parts))
	return nil
}

// ask finds what the group has of partitions, and where those begin of which it
// has nothing.
func (m *member) ask(ctx context.Context, parts []*partition) (claims map[string]pipeline.Recorded, starts map[string]pipeline.Position, err error) {
	claims = map[string]pipeline.Recorded{}
	var fresh []*partition
	var known map[string]committed
	err = m.insist(ctx, func() (err error) {
		known, err = m.g.committed(m.c, parts)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, p := range parts {
		k := known[p.name]
		if k.offset < 0 {
			claims[p.name] = pipeline.Recorded{}
			fresh = append(fresh, p)
			continue
		}
		claims[p.name] = k.recorded
	}
	err = m.insist(ctx, func() (err error) {
		starts, err = m.g.starts(m.c, fresh, nil)
		return err
	})
	return claims, starts, err
}

// insist calls f until it succeeds, or fails for good. Without its answers the
// partitions can not be read, so there is nothing else to do meanwhile; should
// that last for longer than max.poll.interval.ms the group takes them back.
func (m *member) insist(ctx context.Context, f func() error) error {
	for {
		err := f()
		if _, again := pipeline.IsRetryable(err); !again || ctx.Err() != nil {
			return err
		}
		m.g.logger.Warn("kafka: taking partitions over failed, trying again", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// lose gives partitions up: in time, so that what was read of them is written
// first, unless they are lost already.
func (m *member) lose(ctx context.Context, tps []client.TopicPartition) error {
	var parts []*partition
	for _, tp := range tps {
		key := topicPartition{*tp.Topic, tp.Partition}
		if p := m.parts[key]; p != nil {
			parts = append(parts, p)
			p.gone = true
			if p.buf != nil {
				m.g.pool.Put(p.buf)
				p.buf = nil
			}
			delete(m.parts, key)
		}
	}
	m.last = nil
	m.held = slices.DeleteFunc(m.held, func(e client.Event) bool { return m.away(e) })
	within, end := context.WithTimeout(ctx, m.g.cfg.ReleaseTimeout)
	defer end()
	lost := m.c.AssignmentLost()
	if lost {
		end() // others have them
	}
	begun := time.Now()
	m.leaving.Store(&end)
	m.g.owner.Lose(within, names(parts))
	m.leaving.Store(nil)
	// A commit that nobody waits for any more may still be on its way, or wait
	// for the coordinator to come back. Once this member has joined again it
	// would go out in its name, and the broker would put it over what the next
	// owner has committed. So it is waited for before the partitions are let go,
	// unless the member does not join again.
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for _, p := range parts {
			p.commits.Wait()
		}
	}()
	select {
	case <-answered:
	case <-ctx.Done():
	}
	m.g.mu.Lock()
	for _, p := range parts {
		delete(m.g.index, p.name)
	}
	m.g.parts = slices.DeleteFunc(m.g.parts, func(p *partition) bool { return p.gone })
	m.g.mu.Unlock()
	m.g.logger.Info("kafka: partitions went", "group", m.g.group, "partitions", names(parts), "lost", lost, "after", time.Since(begun).Round(time.Millisecond))
	var err error
	if m.eager() {
		err = m.c.Unassign()
	} else {
		err = m.c.IncrementalUnassign(tps)
	}
	if err != nil {
		return fmt.Errorf("kafka: giving partitions up: %w", err)
	}
	return nil
}

// away reports whether an event is of a partition that the member does not have.
func (m *member) away(e client.Event) bool {
	switch e := e.(type) {
	case *client.Message:
		return m.parts[topicPartition{*e.TopicPartition.Topic, e.TopicPartition.Partition}] == nil
	case client.PartitionEOF:
		return m.parts[topicPartition{*e.Topic, e.Partition}] == nil
	}
	return false
}

func (m *member) eager() bool { return m.c.GetRebalanceProtocol() == "EAGER" }

func names(parts []*partition) (out []string) {
	for _, p := range parts {
		out = append(out, p.name)
	}
	return out
}

// patience is how long a chunk waits to be taken before its member pauses.
const patience = time.Second

// hand puts a chunk where Read finds it. While nobody takes it the member goes
// on polling, or the group would take it for dead and rebalances would wait for
// it. It is paused then, so that what it has fetched does not grow; what it is
// given all the same is held, and nothing of it is lost.
func (m *member) hand(ctx context.Context, p *partition, c pipeline.Chunk) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case m.g.chunks <- c:
		return nil
	case <-ctx.Done():
		c.Release()
		return ctx.Err()
	case <-timer.C:
	}
	if err := m.pause(true); err != nil {
		c.Release()
		return err
	}
	for {
		switch e := m.c.Poll(20).(type) {
		case nil:
		case *client.Message, client.PartitionEOF:
			if !m.away(e) {
				m.held = append(m.held, e)
			}
		default:
			if err := m.handle(ctx, e); err != nil {
				c.Release()
				return err
			}
		}
		if p.gone {
			c.Release()
			return m.pause(false)
		}
		select {
		case m.g.chunks <- c:
			return m.pause(false)
		case <-ctx.Done():
			c.Release()
			return ctx.Err()
		default:
		}
	}
}

// pause stops and resumes the fetching of all partitions of the member.
func (m *member) pause(on bool) error {
	m.paused = on
	return m.setPaused(m.begins())
}

// setPaused pauses or resumes partitions, as the member is.
func (m *member) setPaused(parts []client.TopicPartition) error {
	if len(parts) == 0 {
		return nil
	}
	change := m.c.Resume
	if m.paused {
		change = m.c.Pause
	}
	if err := change(parts); err != nil {
		return fmt.Errorf("kafka: pausing and resuming: %w", err)
	}
	return nil
}

// next returns an event that was held; nil when there is none.
func (m *member) next() client.Event {
	if len(m.held) == 0 {
		return nil
	}
	e := m.held[0]
	m.held = m.held[1:]
	return e
}
