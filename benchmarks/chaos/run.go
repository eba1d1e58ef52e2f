package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice/internal/kafkatest"
)

// plan is what a run is made of, beside its seed.
type plan struct {
	posts, partitions, processes, most int
	faults                             time.Duration // how long they go on
	drain                              time.Duration // bound of the time after them until all is written
	pace                               pace
	epochRows                          int
	epochInterval                      time.Duration
	protocol                           string // classic, consumer, or either
}

// full is the plan of the long run.
func full() plan {
	const s, ms = time.Second, time.Millisecond
	return plan{
		posts: 2_000_000, partitions: 12, processes: 3, most: 4, faults: 5 * time.Minute, drain: 15 * time.Minute,
		epochRows: 8000, epochInterval: time.Second, protocol: "classic",
		pace: pace{
			session: 6 * s, node: 20 * s, broker: 60 * s, store: 30 * s,
			nodeDown: [2]time.Duration{100 * ms, 10 * s}, absent: [2]time.Duration{5 * s, 40 * s},
			brokerDown: [2]time.Duration{500 * ms, 12 * s}, storeDown: [2]time.Duration{200 * ms, 10 * s},
		},
	}
}

// short is the plan of each of many schedules.
func short() plan {
	const s, ms = time.Second, time.Millisecond
	return plan{
		posts: 80_000, partitions: 12, processes: 3, most: 4, faults: 15 * time.Second, drain: 4 * time.Minute,
		epochRows: 1500, epochInterval: 400 * ms, protocol: "either",
		pace: pace{
			session: 6 * s, node: 5 * s, broker: 12 * s, store: 6 * s,
			nodeDown: [2]time.Duration{50 * ms, 3 * s}, absent: [2]time.Duration{1 * s, 6 * s},
			brokerDown: [2]time.Duration{300 * ms, 3 * s}, storeDown: [2]time.Duration{100 * ms, 4 * s},
		},
	}
}

// run is one run: a topic and a database of their own, on the broker and the
// store that others use before and after it.
type run struct {
	plan
	seed    uint64
	variant variant
	name    string // of topic, group and database
	dir     string // for the processes' folders and logs
	bin     string // the program
	root    string // of the repository
	broker  *kafkatest.Broker
	store   *store
	out     io.Writer

	ctx      context.Context // ends when the run fails
	fail     context.CancelCauseFunc
	in       *input
	producer *producer
	schedule schedule
	nodes    []*node
	tally    tally
	mu       sync.Mutex // held to write to out
}

// newRun draws what the seed decides.
func newRun(p plan, seed uint64, env *env) (*run, error) {
	r := &run{
		plan: p, seed: seed, bin: env.bin, root: env.root, broker: env.broker, store: env.store, out: env.out,
		name: fmt.Sprintf("chaos_%d_%d", seed, time.Now().UnixMilli()), tally: tally{counts: map[string]int{}},
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	r.variant = variant{
		protocol: "classic", strategy: pick(rnd, "cooperative-sticky", "cooperative-sticky", "range", "roundrobin"), consumers: 1 + rnd.IntN(2), mixed: p.most > 1 && rnd.IntN(2) == 0, cold: rnd.IntN(4) == 0,
	}
	if p.protocol == "consumer" || p.protocol == "either" && env.broker.Real() && rnd.IntN(2) == 0 {
		r.variant.protocol, r.variant.strategy = "consumer", ""
	}
	r.schedule = newSchedule(rnd, p.faults, p.pace, p.processes, p.most, env.broker.Real())
	r.dir = filepath.Join(env.dir, r.name)
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, err
	}
	for slot := range p.most {
		r.nodes = append(r.nodes, &node{r: r, slot: slot, log: filepath.Join(r.dir, fmt.Sprintf("process-%d.log", slot))})
	}
	var err error
	r.in, err = newInput(seed, p.posts, p.partitions)
	r.producer = &producer{in: r.in, topic: r.name}
	return r, err
}

// grouped reports whether the partitions are shared among processes.
func (r *run) grouped() bool { return r.most > 1 }

func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05.000")}, args...)...)
}

// do runs the whole and returns what came out. The error is for what has
// nothing to do with the tables: a topic that can not be made, say.
func (r *run) do(ctx context.Context) (*result, error) {
	ctx, r.fail = context.WithCancelCause(ctx)
	defer r.fail(nil)
	r.ctx = ctx
	res := &result{run: r}
	if err := r.broker.AddTopic(r.name, r.partitions, nil); err != nil {
		return nil, err
	}
	defer r.endNodes()
	if err := r.disturb(ctx, res); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	res.faults = time.Since(res.begun)
	if err := r.settle(ctx, res); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	begun := time.Now()
	if err := r.undisturbed(ctx); err != nil {
		return nil, err
	}
	res.calm, begun = time.Since(begun), time.Now()
	err := r.compare(ctx, res)
	res.compared = time.Since(begun)
	return res, err
}

