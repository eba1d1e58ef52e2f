// Package engine runs a graph: it reads the source, decodes and processes
// chunks on all cores, gathers what leaves the graph into epochs, and writes
// each epoch to the sinks exactly as its recorded intent says.
//
//	reader ─chunks▶ cutter ─epochs▶ stager ─epochs▶ committer ▶ sinks, checkpoint, source
//	                  └─tasks▶ workers ─┘
//
// Four kinds of goroutines, joined by channels of epochs and chunks, never of
// rows. Every queue is bounded by Settings.InFlight epochs, so a slow sink
// slows the source and memory stays flat.
//
//   - The reader calls Source.Read.
//   - The cutter adds chunks to the open epoch of their partition and seals it
//     when it is full or old. It hands each chunk to the workers as a task.
//   - A worker decodes a chunk and runs it through the stateless steps up to
//     the first stateful one (stage 0). Each worker has operators of its own.
//   - The stager waits for an epoch's tasks, puts their output into source
//     order, and runs the later stages by shard.
//   - The committer records the epoch's intent, writes it to all sinks at
//     once, commits the checkpoint, and tells the source. A sink may take the
//     next epochs while it writes one (pipeline.Overlapper).
//
// Epochs are staged, begun to be written and committed in the order in which
// they were sealed, while the workers are at the next ones already.
//
// A new graph may take the place of the one that runs (see [Swapper]): the
// cutter ends the open epochs and begins the next ones with the new graph. Each
// task and epoch names its generation. Since the queues keep the order, the
// workers, the stager and the committer change over one after another, when the
// first epoch of the new generation reaches them, and nothing waits for
// anything to run empty.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// Settings bound what the engine does. Zero values are replaced by the
// defaults named.
type Settings struct {
	Workers          int           // cores to use; all
	EpochRows        int           // records an epoch holds at the most; 65,536
	EpochBytes       int64         // raw bytes an epoch holds at the most; 64 MiB
	EpochInterval    time.Duration // age at which an epoch is sealed; 1 s
	InFlight         int           // epochs that are read but not durable; 3
	DrainTimeout     time.Duration // how long a stop may take; 30 s
	RetryInitial     time.Duration // first wait after a retryable error; 100 ms
	RetryMax         time.Duration // longest wait; 30 s
	SnapshotInterval time.Duration // least time between snapshots of operator state; 30 s
	Lateness         time.Duration // how far the watermark is behind the latest event; 1 min
}

func (s *Settings) defaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	if s.EpochRows == 0 {
		s.EpochRows = 65_536
	}
	if s.EpochBytes == 0 {
		s.EpochBytes = 64 << 20
	}
	if s.InFlight == 0 {
		s.InFlight = 3
	}
	def(&s.EpochInterval, time.Second)
	def(&s.DrainTimeout, 30*time.Second)
	def(&s.RetryInitial, 100*time.Millisecond)
	def(&s.RetryMax, 30*time.Second)
	def(&s.SnapshotInterval, 30*time.Second)
	def(&s.Lateness, time.Minute)
}

// Options of Run.
type Options struct {
	Settings
	// Graph is what the run begins with.
	Graph *graph.Graph

	// Store remembers positions; nil makes a run that remembers nothing.
	Store *checkpoint.Store
	// Manifest is what Graph was built from, put into Store by the caller.
	Manifest checkpoint.Hash
	// Rebuild builds the graph of another manifest: that of epochs which an
	// earlier process began and did not finish before the config changed.
	Rebuild func(checkpoint.Hash) (*graph.Graph, error)

	// Swapper, when not nil, hands new graphs to the run while it runs.
	Swapper *Swapper

	// Abort, when it ends, stops the run at once, without draining. What was
	// begun is finished by the next run.
	Abort context.Context

	Metrics *Metrics
	Logger  *slog.Logger
	Tracer  pipeline.Tracer // nil for no traces
}

// ErrAborted is returned when a run was stopped before it had drained.
var ErrAborted = errors.New("engine: stopped before all that was read had been written; the next run goes on from the checkpoint")

