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
}

func (s *session) openSinks(ctx context.Context) error {
	for i := range s.g.Sinks {
		plan := &s.g.Sinks[i]
		sink, err := plan.Plan.New()
		if err == nil {
			s.sinks = append(s.sinks, &sinkRun{plan: plan, sink: sink})
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

// commit makes epochs durable, one after the other.
func (s *session) commit(ctx context.Context) error {
	for e := range s.staged {
		if err := s.commitEpoch(ctx, e); err != nil {
			e.release()
			return err
		}
		e.release()
		s.inFlight.records.Add(-e.records)
		s.inFlight.bytes.Add(-e.bytes)
		s.underWay.Add(-1)
		select {
		case s.freed <- struct{}{}:
		default: // the cutter has been told already
		}
	}
	return nil
}

// commitEpoch is the order on which everything rests: intent, sinks,
// checkpoint, source.
func (s *session) commitEpoch(ctx context.Context, e *epoch) error {
	if e.warm {
		return nil // durable since an earlier run; only the state was wanted
	}
	if s.o.Store != nil {
		if err := s.o.Store.Intend(checkpoint.Intent{Span: e.span, Manifest: s.manifest}); err != nil {
			return err
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, k := range s.sinks {
		group.Go(func() error { return s.write(gctx, k, e) })
	}
	if err := group.Wait(); err != nil {
		return err
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
