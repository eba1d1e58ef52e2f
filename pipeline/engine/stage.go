package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// numShards is the number of shards of a stateful step. It is fixed, so that
// the order of what the shards emit, and snapshots, are the same on any number
// of workers; it bounds the cores that one stateful step can use.
const numShards = 16

// tick is the grain of the watermark: Advance is called when it passes a
// multiple of it.
const tick = int64(time.Second / time.Millisecond)

// shards is the operator state of one source partition.
type shards struct {
	gen     *generation
	at      pipeline.Position    // the state is that after all rows before it
	nodes   map[int]*shardedNode // by stateful node
	after   []*worker            // by stage (from 1): runs the stateless steps behind its stateful ones
	snapped time.Time            // when the last snapshot was taken
	trail   trail                // from where it can be built again
}

// shardedNode is the state of one stateful step.
type shardedNode struct {
	workers []*worker // one a shard
	latest  int64     // latest event time seen, ms since 1970; never at first
}

// shardsOf returns the state of a partition, which is empty at first.
func (s *session) shardsOf(gen *generation, p *partition) *shards {
	st := s.states[p]
	if st == nil {
		st = newShards(s, gen)
		s.states[p] = st
	}
	return st
}

// newShards returns empty state.
func newShards(s *session, gen *generation) *shards {
	st := &shards{gen: gen, nodes: map[int]*shardedNode{}, after: make([]*worker, gen.g.Stages), trail: trail{reach: s.reach(gen.g)}}
	for i, n := range gen.g.Nodes {
		if n.Key < 0 {
			continue
		}
		sn := &shardedNode{latest: never}
		for range numShards {
			sn.workers = append(sn.workers, newShardWorker(s, gen, i))
		}
		st.nodes[i] = sn
	}
	for stage := 1; stage < gen.g.Stages; stage++ {
		st.after[stage] = newWorker(s, gen, stage)
	}
	return st
}

// stage takes sealed epochs in order, waits for their tasks, and runs the
// stateful steps and what is behind them.
func (s *session) stage(ctx context.Context) error {
	defer close(s.staged)
	for e := range s.sealed {
		begun := time.Now()
		var next ports
		for _, t := range e.tasks {
			select {
			case <-t.done:
			case <-ctx.Done():
				next.release()
				s.left = e // its tasks may be running
				return context.Cause(ctx)
			}
			if t.err != nil { // the run ends: an epoch that lacks rows must not be written
				next.release()
				s.left = e
				return t.err
			}
			e.out.merge(t.out)
			next.merge(t.next)
			t.out, t.next = nil, nil
		}
		e.tasks = nil
		e.trace.since(pipeline.PartGather, begun, nil)
		switch {
		case e.sign == signEdge:
			if err := s.carryOver(e); err != nil {
				return err
			}
		case e.sign == signJoin:
			s.states[e.part], e.state = e.state, nil
		case e.sign == signLeave:
			delete(s.states, e.part)
		case e.drop || e.part.given():
			next.release()
			e.release()
		case e.gen.g.Stages > 1:
			err := s.runStages(ctx, e, &next)
			next.release()
			if err != nil {
				e.trace.failed(err)
				e.release()
				return err
			}
		}
		select {
		case s.staged <- e:
		case <-ctx.Done():
			e.release()
			return context.Cause(ctx)
		}
	}
	return nil
}

// runStages runs the stateful steps of an epoch in the order of the nodes,
// each over all shards in parallel. The posts that a step emits are put back
// into source order before anything reads them; what it emits on other streams
// is joined in the order of the shards. So the rows, and their order, depend on
// the epoch's rows only.
func (s *session) runStages(ctx context.Context, e *epoch, next *ports) error {
	st := s.shardsOf(e.gen, e.part)
	st.trail.begin(e.span.From)
	for node, n := range st.gen.g.Nodes {
		p := port(node, pipeline.Posts)
		if n.Key < 0 || p >= len(*next) || len((*next)[p]) == 0 {
			continue
		}
		in := (*next)[p]
		(*next)[p] = nil
		posts, err := s.runShards(ctx, st, node, in, e)
		for _, b := range in {
			b.Record.Release()
		}
		if err != nil {
			return err
		}
		w := st.after[n.Stage]
		w.begin(ctx, &e.out, next, node)
		for i, b := range posts {
			if err = w.emit(node, b); err != nil {
				releaseAll(posts[i+1:])
				break
			}
		}
		w.end(e.trace, nil, nil)
		if err != nil {
			return err
		}
	}
	st.at = e.span.To
	latest, least := st.times()
	e.replay = st.trail.passed(st.at, latest, least)
	return s.snapshot(e, st)
}

