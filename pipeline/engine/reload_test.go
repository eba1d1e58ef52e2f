package engine_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/apache/arrow/go/v15/arrow/array"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// stamped is the config of the n-th version: stateful steps, and one that marks
// each post with the version.
func stamped(n int) string {
	return strings.Replace(tallied, "steps:\n", fmt.Sprintf("steps:\n  - stamp: {version: %d}\n", n), 1)
}

// mark is a stamp of one post.
type mark struct {
	Source  string `json:"source"`
	Offset  int64  `json:"source_offset"`
	Post    string `json:"post_id"`
	Rule    string `json:"rule_id"`
	Version int    `json:"rule_version"`
}

// marks splits detections into stamps, in source order, and the others.
func marks(t testing.TB, detections []string) (stamps []mark, others []string) {
	t.Helper()
	for _, row := range detections {
		var m mark
		if err := json.Unmarshal([]byte(row), &m); err != nil {
			t.Fatal(err)
		}
		if m.Rule == "stamp" {
			stamps = append(stamps, m)
		} else {
			others = append(others, row)
		}
	}
	slices.SortFunc(stamps, func(a, b mark) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), cmp.Compare(a.Offset, b.Offset))
	})
	return stamps, others
}

// checkReloaded compares rows with those of an undisturbed run without reloads:
// they are equal but for the stamps' versions, which grow along the source.
func checkReloaded(t testing.TB, want, got [pipeline.NumStreams][]string) (versions int) {
	t.Helper()
	wantStamps, wantOthers := marks(t, want[pipeline.Detections])
	stamps, others := marks(t, got[pipeline.Detections])
	want[pipeline.Detections], got[pipeline.Detections] = wantOthers, others
	if d := gocmp.Diff(want, got); d != "" {
		t.Fatalf("rows differ from an undisturbed run (-want +got):\n%s", d)
	}
	if len(stamps) != len(wantStamps) {
		t.Fatalf("%d stamps for %d posts", len(stamps), len(wantStamps))
	}
	seen := map[int]bool{}
	for i, m := range stamps {
		seen[m.Version] = true
		if w := wantStamps[i]; m.Source != w.Source || m.Offset != w.Offset || m.Post != w.Post {
			t.Fatalf("stamp %d is of %+v, want %+v", i, m, w)
		}
		if i > 0 && stamps[i-1].Source == m.Source && m.Version < stamps[i-1].Version {
			t.Fatalf("%+v was processed by an older graph than the post before it, of version %d", m, stamps[i-1].Version)
		}
	}
	return len(seen)
}

func undisturbedStamps(t testing.TB, parts map[string][]string) [pipeline.NumStreams][]string {
	t.Helper()
	r := newRig(t, parts)
	r.set.Workers = 1
	if err := r.run(context.Background(), context.Background(), stamped(1)); err != nil {
		t.Fatal(err)
	}
	return r.rows()
}

// TestHundredReloadsUnderLoad reloads as often while the source gives all that
// the engine takes: nothing is lost, nothing doubled, and state goes on.
func TestHundredReloadsUnderLoad(t *testing.T) {
	const reloads = 100
	parts := map[string][]string{"a": posts(1000, "p"), "b": posts(400, "q")}
	want := undisturbedStamps(t, parts)
	r := newRig(t, parts)
	r.set.SnapshotInterval = time.Hour // those at the edges are enough
	r.swapper, r.metrics = engine.NewSwapper(), engine.NewMetrics()
	done := make(chan struct{}, reloads)
	reads, taken := 0, 0
	r.source.Fault = func() error {
		// The reloads are spread over the run: reading waits for those that
		// are due, and for nothing else.
		for reads++; taken < min(reloads, reads*7*reloads/1400-1); taken++ {
			<-done
		}
		return nil
	}
	var swaps []time.Duration
	r.during = func(put func(string) checkpoint.Hash) func() {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for n := range reloads {
				g, h := r.graph(stamped(n+2)), put(stamped(n+2))
				begun := time.Now()
				if err := r.swapper.Swap(context.Background(), g, h); err != nil {
					t.Errorf("reload %d: %v", n, err)
				}
				swaps = append(swaps, time.Since(begun))
				done <- struct{}{}
			}
		}()
		return func() { <-ended }
	}
	if err := r.run(context.Background(), context.Background(), stamped(1)); err != nil {
		t.Fatal(err)
	}
	if n := checkReloaded(t, want, r.rows()); n < reloads/2 {
		t.Errorf("rows of %d versions only, of %d", n, reloads+1)
	} else {
		slices.Sort(swaps)
		t.Logf("%d reloads, %d of them seen in rows; handing over took %s in the median, %s at most", reloads, n-1, swaps[len(swaps)/2], swaps[len(swaps)-1])
	}
	left, err := os.ReadDir(filepath.Join(r.dir, "objects"))
	if err != nil || len(left) != 1 {
		t.Errorf("%d objects are left after all, want the last manifest only: %v", len(left), err)
	}
	if err := r.swapper.Swap(context.Background(), r.graph(stamped(1)), ""); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("after the run: %v, want ErrEnded", err)
	}
}

