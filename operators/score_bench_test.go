//go:build linux

package operators_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/slab"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/score"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
)

// BenchmarkScore8Heads measures the score step as a pipeline runs it: on batches
// that normalize and tokenize have just made, of posts that follow each other
// in the file, of which there are so many that a worker's words do not all fit
// its cache. One operation is one post. The figure is cpu-ns/post: processor
// time of the thread, the median over batches, after a first pass that fills the
// caches; mean-cpu-ns/post is the same over all batches.
func BenchmarkScore8Heads(b *testing.B) {
	in := realPostsOf(b, 1, 1<<18)
	mem := slab.New(1 << 30)
	recs := batches(mem, in, benchBatch)
	files := memFiles{"made.slm": madeModel(8, 16, 3, 5)}
	c, err := newChain(mem, files,
		step{normalize.Factory(), &normalize.Config{Views: []string{normalize.Folded}}}, step{factory: tokenize.Factory()},
		step{score.Factory(), &score.Config{Model: "made.slm", Mode: "live", Explain: 8}})
	if err != nil {
		b.Fatal(err)
	}
	before, last := &chain{c.plans[:2], c.ops[:2]}, &chain{c.plans[2:], c.ops[2:]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pass := func(rec arrow.Record) (nanoseconds int64) {
		err := before.run(0, pipeline.Batch{Record: rec}, func(p pipeline.Batch) error {
			from := threadTime(b)
			err := last.run(0, pipeline.Batch{Record: p.Record}, func(q pipeline.Batch) error {
				q.Record.Release()
				return nil
			})
			nanoseconds += threadTime(b) - from
			p.Record.Release()
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return nanoseconds
	}
	for _, rec := range recs {
		pass(rec)
	}
	b.ResetTimer()
	var each []float64
	sum, posts := int64(0), int64(0)
	for i := 0; posts < int64(b.N); i++ {
		rec := recs[i%len(recs)]
		t := pass(rec)
		sum += t
		posts += rec.NumRows()
		each = append(each, float64(t)/float64(rec.NumRows()))
	}
	slices.Sort(each)
	b.ReportMetric(each[len(each)/2], "cpu-ns/post")
	b.ReportMetric(float64(sum)/float64(posts), "mean-cpu-ns/post")
	b.ReportMetric(0, "ns/op") // it has the steps before
}

// threadTime returns the processor time of the thread so far, in nanoseconds.
func threadTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}
