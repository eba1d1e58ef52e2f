package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// session runs a graph, and those that take its place, from opening the sinks
// and the source to closing them.
type session struct {
	o        *Options
	pipeline string
	kind     string      // of the source
	gen      *generation // the newest; used by the cutter once the session runs
	// onlyPending ends the session when all epochs of its manifest that were
	// pending at its start are finished.
	onlyPending bool

	source pipeline.Source
	shared *owner // nil unless the source is pipeline.Shared
	sinks  []*sinkRun
	parts  map[string]*partition
	states map[*partition]*shards // operator state; used by the stager

	chunks chan readChunk
	tasks  chan *task
	sealed chan *epoch
	staged chan *epoch
	freed  chan struct{} // an epoch left the engine

	inFlight struct{ records, bytes atomic.Int64 } // read and not durable
	moved    *movement                             // when the session got on
	underWay atomic.Int64                          // epochs that are sealed and not durable
	left     *epoch                                // given up by the stager while its tasks were running
	readErr  error                                 // why reading ended; written before chunks is closed
	ended    bool                                  // the source is at its end; written before chunks is closed
}

func newSession(o *Options, g *graph.Graph, manifest checkpoint.Hash) *session {
	return &session{
		o: o, pipeline: g.Pipeline, kind: g.Nodes[graph.Root].Kind, gen: newGeneration(1, g, manifest),
		parts: map[string]*partition{}, states: map[*partition]*shards{},
		chunks: make(chan readChunk, 1),
		tasks:  make(chan *task, o.Workers),
		// The cutter stops at the budget. Many partitions may make many small
		// epochs of it, and the cutter must not be held up by these: it has to
		// answer when partitions come and go, however long the sinks take.
		sealed: make(chan *epoch, max(o.InFlight, 1024)),
		staged: make(chan *epoch, 1),
		freed:  make(chan struct{}, 1),
		moved:  newMovement(),
	}
}

// run is the whole life of the session.
func (s *session) run(ctx context.Context) (err error) {
	abort, cancel := context.WithCancelCause(s.o.Abort)
	defer cancel(nil)
	if s.source, err = s.gen.g.Source.New(); err != nil {
		return fmt.Errorf("source %s: %w", s.kind, err)
	}
	if err := s.share(); err != nil {
		return err
	}
	resume, err := s.resume()
	if err != nil {
		return err
	}
	if err := s.openSinks(ctx); err != nil {
		return s.unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, s.closeSinks()) }()
	defer func() {
		s.o.Metrics.observe(nil)
		if cerr := s.source.Close(context.WithoutCancel(ctx)); cerr != nil {
			err = errors.Join(err, fmt.Errorf("source %s: close: %w", s.kind, cerr))
		}
	}()
	defer s.endSharing() // before the source is closed, which gives its partitions up
	if err := s.retry(ctx, "source: open", func() error { return s.source.Open(ctx, resume) }); err != nil {
		return s.unlessStopped(ctx, fmt.Errorf("source %s: %w", s.kind, err))
	}
	s.o.Metrics.observe(s)
	s.moved.opened()

	// A stop drains: the reader ends with ctx, all else with abort.
	stopDrain := context.AfterFunc(ctx, func() {
		s.o.Logger.Info("stopping: what was read is being written", "deadline", s.o.DrainTimeout)
		time.AfterFunc(s.o.DrainTimeout, func() { cancel(ErrAborted) })
	})
	defer stopDrain()

	group, gctx := errgroup.WithContext(abort)
	read, endRead := context.WithCancel(ctx)
	defer endRead()
	defer context.AfterFunc(gctx, endRead)() // a failure ends reading too
	group.Go(func() error { return s.read(read) })
	group.Go(func() error { return s.cut(gctx, endRead) })
	for range s.o.Workers {
		group.Go(func() error { return s.work(gctx) })
	}
	group.Go(func() error { return s.stage(gctx) })
	group.Go(func() error { return s.commit(gctx) })
	err = group.Wait()
	s.discard()
	// A session for pending epochs reads ahead of them: a fault there is the
	// next session's.
	if err == nil && !(s.onlyPending && s.pendingDone()) {
		err = s.readErr
	}
	if err != nil && abort.Err() != nil {
		return ErrAborted
	}
	return err
}

// unlessStopped is err, or nil when the run was stopped while it was being opened:
// nothing was begun, so nothing is left undone.
func (s *session) unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	s.o.Logger.Info("stopped before anything was read", "error", err)
	return nil
}

// retry is the package's retry with this session's settings, log and metrics.
func (s *session) retry(ctx context.Context, what string, f func() error) error {
	return retry(ctx, s.o.Settings, func(err error, wait time.Duration) {
		s.o.Logger.Warn(what+" failed, trying again", "error", err, "wait", wait.Round(time.Millisecond))
	}, f)
}

