package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// register is what is written through sinks that let one at a time write a
// partition. It knows the newest two epochs of each, so it doubles rows when an
// engine that has lost a partition writes to it, or one that has not claimed it.
type register struct {
	mu     sync.Mutex
	claims map[string]*clerk
	newest map[string][]pipeline.Key
	rows   int
	fenced int
	err    error
}

// clerk is one sink.
type clerk struct{ *register }

type registerConfig struct{}

func (r *register) Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{Name: "register", Takes: []pipeline.Stream{pipeline.Posts}},
		func() registerConfig { return registerConfig{} },
		func(pipeline.BuildContext, *registerConfig, pipeline.Schemas) (pipeline.SinkPlan, error) {
			return r, nil
		})
}

func (r *register) New() (pipeline.Sink, error) { return &clerk{r}, nil }

func (*clerk) Open(context.Context) error  { return nil }
func (*clerk) Close(context.Context) error { return nil }

func (k *clerk) Claim(_ context.Context, partition string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.claims[partition] = k
	return nil
}

func (k *clerk) Write(_ context.Context, key pipeline.Key, in []pipeline.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	part := key.Span.Partition
	switch holder := k.claims[part]; {
	case holder == nil:
		k.err = fmt.Errorf("%s was written and not claimed", key)
	case holder != k:
		k.fenced++
		return pipeline.Retryable(errors.New("fenced"))
	}
	if slices.Contains(k.newest[part], key) {
		return nil
	}
	k.newest[part] = append(k.newest[part], key)
	k.newest[part] = k.newest[part][max(0, len(k.newest[part])-2):]
	for _, b := range in {
		k.rows += b.Rows()
	}
	return nil
}

// TestClaim has partitions move between runs, in time or not, with a sink whose
// writes fail for as long as another run has claimed the partition.
func TestClaim(t *testing.T) {
	parts := map[string][]string{"a": posts(600, "p"), "b": posts(300, "q"), "c": posts(500, "r")}
	const yaml = "pipeline: test\nsource: {lines: {}}\nsteps:\n  - stamp: {version: 1}\nsinks:\n  - memory: {}\n  - register: {}\n"
	want := alone(t, parts, strings.Replace(yaml, "  - register: {}\n", "", 1))
	fenced := 0
	for round := range 6 {
		c := newCluster(t, parts, yaml, 3)
		reg := &register{claims: map[string]*clerk{}, newest: map[string][]pipeline.Key{}}
		c.more = []pipeline.Factory{reg.Factory()}
		r := rand.New(rand.NewSource(int64(round)))
		c.disturb(r.Int63())
		ctx, stop := context.WithCancel(context.Background())
		wait := c.start(ctx)
		for moves, deadline := 0, time.Now().Add(patience); !c.source.Done() && !t.Failed(); moves++ {
			if time.Now().After(deadline) {
				t.Errorf("not done after %s", patience)
			}
			move := 0.5
			if moves > 25 {
				move = 0
			}
			c.source.Shuffle(r, move, time.Duration(r.Int63n(int64(5*time.Millisecond))))
			if moves < 25 && r.Intn(4) == 0 {
				c.kill(r.Intn(len(c.folders)))
			}
			time.Sleep(time.Duration(r.Int63n(int64(10 * time.Millisecond))))
		}
		stop()
		wait()
		c.check(want)
		if n := len(want[pipeline.Posts]); reg.rows != n || reg.err != nil {
			t.Fatalf("round %d: the register has %d rows, want %d; error %v", round, reg.rows, n, reg.err)
		}
		fenced += reg.fenced
	}
	t.Logf("%d writes were refused", fenced)
}

var _ pipeline.Claimer = (*clerk)(nil)
