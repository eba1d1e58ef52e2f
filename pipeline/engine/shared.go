package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
)

// offerAgain is after how long the contents that epochs are computed with are
// offered again to the other processes: see pipeline.Shared.
const offerAgain = 24 * time.Hour

// share is what a partition of a pipeline.Shared source has beside.
type share struct {
	term uint64

	progress pipeline.Recorded // the committer's
	claimed  bool              // at the sinks; the committer's too

	mu   sync.Mutex // held while progress is recorded, and to change lost
	lost bool       // nothing is to be recorded any more
	// life ends when lost is set, or is about to be.
	life    context.Context
	endLife context.CancelFunc
	left    chan struct{} // closed when nothing of it is in the engine any more
}

// given reports whether the partition was given up.
func (p *partition) given() bool { return p.share != nil && p.life.Err() != nil }

// during returns a context that ends with the partition's life too. The caller
// calls end.
func (p *partition) during(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	if p.share == nil {
		return ctx, cancel
	}
	forget := context.AfterFunc(p.life, cancel)
	return ctx, func() { forget(); cancel() }
}

// fence returns when nothing is being recorded of the partition, and nothing
// will be.
func (p *partition) fence() {
	p.endLife()
	p.mu.Lock()
	p.lost = true
	p.mu.Unlock()
}

// owner is the session as a pipeline.Shared source sees it. Its methods are
// called from goroutines of the source; what they want is done by the cutter.
type owner struct {
	source pipeline.Shared
	wake   chan struct{} // there are wishes
	over   chan struct{} // closed when the session's goroutines have ended

	mu     sync.Mutex
	terms  uint64
	wishes []wish
	mine   map[string]*partition // by name
}

// wish is a call of Gain or Lose that waits for the cutter.
type wish struct {
	gain  map[string]pipeline.Recorded
	reply chan gained
	lose  []*partition
}

type gained struct {
	resume map[string]pipeline.Resume
	err    error
}

// share joins a source whose partitions come and go.
func (s *session) share() error {
	src, ok := s.source.(pipeline.Shared)
	if !ok {
		return nil
	}
	if s.o.Store != nil {
		for name, p := range s.o.Store.Partitions() {
			if len(p.Pending) > 0 {
				return fmt.Errorf("engine: the checkpoint has epochs of partition %q that were begun while source %s was read by one process alone: run once more without sharing its partitions, until it has started and stopped", name, s.kind)
			}
		}
	}
	s.shared = &owner{source: src, wake: make(chan struct{}, 1), over: make(chan struct{}), mine: map[string]*partition{}}
	src.Join(s.shared)
	return nil
}

// endSharing lets no Gain or Lose wait any longer.
func (s *session) endSharing() {
	if s.shared == nil {
		return
	}
	close(s.shared.over)
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	for _, p := range s.shared.mine {
		p.fence()
	}
}

// news is where the cutter learns that there are wishes.
func (o *owner) news() <-chan struct{} {
	if o == nil {
		return nil
	}
	return o.wake
}

func (o *owner) ask(w wish) {
	o.mu.Lock()
	o.wishes = append(o.wishes, w)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default: // it has been told already
	}
}

// Gain implements pipeline.Owner.
func (o *owner) Gain(ctx context.Context, partitions map[string]pipeline.Recorded) (map[string]pipeline.Resume, error) {
	w := wish{gain: partitions, reply: make(chan gained, 1)}
	o.ask(w)
	select {
	case g := <-w.reply:
		return g.resume, g.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-o.over:
		return nil, ErrEnded
	}
}

// Lose implements pipeline.Owner.
func (o *owner) Lose(ctx context.Context, names []string) {
	var w wish
	o.mu.Lock()
	for _, name := range names {
		if p := o.mine[name]; p != nil {
			w.lose = append(w.lose, p)
			delete(o.mine, name)
		}
	}
	o.mu.Unlock()
	o.ask(w)
	for _, p := range w.lose {
		select {
		case <-p.left:
		case <-ctx.Done():
		case <-o.over:
		}
		p.fence()
	}
}

// settle does what is wished, in order.
func (s *session) settle(ctx context.Context) error {
	s.shared.mu.Lock()
	wishes := s.shared.wishes
	s.shared.wishes = nil
	s.shared.mu.Unlock()
	for _, w := range wishes {
		for _, p := range w.lose {
			if err := s.giveUp(ctx, p); err != nil {
				return err
			}
		}
		if w.gain == nil {
			continue
		}
		resume, err := s.gain(ctx, w.gain)
		w.reply <- gained{resume, err}
		if err != nil {
			return err
		}
	}
	return nil
}

