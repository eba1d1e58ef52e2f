package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tallied = "pipeline: test\nsource: {lines: {}}\nsteps:\n  - tally: {}\n  - tally: {name: second, column: again}\nsinks:\n  - memory: {}\n"

// posts makes n lines over several authors; some are bad.
func posts(n int, salt string) []string {
	r := rand.New(rand.NewSource(int64(n)))
	out := make([]string, n)
	for i := range out {
		if i%37 == 5 {
			out[i] = fmt.Sprintf("bad %d", i)
			continue
		}
		out[i] = fmt.Sprintf("%s%d %d author%d text %d", salt, i, 1_700_000_000_000+int64(i)*700+r.Int63n(3000), r.Intn(40), i)
	}
	return out
}

type rig struct {
	t      testing.TB
	mem    *memory.CheckedAllocator
	source *pipelinetest.LinesSource
	sink   *pipelinetest.MemorySink
	set    engine.Settings
	dir    string

	swapper *engine.Swapper                                    // of the next run; nil for none
	metrics *engine.Metrics                                    // nil for none
	tracer  pipeline.Tracer                                    // nil for none
	factory func() pipeline.Factory                            // of the sink; the memory sink's own
	first   weak.Pointer[graph.Graph]                          // what the last run began with
	during  func(put func(yaml string) checkpoint.Hash) func() // called at a run's start; what it returns, at its end
}

func newRig(t testing.TB, parts map[string][]string) *rig {
	return &rig{
		t: t, mem: memory.NewCheckedAllocator(memory.DefaultAllocator),
		source: &pipelinetest.LinesSource{Partitions: parts, ChunkLines: 7}, sink: &pipelinetest.MemorySink{},
		set: engine.Settings{Workers: 3, EpochRows: 50, RetryInitial: time.Microsecond, RetryMax: time.Millisecond, DrainTimeout: 10 * time.Second, SnapshotInterval: time.Nanosecond, Lateness: time.Second},
		dir: t.TempDir(),
	}
}

