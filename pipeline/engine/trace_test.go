package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// traces is a tracer that keeps what it is given.
type traces struct {
	mu   sync.Mutex
	all  []*pipeline.Trace
	some func() bool // whether the next epoch is traced; nil for all
}

func (tr *traces) Begin(time.Time) func(*pipeline.Trace) {
	if tr.some != nil && !tr.some() {
		return nil
	}
	return func(t *pipeline.Trace) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.all = append(tr.all, t)
	}
}

// of returns the parts of one kind and name.
func of(t *pipeline.Trace, kind pipeline.PartKind, name string) (out []pipeline.TracePart) {
	for _, p := range t.Parts {
		if p.Kind == kind && p.Name == name {
			out = append(out, p)
		}
	}
	return out
}

// TestTraces holds the traces of all epochs against what was written.
func TestTraces(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(300, "p"), "b": posts(120, "q")})
	tr := &traces{}
	r.tracer = tr
	var writes atomic.Int64
	lost := pipeline.Retryable(errors.New("the sink is away"))
	r.sink.Before = func() error {
		if writes.Add(1)%7 == 3 {
			return lost
		}
		return nil
	}
	if err := r.run(context.Background(), context.Background(), stamped(1)); err != nil {
		t.Fatal(err)
	}
	rows := r.rows()
	var records, posted, detections, rejected, sinkRows, failed int64
	spans := map[pipeline.Span]bool{}
	for _, e := range tr.all {
		if !e.Durable || e.Err != nil || e.Left > 0 || e.Warm || e.Pipeline != "test" || e.Manifest == "" || e.Generation != 1 || spans[e.Key] {
			t.Fatalf("%+v", e)
		}
		spans[e.Key] = true
		records, posted, detections, rejected = records+e.Records, posted+e.Posts, detections+e.Detections, rejected+e.Rejected
		for i, p := range e.Parts {
			if p.Begin.Before(e.Begin) && p.Kind != pipeline.PartChunk || p.End.Before(p.Begin) || p.End.After(e.End) || p.Parent >= i {
				t.Fatalf("part %d %+v of %s to %s", i, p, e.Begin, e.End)
			}
			if p.Parent >= 0 && (e.Parts[p.Parent].Kind != pipeline.PartChunk || p.Begin.Before(e.Parts[p.Parent].Begin) || p.End.After(e.Parts[p.Parent].End)) {
				t.Fatalf("part %+v is not within its chunk %+v", p, e.Parts[p.Parent])
			}
		}
		checkParts(t, e)
		for _, p := range of(e, pipeline.PartSink, "memory") {
			if p.Err != nil {
				failed++
				if !errors.Is(p.Err, lost) {
					t.Errorf("%v", p.Err)
				}
			} else {
				sinkRows += p.Rows.In
			}
		}
	}
	if len(tr.all) != r.sink.Keys() || records != 420 || posted != int64(len(rows[pipeline.Posts])) || detections != int64(len(rows[pipeline.Detections])) || rejected != int64(len(rows[pipeline.Rejected])) {
		t.Errorf("%d traces of %d epochs: %d records, %d posts, %d detections, %d rejected; the sink has %d, %d, %d",
			len(tr.all), r.sink.Keys(), records, posted, detections, rejected, len(rows[pipeline.Posts]), len(rows[pipeline.Detections]), len(rows[pipeline.Rejected]))
	}
	if sinkRows != posted+detections+rejected || failed == 0 {
		t.Errorf("%d rows written by %d posts, %d detections, %d rejected; %d attempts that failed", sinkRows, posted, detections, rejected, failed)
	}
}

