package pipelinetest

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline"
)

// OperatorCase is an operator with a config and the posts that it is run on.
type OperatorCase struct {
	Factory pipeline.Factory
	Config  any // what Factory.NewConfig gives, changed at will; nil takes the defaults
	Files   pipeline.Files
	// Input builds the posts that reach the operator. It is called for each
	// run with the allocator of that run.
	Input func(t testing.TB, mem memory.Allocator) arrow.Record
}

// output is what an operator emitted: rows as JSON lines, by stream.
type output [pipeline.NumStreams][]string

// RunOperator runs the operator over the same rows cut in many ways: whole, row
// by row, in random pieces, as slices of a longer record, with empty batches
// between, over several instances in turn as workers are, and, for a stateful
// one, through a snapshot in the middle, or, if it says how far that goes back, from
// its last window on. Every run must emit the same rows.
// After each batch the columns that the operator made are scribbled over, which
// must not harm it, and the input must be unharmed by it. Nothing may leak.
func RunOperator(t *testing.T, c OperatorCase) {
	t.Helper()
	want := c.run(t, func(n int, _ *rand.Rand) []int { return []int{n} }, 1, false)
	if n := len(want[pipeline.Posts]) + len(want[pipeline.Rejected]); n == 0 {
		t.Fatal("the case has no rows: it would show nothing")
	}
	ways := []struct {
		name    string
		cut     func(n int, r *rand.Rand) []int
		workers int
	}{
		{"whole again", func(n int, _ *rand.Rand) []int { return []int{n} }, 1},
		{"row by row", func(n int, _ *rand.Rand) []int { return slices.Repeat([]int{1}, n) }, 1},
		{"batches of 3", func(n int, _ *rand.Rand) []int { return append(slices.Repeat([]int{3}, n/3), n%3) }, 1},
		{"random pieces", randomCuts, 1},
		{"random pieces, 3 workers", randomCuts, 3},
	}
	for _, way := range ways {
		for _, sliced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, sliced=%t", way.name, sliced), func(t *testing.T) {
				got := c.run(t, way.cut, way.workers, sliced)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("the rows differ from those of one whole batch (-whole +cut):\n%s", d)
				}
			})
		}
	}
	t.Run("random nulls", func(t *testing.T) { c.nulls(t) })
	t.Run("from the last window", func(t *testing.T) { c.windowed(t) })
}

func randomCuts(n int, r *rand.Rand) (out []int) {
	for n > 0 {
		k := r.Intn(min(n, 7) + 1) // zero: an empty batch
		out = append(out, k)
		n -= k
	}
	return out
}

// plan plans the operator for the schema that reaches it.
func (c *OperatorCase) plan(t testing.TB, mem memory.Allocator, in *arrow.Schema) pipeline.Plan {
	t.Helper()
	cfg := c.Config
	if cfg == nil {
		cfg = c.Factory.NewConfig()
	}
	if v, ok := cfg.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			t.Fatalf("config: %v", err)
		}
	}
	p, err := c.Factory.PlanOperator(pipeline.BuildContext{
		Pipeline: "test", Name: c.Factory.Name, Files: c.Files, Mem: mem, Logger: slog.New(slog.DiscardHandler),
	}, cfg, in)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return p
}

func (c *OperatorCase) run(t *testing.T, cut func(int, *rand.Rand) []int, workers int, sliced bool) (out output) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := c.Input(t, mem)
	defer rec.Release()
	plan := c.plan(t, mem, rec.Schema())
	_, keyed := plan.(pipeline.Keyed)
	if keyed {
		workers = 1 // a shard is one instance's
	}
	ops := make([]pipeline.Operator, workers)
	for i := range ops {
		ops[i] = plan.New()
	}
	r := rand.New(rand.NewSource(1))
	cuts := cut(int(rec.NumRows()), r)
	from := 0
	for i, n := range cuts {
		if st, ok := ops[0].(pipeline.Stateful); keyed && ok && i == len(cuts)/2 {
			ops[0] = restart(t, plan, st)
		}
		in := piece(rec, from, n, sliced)
		c.process(t, plan, ops[i%workers], rec.Schema(), in, &out)
		in.Release()
		from += n
	}
	if st, ok := ops[0].(pipeline.Stateful); keyed && ok {
		if err := st.Advance(context.Background(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), collect(t, plan, nil, &out)); err != nil {
			t.Errorf("advance: %v", err)
		}
	}
	return out
}

// restart moves the state of an operator into a fresh one by a snapshot.
func restart(t *testing.T, plan pipeline.Plan, old pipeline.Stateful) pipeline.Stateful {
	t.Helper()
	var a, b bytes.Buffer
	fresh := plan.New().(pipeline.Stateful)
	if err := old.Snapshot(&a); err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	if err := fresh.Restore(bytes.NewReader(a.Bytes())); err != nil {
		t.Fatalf("restore: %v", err)
	}
	if err := fresh.Snapshot(&b); err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("a snapshot of restored state differs from the one that it came from")
	}
	return fresh
}