func (r *rig) graph(yaml string) *graph.Graph {
	r.t.Helper()
	spec, err := config.Parse("test.yaml", []byte(yaml), config.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	sink := r.sink.Factory
	if r.factory != nil {
		sink = r.factory
	}
	reg, err := graph.NewRegistry([]pipeline.Factory{r.source.Factory()}, []pipeline.Factory{pipelinetest.Tally(), pipelinetest.Sliding(), pipelinetest.Stamp()}, []pipeline.Factory{sink()})
	if err != nil {
		r.t.Fatal(err)
	}
	g, err := graph.Build(spec, graph.Options{Registry: reg, Mem: r.mem})
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

// run runs the pipeline once over the rig's checkpoint folder.
func (r *rig) run(ctx, abort context.Context, yaml string) error {
	r.t.Helper()
	store, err := checkpoint.Open(r.dir, checkpoint.Options{Pipeline: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	put := func(yaml string) checkpoint.Hash {
		h, err := store.PutManifest(checkpoint.Manifest{Config: fmt.Appendf(nil, "%q", yaml)}, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		return h
	}
	current := put(yaml)
	if r.during != nil {
		defer r.during(put)()
	}
	g := r.graph(yaml)
	r.first = weak.Make(g)
	err = engine.Run(ctx, engine.Options{
		Settings: r.set, Graph: g, Store: store, Manifest: current, Abort: abort, Swapper: r.swapper, Metrics: r.metrics, Tracer: r.tracer,
		Rebuild: func(h checkpoint.Hash) (*graph.Graph, error) {
			m, err := store.Manifest(h)
			if err != nil {
				return nil, err
			}
			var old string
			if _, err := fmt.Sscanf(string(m.Config), "%q", &old); err != nil {
				return nil, err
			}
			return r.graph(old), nil
		},
	})
	if n := r.mem.CurrentAlloc(); n != 0 {
		r.t.Errorf("%d bytes of Arrow memory leaked", n)
	}
	if serr := r.sink.Err(); serr != nil {
		r.t.Error(serr)
	}
	return err
}

// rows returns what the sink has of each stream.
func (r *rig) rows() (out [pipeline.NumStreams][]string) {
	for s := range out {
		out[s] = r.sink.Rows(pipeline.Stream(s))
	}
	return out
}

func undisturbed(t *testing.T, parts map[string][]string) (out [pipeline.NumStreams][]string) {
	r := newRig(t, parts)
	r.set.Workers = 1
	if err := r.run(context.Background(), context.Background(), tallied); err != nil {
		t.Fatal(err)
	}
	return r.rows()
}

func TestRowsAddUp(t *testing.T) {
	lines := posts(1000, "p")
	r := newRig(t, map[string][]string{"a": lines})
	if err := r.run(context.Background(), context.Background(), tallied); err != nil {
		t.Fatal(err)
	}
	got := r.rows()
	bad := 0
	for _, l := range lines {
		if strings.HasPrefix(l, "bad") {
			bad++
		}
	}
	if len(got[pipeline.Posts]) != len(lines)-bad || len(got[pipeline.Rejected]) != bad {
		t.Errorf("%d posts and %d rejected of %d lines with %d bad ones", len(got[pipeline.Posts]), len(got[pipeline.Rejected]), len(lines), bad)
	}
	if len(got[pipeline.Detections]) == 0 {
		t.Error("the watermark never moved")
	}
	if at := r.source.Committed("a"); at != "1000" {
		t.Errorf("committed %q, want 1000", at)
	}
	if n := r.source.Kept("a"); n == 0 || n > 1000 {
		t.Errorf("the source may delete %d of 1000 records: snapshots were taken", n)
	}
	if n := r.sink.Keys(); n < 20 {
		t.Errorf("%d epochs of at most 50 records for 1000", n)
	}
}

// TestSameRowsOnAnyNumberOfWorkers also varies how the input is cut.
func TestSameRowsOnAnyNumberOfWorkers(t *testing.T) {
	parts := map[string][]string{"a": posts(900, "p"), "b": posts(300, "q")}
	want := undisturbed(t, parts)
	counts := []int{1, 2, 8}
	if testing.Short() {
		counts = []int{8}
	}
	for _, workers := range counts {
		for _, cut := range []struct{ chunk, epoch int }{{1, 10}, {7, 50}, {300, 100}, {1000, 100000}} {
			r := newRig(t, parts)
			r.set.Workers, r.set.EpochRows, r.source.ChunkLines = workers, cut.epoch, cut.chunk
			if err := r.run(context.Background(), context.Background(), tallied); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, r.rows()); d != "" {
				t.Fatalf("%d workers, %+v:\n%s", workers, cut, d)
			}
		}
	}
}

// TestCrashes aborts the run at random places again and again, as a kill
// would, with lost acknowledgements among them. The sink checks that a key
// that is written again has the same rows.
func TestCrashes(t *testing.T) {
	parts := map[string][]string{"a": posts(400, "p"), "b": posts(120, "q")}
	want := undisturbed(t, parts)
	seeds := int64(6)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewSource(seed))
		r := newRig(t, parts)
		crashes := 0
		for {
			abort, kill := context.WithCancel(context.Background())
			var left atomic.Int64
			left.Store(rnd.Int63n(12))
			die := func() error {
				if left.Add(-1) < 0 {
					kill()
					return abort.Err()
				}
				return nil
			}
			r.sink.Before, r.sink.After, r.source.Fault = nil, nil, nil
			switch rnd.Intn(3) {
			case 0:
				r.sink.Before = die
			case 1:
				r.sink.After = die
			case 2:
				left.Store(rnd.Int63n(60))
				r.source.Fault = die
			}
			r.set.EpochRows = 20 + rnd.Intn(100) // another cut after each restart
			r.sink.Overlaps = 1 + rnd.Intn(3)
			err := r.run(context.Background(), abort, tallied)
			kill()
			if err == nil {
				break
			}
			if !errors.Is(err, engine.ErrAborted) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if crashes++; crashes > 500 {
				t.Fatalf("seed %d: no progress", seed)
			}
		}
		if d := cmp.Diff(want, r.rows()); d != "" {
			t.Fatalf("seed %d, %d crashes: rows differ from an undisturbed run (-want +got):\n%s", seed, crashes, d)
		}
	}
}

// TestOverlappingWrites holds the first epoch back until as many others as the
// sink takes at a time have been written: none of them is committed before it.
func TestOverlappingWrites(t *testing.T) {
	const overlap = 3
	parts := map[string][]string{"a": posts(400, "p")}
	want := undisturbed(t, parts)
	r := newRig(t, parts)
	r.sink.Overlaps = overlap
	r.set.EpochRows, r.set.InFlight = 50, 8
	var begun atomic.Int64
	others := make(chan struct{})
	r.sink.Before = func() error {
		n := begun.Add(1)
		if n == overlap {
			close(others)
		}
		if n > 1 {
			return nil
		}
		select {
		case <-others:
		case <-time.After(10 * time.Second):
			return errors.New("the next epochs were not begun while the first was being written")
		}
		if at := r.source.Committed("a"); at != "" {
			return fmt.Errorf("committed up to %q before the first epoch was written", at)
		}
		return nil
	}
	if err := r.run(context.Background(), context.Background(), tallied); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, r.rows()); d != "" {
		t.Errorf("rows differ from an undisturbed run (-want +got):\n%s", d)
	}
	if at := r.source.Committed("a"); at != "400" {
		t.Errorf("committed %q, want 400", at)
	}
}

// TestReplayUnderTheOldConfig changes the config between a crash and the next
// start: the epoch that was begun is finished as it was begun.
func TestReplayUnderTheOldConfig(t *testing.T) {
	parts := map[string][]string{"a": posts(120, "p")}
	r := newRig(t, parts)
	abort, kill := context.WithCancel(context.Background())
	r.sink.After = func() error { kill(); return abort.Err() } // written, never acknowledged
	if err := r.run(context.Background(), abort, tallied); !errors.Is(err, engine.ErrAborted) {
		t.Fatalf("got %v, want ErrAborted", err)
	}
	r.sink.After = nil
	plain := strings.Replace(tallied, "steps:\n  - tally: {}\n  - tally: {name: second, column: again}\n", "steps: []\n", 1)
	if err := r.run(context.Background(), context.Background(), plain); err != nil {
		t.Fatal(err)
	}
	with, without := 0, 0
	for _, row := range r.sink.Rows(pipeline.Posts) {
		if strings.Contains(row, `"tally":`) {
			with++
		} else {
			without++
		}
	}
	if with == 0 || without == 0 || with+without+len(r.sink.Rows(pipeline.Rejected)) != 120 {
		t.Errorf("%d posts of the old config, %d of the new one, %d rejected; want some of each and 120 in all",
			with, without, len(r.sink.Rows(pipeline.Rejected)))
	}
}

func TestDrainWritesAllThatWasRead(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(5000, "p")})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	reads := 0
	r.source.Fault = func() error {
		if reads++; reads == 40 {
			stop()
		}
		return nil
	}
	if err := r.run(ctx, context.Background(), tallied); err != nil {
		t.Fatal(err)
	}
	got := len(r.sink.Rows(pipeline.Posts)) + len(r.sink.Rows(pipeline.Rejected))
	if at := r.source.Committed("a"); string(at) != fmt.Sprint(got) || got == 0 || got >= 5000 {
		t.Errorf("%d rows written, committed at %q; want them equal and part of 5000", got, at)
	}
}