// checkParts compares the parts of an epoch with one another.
func checkParts(t *testing.T, e *pipeline.Trace) {
	t.Helper()
	chunks := of(e, pipeline.PartChunk, "")
	var read, decoded, stamped int64
	for _, p := range of(e, pipeline.PartRead, "") {
		read += p.Records
	}
	for _, p := range of(e, pipeline.PartDecode, "") {
		decoded += p.Rows.Out
	}
	for _, p := range of(e, pipeline.PartStep, "stamp") { // one a chunk
		stamped += p.Rows.In
		if p.Parent < 0 || p.Busy != p.End.Sub(p.Begin) {
			t.Errorf("%+v", p)
		}
	}
	if read != e.Records || decoded != e.Posts || stamped != e.Posts || len(chunks) == 0 || len(chunks) != len(of(e, pipeline.PartDecode, "")) {
		t.Errorf("%d records read of %d, %d decoded and %d stamped of %d posts, %d chunks", read, e.Records, decoded, stamped, e.Posts, len(chunks))
	}
	for _, step := range []string{"tally", "second"} { // one an epoch, over all shards
		ps := of(e, pipeline.PartStep, step)
		if len(ps) != 1 || ps[0].Parent != -1 || ps[0].Rows.In != e.Posts || ps[0].Rows.Out != e.Posts || ps[0].Busy <= 0 {
			t.Errorf("step %s: %+v, want %d rows in and out", step, ps, e.Posts)
		}
	}
	for _, kind := range []pipeline.PartKind{pipeline.PartGather, pipeline.PartIntent, pipeline.PartCheckpoint, pipeline.PartSource} {
		if n := len(of(e, kind, "")); n != 1 {
			t.Errorf("%d parts of kind %d", n, kind)
		}
	}
}

// TestTraceOfFailure: an epoch that the run ends with has its trace too, with
// the error.
func TestTraceOfFailure(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(400, "p")})
	tr := &traces{}
	r.tracer = tr
	var writes atomic.Int64
	broken := errors.New("the disk is broken")
	r.sink.Before = func() error {
		if writes.Add(1) == 3 {
			return broken
		}
		return nil
	}
	if err := r.run(context.Background(), context.Background(), tallied); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if len(tr.all) < 3 {
		t.Fatalf("%d traces", len(tr.all))
	}
	at := slices.IndexFunc(tr.all, func(e *pipeline.Trace) bool { return errors.Is(e.Err, broken) })
	if at < 0 || tr.all[at].Durable {
		t.Fatalf("no trace has the error: %+v", tr.all)
	}
	if ps := of(tr.all[at], pipeline.PartSink, "memory"); len(ps) != 1 || !errors.Is(ps[0].Err, broken) {
		t.Errorf("%+v", ps)
	}
	durable := 0
	for _, e := range tr.all {
		if e.Durable {
			durable++
		}
	}
	if durable != r.sink.Keys() || durable == len(tr.all) {
		t.Errorf("%d of %d traces are of durable epochs, the sink has %d", durable, len(tr.all), r.sink.Keys())
	}
}

// TestTraceIsBounded reads an epoch in chunks of one line.
func TestTraceIsBounded(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(600, "p")})
	const plain = "pipeline: test\nsource: {lines: {}}\nsteps: []\nsinks:\n  - memory: {}\n"
	r.source.ChunkLines, r.set.EpochRows, r.set.EpochInterval = 1, 5000, time.Hour
	tr := &traces{}
	r.tracer = tr
	if err := r.run(context.Background(), context.Background(), plain); err != nil {
		t.Fatal(err)
	}
	e := tr.all[0]
	if len(tr.all) != 1 || len(e.Parts) != 1000 || e.Left != 805 || e.Posts != int64(len(r.sink.Rows(pipeline.Posts))) {
		t.Errorf("%d traces; %d parts, %d left out, %d posts", len(tr.all), len(e.Parts), e.Left, e.Posts)
	}
}

// TestTracesAreSampled: an epoch that is not to be traced is not, and the rows
// are the same.
func TestTracesAreSampled(t *testing.T) {
	parts := map[string][]string{"a": posts(400, "p")}
	want := undisturbed(t, parts)
	r := newRig(t, parts)
	n := 0
	tr := &traces{some: func() bool { n++; return n%4 == 0 }}
	r.tracer = tr
	if err := r.run(context.Background(), context.Background(), tallied); err != nil {
		t.Fatal(err)
	}
	if len(tr.all) != n/4 || n < 8 {
		t.Errorf("%d traces of %d epochs", len(tr.all), n)
	}
	for s, rows := range r.rows() {
		if !slices.Equal(rows, want[s]) {
			t.Errorf("stream %d differs from a run without traces", s)
		}
	}
}