// TestCrashesAroundReloads aborts runs at random places while graphs are
// swapped. The sink checks that a key that is written again has the same rows,
// so that an epoch was run again with the graph that it was begun with.
func TestCrashesAroundReloads(t *testing.T) {
	parts := map[string][]string{"a": posts(240, "p"), "b": posts(80, "q")}
	want := undisturbedStamps(t, parts)
	versions, runs := 0, crashAndReload(t, parts, stamped, func(r *rig) int { return checkReloaded(t, want, r.rows()) })
	for _, n := range runs {
		versions += n
	}
	if versions < 5*len(runs) {
		t.Errorf("rows of %d versions in %d runs: the test shows little", versions, len(runs))
	}
}

// TestStateAcrossReloadsAndCrashes adds up, by author, the versions that posts
// were processed with: so the state depends on which graph each post before was
// run with, and the rows themselves say what it must be.
func TestStateAcrossReloadsAndCrashes(t *testing.T) {
	parts := map[string][]string{"a": posts(240, "p"), "b": posts(80, "q")}
	summed := func(n int) string {
		return fmt.Sprintf("pipeline: test\nsource: {lines: {}}\nsteps:\n  - stamp: {version: %d, stored: [v]}\n  - tally: {sum: v}\nsinks:\n  - memory: {}\n", n)
	}
	crashAndReload(t, parts, summed, func(r *rig) int {
		type post struct {
			Source string `json:"source"`
			Offset int64  `json:"source_offset"`
			Author string `json:"author_id"`
			V      uint32 `json:"v"`
			Tally  uint32 `json:"tally"`
		}
		var all []post
		for _, row := range r.sink.Rows(pipeline.Posts) {
			var p post
			if err := json.Unmarshal([]byte(row), &p); err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		slices.SortFunc(all, func(a, b post) int {
			return cmp.Or(strings.Compare(a.Source, b.Source), cmp.Compare(a.Offset, b.Offset))
		})
		if n := len(all) + len(r.sink.Rows(pipeline.Rejected)); n != 320 {
			t.Fatalf("%d rows of 320 records", n)
		}
		sums := map[string]uint32{}
		for _, p := range all {
			key := p.Source + p.Author
			// Rows since the last snapshot are run again by the graph of the
			// next start, so that only with one after each epoch a sum is exact.
			if sums[key] += p.V; p.Tally != sums[key] && r.set.SnapshotInterval < time.Second {
				t.Fatalf("%+v: the posts of this author up to here add up to %d", p, sums[key])
			}
		}
		return 0
	})
}

// crashAndReload runs pipelines that are aborted again and again while graphs
// are swapped, each until its source ends, and checks each one then.
func crashAndReload(t *testing.T, parts map[string][]string, yaml func(version int) string, check func(*rig) int) (checked []int) {
	t.Helper()
	seeds := int64(4)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewSource(seed))
		r := newRig(t, parts)
		if seed%2 == 1 { // snapshots at edges only, but for the first of a run
			r.set.SnapshotInterval = time.Hour
		}
		var version atomic.Int64
		version.Store(1)
		for crashes := 0; ; crashes++ {
			if crashes > 500 {
				t.Fatalf("seed %d: no progress", seed)
			}
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
				left.Store(rnd.Int63n(100))
				r.source.Fault = die
			}
			r.set.EpochRows, r.sink.Overlaps = 20+rnd.Intn(60), 1+rnd.Intn(3)
			r.swapper = engine.NewSwapper()
			r.during = func(put func(string) checkpoint.Hash) func() {
				return r.keepSwapping(&version, yaml, put)
			}
			err := r.run(context.Background(), abort, yaml(int(version.Load())))
			kill()
			if err == nil {
				break
			}
			if !errors.Is(err, engine.ErrAborted) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		checked = append(checked, check(r))
	}
	return checked
}

// keepSwapping swaps in one version after another until the run ends. The
// version counts once it is in force.
func (r *rig) keepSwapping(version *atomic.Int64, yaml func(int) string, put func(string) checkpoint.Hash) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			next := yaml(int(version.Load()) + 1)
			switch err := r.swapper.Swap(ctx, r.graph(next), put(next)); {
			case err == nil:
				version.Add(1)
			case errors.Is(err, engine.ErrEnded), errors.Is(err, context.Canceled):
				return
			default:
				r.t.Error(err)
				return
			}
			time.Sleep(200 * time.Microsecond)
		}
	}()
	return func() { stop(); <-ended }
}

