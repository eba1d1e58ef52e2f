package engine

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// hooks are the calls that the engine makes for an epoch of one chunk.
func hooks(s *session, e *epoch, w *worker, c *readChunk, t *task, in []pipeline.Batch, at time.Time) {
	s.trace(e)
	e.trace.read(c)
	t.trace.worked(w, t, nil)
	e.trace.worked(w, nil, nil)
	e.trace.since(pipeline.PartGather, at, nil)
	e.trace.wrote("sink", in, at, time.Second, nil)
	e.trace.failed(nil)
	e.trace.finish(e)
}

// TestNoTracerCostsNothing: without a tracer the hooks allocate nothing.
func TestNoTracerCostsNothing(t *testing.T) {
	s, e, w, c, task, in, at := &session{o: &Options{}}, &epoch{}, &worker{}, &readChunk{}, &task{}, make([]pipeline.Batch, 3), time.Now()
	if n := testing.AllocsPerRun(1000, func() { hooks(s, e, w, c, task, in, at) }); n != 0 {
		t.Errorf("%v allocations an epoch without a tracer", n)
	}
	if e.trace != nil {
		t.Error("the epoch is traced")
	}
}

// BenchmarkNoTracer is the cost of all hooks of an epoch without a tracer.
func BenchmarkNoTracer(b *testing.B) {
	s, e, w, c, task, in, at := &session{o: &Options{}}, &epoch{}, &worker{}, &readChunk{}, &task{}, make([]pipeline.Batch, 3), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		hooks(s, e, w, c, task, in, at)
	}
}
