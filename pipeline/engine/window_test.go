package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// slidingSteps has a second step that adds up what the first one counts: it looks
// back through both windows.
const slidingSteps = "pipeline: test\nsource: {lines: {}}\nsteps:\n  - sliding: {window: 12s, threshold: 4}\n" +
	"  - sliding: {name: second, column: again, sum: sliding, window: 8s, threshold: 15}\nsinks:\n  - memory: {}\n"

// slidingReach is how far back in ms the steps' state may go: the windows, and
// for each the lateness of the tests (1 s) and a tick.
const slidingReach = 12_000 + 8_000 + 2*(1000+1000)

// timed makes n lines some 500 ms apart, of which many are out of order, some are
// late, some so late that they do not count, and a few far ahead.
func timed(n int, salt string) []string {
	r := rand.New(rand.NewSource(int64(n)))
	out := make([]string, n)
	for i := range out {
		if i%37 == 5 {
			out[i] = fmt.Sprintf("bad %d", i)
			continue
		}
		at := 1_700_000_000_000 + int64(i)*500 + r.Int63n(1500)
		switch r.Intn(60) {
		case 0, 1, 2:
			at -= r.Int63n(2 * slidingReach)
		case 3:
			at -= 3_600_000
		case 4:
			at += r.Int63n(8000)
		}
		out[i] = fmt.Sprintf("%s%d %d author%d text %d", salt, i, at, r.Intn(6), i)
	}
	return out
}

// latestOf returns the latest event time of lines, 0 for none.
func latestOf(lines []string) (latest int64) {
	for _, l := range lines {
		if at, err := strconv.ParseInt(strings.Fields(l)[1], 10, 64); err == nil && !strings.HasPrefix(l, "bad") {
			latest = max(latest, at)
		}
	}
	return latest
}

// nearest returns the last place in lines[:committed] from which the state there
// can be built.
func nearest(lines []string, committed int) (place int) {
	now, latest := latestOf(lines[:committed]), int64(0)
	for i := range committed {
		if latest != 0 && now-latest < slidingReach {
			break
		}
		place = i
		latest = max(latest, latestOf(lines[i:i+1]))
	}
	return place
}

func offset(t *testing.T, p pipeline.Position) int {
	t.Helper()
	if p == "" {
		return 0
	}
	n, err := strconv.Atoi(string(p))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSharedWindows has partitions move between runs, in time or not, while runs
// are killed, and the state of steps with windows is built again by whoever gets
// them: from the last snapshot of its own, or from the last window. The rows and
// detections must be those of one undisturbed run, and what is read again must be
// the last window and no more.
func TestSharedWindows(t *testing.T) {
	parts := map[string][]string{"a": timed(320, "p"), "b": timed(140, "q"), "c": timed(220, "r")}
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	undeclared := strings.Replace(slidingSteps, "threshold: 15", "threshold: 15, declare: false", 1)
	for _, c := range []struct {
		name      string
		yaml      string
		snapshots time.Duration
		forget    bool
	}{
		{"snapshots", slidingSteps, time.Nanosecond, false},
		{"old snapshots", slidingSteps, time.Hour, false},
		{"no snapshots", slidingSteps, time.Hour, true},
		{"no window", undeclared, time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := alone(t, parts, slidingSteps)
			if n := len(want[pipeline.Detections]); n < 40 {
				t.Fatalf("%d detections show little", n)
			}
			seen := replays{t: t, parts: parts}
			for round := range rounds {
				cl := newCluster(t, parts, c.yaml, 3)
				cl.set.SnapshotInterval, cl.forget = c.snapshots, c.forget
				r := rand.New(rand.NewSource(int64(round)))
				cl.disturb(r.Int63())
				cl.shuffle(r)
				cl.check(want)
				seen.add(cl.source.Gains())
				if t.Failed() {
					t.Fatalf("round %d", round)
				}
			}
			t.Logf("state was at hand %d times, and built from a snapshot %d times, from a place that was recorded %d times, from the beginning %d times", seen.ready, seen.snapshot, seen.placed, seen.beginning)
			if windowed := c.yaml == slidingSteps; windowed && seen.placed == 0 || !windowed && (seen.placed > 0 || seen.beginning == 0) || !c.forget && seen.ready+seen.snapshot == 0 {
				t.Error("that is not what was to be tried")
			}
		})
	}
}