func releaseAll(bs []pipeline.Batch) {
	for _, b := range bs {
		b.Record.Release()
	}
}

// runShards runs one stateful node over an epoch's batches and returns its
// posts in source order. What it emits on other streams goes to e.out.
func (s *session) runShards(ctx context.Context, st *shards, node int, in []pipeline.Batch, e *epoch) (posts []pipeline.Batch, err error) {
	n, sn := st.gen.g.Nodes[node], st.nodes[node]
	cuts := s.advances(sn, in)
	owner := make([][]uint8, len(in))
	for i, b := range in {
		owner[i] = shardOf(b.Record.Column(n.Key))
	}
	outs := make([]ports, numShards)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(s.o.Workers)
	for shard := range numShards {
		group.Go(func() error {
			w := sn.workers[shard]
			w.begin(gctx, &outs[shard], nil, node)
			defer w.end(e.trace, nil, nil)
			return w.runShard(gctx, node, uint8(shard), in, owner, cuts)
		})
	}
	err = group.Wait()
	emitted := make([][]pipeline.Batch, numShards)
	for shard := range outs {
		if p := port(node, pipeline.Posts); p < len(outs[shard]) {
			emitted[shard], outs[shard][p] = outs[shard][p], nil
		}
		e.out.merge(outs[shard])
	}
	defer func() {
		for _, bs := range emitted {
			releaseAll(bs)
		}
	}()
	if err != nil {
		return nil, err
	}
	return inSourceOrder(st.gen.g, node, emitted, owner)
}

// inSourceOrder joins the posts that the shards of a node emitted, one for
// each row that they were given and in its order, to the batches that went in.
func inSourceOrder(g *graph.Graph, node int, emitted [][]pipeline.Batch, owner [][]uint8) (posts []pipeline.Batch, err error) {
	var recs []arrow.Record
	var start [numShards]int // of a shard's rows among all
	total := 0
	for shard, bs := range emitted {
		start[shard] = total
		for _, b := range bs {
			recs = append(recs, b.Record)
			total += b.Rows()
		}
	}
	rows := 0
	for _, o := range owner {
		rows += len(o)
	}
	if rows != total {
		return nil, fmt.Errorf("step %s: %d rows went in and %d posts came out: a stateful operator emits one post for each row, at once: a defect of the operator", g.Nodes[node].Name, rows, total)
	}
	if total == 0 {
		return nil, nil
	}
	all, err := column.Concat(g.Mem, recs)
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", g.Nodes[node].Name, err)
	}
	defer all.Release()
	for _, o := range owner {
		pick := make([]int, len(o))
		for r, shard := range o {
			pick[r] = start[shard]
			start[shard]++
		}
		rec, err := column.Take(g.Mem, all, pick)
		if err != nil {
			releaseAll(posts)
			return nil, fmt.Errorf("step %s: %w", g.Nodes[node].Name, err)
		}
		posts = append(posts, pipeline.Batch{Record: rec, Stream: pipeline.Posts})
	}
	return posts, nil
}

// advance is a place between rows where the watermark passes a tick.
type advance struct {
	batch, row int // before this row
	watermark  time.Time
}

// advances walks the event times and returns where the watermark moves.
func (s *session) advances(sn *shardedNode, in []pipeline.Batch) []advance {
	var out []advance
	late := s.o.Lateness.Milliseconds()
	latest := sn.latest
	for i, b := range in {
		col := createdAt(b.Record)
		for r, t := range col {
			if ts := int64(t); ts > latest {
				if floorTick(ts-late) > floorTick(latest-late) {
					out = append(out, advance{i, r, time.UnixMilli(floorTick(ts - late)).UTC()})
				}
				latest = ts
			}
		}
	}
	sn.latest = latest
	return out
}

func floorTick(ms int64) int64 {
	q := ms / tick
	if ms%tick < 0 {
		q--
	}
	return q * tick
}

