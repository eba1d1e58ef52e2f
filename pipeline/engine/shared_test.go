package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"sync"
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

// patience is how long runs that are disturbed may take until all is done: it
// tells those that stand still from a busy machine.
const patience = 5 * time.Minute

// cluster is several runs that share the partitions of one source and one sink.
// Run n has its own checkpoint folder, and its own config: they differ by the
// text of it, so by their manifests, and not by the rows that they make.
type cluster struct {
	t       *testing.T
	source  *pipelinetest.Cluster
	sink    *pipelinetest.MemorySink
	yaml    string
	set     engine.Settings
	folders []string
	forget  bool               // each run begins with an empty folder
	more    []pipeline.Factory // further sinks

	mu    sync.Mutex
	kills []context.CancelCauseFunc // of the runs that are there
}

func newCluster(t *testing.T, parts map[string][]string, yaml string, runs int) *cluster {
	c := &cluster{
		t: t, yaml: strings.Replace(yaml, "lines", "shared", 1),
		source: &pipelinetest.Cluster{Partitions: parts, ChunkLines: 7},
		sink:   &pipelinetest.MemorySink{Runs: runs, Overlaps: 2},
		set: engine.Settings{
			Workers: 2, EpochRows: 50, EpochInterval: 5 * time.Millisecond, RetryInitial: time.Microsecond, RetryMax: time.Millisecond,
			DrainTimeout: 10 * time.Second, SnapshotInterval: time.Nanosecond, Lateness: time.Second,
		},
		kills: make([]context.CancelCauseFunc, runs),
	}
	for range runs {
		c.folders = append(c.folders, t.TempDir())
	}
	return c
}

func (c *cluster) graph(mem memory.Allocator, yaml string) (*graph.Graph, error) {
	spec, err := config.Parse("test.yaml", []byte(yaml), config.Options{})
	if err != nil {
		return nil, err
	}
	reg, err := graph.NewRegistry([]pipeline.Factory{c.source.Factory()}, []pipeline.Factory{pipelinetest.Tally(), pipelinetest.Sliding(), pipelinetest.Stamp()}, append([]pipeline.Factory{c.sink.Factory()}, c.more...))
	if err != nil {
		return nil, err
	}
	return graph.Build(spec, graph.Options{Registry: reg, Mem: mem})
}

// run runs run n once, until ctx ends or kill is called.
func (c *cluster) run(ctx context.Context, n int) error {
	folder := c.folders[n]
	if c.forget {
		folder = c.t.TempDir()
	}
	store, err := checkpoint.Open(folder, checkpoint.Options{Pipeline: "test"})
	if err != nil {
		return err
	}
	defer store.Close()
	yaml := fmt.Sprintf("%s# run %d\n", c.yaml, n)
	manifest, err := store.PutManifest(checkpoint.Manifest{Config: fmt.Appendf(nil, "%q", yaml)}, nil)
	if err != nil {
		return err
	}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	g, err := c.graph(mem, yaml)
	if err != nil {
		return err
	}
	abort, kill := context.WithCancelCause(context.Background())
	c.mu.Lock()
	c.kills[n] = kill
	c.mu.Unlock()
	defer kill(nil)
	err = engine.Run(ctx, engine.Options{
		Settings: c.set, Graph: g, Store: store, Manifest: manifest, Abort: abort,
		Rebuild: func(h checkpoint.Hash) (*graph.Graph, error) {
			m, err := store.Manifest(h)
			if err != nil {
				return nil, err
			}
			var yaml string
			if _, err := fmt.Sscanf(string(m.Config), "%q", &yaml); err != nil {
				return nil, err
			}
			return c.graph(mem, yaml)
		},
	})
	if n := mem.CurrentAlloc(); n != 0 {
		c.t.Errorf("%d bytes of Arrow memory leaked", n)
	}
	return err
}