// shuffle keeps the runs running until all is done, and moves partitions among
// them whenever some more rows are durable.
func (c *cluster) shuffle(r *rand.Rand) {
	ctx, stop := context.WithCancel(context.Background())
	wait := c.start(ctx)
	defer wait()
	defer stop()
	lines := 0
	for _, l := range c.source.Partitions {
		lines += len(l)
	}
	deadline := time.Now().Add(patience)
	for moves := 0; !c.source.Done() && !c.t.Failed(); moves++ {
		if time.Now().After(deadline) {
			c.t.Errorf("not done after %s", patience)
			return
		}
		move, done := 0.4, c.source.Records()
		if moves > 200 || done > lines*9/10 {
			move = 0 // let it come to an end
		}
		c.source.Shuffle(r, move, time.Duration(r.Int63n(int64(20*time.Millisecond))))
		if move > 0 && r.Intn(4) == 0 {
			c.kill(r.Intn(len(c.folders)))
		}
		for wait := time.Now(); c.source.Records() < done+30 && time.Since(wait) < 200*time.Millisecond; {
			time.Sleep(time.Millisecond)
		}
	}
}

// replays checks where members were told to read from.
type replays struct {
	t                                  *testing.T
	parts                              map[string][]string
	ready, placed, snapshot, beginning int
}

func (s *replays) add(gains []pipelinetest.Gain) {
	s.t.Helper()
	for _, g := range gains {
		if g.Resume.Durable == "" { // nothing is read again
			if g.Recorded.Committed != "" {
				s.ready++
			}
			continue
		}
		lines, from, to := s.parts[g.Partition], offset(s.t, g.Resume.From), offset(s.t, g.Recorded.Committed)
		switch {
		case g.Resume.Durable != g.Recorded.Committed:
			s.t.Errorf("%+v: other rows are said to be durable than are", g)
		case from == 0:
			s.beginning++
		case g.Resume.From == g.Recorded.Replay.From:
			s.placed++
			// An epoch of the test has up to 50 records.
			if best := nearest(lines, to); from > best || from < best-100 {
				s.t.Errorf("partition %q at %d is built from %d; from %d it could be", g.Partition, to, from, best)
			}
		default:
			s.snapshot++
		}
	}
}

// TestWindowWithoutSnapshot aborts the runs of one process at random places. Each
// run has a step with another note, so that no snapshot of the one before serves,
// and state is built from the last window. The rows are those of an undisturbed run.
func TestWindowWithoutSnapshot(t *testing.T) {
	parts := map[string][]string{"a": timed(500, "p"), "b": timed(200, "q")}
	want := alone(t, parts, slidingSteps)
	noted := func(n int) string {
		return strings.Replace(slidingSteps, "threshold: 4", fmt.Sprintf("threshold: 4, note: %d", n), 1)
	}
	for seed := range int64(3) {
		r := newRig(t, parts)
		r.source.Whole = true
		rnd := rand.New(rand.NewSource(seed))
		runs := 0
		for {
			abort, kill := context.WithCancel(context.Background())
			var left atomic.Int64
			left.Store(2 + rnd.Int63n(8))
			die := func() error {
				if left.Add(-1) < 0 {
					kill()
					return abort.Err()
				}
				return nil
			}
			r.sink.Before, r.sink.After = die, nil
			if rnd.Intn(2) == 0 {
				r.sink.Before, r.sink.After = nil, die
			}
			err := r.run(context.Background(), abort, noted(runs))
			kill()
			if err == nil {
				break
			}
			if !errors.Is(err, engine.ErrAborted) {
				t.Fatal(err)
			}
			if runs++; runs > 300 {
				t.Fatal("no progress")
			}
		}
		if d := cmp.Diff(want, r.rows()); d != "" {
			t.Fatalf("seed %d, %d runs: rows differ from an undisturbed run (-want +got):\n%s", seed, runs, d)
		}
		placed := 0
		for _, resume := range r.source.Opened() {
			for name, re := range resume {
				if re.Durable == "" || re.From == "" {
					continue
				}
				placed++
				from, to := offset(t, re.From), offset(t, re.Durable)
				if best := nearest(parts[name], to); from > best || from < best-100 {
					t.Errorf("partition %q at %d is built from %d; from %d it could be", name, to, from, best)
				}
			}
		}
		if placed == 0 {
			t.Errorf("in %d runs state was never built from the last window", runs)
		}
	}
}