// createdAt returns the event times of a posts record.
func createdAt(rec arrow.Record) []arrow.Timestamp {
	i := rec.Schema().FieldIndices(pipeline.ColCreatedAt)
	return rec.Column(i[0]).(*array.Timestamp).TimestampValues()
}

// shardOf returns each row's shard by the hash of its key.
func shardOf(key arrow.Array) []uint8 {
	out := make([]uint8, key.Len())
	switch k := key.(type) {
	case *array.Uint64:
		var buf [8]byte
		for i, v := range k.Uint64Values() {
			binary.LittleEndian.PutUint64(buf[:], v)
			out[i] = uint8(xxhash.Sum64(buf[:]) % numShards)
		}
	case *array.String:
		v := column.ViewStrings(k)
		for i := range out {
			out[i] = uint8(xxhash.Sum64(v.At(i)) % numShards)
		}
	}
	return out
}

// runShard feeds a stateful operator with its rows of all batches, and tells
// it of the watermark in between.
func (w *worker) runShard(ctx context.Context, node int, shard uint8, in []pipeline.Batch, owner [][]uint8, cuts []advance) error {
	op, ok := w.ops[node].(pipeline.Stateful)
	if !ok {
		return fmt.Errorf("step %s: its plan has a key but %T has no state: a defect of the operator", w.gen.g.Nodes[node].Name, w.ops[node])
	}
	var rows []int
	for i, b := range in {
		from := 0
		for {
			to := b.Rows()
			cut := len(cuts) > 0 && cuts[0].batch == i
			if cut {
				to = cuts[0].row
			}
			rows = rows[:0]
			for r := from; r < to; r++ {
				if owner[i][r] == shard {
					rows = append(rows, r)
				}
			}
			if err := w.processRows(node, b, rows); err != nil {
				return err
			}
			if !cut {
				break
			}
			if err := op.Advance(ctx, cuts[0].watermark, w.emits[node]); err != nil {
				return fmt.Errorf("step %s: advance: %w", w.gen.g.Nodes[node].Name, err)
			}
			from, cuts = to, cuts[1:]
		}
	}
	return nil
}

// processRows runs the operator on the given rows of a batch.
func (w *worker) processRows(node int, b pipeline.Batch, rows []int) error {
	if len(rows) == 0 {
		return nil
	}
	rec, err := column.Take(w.gen.g.Mem, b.Record, rows)
	if err != nil {
		return fmt.Errorf("step %s: %w", w.gen.g.Nodes[node].Name, err)
	}
	defer rec.Release()
	return w.process(node, pipeline.Batch{Record: rec, Stream: b.Stream})
}

// snapshot stores the state after e when the last one is old enough.
func (s *session) snapshot(e *epoch, st *shards) error {
	if s.o.Store == nil || e.warm || time.Since(st.snapped) < s.o.SnapshotInterval {
		return nil
	}
	st.snapped = time.Now()
	file, err := s.o.Store.WriteSnapshot(uint64(st.snapped.UnixNano()), func(w io.Writer) error { return st.write(w, nil) })
	if err != nil {
		return err
	}
	e.snap = st.snapshot(file)
	return nil
}

func (st *shards) snapshot(file string) *checkpoint.Snapshot {
	return &checkpoint.Snapshot{Position: st.at, File: file, Manifest: st.gen.manifest, State: st.gen.stateKey, Places: slices.Clone(st.trail.ahead)}
}

// write writes, for each stateful node, the latest event time, and for each
// shard the length and bytes of the operator's own snapshot. Integers are
// 64-bit little-endian. Each, when not nil, is given these bytes, which it must
// not keep, and the number of the node among the stateful ones.
func (st *shards) write(w io.Writer, each func(nth, shard int, state []byte) error) error {
	var buf bytes.Buffer
	nth := -1
	for node, n := range st.gen.g.Nodes {
		sn := st.nodes[node]
		if sn == nil {
			continue
		}
		nth++
		if err := binary.Write(w, binary.LittleEndian, sn.latest); err != nil {
			return err
		}
		for shard, wk := range sn.workers {
			buf.Reset()
			if err := wk.ops[node].(pipeline.Stateful).Snapshot(&buf); err != nil {
				return fmt.Errorf("step %s: %w", n.Name, err)
			}
			if err := binary.Write(w, binary.LittleEndian, int64(buf.Len())); err != nil {
				return err
			}
			if _, err := w.Write(buf.Bytes()); err != nil {
				return err
			}
			if each == nil {
				continue
			}
			if err := each(nth, shard, buf.Bytes()); err != nil {
				return fmt.Errorf("step %s: %w", n.Name, err)
			}
		}
	}
	return nil
}

