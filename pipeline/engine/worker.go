package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// task is a chunk to be processed. Its worker fills out and next and closes
// done; from then on they belong to the stager.
type task struct {
	chunk   pipeline.Chunk
	arrived time.Time // when it had been read
	trace   *tracing  // its epoch's
	gen     *generation
	out     ports // what leaves the graph
	next    ports // what goes on to stateful steps: posts by the step's node
	done    chan struct{}
	err     error // why out and next are not all there is of the chunk; set before done is closed
}

// ports holds batches by port number, in order.
type ports [][]pipeline.Batch

// port numbers the streams of all nodes.
func port(node int, s pipeline.Stream) int { return node*pipeline.NumStreams + int(s) }

// add appends a batch, whose reference it takes over.
func (p *ports) add(g *graph.Graph, i int, b pipeline.Batch) {
	if *p == nil {
		*p = make(ports, len(g.Nodes)*pipeline.NumStreams)
	}
	(*p)[i] = append((*p)[i], b)
}

// merge appends all batches of q, which is empty afterwards.
func (p *ports) merge(q ports) {
	if *p == nil {
		*p = q
		return
	}
	for i, bs := range q {
		(*p)[i] = append((*p)[i], bs...)
	}
}

func (p *ports) release() {
	for _, bs := range *p {
		for _, b := range bs {
			b.Record.Release()
		}
	}
	*p = nil
}

// worker runs batches through the stateless nodes of one stage, depth first, or
// (a shard worker) through one stateful node alone. It has operators of its
// own and is used by one goroutine.
type worker struct {
	s       *session
	gen     *generation
	stage   int
	shard   bool // a shard worker: emits posts to no reader
	decoder pipeline.Decoder
	ops     []pipeline.Operator // by node; nil for nodes of other stages
	emits   []pipeline.Emit     // by node: what its operator is given
	ctx     context.Context     // of the current call

	out, next *ports // of the current call
	counts    []count
	at        int // node whose time is running
	since     time.Time
	begun     time.Time // of the current call
}

// count is what a worker saw at one node since it last reported.
type count struct {
	in, out, detections, rejected int64
	nanos                         int64
	reasons                       map[string]int64 // rejected rows by reason; nil while there are none
}

// newWorker returns a worker for a stage; operators are fresh.
func newWorker(s *session, gen *generation, stage int) *worker {
	n := len(gen.g.Nodes)
	w := &worker{s: s, gen: gen, stage: stage, ops: make([]pipeline.Operator, n), emits: make([]pipeline.Emit, n), counts: make([]count, n)}
	if stage == 0 {
		w.decoder = gen.g.Decode.New()
	}
	for i, node := range gen.g.Nodes {
		if node.Stage == stage && node.Key < 0 && i != graph.Root {
			w.ops[i] = node.Plan.New()
		}
		w.emits[i] = func(b pipeline.Batch) error { return w.emit(i, b) }
	}
	return w
}

// newShardWorker returns a worker for one shard of a stateful node.
func newShardWorker(s *session, gen *generation, node int) *worker {
	n := len(gen.g.Nodes)
	w := &worker{s: s, gen: gen, shard: true, ops: make([]pipeline.Operator, n), emits: make([]pipeline.Emit, n), counts: make([]count, n)}
	w.ops[node] = gen.g.Nodes[node].Plan.New()
	w.emits[node] = func(b pipeline.Batch) error { return w.emit(node, b) }
	return w
}

// work processes tasks until there are no more, with operators of the
// generation that the task at hand is of.
func (s *session) work(ctx context.Context) error {
	var w *worker
	var retired chan struct{} // of w's generation; nil without one
	for {
		select {
		case <-retired:
			w, retired = nil, nil // the old lists and rules are free, though there is nothing to do
		case t, ok := <-s.tasks:
			if !ok {
				return nil
			}
			if w == nil || w.gen != t.gen {
				w, retired = newWorker(s, t.gen, 0), t.gen.retired
			}
			err := ctx.Err()
			if err == nil {
				err = w.decode(ctx, t)
			}
			t.chunk.Release()
			t.err = err
			close(t.done)
			if err != nil {
				return err
			}
		}
	}
}