// TestReloadReplaysOldEpochsUnderTheOldGraph crashes right after a reload: the
// epoch from before it is begun, and not acknowledged.
func TestReloadReplaysOldEpochsUnderTheOldGraph(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(600, "p")})
	want := undisturbedStamps(t, r.source.Partitions)
	r.swapper = engine.NewSwapper()
	abort, kill := context.WithCancel(context.Background())
	begun, swapped := make(chan struct{}), make(chan struct{})
	writes := 0
	r.sink.After = func() error {
		if writes++; writes < 4 {
			return nil
		}
		close(begun) // the fourth epoch is written, and the next ones are being run
		<-swapped
		kill()
		return abort.Err()
	}
	r.during = func(put func(string) checkpoint.Hash) func() {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			<-begun
			if err := r.swapper.Swap(context.Background(), r.graph(stamped(2)), put(stamped(2))); err != nil {
				t.Error(err)
			}
			close(swapped)
		}()
		return func() { <-ended }
	}
	if err := r.run(context.Background(), abort, stamped(1)); !errors.Is(err, engine.ErrAborted) {
		t.Fatalf("got %v, want ErrAborted", err)
	}
	before, _ := marks(t, r.sink.Rows(pipeline.Detections))
	r.sink.After, r.during, r.swapper = nil, nil, nil
	if err := r.run(context.Background(), context.Background(), stamped(2)); err != nil {
		t.Fatal(err)
	}
	if n := checkReloaded(t, want, r.rows()); n != 2 {
		t.Errorf("%d versions in the rows, want 2", n)
	}
	after, _ := marks(t, r.sink.Rows(pipeline.Detections))
	old := slices.IndexFunc(after, func(m mark) bool { return m.Version == 2 })
	if old != len(before) {
		t.Errorf("%d posts are of the old version; those of the epochs that were begun, %d, must be", old, len(before))
	}
}

// TestSwapRefused leaves the run as it is.
func TestSwapRefused(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(500, "p")})
	r.swapper = engine.NewSwapper()
	var once sync.Once
	ready, hold := make(chan struct{}), make(chan struct{})
	r.source.Fault = func() error {
		once.Do(func() { close(ready); <-hold })
		return nil
	}
	r.during = func(put func(string) checkpoint.Hash) func() {
		go func() {
			<-ready
			defer close(hold)
			for _, c := range []struct{ yaml, want string }{
				{strings.Replace(stamped(2), "  - tally: {}\n", "", 1), "step tally, which keeps state, is gone"},
				{strings.Replace(stamped(2), "column: again", "column: other", 1), "step second keeps state, and its settings have changed"},
				{strings.Replace(stamped(2), "version: 2", "version: 2, stored: [more]", 1), `sink memory: the column "more" is new`},
				{stamped(2) + "  - memory: {name: another}\n", "there are 2 sinks now, not 1"},
			} {
				err := r.swapper.Swap(context.Background(), r.graph(c.yaml), put(c.yaml))
				var restart *graph.RestartError
				if !errors.As(err, &restart) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "started again") {
					t.Errorf("got %v, want a RestartError with %q", err, c.want)
				}
			}
		}()
		return func() { <-hold }
	}
	if err := r.run(context.Background(), context.Background(), stamped(1)); err != nil {
		t.Fatal(err)
	}
	if n := checkReloaded(t, undisturbedStamps(t, r.source.Partitions), r.rows()); n != 1 {
		t.Errorf("%d versions in the rows", n)
	}
}

// TestReloadFitsPostsToTheSinks swaps in graphs with other transient columns, and
// with the others in another order.
func TestReloadFitsPostsToTheSinks(t *testing.T) {
	with := func(transient, stored string) string {
		return fmt.Sprintf("pipeline: test\nsource: {lines: {}}\nsteps:\n  - stamp: {transient: [%s], stored: [%s]}\nsinks:\n  - memory: {}\n", transient, stored)
	}
	r := newRig(t, map[string][]string{"a": posts(2000, "p")})
	r.swapper = engine.NewSwapper()
	reads := 0
	turn := make(chan string)
	graphs := []string{with("", "more, keep"), with("one, two, three", "keep, more"), with("two", "more, keep")}
	r.source.Fault = func() error {
		if reads++; reads%60 == 0 && reads <= 180 {
			turn <- graphs[reads/60-1]
			turn <- "" // until it is done
		}
		return nil
	}
	r.during = func(put func(string) checkpoint.Hash) func() {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 3 {
				next := <-turn
				if err := r.swapper.Swap(context.Background(), r.graph(next), put(next)); err != nil {
					t.Error(err)
				}
				<-turn
			}
		}()
		return func() { <-ended }
	}
	if err := r.run(context.Background(), context.Background(), with("one, two", "keep, more")); err != nil {
		t.Fatal(err)
	}
	rows := r.sink.Rows(pipeline.Posts)
	for _, row := range rows {
		if !strings.Contains(row, `"keep":1`) || !strings.Contains(row, `"more":1`) || strings.Contains(row, `"one"`) || strings.Contains(row, `"two"`) || strings.Contains(row, `"three"`) {
			t.Fatalf("a post is not as the sink was opened for: %s", row)
		}
	}
	if len(rows)+len(r.sink.Rows(pipeline.Rejected)) != 2000 {
		t.Errorf("%d posts and %d rejected of 2000", len(rows), len(r.sink.Rows(pipeline.Rejected)))
	}
}