// TestWindowThatGrew builds the state of a step that looks back further than those
// that ran before from the beginning.
func TestWindowThatGrew(t *testing.T) {
	for window, from := range map[string]bool{"12s": true, "3s": true, "14s": false} {
		r := newRig(t, map[string][]string{"a": timed(600, "p")})
		r.source.Whole = true
		abort, kill := context.WithCancel(context.Background())
		defer kill()
		writes := 0
		r.sink.After = func() error {
			if writes++; writes == 10 { // of at most 50 rows
				kill()
			}
			return nil
		}
		if err := r.run(context.Background(), abort, slidingSteps); !errors.Is(err, engine.ErrAborted) {
			t.Fatal(err)
		}
		r.sink.After = nil
		other := strings.Replace(slidingSteps, "window: 12s, threshold: 4", "window: "+window+", threshold: 3", 1)
		if err := r.run(context.Background(), context.Background(), other); err != nil {
			t.Fatal(err)
		}
		opened := r.source.Opened()
		re := opened[len(opened)-1]["a"]
		if re.Durable == "" || (re.From != "") != from {
			t.Errorf("a window of %s after 12s: %+v", window, re)
		}
	}
}

// peak is an allocator that knows the most that was in use.
type peak struct {
	memory.Allocator
	now, most atomic.Int64
}

func (p *peak) add(n int) {
	now := p.now.Add(int64(n))
	for most := p.most.Load(); now > most && !p.most.CompareAndSwap(most, now); most = p.most.Load() {
	}
}

func (p *peak) Allocate(n int) []byte {
	p.add(n)
	return p.Allocator.Allocate(n)
}

func (p *peak) Reallocate(n int, b []byte) []byte {
	p.add(n - len(b))
	return p.Allocator.Reallocate(n, b)
}

func (p *peak) Free(b []byte) {
	p.add(-len(b))
	p.Allocator.Free(b)
}

// TestReplayIsBounded replays all of a long partition to build state: that takes
// no more memory than to run it did.
func TestReplayIsBounded(t *testing.T) {
	yaml := strings.Replace(slidingSteps, "threshold: 4", "threshold: 4, declare: false", 1)
	r := newRig(t, map[string][]string{"a": timed(1500, "p")})
	r.source.Whole = true
	run := func(yaml string) int64 {
		mem := &peak{Allocator: memory.DefaultAllocator}
		r.mem = memory.NewCheckedAllocator(mem)
		if err := r.run(context.Background(), context.Background(), yaml); err != nil {
			t.Fatal(err)
		}
		return mem.most.Load()
	}
	first := run(yaml)
	again := run(strings.Replace(yaml, "threshold: 4", "threshold: 5", 1)) // no snapshot serves, and nothing is new
	opened := r.source.Opened()
	if re := opened[len(opened)-1]["a"]; re.From != "" || re.Durable != "1500" {
		t.Fatalf("the second run was to replay all: %+v", re)
	}
	if again > 2*first || again == 0 {
		t.Errorf("the replay took %d bytes at most, the run %d", again, first)
	}
}
