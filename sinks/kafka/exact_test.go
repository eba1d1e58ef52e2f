package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
)

// newExact opens a sink of transactions. Some tests leave it without Close, as a
// process does that is killed.
func newExact(t testing.TB, b *kafkatest.Broker, topic string) *Sink {
	t.Helper()
	k, err := open(t, b.Servers, func(c *Config) {
		c.Topic, c.KeyColumn, c.Delivery = topic, "author_id", "exactly_once"
		c.TransactionalID = "tx-" + topic
		c.Settings = map[string]string{"reconnect.backoff.max.ms": "300"}
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// insist writes an epoch as the engine does.
func insist(ctx context.Context, k *Sink, key pipeline.Key, in []pipeline.Batch) error {
	for {
		err := k.Write(ctx, key, in)
		if _, again := pipeline.IsRetryable(err); !again || ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// checkOnce reads committed messages of a topic: each of the epochs must have
// its n rows, once each, and those of a key in order.
func checkOnce(t *testing.T, b *kafkatest.Broker, topic string, epochs, n int) {
	t.Helper()
	seen := map[string]bool{}
	last := map[string]int{} // row of the epoch, and of the epochs before, by key
	number := map[string]int{}
	for i := range epochs {
		number[epoch(i).String()] = i
	}
	// One more than there should be would be a repeat.
	b.Produce(t, kafkatest.Message(topic, 0, []byte("end"), []byte(`{"post_id":"-1"}`)))
	for _, m := range b.Consume(t, topic, epochs*n+1) {
		if string(m.Key) == "end" {
			continue
		}
		var row struct {
			Post int `json:"post_id,string"`
		}
		if err := json.Unmarshal(m.Value, &row); err != nil {
			t.Fatal(err)
		}
		e, known := number[headerOf(m, headerEpoch)]
		id := fmt.Sprint(e, " ", row.Post)
		if !known || seen[id] {
			t.Fatalf("row %s of %q is there twice, or of no epoch", id, headerOf(m, headerEpoch))
		}
		seen[id] = true
		at := e*n + row.Post
		if before, any := last[string(m.Key)]; any && at <= before {
			t.Fatalf("key %s: row %d is behind %d", m.Key, at, before)
		}
		last[string(m.Key)] = at
	}
	if len(seen) != epochs*n {
		t.Errorf("%d rows, want %d", len(seen), epochs*n)
	}
}

func TestExactlyOnce(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions: the mock cluster keeps no offsets of them")
	t.Run("repeats", func(t *testing.T) { testRepeats(t, b) })
	t.Run("crashes", func(t *testing.T) { testCrashes(t, b) })
	t.Run("fight", func(t *testing.T) { testFight(t, b) })
	t.Run("stale", func(t *testing.T) { testStale(t, b) })
	t.Run("too large", func(t *testing.T) { testTooLarge(t, b) })
	t.Run("many partitions", func(t *testing.T) { testManyPartitions(t, b) })
	t.Run("broker away", func(t *testing.T) { testBrokerDies(t, b) }) // the last, since the broker is killed
}

// testRepeats has epochs come again: from the same sink, whose answer was lost,
// and from one that takes over, several of them.
func testRepeats(t *testing.T, b *kafkatest.Broker) {
	b.CreateTopic(t, "repeats", 3, nil)
	in := detections(t, 100, 300)
	write := func(k *Sink, n int) {
		t.Helper()
		if err := insist(t.Context(), k, epoch(n), in); err != nil {
			t.Fatal(err)
		}
	}
	first := newExact(t, b, "repeats")
	for n := range 4 {
		write(first, n)
		write(first, n)
	}
	second := newExact(t, b, "repeats")
	if err := second.Claim(t.Context(), "x/0"); err != nil {
		t.Fatal(err)
	}
	for n := range 6 { // the engine repeats the newest ones only, but those are known too
		write(second, n)
	}
	if err := second.Write(t.Context(), epoch(99), nil); err != nil { // nothing in it, nothing to do
		t.Fatal(err)
	}
	checkOnce(t, b, "repeats", 6, 300)
}

// testCrashes has writes end anywhere, and sinks be left where they are, as by a
// kill.
func testCrashes(t *testing.T, b *kafkatest.Broker) {
	b.CreateTopic(t, "crashes", 3, nil)
	const epochs, n = 25, 200
	in := detections(t, 50, n)
	r := rand.New(rand.NewSource(1))
	k := newExact(t, b, "crashes")
	crashes := 0
	for i := range epochs {
		for {
			ctx, end := context.WithTimeout(t.Context(), time.Duration(r.Intn(150))*time.Millisecond)
			if r.Intn(3) == 0 {
				end()
				ctx, end = context.WithTimeout(t.Context(), 20*time.Second)
			}
			err := insist(ctx, k, epoch(i), in)
			end()
			if err == nil {
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "imed out") {
				t.Fatal(err)
			}
			crashes++
			if r.Intn(2) == 0 {
				k = newExact(t, b, "crashes")
			}
		}
		if r.Intn(4) == 0 {
			k = newExact(t, b, "crashes") // it may come again
			if err := insist(t.Context(), k, epoch(i), in); err != nil {
				t.Fatal(err)
			}
		}
	}
	if crashes < 5 {
		t.Errorf("%d crashes: they were not tested", crashes)
	}
	checkOnce(t, b, "crashes", epochs, n)
}

// testFight has two sinks write the same epochs of one partition at the same
// time, both taking it back again and again: more than two processes ever do.
func testFight(t *testing.T, b *kafkatest.Broker) {
	b.CreateTopic(t, "fight", 3, nil)
	const epochs, n = 15, 100
	in := [2][]pipeline.Batch{detections(t, 50, n), detections(t, 50, n)}
	var wg sync.WaitGroup
	for i := range in {
		k := newExact(t, b, "fight")
		wg.Go(func() {
			r := rand.New(rand.NewSource(int64(i)))
			for e := range epochs {
				if r.Intn(3) == 0 {
					time.Sleep(time.Duration(r.Intn(100)) * time.Millisecond)
				}
				ctx, end := context.WithTimeout(t.Context(), time.Minute)
				err := insist(ctx, k, epoch(e), in[i])
				end()
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if !t.Failed() {
		checkOnce(t, b, "fight", epochs, n)
	}
}

// testStale has a sink go on with an epoch of its own that the one that has
// taken the partition over did not write: it must not.
func testStale(t *testing.T, b *kafkatest.Broker) {
	b.CreateTopic(t, "stale", 1, nil)
	in := detections(t, 50, 50)
	old, now := newExact(t, b, "stale"), newExact(t, b, "stale")
	for _, k := range []*Sink{old, now} {
		if err := k.Claim(t.Context(), "x/0"); err != nil {
			t.Fatal(err)
		}
	}
	for e := range 2 {
		if err := insist(t.Context(), now, epoch(e), in); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		err := old.Write(t.Context(), epoch(7), in)
		if _, again := pipeline.IsRetryable(err); !again {
			t.Fatalf("a sink that was fenced: error %v, want one that is retryable", err)
		}
	}
	if err := insist(t.Context(), now, epoch(2), in); err != nil { // it was fenced meanwhile, and takes the partition back
		t.Fatal(err)
	}
	if err := old.Claim(t.Context(), "x/0"); err != nil { // the partition comes back
		t.Fatal(err)
	}
	if err := insist(t.Context(), old, epoch(3), in); err != nil {
		t.Fatal(err)
	}
	checkOnce(t, b, "stale", 4, 50)
}

// testTooLarge has a message that does not fit: what came before it in the
// epoch must not be seen.
func testTooLarge(t *testing.T, b *kafkatest.Broker) {
	b.CreateTopic(t, "large", 1, map[string]string{"max.message.bytes": "2000"})
	k := newExact(t, b, "large")
	err := insist(t.Context(), k, epoch(0), append(detections(t, 10, 10), huge(t)))
	if _, again := pipeline.IsRetryable(err); err == nil || again || !strings.Contains(err.Error(), "size") {
		t.Fatalf("error %v", err)
	}
	if err := k.Write(t.Context(), epoch(0), detections(t, 10, 10)); err != nil { // that the sink is of use still
		t.Fatal(err)
	}
	checkOnce(t, b, "large", 1, 10)
}

// testManyPartitions has more partitions than producers, and idle ones.
func testManyPartitions(t *testing.T, b *kafkatest.Broker) {
	b.CreateTopic(t, "many", 1, nil)
	k := newExact(t, b, "many")
	in := detections(t, 5, 5)
	const most, parts = 3, 8
	k.exact.links = most
	for round := range 2 {
		for p := range parts {
			key := epoch(round)
			key.Span.Partition = fmt.Sprintf("in/%d", p)
			if err := insist(t.Context(), k, key, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	links := 0
	for _, c := range k.exact.claims {
		if c.link != nil {
			links++
		}
		c.used = time.Now().Add(-2 * idleAfter)
	}
	if links > most {
		t.Errorf("%d producers, want %d at the most", links, most)
	}
	if err := insist(t.Context(), k, epoch(0), in); err != nil {
		t.Fatal(err)
	}
	for name, c := range k.exact.claims {
		if c.link != nil && name != "x/0" {
			t.Errorf("the producer of %s is open, though nothing was written for long", name)
		}
	}
	if got := len(b.Consume(t, "many", (2*parts+1)*5)); got != (2*parts+1)*5 {
		t.Errorf("%d messages", got)
	}
}

// testBrokerDies kills the broker in the middle of writes.
func testBrokerDies(t *testing.T, b *kafkatest.Broker) {
	b.CreateTopic(t, "dies", 3, nil)
	const epochs, n = 30, 200
	in := detections(t, 50, n)
	k := newExact(t, b, "dies")
	done := make(chan error, 1)
	go func() {
		for e := range epochs {
			if err := insist(t.Context(), k, epoch(e), in); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 2 {
		time.Sleep(700 * time.Millisecond)
		b.Kill()
		b.Restart(t)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(3 * time.Minute):
		t.Fatal("not done after three minutes")
	}
	checkOnce(t, b, "dies", epochs, n)
}