// start keeps all runs running until ctx ends.
func (c *cluster) start(ctx context.Context) (wait func()) {
	var wg sync.WaitGroup
	for n := range c.folders {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := c.run(ctx, n); err != nil && !errors.Is(err, engine.ErrAborted) {
					c.t.Errorf("run %d: %v", n, err)
					return
				}
			}
		})
	}
	return wg.Wait
}

func (c *cluster) kill(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kills[n] != nil {
		c.kills[n](engine.ErrAborted)
	}
}

// check compares what the sink has with what an undisturbed run makes.
func (c *cluster) check(want [pipeline.NumStreams][]string) {
	c.t.Helper()
	if err := errors.Join(c.source.Err(), c.sink.Err()); err != nil {
		c.t.Error(err)
	}
	for stream, rows := range want {
		left := map[string]int{}
		for _, r := range rows {
			left[r]++
		}
		for _, r := range c.sink.Rows(pipeline.Stream(stream)) {
			left[r]--
		}
		told := 0
		for _, r := range slices.Sorted(maps.Keys(left)) {
			if n := left[r]; n != 0 && told < 3 {
				c.t.Errorf("%s: %+d times what one run alone makes: %s", pipeline.Stream(stream), -n, r)
				told++
			}
		}
	}
}

// TestSharedPartitionsMove has three runs share partitions that move between
// them all the time, in time or not, while runs are killed, and the source and
// the sink fail or lose answers. What is in the sink must be what one
// undisturbed run makes, with stateful steps and without.
func TestSharedPartitionsMove(t *testing.T) {
	parts := map[string][]string{"a": posts(600, "p"), "b": posts(300, "q"), "c": posts(500, "r"), "d": posts(20, "s")}
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	const stateless = "pipeline: test\nsource: {lines: {}}\nsteps:\n  - stamp: {version: 1}\nsinks:\n  - memory: {}\n"
	for name, yaml := range map[string]string{"stateful": tallied, "stateless": stateless} {
		t.Run(name, func(t *testing.T) {
			want := alone(t, parts, yaml)
			fetched := 0
			for round := range rounds {
				c := newCluster(t, parts, yaml, 3)
				r := rand.New(rand.NewSource(int64(round)))
				c.disturb(r.Int63())
				ctx, stop := context.WithCancel(context.Background())
				wait := c.start(ctx)
				deadline := time.Now().Add(patience)
				for moves := 0; !c.source.Done() && !t.Failed(); moves++ {
					if time.Now().After(deadline) {
						t.Errorf("not done after %s", patience)
						break
					}
					move := 0.4
					if moves > 25 {
						move = 0 // let it come to an end
					}
					c.source.Shuffle(r, move, time.Duration(r.Int63n(int64(20*time.Millisecond))))
					if moves < 25 && r.Intn(3) == 0 {
						c.kill(r.Intn(len(c.folders)))
					}
					time.Sleep(time.Duration(r.Int63n(int64(10 * time.Millisecond))))
				}
				stop()
				wait()
				c.check(want)
				fetched += c.source.Fetched()
				if t.Failed() {
					t.Fatalf("round %d", round)
				}
			}
			if fetched == 0 && !testing.Short() {
				t.Error("no run ever finished what one with another config had begun")
			}
		})
	}
}

// disturb makes some calls of the source and the sink fail, before or after they
// have done their work.
func (c *cluster) disturb(seed int64) {
	var mu sync.Mutex
	r := rand.New(rand.NewSource(seed))
	sometimes := func() error {
		mu.Lock()
		defer mu.Unlock()
		if r.Intn(12) == 0 {
			return pipeline.Retryable(errors.New("an answer was lost"))
		}
		return nil
	}
	c.source.Before, c.source.After = sometimes, sometimes
	c.sink.Before, c.sink.After = sometimes, sometimes
}

// alone returns the rows that one undisturbed run makes.
func alone(t *testing.T, parts map[string][]string, yaml string) (out [pipeline.NumStreams][]string) {
	r := newRig(t, parts)
	if err := r.run(context.Background(), context.Background(), yaml); err != nil {
		t.Fatal(err)
	}
	return r.rows()
}
