package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
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

	begun bool        // Open was called: Close must be
	open  atomic.Bool // Open has returned, and Close was not called
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
	sinks := s.gen.g.Sinks
	for i := range sinks {
		plan := &sinks[i]
		sink, err := plan.Plan.New()
		if err != nil {
			s.sinks = nil // none is open
			return fmt.Errorf("sink %s: %w", plan.Name, err)
		}
		s.sinks = append(s.sinks, newSinkRun(plan, sink))
	}
	s.introduce()
	for _, k := range s.reportersFirst() {
		k.begun = true
		if err := s.retry(ctx, "sink "+k.plan.Name+": open", func() error { return k.sink.Open(ctx) }); err != nil {
			return errors.Join(fmt.Errorf("sink %s: %w", k.plan.Name, err), s.closeSinks())
		}
		k.open.Store(true)
	}
	if err := s.tell(ctx, s.gen); err != nil {
		return errors.Join(err, s.closeSinks())
	}
	return nil
}

// tell gives the rules of a generation to the sinks that keep a register.
func (s *session) tell(ctx context.Context, gen *generation) error {
	for _, k := range s.sinks {
		reg, ok := k.sink.(pipeline.RuleRegistrar)
		if !ok {
			continue
		}
		rules := gen.rules()
		if err := s.retry(ctx, "sink "+k.plan.Name+": rules", func() error { return reg.RegisterRules(ctx, rules) }); err != nil {
			return fmt.Errorf("sink %s: %w", k.plan.Name, err)
		}
	}
	return nil
}

// rules lists the rules of all steps.
func (gen *generation) rules() (out []pipeline.RuleInfo) {
	for _, n := range gen.g.Nodes {
		if l, ok := n.Plan.(pipeline.RuleLister); ok {
			out = append(out, l.Rules()...)
		}
	}
	return out
}