// Run runs the graph until the source ends, ctx ends (then what was read is
// still written, within DrainTimeout), or something fails for good. Epochs
// that an earlier run left unfinished are finished first, with the config that
// they were begun with.
func Run(ctx context.Context, o Options) error {
	o.defaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	if o.Abort == nil {
		o.Abort = context.Background()
	}
	if o.Swapper != nil {
		defer o.Swapper.close()
	}
	if err := finishOlder(ctx, &o); err != nil || ctx.Err() != nil {
		return err
	}
	s := newSession(&o, o.Graph, o.Manifest)
	o.Graph = nil // another one may take its place: it is not to be kept
	return s.run(ctx)
}

// finishOlder runs the pending epochs that were begun under other manifests,
// one manifest after the other, each with the graph that it describes.
func finishOlder(ctx context.Context, o *Options) error {
	if o.Store == nil {
		return nil
	}
	for ctx.Err() == nil {
		old, ok := oldestForeign(o.Store.Partitions(), o.Manifest)
		if !ok {
			break
		}
		o.Logger.Info("finishing epochs that were begun under an earlier config", "manifest", old)
		g, err := o.Rebuild(old)
		if err != nil {
			return fmt.Errorf("engine: epochs are unfinished that were begun under an earlier config, and its graph can not be built again: %w", err)
		}
		s := newSession(o, g, old)
		s.onlyPending = true
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("engine: finishing epochs that were begun under an earlier config: %w", err)
		}
	}
	return nil
}

// oldestForeign returns the manifest of the first pending epoch, by partition
// name, that is not current.
func oldestForeign(parts map[string]checkpoint.Partition, current checkpoint.Hash) (checkpoint.Hash, bool) {
	names := make([]string, 0, len(parts))
	for n := range parts {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if p := parts[n].Pending; len(p) > 0 && p[0].Manifest != current {
			return p[0].Manifest, true
		}
	}
	return "", false
}

// partition is what the engine knows of a source partition while it runs. The
// cutter uses it, but for what says otherwise.
type partition struct {
	name string
	end  pipeline.Position // up to where it was read
	open *epoch            // nil when nothing was read since the last seal
	// marks are the ends of epochs that were recorded by an earlier run; the
	// epochs up to them have exactly these spans.
	marks []mark

	*share // nil unless the source is pipeline.Shared
}

// mark is the end of an epoch that an earlier run recorded.
type mark struct {
	at pipeline.Position
	// warm: the rows up to it are durable and run through the graph only to
	// rebuild the state of operators. They may be cut anywhere.
	warm bool
	gen  *generation // what the epoch is run with; nil for the newest
}

// epoch is a span of one partition on its way to the sinks, or a sign that goes
// through the queues between epochs.
type epoch struct {
	sign    sign
	part    *partition
	span    pipeline.Span
	gen     *generation // what it is run with
	warm    bool
	drop    bool // nothing is to be done with it: its partition was given up
	records int64
	bytes   int64
	begun   time.Time
	read    time.Time // when it was sealed: all of it had been read
	tasks   []*task
	out     ports                // what leaves the graph
	snap    *checkpoint.Snapshot // taken after this epoch
	replay  pipeline.Replay      // from where the state after this epoch can be built again
	written chan error           // gets one value when the writes have ended
	state   *shards              // of a join: the partition's state
	edges   []edge               // of an edge: the state at that place, by partition

	trace   *tracing // nil when the epoch is not traced
	durable bool     // committed; only traces ask
}

// sign tells epochs from what goes through the queues between them, which has
// no span and no rows.
type sign uint8

const (
	noSign    sign = iota // an epoch
	signEdge              // a generation begins: for part, or for all partitions if that is nil
	signJoin              // part begins, with state
	signLeave             // part was given up: nothing of it comes any more
)

// release gives up the batches that the sinks have written, or never will.
func (e *epoch) release() {
	e.trace.finish(e)
	for _, bs := range e.out {
		for _, b := range bs {
			b.Record.Release()
		}
	}
	e.out = nil
}

// retry calls f until it succeeds, fails for good, or ctx ends. Waits double
// from RetryInitial to RetryMax, with jitter so that many processes do not
// come back at once.
func retry(ctx context.Context, s Settings, note func(error, time.Duration), f func() error) error {
	wait := s.RetryInitial
	for {
		err := f()
		after, again := pipeline.IsRetryable(err)
		if err == nil || !again || ctx.Err() != nil {
			return err
		}
		d := max(after, jitter(wait))
		note(err, d)
		t := time.NewTimer(d)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
		wait = min(2*wait, s.RetryMax)
	}
}
