package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// sinkRun is an open sink.
type sinkRun struct {
	plan *graph.Sink
	sink pipeline.Sink
	// turns has as many elements as epochs may be written at a time: write n
	// waits until turns[n%len] is closed, which write n-len does at its end.
	turns  []chan struct{}
	writes int
}

func newSinkRun(plan *graph.Sink, sink pipeline.Sink) *sinkRun {
	overlap := 1
	if o, ok := sink.(pipeline.Overlapper); ok {
		overlap = max(1, o.Overlap())
	}
	k := &sinkRun{plan: plan, sink: sink, turns: make([]chan struct{}, overlap)}
	for i := range k.turns {
		k.turns[i] = make(chan struct{})
		close(k.turns[i])
	}
	return k
}

// turn returns what the next write waits for, and what it closes at its end.
// It is called in the order of the epochs.
func (k *sinkRun) turn() (before <-chan struct{}, done chan<- struct{}) {
	i := k.writes % len(k.turns)
	k.writes++
	mine := make(chan struct{})
	before, k.turns[i] = k.turns[i], mine
	return before, mine
}

func (s *session) openSinks(ctx context.Context) error {
	for i := range s.g.Sinks {
		plan := &s.g.Sinks[i]
		sink, err := plan.Plan.New()
		if err == nil {
			s.sinks = append(s.sinks, newSinkRun(plan, sink))
			err = s.retry(ctx, "sink "+plan.Name+": open", func() error { return sink.Open(ctx) })
		}
		if reg, ok := sink.(pipeline.RuleRegistrar); ok && err == nil {
			err = s.retry(ctx, "sink "+plan.Name+": rules", func() error { return reg.RegisterRules(ctx, s.rules()) })
		}
		if err != nil {
			return errors.Join(fmt.Errorf("sink %s: %w", plan.Name, err), s.closeSinks())
		}
	}
	return nil
}

// rules lists the rules of all steps.
func (s *session) rules() (out []pipeline.RuleInfo) {
	for _, n := range s.g.Nodes {
		if l, ok := n.Plan.(pipeline.RuleLister); ok {
			out = append(out, l.Rules()...)
		}
	}
	return out
}

func (s *session) closeSinks() error {
	var errs []error
	for _, k := range s.sinks {
		ctx, cancel := context.WithTimeout(context.Background(), s.o.DrainTimeout)
		if err := k.sink.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("sink %s: close: %w", k.plan.Name, err))
		}
		cancel()
	}
	s.sinks = nil
	return errors.Join(errs...)
}

// commit makes epochs durable. Their writes are begun in order, as many at a
// time as a sink takes, and they are committed in order.
func (s *session) commit(ctx context.Context) error {
	overlap := 1
	for _, k := range s.sinks {
		overlap = max(overlap, len(k.turns))
	}
	ctx, cancel := context.WithCancel(ctx)
	var writing []*epoch
	defer func() {
		cancel()
		for _, e := range writing { // after an error: their batches are being read
			<-e.written
			e.release()
		}
	}()
	for in := s.staged; in != nil || len(writing) > 0; {
		more, first := in, (chan error)(nil)
		if len(writing) == overlap {
			more = nil
		}
		if len(writing) > 0 {
			first = writing[0].written
		}
		select {
		case e, ok := <-more:
			if !ok {
				in = nil
				continue
			}
			if err := s.beginWrite(ctx, e); err != nil {
				e.release()
				return err
			}
			writing = append(writing, e)
		case err := <-first:
			e := writing[0]
			writing = writing[1:]
			if err == nil {
				err = s.commitEpoch(ctx, e)
			}
			e.release()
			if err != nil {
				return err
			}
			s.leave(e)
		}
	}
	return nil
}

// leave makes room for what is read next.
func (s *session) leave(e *epoch) {
	s.inFlight.records.Add(-e.records)
	s.inFlight.bytes.Add(-e.bytes)
	s.underWay.Add(-1)
	select {
	case s.freed <- struct{}{}:
	default: // the cutter has been told already
	}
}

// beginWrite records the epoch's intent and begins to write it to all sinks.
// With commitEpoch it keeps the order on which everything rests: intent, sinks,
// checkpoint, source.
func (s *session) beginWrite(ctx context.Context, e *epoch) error {
	e.written = make(chan error, 1)
	if e.warm {
		e.written <- nil // durable since an earlier run; only the state was wanted
		return nil
	}
	if s.o.Store != nil {
		if err := s.o.Store.Intend(checkpoint.Intent{Span: e.span, Manifest: s.manifest}); err != nil {
			return err
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, k := range s.sinks {
		before, done := k.turn()
		group.Go(func() error {
			defer close(done)
			select {
			case <-before:
			case <-gctx.Done():
				return context.Cause(gctx)
			}
			return s.write(gctx, k, e)
		})
	}
	go func() { e.written <- group.Wait() }()
	return nil
}

// commitEpoch commits an epoch that all sinks have.
func (s *session) commitEpoch(ctx context.Context, e *epoch) error {
	if e.warm {
		return nil
	}
	if s.o.Store != nil {
		if err := s.o.Store.Commit(e.span, e.records, e.snap); err != nil {
			return err
		}
	}
	s.o.Metrics.committed(e)
	if err := s.retry(ctx, "source: commit", func() error {
		return s.source.Commit(ctx, e.span.Partition, e.span.To)
	}); err != nil {
		return fmt.Errorf("source %s: commit: %w", s.g.Nodes[graph.Root].Kind, err)
	}
	return nil
}

// write writes an epoch to one sink until the sink has said that it is durable.
func (s *session) write(ctx context.Context, k *sinkRun, e *epoch) error {
	var in []pipeline.Batch
	for _, p := range k.plan.Ports {
		if i := port(p.Node, p.Stream); i < len(e.out) {
			in = append(in, e.out[i]...)
		}
	}
	key := pipeline.Key{Pipeline: s.g.Pipeline, Sink: k.plan.Name, Span: e.span}
	err := s.retry(ctx, "sink "+k.plan.Name+": write", func() error {
		begun := time.Now()
		err := k.sink.Write(ctx, key, in)
		s.o.Metrics.wrote(k.plan.Name, in, time.Since(begun), err)
		return err
	})
	if err != nil {
		return fmt.Errorf("sink %s: %w", k.plan.Name, err)
	}
	return nil
}