func (s *session) closeSinks() error {
	var errs []error
	for _, k := range s.reportersFirst() {
		if !k.begun {
			continue
		}
		k.open.Store(false)
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
			<-e.written //nolint:errcheck // the run has failed already
			e.release()
		}
	}()
	for in := s.staged; in != nil || len(writing) > 0; {
		more, first := in, (chan error)(nil)
		if n := len(writing); n == overlap || n > 0 && writing[n-1].sign == signEdge {
			more = nil // what is behind an edge begins when that is committed
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
				e.trace.failed(err)
				e.release()
				return err
			}
			writing = append(writing, e)
		case err := <-first:
			e := writing[0]
			writing = slices.Delete(writing, 0, 1) // forgets its graph too
			if err == nil {
				err = s.commitEpoch(ctx, e)
			}
			e.trace.failed(err)
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
	e.gen.done(s.o.Store)
	s.inFlight.records.Add(-e.records)
	s.inFlight.bytes.Add(-e.bytes)
	s.moved.gave(e.records + e.bytes)
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
	e.drop = e.drop || e.sign == noSign && e.part.given()
	if e.warm || e.drop || e.sign != noSign {
		e.written <- nil // durable since an earlier run, and only the state was wanted; or not to be written here
		return nil
	}
	begun := time.Now()
	switch {
	case s.shared != nil:
		ok, err := s.recordIntent(ctx, e)
		e.trace.since(pipeline.PartIntent, begun, err)
		if err != nil {
			return err
		}
		if !ok {
			e.drop = true
			e.written <- nil
			return nil
		}
	case s.o.Store != nil:
		err := s.o.Store.Intend(checkpoint.Intent{Span: e.span, Manifest: e.gen.manifest})
		e.trace.since(pipeline.PartIntent, begun, err)
		if err != nil {
			return err
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	for i, k := range s.sinks {
		before, done := k.turn()
		group.Go(func() error {
			defer close(done)
			select {
			case <-before:
			case <-gctx.Done():
				return context.Cause(gctx)
			}
			return s.write(gctx, k, i, e)
		})
	}
	go func() { e.written <- group.Wait() }()
	return nil
}

// commitEpoch commits an epoch that all sinks have.
func (s *session) commitEpoch(ctx context.Context, e *epoch) error {
	switch {
	case e.sign == signEdge:
		return s.commitEdge(ctx, e)
	case e.sign == signLeave:
		close(e.part.left)
		return nil
	case e.warm:
		e.durable = true // since an earlier run
		return nil
	case e.sign == signJoin || e.drop:
		return nil
	case s.shared != nil:
		begun := time.Now()
		ok, err := s.recordCommit(ctx, e)
		e.trace.since(pipeline.PartCheckpoint, begun, err)
		if !ok || err != nil {
			return err
		}
		e.durable = true
		s.o.Metrics.committed(e)
		return nil
	}
	if s.o.Store != nil {
		begun := time.Now()
		err := s.o.Store.Commit(e.span, e.records, e.snap, e.replay)
		e.trace.since(pipeline.PartCheckpoint, begun, err)
		if err != nil {
			return err
		}
	}
	e.durable = true
	s.o.Metrics.committed(e)
	begun := time.Now()
	err := s.retry(ctx, "source: commit", func() error {
		return s.source.Commit(ctx, e.span.Partition, e.span.To)
	})
	e.trace.since(pipeline.PartSource, begun, err)
	if err != nil {
		return fmt.Errorf("source %s: commit: %w", s.kind, err)
	}
	return s.keep(ctx, e)
}

// keep tells a source that deletes what it has read how far it may.
func (s *session) keep(ctx context.Context, e *epoch) error {
	k, ok := s.source.(pipeline.Keeper)
	if !ok {
		return nil
	}
	from := e.span.To
	if s.o.Store != nil && e.gen.g.Stages > 1 {
		if from, ok = s.o.Store.SnapshotPosition(e.span.Partition); !ok {
			return nil // state is built from the beginning
		}
	}
	if err := s.retry(ctx, "source: keep", func() error { return k.Keep(ctx, e.span.Partition, from) }); err != nil {
		return fmt.Errorf("source %s: keep: %w", s.kind, err)
	}
	return nil
}

// commitEdge does what has to be done before the first epoch of a generation
// is begun to be written, and after all epochs of the one before are committed:
// so there are never intents of two of them.
func (s *session) commitEdge(ctx context.Context, e *epoch) error {
	if err := s.tell(ctx, e.gen); err != nil {
		return err
	}
	for _, edge := range e.edges {
		put := s.o.Store.PutSnapshot
		if s.shared != nil {
			if edge.part.given() {
				continue // the epochs before may have been dropped
			}
			put = s.o.Store.Remember
		}
		if err := put(edge.part.name, edge.snap); err != nil {
			return err
		}
	}
	return nil
}

// write writes an epoch to one sink, the one of number i, until the sink has
// said that it is durable.
func (s *session) write(ctx context.Context, k *sinkRun, i int, e *epoch) error {
	var in []pipeline.Batch
	for _, p := range e.gen.g.Sinks[i].Ports {
		if at := port(p.Node, p.Stream); at < len(e.out) {
			in = append(in, e.out[at]...)
		}
	}
	if fit := e.gen.fits[i]; fit != nil {
		for j, b := range in {
			if b.Stream == pipeline.Posts {
				in[j].Record = fit.Record(b.Record)
				defer in[j].Record.Release()
			}
		}
	}
	key := pipeline.Key{Pipeline: s.pipeline, Sink: k.plan.Name, Span: e.span}
	wait, end := e.part.during(ctx)
	defer end()
	err := s.retry(wait, "sink "+k.plan.Name+": write", func() error {
		begun := time.Now()
		err := k.sink.Write(pipeline.WithReadTime(ctx, e.read), key, in)
		took := time.Since(begun)
		s.o.Metrics.wrote(k.plan.Name, in, took, err)
		e.trace.wrote(k.plan.Name, in, begun, took, err)
		return err
	})
	if _, again := pipeline.IsRetryable(err); again && ctx.Err() == nil && e.part.given() {
		return nil // it is finished by the process that the partition went to: see recordCommit
	}
	if err != nil {
		return fmt.Errorf("sink %s: %w", k.plan.Name, err)
	}
	return nil
}
