package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// pipelineRun runs the source, a step with state and a sink in memory over one
// checkpoint, until ctx or abort ends.
func pipelineRun(t *testing.T, ctx, abort context.Context, dir, yaml string, sink *pipelinetest.MemorySink) error {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	spec, err := config.Parse(filepath.Join(dir, "test.yaml"), []byte(yaml), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg, err := graph.NewRegistry([]pipeline.Factory{Factory()}, []pipeline.Factory{pipelinetest.Tally()}, []pipeline.Factory{sink.Factory()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(spec, graph.Options{Registry: reg, Mem: mem})
	if err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.Open(filepath.Join(dir, "checkpoint"), checkpoint.Options{Pipeline: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	manifest, err := store.PutManifest(checkpoint.Manifest{Config: []byte(`"test"`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = engine.Run(ctx, engine.Options{
		Settings: engine.Settings{
			Workers: 2, EpochRows: 60, EpochInterval: 10 * time.Millisecond, RetryInitial: time.Microsecond, RetryMax: time.Millisecond,
			DrainTimeout: 10 * time.Second, SnapshotInterval: 30 * time.Millisecond, Lateness: time.Second,
		},
		Graph: g, Store: store, Manifest: manifest, Abort: abort,
	})
	if n := mem.CurrentAlloc(); n != 0 {
		t.Errorf("%d bytes of Arrow memory leaked", n)
	}
	if serr := sink.Err(); serr != nil {
		t.Error(serr)
	}
	return err
}

// TestEngineAborts aborts whole pipelines at random places, between an intent
// and its commit too, while servers break connections and change places. In the
// end each post is written once, and the count of each author's posts, which is
// state, goes up by one with each.
func TestEngineAborts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	const events = 6000
	var servers []*fakeServer
	for k := range 2 {
		f := newServer(t, int64(k)*900_000)
		f.pause = 8 * time.Millisecond
		f.dropAt = func(n, sent int) bool { return sent == 500+97*(n%5) }
		for i := range events {
			f.add(i)
		}
		servers = append(servers, f)
	}
	dir := t.TempDir()
	yaml := fmt.Sprintf(`pipeline: test
source: {jetstream: {urls: [%q, %q], start: "1", chunk_size: 4KiB, retry_max: 20ms, spool: {path: %q, segment_size: 64KiB, fsync: false}}}
steps: [{tally: {}}]
sinks: [{memory: {}}]
`, servers[0].url(), servers[1].url(), filepath.Join(dir, "spool"))
	sink := &pipelinetest.MemorySink{}
	faults := 0
	sink.Before = func() error {
		faults++
		if faults%7 == 0 {
			return pipeline.Retryable(errors.New("a fault"))
		}
		return nil
	}
	want, runs := events/10*9, 0
	for deadline := time.Now().Add(60 * time.Second); len(sink.Rows(pipeline.Posts)) < want; runs++ {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d posts after %d runs", len(sink.Rows(pipeline.Posts)), want, runs)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(50+rnd.IntN(300))*time.Millisecond)
		abort := ctx
		if runs%3 == 2 {
			abort = context.Background() // a stop that drains
		}
		if err := pipelineRun(t, ctx, abort, dir, yaml, sink); err != nil && !errors.Is(err, engine.ErrAborted) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("run %d: %v", runs, err)
		}
		cancel()
	}
	t.Logf("%d runs", runs)
	if runs < 4 {
		t.Errorf("%d runs: the test shows nothing", runs)
	}
	checkTallies(t, sink.Rows(pipeline.Posts), want)
	if segs, _ := filepath.Glob(filepath.Join(dir, "spool", "*.spool")); len(segs) > 12 {
		t.Errorf("%d segments are left of what was committed", len(segs))
	}
}

// checkTallies checks that rows are want different posts, and that those of each
// author are counted 1, 2, 3 and so on.
func checkTallies(t *testing.T, rows []string, want int) {
	t.Helper()
	ids, tallies := map[string]bool{}, map[string]map[int]bool{}
	for _, row := range rows {
		var p struct {
			ID     string `json:"id"`
			Author string `json:"author_id"`
			Tally  int    `json:"tally"`
		}
		if err := json.Unmarshal([]byte(row), &p); err != nil || !strings.HasPrefix(p.ID, "at://") {
			t.Fatalf("%s: %v", row, err)
		}
		if ids[p.ID] {
			t.Fatalf("post %s is there twice", p.ID)
		}
		ids[p.ID] = true
		if tallies[p.Author] == nil {
			tallies[p.Author] = map[int]bool{}
		}
		tallies[p.Author][p.Tally] = true
	}
	if len(ids) != want {
		t.Errorf("%d posts, want %d", len(ids), want)
	}
	sum := 0
	for a, counts := range tallies {
		for n := range len(counts) {
			if !counts[n+1] {
				t.Fatalf("author %s: no post is number %d of %d", a, n+1, len(counts))
			}
		}
		sum += len(counts)
	}
	if sum != want {
		t.Errorf("the counts add up to %d, want %d", sum, want)
	}
}