// giveUp ends a partition: what was read of it is written, unless that is a part
// of a recorded epoch.
func (s *session) giveUp(ctx context.Context, p *partition) error {
	gen := s.gen
	if e := p.open; e != nil {
		e.drop = len(p.marks) > 0
		gen = e.gen
		if err := s.seal(ctx, p); err != nil {
			return err // the epoch is still the partition's, to be discarded with it
		}
	}
	delete(s.parts, p.name)
	err := s.send(ctx, &epoch{sign: signLeave, part: p, gen: gen})
	for _, m := range p.marks {
		m.gen.done(s.o.Store)
	}
	p.marks = nil
	return err
}

// gain takes partitions over.
func (s *session) gain(ctx context.Context, claims map[string]pipeline.Recorded) (map[string]pipeline.Resume, error) {
	out := map[string]pipeline.Resume{}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		p, err := s.takeOver(ctx, name, claims[name])
		if err != nil {
			return nil, fmt.Errorf("engine: source %s: partition %q: %w", s.kind, name, err)
		}
		r := p.resume()
		r.Term = p.term
		out[name] = r
	}
	return out, nil
}

func (s *session) takeOver(ctx context.Context, name string, known pipeline.Recorded) (*partition, error) {
	o := s.shared
	p := &partition{name: name, share: &share{progress: known, left: make(chan struct{})}}
	p.life, p.endLife = context.WithCancel(context.Background())
	gens := make([]*generation, len(known.Pending))
	first := s.gen
	for i, in := range known.Pending {
		if i > 0 && in.Manifest == known.Pending[i-1].Manifest {
			gens[i] = gens[i-1]
			gens[i].uses.Add(1)
			continue
		}
		var err error
		if gens[i], err = s.generationOf(ctx, checkpoint.Hash(in.Manifest)); err != nil {
			return nil, err
		}
	}
	if len(gens) > 0 {
		first = gens[0]
	}
	snap, err := s.rememberedSnapshot(name, known.Committed)
	if err != nil {
		return nil, err
	}
	if known.Committed == "" && len(known.Pending) == 0 {
		snap = nil // nothing was recorded of it: it begins where the source says
	}
	st, err := s.place(p, first, known.Committed, snap, known.Replay)
	if err != nil {
		return nil, err
	}
	for i, in := range known.Pending {
		p.marks = append(p.marks, mark{at: in.To, gen: gens[i]})
	}
	for i := range p.marks { // those of place are without
		if p.marks[i].gen == nil {
			p.marks[i].gen = first
			first.uses.Add(1)
		}
	}
	o.mu.Lock()
	o.terms++
	p.term = o.terms
	o.mine[name] = p
	o.mu.Unlock()
	s.parts[name] = p
	if st == nil {
		st = newShards(s, first)
	}
	return p, s.send(ctx, &epoch{sign: signJoin, part: p, gen: first, state: st})
}

// rememberedSnapshot returns the last snapshot of the partition's state that this
// process has made; another one may have read on since.
func (s *session) rememberedSnapshot(name string, committed pipeline.Position) (*checkpoint.Snapshot, error) {
	if s.o.Store == nil {
		return nil, nil
	}
	known, ok := s.o.Store.Remembered(name)
	if !ok {
		return nil, nil
	}
	if !known.Shared && known.Committed != committed {
		return nil, fmt.Errorf("it was read by this process alone up to %q, as the checkpoint says, but the processes that share it go on at %q: start anew with another checkpoint.path, and bring the store into line with it", known.Committed, committed)
	}
	return known.Snapshot, nil
}