// decode runs stage 0 on a chunk.
func (w *worker) decode(ctx context.Context, t *task) error {
	w.begin(ctx, &t.out, &t.next, graph.Root)
	err := w.decoder.Decode(ctx, &t.chunk, w.emits[graph.Root])
	w.end(t.trace, t, err)
	if err != nil {
		return fmt.Errorf("decode: %s at %d: %w", t.chunk.Origin, t.chunk.Offset, err)
	}
	return nil
}

// begin and end frame a call into the graph: between them the time counts for
// the node that runs. What it was spent on is told to tr; t and err are those of
// a chunk.
func (w *worker) begin(ctx context.Context, out, next *ports, node int) {
	w.ctx, w.out, w.next = ctx, out, next
	w.at, w.since = node, time.Now()
	w.begun = w.since
}

func (w *worker) end(tr *tracing, t *task, err error) {
	w.enter(graph.Root)
	tr.worked(w, t, err)
	w.s.o.Metrics.add(w.gen.g, w.counts)
	w.ctx, w.out, w.next = nil, nil, nil
}

// enter lets the time count for node and returns the one that it counted for.
func (w *worker) enter(node int) (before int) {
	now := time.Now()
	w.counts[w.at].nanos += int64(now.Sub(w.since))
	before, w.at, w.since = w.at, node, now
	return before
}

// emit takes what node i emits: it counts it, runs it through the readers of
// this stage, and puts it out for the sinks and later stages.
func (w *worker) emit(i int, b pipeline.Batch) error {
	defer b.Record.Release()
	c := &w.counts[i]
	rows := int64(b.Rows())
	if w.shard && b.Stream == pipeline.Posts { // counted and read when they are in source order
		b.Record.Retain()
		w.out.add(w.gen.g, port(i, pipeline.Posts), b)
		return nil
	}
	switch b.Stream {
	case pipeline.Posts:
		c.out += rows
	case pipeline.Detections:
		c.detections += rows
	case pipeline.Rejected:
		c.rejected += rows
		c.addReasons(b)
	default:
		return fmt.Errorf("step %s: emitted a batch of unknown stream %d: a defect of the operator", w.gen.g.Nodes[i].Name, b.Stream)
	}
	if rows == 0 {
		return nil
	}
	if p := port(i, b.Stream); w.gen.wanted[p] {
		out := pipeline.Batch{Stream: b.Stream}
		if b.Stream == pipeline.Posts {
			out.Record = w.gen.stored[i].record(b.Record)
		} else {
			out.Record = b.Record
			out.Record.Retain()
		}
		w.out.add(w.gen.g, p, out)
	}
	if b.Stream != pipeline.Posts {
		return nil
	}
	for _, r := range w.gen.g.Nodes[i].Readers {
		if n := w.gen.g.Nodes[r]; n.Stage != w.stage || n.Key >= 0 {
			b.Record.Retain()
			w.next.add(w.gen.g, port(r, pipeline.Posts), b)
			continue
		}
		if err := w.process(r, b); err != nil {
			return err
		}
	}
	return nil
}

// process runs one operator of this stage on a batch.
func (w *worker) process(node int, b pipeline.Batch) error {
	c := &w.counts[node]
	in, out, rejected := int64(b.Rows()), c.out, c.rejected
	c.in += in
	before := w.enter(node)
	err := w.ops[node].Process(w.ctx, b, w.emits[node])
	w.enter(before)
	if err != nil {
		return fmt.Errorf("step %s: %w", w.gen.g.Nodes[node].Name, err)
	}
	if got := c.out - out + c.rejected - rejected; got != in && w.gen.g.Nodes[node].Key < 0 {
		return fmt.Errorf("step %s: %d rows went in, %d came out or were rejected: a defect of the operator", w.gen.g.Nodes[node].Name, in, got)
	}
	return nil
}

// maxReasons bounds the label values of the rejected metric: reasons come from
// code, but a defect there must not flood the metrics.
const maxReasons = 64

func (c *count) addReasons(b pipeline.Batch) {
	if c.reasons == nil {
		c.reasons = map[string]int64{}
	}
	col := reasonColumn(b.Record)
	for r := range b.Rows() {
		reason := string(col.At(r))
		if _, known := c.reasons[reason]; !known && len(c.reasons) >= maxReasons {
			reason = "other"
		}
		c.reasons[reason]++
	}
}

// sorted returns the values of m by key.
func sorted[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