// disturb produces the input and lets the faults happen.
func (r *run) disturb(ctx context.Context, res *result) error {
	group, ctx := errgroup.WithContext(ctx)
	begun, proceed := make(chan struct{}), make(chan struct{})
	group.Go(func() error {
		return r.producer.run(ctx, r.broker.Servers, r.broker.Real(), r.posts/5, r.faults*9/10, begun, proceed)
	})
	group.Go(func() error {
		select {
		case <-begun:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for _, n := range r.nodes[:r.processes] {
			if err := n.start(false); err != nil {
				return err
			}
		}
		if err := r.warmUp(ctx); err != nil {
			return err
		}
		close(proceed)
		res.begun = time.Now()
		for slot, n := range r.nodes {
			group.Go(func() error { return r.follow(ctx, res.begun, "process: ", r.schedule.nodes[slot], n.fault) })
		}
		group.Go(func() error { return r.follow(ctx, res.begun, "broker: ", r.schedule.broker, r.brokerFault) })
		group.Go(func() error { return r.follow(ctx, res.begun, "store: ", r.schedule.store, r.store.fault) })
		return sleep(ctx, r.faults)
	})
	return group.Wait()
}

// warmUp waits until a first epoch was written, so that the faults hit
// processes that share partitions. A cold run goes without: its faults hit them
// while they create tables and join too.
//
// Nothing is produced meanwhile, so the input may be looked at.
func (r *run) warmUp(ctx context.Context) error {
	all := int64(r.in.count(func(int32) bool { return true }))
	for end := time.Now().Add(2 * time.Minute); !r.variant.cold; {
		left, err := r.left(ctx)
		if err != nil {
			return err
		}
		if left < all {
			break
		}
		if time.Now().After(end) {
			return errors.New("no process has written an epoch after two minutes")
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// follow lets the events of one target happen. One that can only be late by
// more than the run lasts is left out.
func (r *run) follow(ctx context.Context, start time.Time, target string, t timeline, f func(context.Context, event) error) error {
	for _, e := range t {
		if err := sleep(ctx, e.at-time.Since(start)); err != nil {
			return err
		}
		if time.Since(start)+e.lasts > r.faults {
			continue // starting again took longer than was planned for
		}
		r.tally.add(target+string(e.kind), 1)
		if err := f(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) brokerFault(ctx context.Context, e event) error {
	if e.kind == stop {
		r.broker.Stop()
	} else {
		r.broker.Kill()
	}
	if err := sleep(ctx, e.lasts); err != nil {
		return err
	}
	return r.broker.Up()
}

// settle waits until all is written, and stops the processes.
func (r *run) settle(ctx context.Context, res *result) error {
	begun := time.Now()
	for end := begun.Add(r.drain); ; {
		left, err := r.left(ctx)
		if err != nil {
			return err
		}
		if left <= 0 {
			break
		}
		if time.Now().After(end) {
			res.wrong("after %s without faults %d messages are in no epoch of the ledger", r.drain, left)
			for _, n := range r.nodes {
				res.wrong("%s", logTail(n.log, 15))
			}
			break
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	res.drained = time.Since(begun)
	if n := r.tally.count(endedByItself); n > 0 {
		res.wrong("processes ended by themselves, %d times: no fault is a reason for that", n)
	}
	for _, n := range r.nodes {
		switch err := n.terminate(); {
		case errors.Is(err, errSlow):
			res.wrong("process %d at its end: %v\n%s", n.slot, err, logTail(n.log, 15))
		case err != nil: // one that had only just been started says that it has opened nothing yet
			r.tally.add("stops that did not drain in time", 1)
			r.say("process %d on SIGTERM: %v\n%s", n.slot, err, logTail(n.log, 4))
		}
	}
	return nil
}

// endNodes kills what still runs.
func (r *run) endNodes() {
	r.fail(nil)
	for _, n := range r.nodes {
		_ = n.kill() // a log that can not be written hinders nothing
		n.done.Wait()
	}
}

// undisturbed reads the topic by one process into another database.
func (r *run) undisturbed(ctx context.Context) error {
	file, err := r.writePipeline(filepath.Join(r.dir, "undisturbed"), r.alone(), r.calm(), false)
	if err != nil {
		return err
	}
	log := filepath.Join(r.dir, "undisturbed.log")
	p, err := startProcess(log, nil, r.bin, "run", "--quiet", file)
	if err != nil {
		return err
	}
	defer p.Kill()
	select {
	case <-p.Ended:
	case <-time.After(r.drain):
		return fmt.Errorf("the undisturbed run takes longer than %s\n%s", r.drain, logTail(log, 15))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if p.Err != nil {
		return fmt.Errorf("the undisturbed run: %w\n%s", p.Err, logTail(log, 15))
	}
	return nil
}

// calm is the database of the undisturbed run.
func (r *run) calm() string { return r.name + "_calm" }

// drop deletes topic, databases and folders.
func (r *run) drop(ctx context.Context) error {
	err := errors.Join(r.broker.DropTopic(r.name), os.RemoveAll(r.dir))
	if r.grouped() {
		err = errors.Join(err, r.broker.DropTopic(r.name+"-objects"))
	}
	for _, db := range []string{r.name, r.calm()} {
		err = errors.Join(err, r.store.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+db+" SYNC"))
	}
	return err
}

// tally counts by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	memory int64 // the largest of any process, in bytes
}

func (t *tally) count(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[name]
}

func (t *tally) peak(bytes int64) {
	t.mu.Lock()
	t.memory = max(t.memory, bytes)
	t.mu.Unlock()
}

func (t *tally) add(name string, n int) {
	t.mu.Lock()
	t.counts[name] += n
	t.mu.Unlock()
}