// readChunk is a chunk with the time of its reading.
type readChunk struct {
	pipeline.Chunk
	begun, read time.Time // around the source's Read
}

func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// resume reads from the checkpoint where each partition goes on, and which
// spans its first epochs must have.
func (s *session) resume() (map[string]pipeline.Resume, error) {
	out := map[string]pipeline.Resume{}
	if s.o.Store == nil || s.shared != nil {
		return out, nil
	}
	for name, known := range s.o.Store.Partitions() {
		if known.Shared {
			return nil, fmt.Errorf("engine: the checkpoint was used while the partitions of source %s were shared with other processes, and they are not any more: start anew with another checkpoint.path", s.kind)
		}
		p := &partition{name: name}
		st, err := s.place(p, s.gen, known.Committed, known.Snapshot, known.Replay)
		if err != nil {
			return nil, err
		}
		if st != nil {
			s.states[p] = st
		}
		for _, in := range known.Pending {
			if in.Manifest == s.gen.manifest {
				p.marks = append(p.marks, mark{at: in.Span.To})
			}
		}
		s.parts[name] = p
		out[name] = p.resume()
	}
	return out, nil
}

// resume tells the source where to go on.
func (p *partition) resume() pipeline.Resume {
	r := pipeline.Resume{From: p.end}
	for _, m := range p.marks {
		r.Until = append(r.Until, m.at)
		if m.warm {
			r.Durable = m.at
		}
	}
	return r
}

// read hands the source's chunks to the cutter until the source ends or ctx
// does.
func (s *session) read(ctx context.Context) error {
	defer close(s.chunks)
	for ctx.Err() == nil {
		c := readChunk{begun: time.Now()}
		err := s.retry(ctx, "source: read", func() (err error) {
			c.Chunk, err = s.source.Read(ctx)
			return err
		})
		c.read = time.Now()
		switch {
		case errors.Is(err, io.EOF):
			s.ended = true
			return nil
		case err != nil && ctx.Err() != nil:
			return nil // stopped while waiting
		case err != nil:
			// What was read before is whole: it is written, then the run fails.
			s.readErr = fmt.Errorf("source %s: %w", s.kind, err)
			return nil
		}
		select {
		case s.chunks <- c:
		case <-ctx.Done(): // nobody takes it any more; it is read again next time
			c.Release()
			return nil
		}
	}
	return nil
}

// cut gathers chunks into epochs, and stops taking any while too much is in
// flight. endRead is called when nothing more is to be read.
func (s *session) cut(ctx context.Context, endRead func()) error {
	defer close(s.sealed)
	defer close(s.tasks)
	age := time.NewTicker(max(s.o.EpochInterval/4, time.Millisecond))
	defer age.Stop()
	for {
		in := s.chunks
		if s.onlyPending && s.pendingDone() {
			endRead()
			return s.sealAll(ctx)
		}
		if s.full() && !s.replaying() {
			// Room comes when an epoch is committed. Only if none is under way
			// must the open ones be, or nothing would move: sealing them while
			// others wait would make small epochs out of back pressure.
			if s.underWay.Load() == 0 {
				if err := s.sealAll(ctx); err != nil {
					return err
				}
			}
			in = nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case c, ok := <-in:
			if !ok {
				return errors.Join(s.sealAll(ctx), s.unreached())
			}
			if err := s.add(ctx, c); err != nil {
				return err
			}
		case <-age.C:
			// While epochs queue for the sinks, sealing one more by its age
			// would not make it durable any sooner.
			if s.underWay.Load() > 1 {
				continue
			}
			if err := s.sealOld(ctx); err != nil {
				return err
			}
		case r := <-s.swaps():
			if err := s.swap(ctx, r); err != nil {
				return err
			}
		case <-s.freed:
		case <-s.shared.news():
			if err := s.settle(ctx); err != nil {
				return err
			}
		}
	}
}

// full reports whether InFlight epochs' worth of input is on its way.
func (s *session) full() bool {
	n := int64(s.o.InFlight)
	return s.inFlight.records.Load() >= n*int64(s.o.EpochRows) || s.inFlight.bytes.Load() >= n*s.o.EpochBytes
}

// replaying reports whether an open epoch must reach a recorded end, however
// large it is: it was read before, under settings that may have been others.
func (s *session) replaying() bool {
	for _, p := range s.parts {
		if p.open != nil && len(p.marks) > 0 && !p.marks[0].warm {
			return true
		}
	}
	return false
}

// unreached is an error if the source ended before a recorded position.
func (s *session) unreached() error {
	for _, p := range sorted(s.parts) {
		if s.ended && len(p.marks) > 0 {
			return fmt.Errorf("engine: source %s: partition %q ends at %q, before %q, up to where an earlier run had read it: bring the missing input back, or start anew with another checkpoint.path",
				s.kind, p.name, p.end, p.marks[0].at)
		}
	}
	return nil
}

