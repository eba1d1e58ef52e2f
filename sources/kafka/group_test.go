package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
)

// ledger is an owner that takes what it is given, reads it, and records each
// chunk at once. Several share what was read.
type ledger struct {
	t    *testing.T
	read *reads

	gate sync.Mutex // held to have nobody take chunks

	mu     sync.Mutex
	src    pipeline.Shared
	terms  uint64
	mine   map[string]uint64 // the term of each partition
	at     map[string]pipeline.Position
	lost   []string
	gained int
}

// reads has the bodies that were recorded, by partition, in order.
type reads struct {
	mu   sync.Mutex
	rows map[string][]string
}

func (r *reads) count() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rows := range r.rows {
		n += len(rows)
	}
	return n
}

func (l *ledger) Gain(_ context.Context, parts map[string]pipeline.Recorded) (map[string]pipeline.Resume, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]pipeline.Resume{}
	for name, p := range parts {
		l.terms++
		l.gained++
		l.mine[name], l.at[name] = l.terms, p.Committed
		out[name] = pipeline.Resume{From: p.Committed, Term: l.terms}
	}
	return out, nil
}

func (l *ledger) Lose(_ context.Context, parts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range parts {
		delete(l.mine, name)
		l.lost = append(l.lost, name)
	}
}

func (l *ledger) has() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.mine))
}

// run reads until ctx ends.
func (l *ledger) run(ctx context.Context) {
	for {
		c, err := l.src.Read(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.t.Errorf("read: %v", err)
			}
			return
		}
		l.gate.Lock()
		l.gate.Unlock() //nolint:staticcheck // it is only waited for
		l.take(ctx, c)
	}
}

func (l *ledger) take(ctx context.Context, c pipeline.Chunk) {
	defer c.Release()
	l.mu.Lock()
	defer l.mu.Unlock()
	name := c.Span.Partition
	if l.mine[name] != c.Term {
		return
	}
	if at := l.at[name]; at != "" && at != c.Span.From {
		l.t.Errorf("%s: a chunk begins at %s, the one before ended at %s", name, c.Span.From, at)
	}
	for ctx.Err() == nil {
		err := l.src.Record(ctx, name, pipeline.Recorded{Committed: c.Span.To})
		if _, again := pipeline.IsRetryable(err); again {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				l.t.Errorf("record: %v", err)
			}
			return
		}
		l.at[name] = c.Span.To
		l.read.mu.Lock()
		defer l.read.mu.Unlock()
		for i := range c.Records {
			l.read.rows[name] = append(l.read.rows[name], string(c.Data[c.Bounds[i]:c.Bounds[i+1]]))
		}
		return
	}
}

// join opens a member of the test's group, which leaves when the returned
// function is called, or at the test's end.
func join(t *testing.T, servers string, read *reads, set func(*Config)) (*ledger, func()) {
	t.Helper()
	p := newTestPlan(t, servers, func(c *Config) {
		c.Topics, c.Group, c.Follow, c.Assign = []string{"posts"}, "members", true, "group"
		c.Settings = map[string]string{"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
		if set != nil {
			set(c)
		}
	})
	src, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{t: t, read: read, src: src.(pipeline.Shared), mine: map[string]uint64{}, at: map[string]pipeline.Position{}}
	l.src.Join(l)
	ctx, cancel := context.WithCancel(context.Background())
	for {
		err := l.src.Open(ctx, nil)
		if err == nil {
			break
		}
		if _, again := pipeline.IsRetryable(err); !again {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ctx) })
	leave := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := l.src.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(leave)
	return l, leave
}

// waitFor fails the test if ok does not come true.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// produceNumbers writes messages from..to round robin over the partitions.
func produceNumbers(t *testing.T, b *kafkatest.Broker, topic string, partitions, from, to int) {
	t.Helper()
	var ms []client.Message
	for i := from; i < to; i++ {
		ms = append(ms, kafkatest.Message(topic, int32(i%partitions), nil, fmt.Appendf(nil, "%d", i)))
	}
	b.Produce(t, ms...)
}

