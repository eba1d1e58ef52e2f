package engine

import (
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// maxParts bounds a trace: an epoch that is read in very small chunks has more.
const maxParts = 1000

// tracing gathers an epoch's trace. All methods do nothing on nil, which is
// what an epoch has that is not traced: so there is no cost but a comparison.
type tracing struct {
	end func(*pipeline.Trace)

	mu    sync.Mutex
	t     pipeline.Trace
	steps map[int]int // part of each step of the whole epoch, by node
	ended bool
}

// trace begins the trace of an epoch, if it is to be traced.
func (s *session) trace(e *epoch) {
	if s.o.Tracer == nil {
		return
	}
	end := s.o.Tracer.Begin(e.begun)
	if end == nil {
		return
	}
	e.trace = &tracing{end: end, steps: map[int]int{}, t: pipeline.Trace{
		Pipeline: s.pipeline, Manifest: string(e.gen.manifest), Generation: e.gen.number, Warm: e.warm, Begin: e.begun,
	}}
}

// addRows adds what a worker counted.
func addRows(r *pipeline.TraceRows, c *count) {
	r.In += c.in
	r.Out += c.out
	r.Detections += c.detections
	r.Rejected += c.rejected
}

// part adds a part and returns its index; -1 when there is no room.
func (tr *tracing) part(p pipeline.TracePart) int {
	if len(tr.t.Parts) >= maxParts {
		tr.t.Left++
		return -1
	}
	tr.t.Parts = append(tr.t.Parts, p)
	return len(tr.t.Parts) - 1
}

// since adds a part that began at begun and ends now.
func (tr *tracing) since(kind pipeline.PartKind, begun time.Time, err error) {
	if tr == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.part(pipeline.TracePart{Kind: kind, Parent: -1, Begin: begun, End: time.Now(), Err: err})
}

// read adds the reading of a chunk.
func (tr *tracing) read(c *readChunk) {
	if tr == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	from := c.begun
	if from.Before(tr.t.Begin) { // waiting for input is not a part of what it brought
		from = tr.t.Begin
	}
	to := c.read
	if to.Before(from) {
		to = from
	}
	tr.part(pipeline.TracePart{
		Kind: pipeline.PartRead, Parent: -1, Begin: from, End: to, Busy: c.read.Sub(c.begun),
		Records: int64(c.Records), Bytes: int64(len(c.Data)),
	})
}

// worked adds what a worker has done, while it has its counts still: to a
// chunk, or, when t is nil, to the whole epoch.
func (tr *tracing) worked(w *worker, t *task, err error) {
	if tr == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if t == nil {
		tr.stages(w)
	} else {
		tr.chunk(w, t, err)
	}
}

// chunk adds a chunk, and the steps that it went through.
func (tr *tracing) chunk(w *worker, t *task, err error) {
	tr.t.Posts += w.counts[graph.Root].out
	for i := range w.counts {
		tr.t.Detections += w.counts[i].detections
		tr.t.Rejected += w.counts[i].rejected
	}
	if tr.t.Err == nil {
		tr.t.Err = err
	}
	parent := tr.part(pipeline.TracePart{
		Kind: pipeline.PartChunk, Parent: -1, Begin: t.arrived, End: w.since, Busy: w.since.Sub(w.begun),
		Records: int64(t.chunk.Records), Bytes: int64(len(t.chunk.Data)), Err: err,
	})
	at := w.begun // without room for the chunk there is none for its steps either: they are counted as left out
	for i := range w.counts {
		c := &w.counts[i]
		if c.nanos == 0 && c.in == 0 {
			continue
		}
		p := pipeline.TracePart{Kind: pipeline.PartStep, Name: w.gen.g.Nodes[i].Name, Parent: parent, Begin: at, Busy: time.Duration(c.nanos)}
		if i == graph.Root {
			p.Kind, p.Name = pipeline.PartDecode, ""
		}
		at = at.Add(p.Busy)
		p.End = at
		addRows(&p.Rows, c)
		tr.part(p)
	}
}

// stages adds one shard of a stateful step, or the steps behind one.
func (tr *tracing) stages(w *worker) {
	for i := range w.counts {
		c := &w.counts[i]
		if c.nanos == 0 && c.in == 0 && c.out == 0 {
			continue
		}
		tr.t.Detections += c.detections
		tr.t.Rejected += c.rejected
		at, ok := tr.steps[i]
		if !ok {
			at = tr.part(pipeline.TracePart{Kind: pipeline.PartStep, Name: w.gen.g.Nodes[i].Name, Parent: -1, Begin: w.begun})
			tr.steps[i] = at
		}
		if at < 0 {
			continue
		}
		p := &tr.t.Parts[at]
		if w.begun.Before(p.Begin) {
			p.Begin = w.begun
		}
		if w.since.After(p.End) {
			p.End = w.since
		}
		p.Busy += time.Duration(c.nanos)
		addRows(&p.Rows, c)
	}
}

// wrote adds an attempt to write to a sink.
func (tr *tracing) wrote(sink string, in []pipeline.Batch, begun time.Time, took time.Duration, err error) {
	if tr == nil {
		return
	}
	p := pipeline.TracePart{Kind: pipeline.PartSink, Name: sink, Parent: -1, Begin: begun, End: begun.Add(took), Err: err}
	for _, b := range in {
		p.Rows.In += int64(b.Rows())
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.part(p)
}

// failed notes why the epoch ends, unless something did before.
func (tr *tracing) failed(err error) {
	if tr == nil || err == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.t.Err == nil {
		tr.t.Err = err
	}
}

// finish hands the trace over. The epoch is durable, or given up.
func (tr *tracing) finish(e *epoch) {
	if tr == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.ended {
		return
	}
	tr.ended = true
	t := tr.t
	t.Key, t.Records, t.Bytes, t.Durable, t.End = e.span, e.records, e.bytes, e.durable, time.Now()
	t.GivenUp = !e.durable && (e.drop || e.part.given())
	tr.end(&t)
}
