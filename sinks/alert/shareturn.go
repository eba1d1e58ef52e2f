package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
)

// How long a process waits before it joins the group again: doubled while it fails.
const (
	rejoin     = time.Second
	rejoinMost = 30 * time.Second
)

// run is a member of the group again and again, until ctx ends.
func (x *sharing) run(ctx context.Context) {
	defer close(x.ended)
	wait := rejoin
	for ctx.Err() == nil {
		begun := time.Now()
		err := x.join(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > rejoinMost {
			wait = rejoin
		}
		x.s.log.Warn("alerts: this process leaves the others to tell, and joins them again", "sink", x.s.name, "wait", wait, "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, rejoinMost)
	}
}

// turn is one membership of the group. Its methods are called by the goroutine
// of run, some from within Poll.
type turn struct {
	*sharing
	ctx  context.Context // ends when the sink is closed
	c    *client.Consumer
	on   bool  // this process tells
	next int64 // offset of the next message, while it does
	err  error // why it can not go on
}

// join is a member until ctx ends or something fails.
func (x *sharing) join(ctx context.Context) error {
	c, err := client.NewConsumer(x.settings(false, client.ConfigMap{
		"group.id": x.id, "enable.auto.commit": false, "auto.offset.reset": "earliest", "isolation.level": "read_committed",
		// Whoever tells goes on telling when others come and go.
		"partition.assignment.strategy": "cooperative-sticky",
	}))
	if err != nil {
		return err
	}
	t := &turn{sharing: x, ctx: ctx, c: c}
	err = c.SubscribeTopics([]string{x.cfg.Topic}, t.rebalance)
	for err == nil && ctx.Err() == nil {
		err = t.step(100)
	}
	if ctx.Err() != nil && t.on && err == nil {
		err = t.last()
	}
	if err != nil {
		t.finish(0)
	}
	t.finish(x.s.drain)
	if e := c.Close(); err == nil && e != nil {
		err = e
	}
	return err
}

// rebalance is told by librdkafka of the partition that comes or goes.
func (t *turn) rebalance(_ *client.Consumer, event client.Event) error {
	switch e := event.(type) {
	case client.AssignedPartitions:
		if len(e.Partitions) > 0 && t.ctx.Err() == nil && t.err == nil {
			t.err = t.begin(e.Partitions)
		}
	case client.RevokedPartitions:
		if len(e.Partitions) > 0 {
			drain := t.s.drain
			if t.c.AssignmentLost() {
				drain = 0 // another tells
			}
			t.finish(drain)
			if err := t.c.IncrementalUnassign(e.Partitions); err != nil && t.err == nil {
				t.err = err
			}
		}
	}
	return nil // which nobody looks at
}

// begin makes this process the one that tells.
func (t *turn) begin(parts []client.TopicPartition) error {
	begun := time.Now()
	st, err := t.takeOver(t.ctx)
	if err != nil {
		return err
	}
	low, _, err := t.c.QueryWatermarkOffsets(t.cfg.Topic, 0, int(askTimeout.Milliseconds()))
	if err != nil {
		st.close()
		return err
	}
	if st.read >= 0 && st.read < low {
		t.s.log.Error("alerts: detections were deleted before they were counted: no process ran for longer than the topic keeps them",
			"sink", t.s.name, "topic", t.cfg.Topic, "messages", low-st.read)
	}
	t.next = max(st.read, low)
	parts[0].Offset = client.Offset(t.next)
	if err := t.c.IncrementalAssign(parts); err != nil {
		st.close()
		return err
	}
	t.s.log.Info("alerts: this process tells from now on", "sink", t.s.name, "alerts", len(st.alerts), "messages", len(st.byID), "offset", t.next,
		"after", time.Since(begun).Round(time.Millisecond))
	t.s.begin(st)
	t.on = true
	return nil
}

// finish ends the telling, if this process tells.
func (t *turn) finish(drain time.Duration) {
	if !t.on {
		return
	}
	t.on = false
	t.s.end(context.Background(), drain)
	t.s.log.Info("alerts: this process tells no more", "sink", t.s.name)
}

// Bounds of what is counted in one change.
const (
	maxCounted = 500 // messages
	maxBytes   = 8 << 20
)

// step counts what has come, and waits for it for up to wait ms.
func (t *turn) step(wait int) error {
	var in []*client.Message
	for size := 0; len(in) < maxCounted && size < maxBytes; wait = 0 {
		e := t.c.Poll(wait)
		if e == nil {
			break
		}
		switch e := e.(type) {
		case *client.Message:
			if err := e.TopicPartition.Error; err != nil {
				return err
			}
			in, size = append(in, e), size+len(e.Value)
		case client.Error:
			if kafka.Permanent(e) {
				return e
			}
			t.s.log.Debug("kafka: "+e.Error(), "sink", t.s.name, "code", e.Code().String())
		}
		if t.err != nil {
			return t.err
		}
	}
	if t.err != nil || !t.on {
		return t.err // what came before the partition went is another's
	}
	return t.count(in)
}

// count counts messages, as one change, and reports why this process can not go on.
func (t *turn) count(in []*client.Message) error {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.st.log.err; err != nil {
		return err
	}
	e := s.newEpoch()
	now, next := e.now, t.next
	epochs := map[string][]counted{}
	for _, m := range in {
		at := int64(m.TopicPartition.Offset)
		if at < next {
			continue // a repeat after the connection was made anew
		}
		next = at + 1
		p := parcelOf(m)
		list, staged := epochs[p.partition]
		if !staged {
			list = s.st.counted[p.partition]
		}
		list, ok := p.next(list)
		if !ok {
			continue
		}
		epochs[p.partition] = list
		if e.read = now; p.read > 0 {
			e.read = min(p.read, now)
		}
		if err := t.each(m, s.routes[0].layout.schema, e.foldAs(s.pipe)); err != nil {
			s.log.Error("alerts: a message of the topic is left out", "sink", s.name, "topic", t.cfg.Topic, "offset", at, "err", err)
		}
	}
	if next == t.next {
		return nil
	}
	if err := s.st.commit(record{Counted: epochs, Alerts: e.changed, Read: &next}); err != nil {
		return err
	}
	t.next = next
	return nil
}

// last counts what was written before the sink was closed, and makes the
// messages of what waits: nobody else may be there to do it.
func (t *turn) last() error {
	_, high, err := t.c.QueryWatermarkOffsets(t.cfg.Topic, 0, int(t.s.drain.Milliseconds()))
	if err != nil {
		return fmt.Errorf("asking where topic %s ends: %w", t.cfg.Topic, err)
	}
	for deadline := time.Now().Add(t.s.drain); t.next < high && t.on; {
		if time.Now().After(deadline) {
			return errors.New("what was written last could not be counted in time; the next process does")
		}
		if err := t.step(20); err != nil {
			return err
		}
	}
	if t.on {
		t.s.look(true)
	}
	return nil
}