// checkNumbers checks that each of n messages was recorded once, in order.
func checkNumbers(t *testing.T, read *reads, topic string, partitions, n int) {
	t.Helper()
	want := map[string][]string{}
	for i := range n {
		name := partitionName(topic, int32(i%partitions))
		want[name] = append(want[name], fmt.Sprint(i))
	}
	read.mu.Lock()
	defer read.mu.Unlock()
	if d := cmp.Diff(want, read.rows); d != "" {
		t.Errorf("what was read (-want +got):\n%.2000s", d)
	}
}

// TestGroupShares has members come and go while messages are read: each message
// is recorded once, by the member that has its partition.
func TestGroupShares(t *testing.T) {
	b := kafkatest.Start(t)
	for _, protocol := range []string{"cooperative-sticky", "range", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			if protocol == "consumer" {
				b.NeedReal(t, "for the protocol of KIP-848")
			}
			const parts = 6
			topic := "posts-" + protocol
			b.CreateTopic(t, topic, parts, nil)
			read := &reads{rows: map[string][]string{}}
			set := func(c *Config) {
				c.Topics, c.Group = []string{topic}, protocol
				if protocol == "consumer" {
					c.Settings = map[string]string{"group.protocol": "consumer"}
				} else {
					c.Settings["partition.assignment.strategy"] = protocol
				}
			}
			produceNumbers(t, b, topic, parts, 0, 600)
			one, _ := join(t, b.Servers, read, set)
			waitFor(t, "one member has all", func() bool { return len(one.has()) == parts && read.count() == 600 })
			two, leave := join(t, b.Servers, read, func(c *Config) { set(c); c.Consumers = 2 })
			waitFor(t, "the partitions are divided", func() bool { return len(one.has()) == parts/3 && len(two.has()) == 2*parts/3 })
			produceNumbers(t, b, topic, parts, 600, 1200)
			waitFor(t, "both have read", func() bool { return read.count() == 1200 })
			leave()
			waitFor(t, "one member has all again", func() bool { return len(one.has()) == parts })
			produceNumbers(t, b, topic, parts, 1200, 1500)
			waitFor(t, "all is read", func() bool { return read.count() == 1500 })
			checkNumbers(t, read, topic, parts, 1500)
		})
	}
}

// TestGroupHeldUp has nobody take chunks for longer than the group lets a member
// be silent: it stays a member, and loses nothing.
func TestGroupHeldUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some ten seconds")
	}
	b := kafkatest.Start(t)
	const topic, parts, n = "posts", 3, 30_000
	b.CreateTopic(t, topic, parts, nil)
	read := &reads{rows: map[string][]string{}}
	l, _ := join(t, b.Servers, read, func(c *Config) {
		c.ChunkSize = 4 << 10
		c.Settings["max.poll.interval.ms"] = "6000"
	})
	waitFor(t, "it has all partitions", func() bool { return len(l.has()) == parts })
	l.mu.Lock() // take waits
	produceNumbers(t, b, topic, parts, 0, n)
	time.Sleep(9 * time.Second)
	l.mu.Unlock()
	waitFor(t, "all is read", func() bool { return read.count() == n })
	checkNumbers(t, read, topic, parts, n)
	if l.gained != parts {
		t.Errorf("%d partitions came, of %d: the member was put out of the group in between", l.gained, parts)
	}
}