// generationOf returns what epochs of a manifest are run with, in one more use:
// the newest, or one that is made for epochs that another process, or this one
// before a reload, has begun.
func (s *session) generationOf(ctx context.Context, manifest checkpoint.Hash) (*generation, error) {
	if manifest == s.gen.manifest {
		s.gen.uses.Add(1)
		return s.gen, nil
	}
	for _, p := range s.parts {
		for _, m := range p.marks {
			if m.gen != nil && m.gen.manifest == manifest {
				m.gen.uses.Add(1)
				return m.gen, nil
			}
		}
	}
	const why = "epochs of it are unfinished that were begun under another config"
	if s.o.Store == nil || s.o.Rebuild == nil {
		return nil, errors.New(why + ", and there is no checkpoint to keep it")
	}
	fetch := func(h checkpoint.Hash) (data []byte, err error) {
		err = s.retry(ctx, "source: fetch", func() error {
			data, err = s.shared.source.Fetch(ctx, string(h))
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: start a process with the config and files of then", err)
		}
		return data, err
	}
	if err := s.o.Store.Adopt(manifest, fetch); err != nil {
		return nil, fmt.Errorf("%s, and it can not be had: %w", why, err)
	}
	g, err := s.o.Rebuild(manifest)
	if err != nil {
		return nil, fmt.Errorf("%s, and its graph can not be built again: %w", why, err)
	}
	gen := newGeneration(s.gen.number, g, manifest) // its one use is the caller's
	if err := s.fit(gen); err != nil {
		return nil, fmt.Errorf("%s, which can not run beside this one: %w: start a process with that config first, until it has finished them", why, err)
	}
	s.o.Logger.Info("finishing epochs that were begun under another config", "manifest", manifest)
	return gen, nil
}

// offer makes what an epoch is computed with available to the process that may
// have to run it again.
func (s *session) offer(ctx context.Context, gen *generation) error {
	if s.o.Store == nil || time.Since(gen.offered) < offerAgain {
		return nil
	}
	objects, err := s.o.Store.Objects(gen.manifest)
	if err != nil {
		return err
	}
	for _, h := range objects {
		data, err := s.o.Store.Object(h)
		if err != nil {
			return err
		}
		if err := s.retry(ctx, "source: offer", func() error { return s.shared.source.Offer(ctx, string(h), data) }); err != nil {
			return fmt.Errorf("source %s: %w", s.kind, err)
		}
	}
	gen.offered = time.Now()
	return nil
}

// recordIntent records that e is about to be written. It reports false when the
// partition was given up.
func (s *session) recordIntent(ctx context.Context, e *epoch) (bool, error) {
	p := e.part
	proved, err := s.claim(ctx, p)
	if err != nil || p.given() {
		return false, err
	}
	for _, in := range p.progress.Pending {
		if in.To != e.span.To {
			continue
		}
		if proved { // it was recorded by whoever had the partition
			return !p.given(), nil
		}
		return s.record(ctx, p, p.progress)
	}
	if err := s.offer(ctx, e.gen); err != nil {
		return false, err
	}
	next := p.progress
	if next.Committed == "" && len(next.Pending) == 0 {
		next.Committed, next.Replay = e.span.From, beginning(e.span.From, s.reach(e.gen.g))
	}
	next.Pending = append(slices.Clip(next.Pending), pipeline.Pending{To: e.span.To, Manifest: string(e.gen.manifest)})
	return s.record(ctx, p, next)
}

// claim has the sinks that let one process at a time write a partition know that
// it is this one, once for each time that the partition came. It reports false
// when the next thing to do is to prove that it still is, by recording something:
// see pipeline.Claimer.
func (s *session) claim(ctx context.Context, p *partition) (proved bool, err error) {
	if p.claimed {
		return true, nil
	}
	ctx, end := p.during(ctx)
	defer end()
	proved = true
	for _, k := range s.sinks {
		c, ok := k.sink.(pipeline.Claimer)
		if !ok {
			continue
		}
		proved = false
		err := s.retry(ctx, "sink "+k.plan.Name+": claim", func() error { return c.Claim(ctx, p.name) })
		switch {
		case err == nil:
		case p.given():
			return false, nil
		default:
			return false, fmt.Errorf("sink %s: %w", k.plan.Name, err)
		}
	}
	p.claimed = true
	return proved, nil
}

// recordCommit records that e is durable. It reports false when the partition
// was given up.
func (s *session) recordCommit(ctx context.Context, e *epoch) (bool, error) {
	p := e.part
	if p.given() {
		return false, nil // and the epochs before may not have been recorded either
	}
	if n := p.progress.Pending; len(n) == 0 || n[0].To != e.span.To {
		return false, fmt.Errorf("engine: partition %q: an epoch up to %q ends that was not recorded: a defect", p.name, e.span.To)
	}
	next := pipeline.Recorded{Committed: e.span.To, Pending: slices.Clone(p.progress.Pending[1:]), Replay: e.replay}
	ok, err := s.record(ctx, p, next)
	if !ok || err != nil || e.snap == nil {
		return ok, err
	}
	return true, s.o.Store.Remember(p.name, *e.snap)
}

// record tells every process how far a partition has come.
func (s *session) record(ctx context.Context, p *partition, next pipeline.Recorded) (ok bool, err error) {
	ctx, end := p.during(ctx)
	defer end()
	err = s.retry(ctx, "source: record", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.lost {
			return context.Canceled
		}
		return s.shared.source.Record(ctx, p.name, next)
	})
	switch {
	case err == nil:
		p.progress = next
		return true, nil
	case p.given():
		return false, nil
	}
	return false, fmt.Errorf("source %s: %w", s.kind, err)
}