// edge is the state of a partition between the last epoch of one generation
// and the first of the next.
type edge struct {
	part *partition
	snap checkpoint.Snapshot
}

// carryOver gives the state of all partitions, or of the one that e is of, to
// the operators of the generation that begins at e. The state is stored too, to
// be recorded before any epoch of the generation is: after a crash the rows from
// here on, and none before, are run with the new generation, so that the state
// is again what it was.
func (s *session) carryOver(e *epoch) error {
	for _, p := range slices.SortedFunc(maps.Keys(s.states), byName) {
		old := s.states[p]
		if e.part != nil && e.part != p || old.gen == e.gen {
			continue
		}
		next := newShards(s, e.gen)
		next.at, next.snapped = old.at, time.Now()
		next.trail = old.trail.under(next.trail.reach)
		from, into := old.inOrder(), next.inOrder()
		for i := range from {
			into[i].sn.latest = from[i].sn.latest
		}
		write := func(w io.Writer) error {
			return old.write(w, func(nth, shard int, state []byte) error {
				to := into[nth]
				op := to.sn.workers[shard].ops[to.node].(pipeline.Stateful)
				if err := op.Restore(bytes.NewReader(state)); err != nil {
					return fmt.Errorf("its state could not be carried over to the reloaded pipeline: %w: put the files back as they were and start again", err)
				}
				from[nth].sn.workers[shard].ops[from[nth].node] = nil // one shard at a time is there twice
				return nil
			})
		}
		if s.o.Store == nil {
			if err := write(io.Discard); err != nil {
				return err
			}
		} else {
			file, err := s.o.Store.WriteSnapshot(uint64(next.snapped.UnixNano()), write)
			if err != nil {
				return err
			}
			e.edges = append(e.edges, edge{p, *old.snapshot(file)})
		}
		s.states[p] = next
	}
	return nil
}

func byName(a, b *partition) int { return strings.Compare(a.name, b.name) }

// numbered is a stateful node with its number in the graph.
type numbered struct {
	node int
	sn   *shardedNode
}

// inOrder returns the stateful nodes in the order of the graph, which is the
// same in all generations.
func (st *shards) inOrder() (out []numbered) {
	for _, node := range slices.Sorted(maps.Keys(st.nodes)) {
		out = append(out, numbered{node, st.nodes[node]})
	}
	return out
}

// restore reads the state of a partition for a generation: nil when there is no
// snapshot of the same stateful steps. The other steps may have changed: see
// carryOver.
func (s *session) restore(gen *generation, snap *checkpoint.Snapshot) (*shards, error) {
	if snap == nil || snap.Manifest != gen.manifest && snap.State != gen.stateKey {
		return nil, nil
	}
	data, err := s.o.Store.ReadSnapshot(snap.File)
	if err != nil {
		return nil, err
	}
	st := newShards(s, gen)
	st.at = snap.Position
	st.trail.begun = true
	for node, n := range gen.g.Nodes {
		sn := st.nodes[node]
		if sn == nil {
			continue
		}
		if len(data) < 8 {
			return nil, errTruncated
		}
		sn.latest = int64(binary.LittleEndian.Uint64(data))
		data = data[8:]
		for _, wk := range sn.workers {
			var part []byte
			if part, data, err = cutPart(data); err != nil {
				return nil, err
			}
			if err := wk.ops[node].(pipeline.Stateful).Restore(bytes.NewReader(part)); err != nil {
				return nil, fmt.Errorf("step %s: restore: %w", n.Name, err)
			}
		}
	}
	return st, nil
}

var errTruncated = errors.New("engine: the snapshot of operator state is shorter than it says: move the checkpoint folder away to start from the beginning")

func cutPart(data []byte) (part, rest []byte, err error) {
	if len(data) < 8 {
		return nil, nil, errTruncated
	}
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) {
		return nil, nil, errTruncated
	}
	return slices.Clip(data[8 : 8+n]), data[8+n:], nil
}