func TestRecorded(t *testing.T) {
	h := strings.Repeat("0123456789abcdef", 4)
	one, two := []pipeline.Pending{{To: "7", Manifest: h}}, []pipeline.Pending{{To: "7", Manifest: h}, {To: "9007199254740993", Manifest: h}}
	replay := pipeline.Replay{From: "3", Latest: 1_700_000_000_000, Reach: 86_400_000}
	for text, in := range map[string]pipeline.Recorded{
		"":                {},
		"sluice/1 7:" + h: {Pending: one},
		"sluice/1 7:" + h + " 9007199254740993:" + h: {Pending: two},
		"sluice/2 3:1700000000000:86400000":          {Replay: replay},
		"sluice/2 3:1700000000000:86400000 7:" + h:   {Replay: replay, Pending: one},
		"sluice/2 5:-1:1":                            {Replay: pipeline.Replay{From: "5", Latest: -1, Reach: 1}},
	} {
		in.Committed = "5"
		if got := formatRecorded(in); got != text || len(got) > 400 {
			t.Errorf("%+v is %q, want %q: the broker's limit is 4096", in, got, text)
		}
		out, err := parseRecorded(5, text)
		if d := cmp.Diff(in, out); err != nil || d != "" {
			t.Errorf("%q: %v\n%s", text, err, d)
		}
	}
	for _, bad := range []string{
		" ", "x", "sluice/3 7:" + h, "sluice/1 7", "sluice/1 7:abc", "sluice/1 07:" + h, "sluice/1 -7:" + h, "sluice/1 4:" + h, "sluice/1 9:" + h + " 8:" + h, "sluice/1  9:" + h,
		"sluice/2", "sluice/2 ", "sluice/2 7:" + h, "sluice/2 3:1", "sluice/2 3:1:0", "sluice/2 3:1:-1", "sluice/2 6:1:1", "sluice/2 :1:1", "sluice/2 3::1", "sluice/2 3:01:1", "sluice/2 3:1:1:1", "sluice/2 3:1:1  7:" + h,
		"sluice/1 3:1:1",
	} {
		if out, err := parseRecorded(5, bad); err == nil {
			t.Errorf("%q gives %v", bad, out)
		}
	}
}

func TestObjects(t *testing.T) {
	b := kafkatest.Start(t)
	p := newTestPlan(t, b.Servers, func(c *Config) { c.Topics, c.Follow, c.Assign = []string{"posts"}, true, "group" })
	src, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	g := src.(*group)
	defer g.objects.close()
	ctx := context.Background()
	contents := map[string][]byte{
		strings.Repeat("a", 64): bytes.Repeat([]byte("list\n"), 300_000), // of several messages
		strings.Repeat("b", 64): []byte("short"),
		strings.Repeat("c", 64): {},
	}
	for range 2 { // the same once more is harmless
		for h, data := range contents {
			if err := g.Offer(ctx, h, data); err != nil {
				t.Fatal(err)
			}
		}
	}
	for h, data := range contents {
		got, err := g.Fetch(ctx, h)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%.4s: %d bytes of %d, %v", h, len(got), len(data), err)
		}
	}
	if _, err := g.Fetch(ctx, strings.Repeat("d", 64)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was never offered: %v", err)
	}
}

// TestGroupPausedPartitionComesBack has a member that is paused, since nobody
// takes its chunks, lose its partitions and get some of them back: it reads them.
func TestGroupPausedPartitionComesBack(t *testing.T) {
	b := kafkatest.Start(t)
	const topic, parts, n = "posts", 6, 30_000
	b.CreateTopic(t, topic, parts, nil)
	read := &reads{rows: map[string][]string{}}
	set := func(c *Config) {
		c.ChunkSize = 4 << 10
		c.Settings["partition.assignment.strategy"] = "range" // takes all away first
	}
	one, _ := join(t, b.Servers, read, set)
	waitFor(t, "one member has all", func() bool { return len(one.has()) == parts })
	one.gate.Lock()
	produceNumbers(t, b, topic, parts, 0, n)
	time.Sleep(2 * patience)
	two, _ := join(t, b.Servers, read, set)
	waitFor(t, "the partitions are divided", func() bool { return len(one.has()) == parts/2 && len(two.has()) == parts/2 })
	one.gate.Unlock()
	waitFor(t, "all is read", func() bool { return read.count() == n })
	checkNumbers(t, read, topic, parts, n)
}