func TestRetryableErrorsAreTriedAgain(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(300, "p")})
	var fails atomic.Int64
	r.sink.Before = func() error {
		if fails.Add(1)%3 != 0 {
			return pipeline.Retryable(errors.New("overloaded"))
		}
		return nil
	}
	r.source.Fault = func() error {
		if fails.Load()%5 == 4 {
			fails.Add(1)
			return pipeline.Retryable(errors.New("broken pipe"))
		}
		return nil
	}
	if err := r.run(context.Background(), context.Background(), tallied); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(undisturbed(t, r.source.Partitions), r.rows()); d != "" {
		t.Error(d)
	}
}

// TestSourceFailsAfterSomeRows: what was read before the fault is written, and
// a later run under another config finishes what was begun.
func TestSourceFailsAfterSomeRows(t *testing.T) {
	parts := map[string][]string{"a": posts(1000, "p")}
	r := newRig(t, parts)
	reads := 0
	broken := errors.New("a broken frame")
	r.source.Fault = func() error {
		if reads++; reads > 60 {
			return broken
		}
		return nil
	}
	err := r.run(context.Background(), context.Background(), tallied)
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want the source's error", err)
	}
	got := len(r.sink.Rows(pipeline.Posts)) + len(r.sink.Rows(pipeline.Rejected))
	if got != 60*7 {
		t.Errorf("%d rows were written of %d that were read", got, 60*7)
	}
	r.source.Fault = nil
	if err := r.run(context.Background(), context.Background(), tallied); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(undisturbed(t, parts), r.rows()); d != "" {
		t.Error(d)
	}
}

func TestPermanentErrorStopsTheRun(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(3000, "p")})
	r.sink.Before = func() error { return errors.New("no such table") }
	err := r.run(context.Background(), context.Background(), tallied)
	if err == nil || err.Error() != "sink memory: no such table" {
		t.Errorf("got %v", err)
	}
}