// TestOldGraphIsLetGo: once the last epoch of a graph is durable nothing keeps
// it, though no further record comes.
func TestOldGraphIsLetGo(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(700, "p")})
	r.swapper = engine.NewSwapper()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	reads := 0
	r.source.Fault = func() error {
		if reads++; reads == 30 || reads == 90 {
			arrived <- struct{}{}
			<-goOn
		}
		return nil
	}
	r.during = func(put func(string) checkpoint.Hash) func() {
		swap := func(n int) weak.Pointer[graph.Graph] {
			g := r.graph(stamped(n))
			if err := r.swapper.Swap(context.Background(), g, put(stamped(n))); err != nil {
				t.Error(err)
			}
			return weak.Make(g)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			<-arrived
			second := swap(2)
			goOn <- struct{}{}
			<-arrived
			third := swap(3)
			old := func() bool { return r.first.Value() != nil || second.Value() != nil }
			for end := time.Now().Add(20 * time.Second); old() && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				runtime.GC()
			}
			if old() || third.Value() == nil {
				t.Errorf("in memory: first graph %t, second %t, third %t; want the third only", r.first.Value() != nil, second.Value() != nil, third.Value() != nil)
			}
			goOn <- struct{}{}
		}()
		return func() { <-ended }
	}
	if err := r.run(context.Background(), context.Background(), stamped(1)); err != nil {
		t.Fatal(err)
	}
}

// registrar is a memory sink that keeps a register of rules.
type registrar struct {
	*pipelinetest.MemorySink
	mu    sync.Mutex
	rules []uint32 // versions, in the order in which they were told
	early bool     // rows came of a rule that was not told before
}

func (k *registrar) RegisterRules(_ context.Context, rules []pipeline.RuleInfo) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range rules {
		k.rules = append(k.rules, r.Version)
	}
	return nil
}

func (k *registrar) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	k.mu.Lock()
	for _, b := range in {
		if b.Stream != pipeline.Detections {
			continue
		}
		at := b.Record.Schema().FieldIndices("rule_version")[0]
		for _, v := range b.Record.Column(at).(*array.Uint32).Uint32Values() {
			k.early = k.early || !slices.Contains(k.rules, v)
		}
	}
	k.mu.Unlock()
	return k.MemorySink.Write(ctx, key, in)
}

func (k *registrar) factory() pipeline.Factory {
	f := k.MemorySink.Factory()
	f.PlanSink = func(pipeline.BuildContext, any, pipeline.Schemas) (pipeline.SinkPlan, error) { return k, nil }
	return f
}

// New implements pipeline.SinkPlan.
func (k *registrar) New() (pipeline.Sink, error) { return k, nil }

// TestRulesAreToldBeforeTheyFire registers the rules of each graph before the
// first epoch that it processed is written.
func TestRulesAreToldBeforeTheyFire(t *testing.T) {
	plain := func(n int) string {
		return fmt.Sprintf("pipeline: test\nsource: {lines: {}}\nsteps:\n  - stamp: {version: %d}\nsinks:\n  - memory: {}\n", n)
	}
	r := newRig(t, map[string][]string{"a": posts(2000, "p")})
	k := &registrar{MemorySink: r.sink}
	r.factory = k.factory
	r.swapper = engine.NewSwapper()
	var version atomic.Int64
	reads := int64(0)
	r.source.Fault = func() error {
		for reads++; version.Load() < min(9, reads/30); {
			runtime.Gosched()
		}
		return nil
	}
	r.during = func(put func(string) checkpoint.Hash) func() {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for n := 1; n < 10; n++ {
				if err := r.swapper.Swap(context.Background(), r.graph(plain(n+1)), put(plain(n+1))); err != nil {
					t.Error(err)
				}
				version.Add(1)
			}
		}()
		return func() { <-ended }
	}
	if err := r.run(context.Background(), context.Background(), plain(1)); err != nil {
		t.Fatal(err)
	}
	if k.early || len(k.rules) < 5 || !slices.IsSorted(k.rules) {
		t.Errorf("rules told: %v; detections before their rule: %t", k.rules, k.early)
	}
}
