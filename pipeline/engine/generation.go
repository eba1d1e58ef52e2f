package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// generation is a graph that epochs are run with. The cutter begins epochs
// with the newest one; those that were begun before keep theirs.
type generation struct {
	number   int64
	g        *graph.Graph
	manifest checkpoint.Hash
	stateKey string
	wanted   []bool        // by port: a sink takes it
	stored   []*stored     // by node: what sinks are given of its posts; nil for all of it
	fits     []*graph.Fit  // by sink: what is done to its posts; nil for nothing
	uses     atomic.Int64  // epochs that are not durable, and one while it is the newest
	retired  chan struct{} // closed at the last use: workers let go of its operators
	offered  time.Time     // when its objects were last offered to other processes; the committer's
}

// newGeneration is in use once, as the newest.
func newGeneration(number int64, g *graph.Graph, manifest checkpoint.Hash) *generation {
	gen := &generation{
		number: number, g: g, manifest: manifest, stateKey: g.StateKey(),
		wanted: make([]bool, len(g.Nodes)*pipeline.NumStreams), stored: make([]*stored, len(g.Nodes)), fits: make([]*graph.Fit, len(g.Sinks)),
		retired: make(chan struct{}),
	}
	for _, k := range g.Sinks {
		for _, p := range k.Ports {
			gen.wanted[port(p.Node, p.Stream)] = true
			if p.Stream == pipeline.Posts {
				gen.stored[p.Node] = newStored(g.Nodes[p.Node].Out)
			}
		}
	}
	gen.uses.Store(1)
	return gen
}

// stored takes the columns out of posts that sinks are not given. An epoch holds
// its posts until they are durable, and the views and tokens of a text are several
// times as large as all else that is known of a post.
type stored struct {
	schema *arrow.Schema
	cols   []int // of the posts
}

// newStored returns nil when there is nothing to take out.
func newStored(posts *arrow.Schema) *stored {
	st := &stored{schema: pipeline.Stored(posts)}
	for i, f := range posts.Fields() {
		if !pipeline.IsTransient(f) {
			st.cols = append(st.cols, i)
		}
	}
	if len(st.cols) == posts.NumFields() {
		return nil
	}
	return st
}

// record returns what sinks are given of rec, sharing its columns. The caller
// owns it.
func (st *stored) record(rec arrow.Record) arrow.Record {
	if st == nil {
		rec.Retain()
		return rec
	}
	cols := make([]arrow.Array, len(st.cols))
	for i, c := range st.cols {
		cols[i] = rec.Column(c)
	}
	return array.NewRecord(st.schema, cols, rec.NumRows())
}

// fit checks that gen can take the place of what runs, and finds out what has to
// be done to its posts: what the sinks were opened for may be older.
func (s *session) fit(gen *generation) error {
	err := gen.g.CanReplace(s.gen.g)
	for i := range gen.g.Sinks {
		if err == nil {
			gen.fits[i], err = gen.g.Sinks[i].Fit(s.sinks[i].plan)
		}
	}
	return err
}

// send puts a sign into the queue of epochs. It uses the sign's generation until
// it leaves the engine.
func (s *session) send(ctx context.Context, e *epoch) error {
	e.begun = time.Now()
	e.gen.uses.Add(1)
	s.underWay.Add(1)
	select {
	case s.sealed <- e:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// done takes back one use. At the last one nothing is computed with the
// generation any more.
func (gen *generation) done(store *checkpoint.Store) {
	if gen.uses.Add(-1) > 0 {
		return
	}
	close(gen.retired)
	if store != nil {
		store.Release(gen.manifest)
	}
}

// ErrEnded is returned by Swap when the run takes no new graph any more: it
// has ended, or its source has.
var ErrEnded = errors.New("engine: the run has ended")

// Swapper hands new graphs to a run: see Options.Swapper. It serves one run.
type Swapper struct {
	requests chan *swap
	ended    chan struct{}
	end      sync.Once
}

// NewSwapper returns a Swapper.
func NewSwapper() *Swapper {
	return &Swapper{requests: make(chan *swap), ended: make(chan struct{})}
}

type swap struct {
	g        *graph.Graph
	manifest checkpoint.Hash
	reply    chan error
}

// Swap makes the run go on with another graph, at an epoch's edge: the epochs
// that are begun end here and are run with the graph that they were begun with,
// the next ones with g. Nothing stops in between, and the state of stateful
// steps is carried over. Manifest is what g was built from, put into the
// store by the caller; once Swap has succeeded the engine releases it.
//
// Swap returns when the next record that is read will be processed by g. It
// waits while the run is starting or held up by its sinks. Its error is a
// [graph.RestartError] when g can not take the place of the graph that runs, or
// [ErrEnded]; then all is as before. When it is that of ctx, g may have been
// taken or may yet be, so its manifest must not be released.
func (w *Swapper) Swap(ctx context.Context, g *graph.Graph, manifest checkpoint.Hash) error {
	r := &swap{g: g, manifest: manifest, reply: make(chan error, 1)}
	select {
	case w.requests <- r:
	case <-w.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ended:
		select {
		case err := <-r.reply: // both were there
			return err
		default:
			return ErrEnded
		}
	}
}

func (w *Swapper) close() { w.end.Do(func() { close(w.ended) }) }

// swaps is where the cutter takes new graphs from: nowhere while epochs have
// recorded ends ahead, since these are of the graph that runs, or while the sinks
// are behind, so that graphs do not pile up of which none has any rows.
func (s *session) swaps() chan *swap {
	if s.o.Swapper == nil || s.onlyPending || len(s.sealed) >= s.o.InFlight || !s.pendingDone() {
		return nil
	}
	return s.o.Swapper.requests
}

// swap begins a generation. All epochs that are open end before it, so every
// queue holds the generations one after the other.
func (s *session) swap(ctx context.Context, r *swap) error {
	next := newGeneration(s.gen.number+1, r.g, r.manifest)
	err := s.fit(next)
	if err != nil {
		var restart *graph.RestartError
		if !errors.As(err, &restart) {
			err = &graph.RestartError{Err: err}
		}
		r.reply <- err
		return nil
	}
	if err := s.sealAll(ctx); err != nil {
		return err // the run has failed; the caller is told that it has ended
	}
	old := s.gen
	s.gen = next
	if err := s.send(ctx, &epoch{sign: signEdge, gen: next}); err != nil {
		return err
	}
	old.done(s.o.Store)
	s.o.Metrics.generation(next)
	r.reply <- nil
	return nil
}