// TestSlowSinkSlowsTheSource holds the sink and looks how far reading goes.
func TestSlowSinkSlowsTheSource(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(3000, "p")})
	hold := make(chan struct{})
	r.sink.Before = func() error { <-hold; return nil }
	var reads atomic.Int64
	r.source.Fault = func() error { reads.Add(1); return nil }
	done := make(chan error)
	go func() { done <- r.run(context.Background(), context.Background(), tallied) }()
	last, still := int64(-1), 0
	for still < 20 { // reading has stopped when nothing moves any more
		time.Sleep(5 * time.Millisecond)
		if n := reads.Load(); n == last {
			still++
		} else {
			last, still = n, 0
		}
	}
	// Three epochs of at most 50 records, 7 a chunk, and what the queues hold.
	if last*7 > 3*50+10*7 {
		t.Errorf("%d records were read while the sink was stuck", last*7)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// Back pressure must not make small epochs: 49 records (7 chunks) each.
	if n := r.sink.Keys(); n > 3000/49+5 {
		t.Errorf("%d epochs for 3,000 records of at most 50 each", n)
	}
}

func TestAbortEndsAtOnce(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(10_000, "p")})
	abort, kill := context.WithCancel(context.Background())
	r.sink.Before = func() error { kill(); return pipeline.Retryable(errors.New("down")) }
	r.set.RetryMax, r.set.RetryInitial = time.Hour, time.Hour
	if err := r.run(context.Background(), abort, tallied); !errors.Is(err, engine.ErrAborted) {
		t.Errorf("got %v, want ErrAborted", err)
	}
}

// TestMetrics gathers the metrics during a run and after it.
func TestMetrics(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(500, "p")})
	m := engine.NewMetrics()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(m)
	var during []*dto.MetricFamily
	r.sink.Before = func() error {
		if during == nil {
			var err error
			if during, err = reg.Gather(); err != nil {
				return err
			}
			if !m.Ready() {
				return errors.New("not ready while writing")
			}
		}
		return nil
	}
	store, err := checkpoint.Open(r.dir, checkpoint.Options{Pipeline: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := engine.Run(t.Context(), engine.Options{Settings: r.set, Graph: r.graph(tallied), Store: store, Metrics: m}); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(during, func(f *dto.MetricFamily) bool { return f.GetName() == "sluice_queue_length" }) {
		t.Error("no queue lengths during the run")
	}
	if m.Ready() {
		t.Error("ready after the run")
	}
	after, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range after {
		for _, v := range f.GetMetric() {
			var name strings.Builder
			name.WriteString(f.GetName())
			for _, l := range v.GetLabel() {
				name.WriteString(" " + l.GetValue())
			}
			got[name.String()] = v.GetCounter().GetValue()
		}
	}
	bad := float64(len(r.sink.Rows(pipeline.Rejected)))
	for name, want := range map[string]float64{
		"sluice_source_records_total":                500,
		"sluice_rejected_rows_total bad_line decode": bad,
		"sluice_step_rows_in_total tally":            500 - bad,
		"sluice_step_rows_out_total tally posts":     500 - bad,
		"sluice_step_rows_out_total second posts":    500 - bad,
		"sluice_sink_rows_total memory posts":        500 - bad,
		"sluice_sink_rows_total memory rejected":     bad,
		"sluice_sink_rows_total memory detections":   float64(len(r.sink.Rows(pipeline.Detections))),
		"sluice_epochs_total a":                      float64(r.sink.Keys()),
	} {
		if got[name] != want {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
	if tot := m.Totals(); tot.Records != 500 || tot.Posts != int64(500-bad) || tot.Rejected != int64(bad) {
		t.Errorf("totals %+v", tot)
	}
}

// TestStoppedWhileOpening stops a run whose sink or source is still being opened:
// nothing was begun, so that is no failure.
func TestStoppedWhileOpening(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(10, "p")})
	r.factory = func() pipeline.Factory {
		f := r.sink.Factory()
		f.PlanSink = func(pipeline.BuildContext, any, pipeline.Schemas) (pipeline.SinkPlan, error) {
			return slowToOpen{}, nil
		}
		return f
	}
	ctx, stop := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, stop)
	if err := r.run(ctx, context.Background(), tallied); err != nil {
		t.Errorf("stopped while the sink was being opened: %v", err)
	}
}

// slowToOpen is a sink, and its plan, whose Open lasts until its context ends.
type slowToOpen struct{ pipeline.Sink }

func (s slowToOpen) New() (pipeline.Sink, error) { return s, nil }
func (slowToOpen) Close(context.Context) error   { return nil }
func (slowToOpen) Open(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