// piece returns rows [from, from+n) of rec: a slice of it, or a copy that
// starts at offset 0.
func piece(rec arrow.Record, from, n int, sliced bool) arrow.Record {
	cut := rec.NewSlice(int64(from), int64(from+n))
	if sliced {
		return cut
	}
	defer cut.Release()
	cols := make([]arrow.Array, cut.NumCols())
	for i, a := range cut.Columns() {
		cols[i], _ = array.Concatenate([]arrow.Array{a}, memory.DefaultAllocator)
	}
	return array.NewRecord(cut.Schema(), cols, int64(n))
}

// process runs one batch and checks the promises of an operator on it.
func (c *OperatorCase) process(t *testing.T, plan pipeline.Plan, op pipeline.Operator, schema *arrow.Schema, in arrow.Record, out *output) {
	t.Helper()
	before := fingerprint(in)
	posts, rejected := len(out[pipeline.Posts]), len(out[pipeline.Rejected])
	err := op.Process(context.Background(), pipeline.Batch{Record: in, Stream: pipeline.Posts}, collect(t, plan, in, out))
	if err != nil {
		t.Fatalf("process: %v", err)
	}
	if got := len(out[pipeline.Posts]) - posts + len(out[pipeline.Rejected]) - rejected; int64(got) != in.NumRows() {
		if _, keyed := plan.(pipeline.Keyed); !keyed {
			t.Fatalf("%d rows went in, %d came out or were rejected", in.NumRows(), got)
		}
	}
	if fingerprint(in) != before {
		t.Fatal("the operator changed its input")
	}
}

// collect returns an Emit that appends what it is given to out, and scribbles
// over it.
func collect(t *testing.T, plan pipeline.Plan, in arrow.Record, out *output) pipeline.Emit {
	streams := append([]pipeline.Stream{pipeline.Posts}, plan.Emits()...)
	schemas := [pipeline.NumStreams]*arrow.Schema{plan.Output(), pipeline.DetectionsSchema(), pipeline.RejectedSchema()}
	return func(b pipeline.Batch) error {
		if !slices.Contains(streams, b.Stream) {
			t.Errorf("the operator emitted %s, which its plan does not declare", b.Stream)
		}
		if want := schemas[b.Stream]; !want.Equal(b.Record.Schema()) {
			t.Errorf("schema of %s:\n got %v\nwant %v", b.Stream, b.Record.Schema(), want)
		}
		out[b.Stream] = append(out[b.Stream], Lines(t, b.Record)...)
		scribble(in, b.Record)
		b.Record.Release()
		return nil
	}
}

// scribble overwrites the memory of rec's columns that are not in's.
func scribble(in, rec arrow.Record) {
	shared := map[*memory.Buffer]bool{}
	if in != nil {
		for _, c := range in.Columns() {
			eachBuffer(c.Data(), func(b *memory.Buffer) { shared[b] = true })
		}
	}
	for _, c := range rec.Columns() {
		eachBuffer(c.Data(), func(b *memory.Buffer) {
			if !shared[b] {
				memory.Set(b.Bytes(), 0xa5)
			}
		})
	}
}

func eachBuffer(d arrow.ArrayData, f func(*memory.Buffer)) {
	for _, b := range d.Buffers() {
		if b != nil {
			f(b)
		}
	}
	for _, c := range d.Children() {
		eachBuffer(c, f)
	}
}

var seed = maphash.MakeSeed()

// fingerprint hashes all memory of a record.
func fingerprint(rec arrow.Record) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, c := range rec.Columns() {
		eachBuffer(c.Data(), func(b *memory.Buffer) { _, _ = h.Write(b.Bytes()) })
	}
	return h.Sum64()
}

// nulls runs the operator with nulls put into nullable columns at random: it
// must keep its promises whatever is missing.
func (c *OperatorCase) nulls(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := c.Input(t, mem)
	defer rec.Release()
	plan := c.plan(t, mem, rec.Schema())
	r := rand.New(rand.NewSource(2))
	cols := slices.Clone(rec.Columns())
	for i, f := range rec.Schema().Fields() {
		if !f.Nullable || cols[i].Len() == 0 {
			continue
		}
		bits := make([]byte, (cols[i].Len()+7)/8)
		r.Read(bits)
		d := cols[i].Data()
		buffers := append([]*memory.Buffer{memory.NewBufferBytes(bits)}, d.Buffers()[1:]...)
		data := array.NewData(f.Type, d.Len(), buffers, d.Children(), array.UnknownNullCount, d.Offset())
		cols[i] = array.MakeFromData(data)
		data.Release()
		defer cols[i].Release()
	}
	in := array.NewRecord(rec.Schema(), cols, rec.NumRows())
	defer in.Release()
	var out output
	c.process(t, plan, plan.New(), rec.Schema(), in, &out)
}