func (s *session) pendingDone() bool {
	for _, p := range s.parts {
		if len(p.marks) > 0 {
			return false
		}
	}
	return true
}

// add puts a chunk into its partition's open epoch.
func (s *session) add(ctx context.Context, c readChunk) error {
	p := s.parts[c.Span.Partition]
	switch {
	case s.shared != nil && (p == nil || p.term != c.Term):
		c.Release() // it was on its way when the partition was given up
		return nil
	case p == nil:
		p = &partition{name: c.Span.Partition, end: c.Span.From}
		s.parts[p.name] = p
	case p.end == "": // it is read from its beginning, wherever that is
		p.end = c.Span.From
	}
	if c.Span.From != p.end {
		return fmt.Errorf("engine: source %s: partition %q was read up to %q, but the next chunk starts at %q: a defect of the source",
			s.kind, p.name, p.end, c.Span.From)
	}
	var next mark
	recorded := len(p.marks) > 0
	if recorded {
		next = p.marks[0]
	}
	if e := p.open; e != nil && (!recorded || next.warm) && (e.records+int64(c.Records) > int64(s.o.EpochRows) || e.bytes+int64(len(c.Data)) > s.o.EpochBytes) {
		if err := s.seal(ctx, p); err != nil {
			return err
		}
	}
	if p.open == nil {
		gen := s.gen
		if next.gen != nil {
			gen = next.gen
		}
		p.open = &epoch{part: p, span: pipeline.Span{Partition: p.name, From: p.end}, gen: gen, warm: next.warm, begun: time.Now()}
		gen.uses.Add(1)
		s.trace(p.open)
	}
	e := p.open
	p.end = c.Span.To
	e.records += int64(c.Records)
	e.bytes += int64(len(c.Data))
	s.inFlight.records.Add(int64(c.Records))
	s.inFlight.bytes.Add(int64(len(c.Data)))
	e.trace.read(&c)
	s.moved.took(int64(c.Records) + int64(len(c.Data)))
	t := &task{chunk: c.Chunk, arrived: c.read, trace: e.trace, gen: e.gen, done: make(chan struct{})}
	e.tasks = append(e.tasks, t)
	select {
	case s.tasks <- t:
	case <-ctx.Done():
		close(t.done)
		c.Release()
		return context.Cause(ctx)
	}
	if recorded && p.end == next.at {
		if err := s.seal(ctx, p); err != nil {
			return err
		}
		return s.passed(ctx, p)
	}
	return nil
}

// passed takes note that a recorded end was reached.
func (s *session) passed(ctx context.Context, p *partition) error {
	was, now := p.marks[0].gen, s.gen
	p.marks = p.marks[1:]
	if len(p.marks) > 0 && p.marks[0].gen != nil {
		now = p.marks[0].gen
	}
	if was == nil {
		return nil
	}
	var err error
	if was != now && now.g.Stages > 1 {
		err = s.send(ctx, &epoch{sign: signEdge, part: p, gen: now})
	}
	was.done(s.o.Store)
	return err
}

// seal ends the open epoch of a partition and passes it on.
func (s *session) seal(ctx context.Context, p *partition) error {
	e := p.open
	p.open = nil
	e.span.To, e.read = p.end, time.Now()
	s.underWay.Add(1)
	select {
	case s.sealed <- e:
		return nil
	case <-ctx.Done():
		p.open = e // to be discarded
		return context.Cause(ctx)
	}
}

// sealAll seals every open epoch but those that must reach a recorded end.
func (s *session) sealAll(ctx context.Context) error {
	return s.sealIf(ctx, func(*epoch) bool { return true })
}

func (s *session) sealOld(ctx context.Context) error {
	return s.sealIf(ctx, func(e *epoch) bool { return time.Since(e.begun) >= s.o.EpochInterval })
}

func (s *session) sealIf(ctx context.Context, due func(*epoch) bool) error {
	for _, p := range sorted(s.parts) {
		if p.open == nil || !due(p.open) {
			continue
		}
		if len(p.marks) > 0 && !p.marks[0].warm {
			continue // its span is recorded: part of it must never be written
		}
		if err := s.seal(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// discard releases what a session that ended early still holds. All its
// goroutines have ended.
func (s *session) discard() {
	for c := range s.chunks {
		c.Release()
	}
	for t := range s.tasks {
		t.chunk.Release()
	}
	drop := func(e *epoch) {
		for _, t := range e.tasks {
			t.out.release()
			t.next.release()
		}
		e.release()
	}
	if s.left != nil {
		drop(s.left)
	}
	for e := range s.sealed {
		drop(e)
	}
	for e := range s.staged {
		drop(e)
	}
	for _, p := range s.parts {
		if p.open != nil {
			drop(p.open)
		}
	}
}
