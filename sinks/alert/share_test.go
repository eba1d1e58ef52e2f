package alert

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/kafkaconfig"
	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
)

// shared returns a config of a sink that several share.
func shared(t testing.TB, b *kafkatest.Broker, targets map[string]Target) Config {
	cfg := testConfig(t, targets)
	cfg.Share = &Share{}
	cfg.Share.SetDefaults()
	cfg.Share.Connection = kafkaconfig.DefaultConnection()
	cfg.Share.Brokers, cfg.Share.Topic = []string{b.Servers}, "alerts"
	cfg.Share.Settings = map[string]string{"session.timeout.ms": "2000", "heartbeat.interval.ms": "500"}
	return cfg
}

// member opens a sink that shares, with a folder and a clock of its own.
func member(t testing.TB, cfg Config) *rig {
	t.Helper()
	cfg.Path = t.TempDir()
	r := newRig(t, cfg)
	until(t, "the topics are made", func() bool { // two may make them at once
		err := r.Open(t.Context())
		if _, again := pipeline.IsRetryable(err); err != nil && !again {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(r.logged())
		}
	})
	return r
}

// tells reports whether a sink is the one that tells.
func tells(r *rig) bool {
	r.Sink.mu.Lock()
	defer r.Sink.mu.Unlock()
	return r.st != nil && !r.ended
}

// teller waits until one of two tells, and returns it and the other.
func teller(t testing.TB, a, b *rig) (who, other *rig) {
	t.Helper()
	until(t, "one tells", func() bool { return tells(a) != tells(b) })
	if tells(a) {
		return a, b
	}
	return b, a
}

// counted waits until a sink has counted n detections of a rule.
func counted(t testing.TB, r *rig, rule string, n int64) {
	t.Helper()
	until(t, fmt.Sprintf("%d detections of %s are counted", n, rule), func() bool {
		r.Sink.mu.Lock()
		defer r.Sink.mu.Unlock()
		if r.st == nil || r.ended {
			return false
		}
		for _, a := range r.st.alerts {
			if a.Rule == rule && a.Count == n && !a.Closed {
				return true
			}
		}
		return false
	})
}

// TestShare: what two processes find is one alert, told once by one of them; when
// that ends, the other goes on with it.
func TestShare(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	in, page := newReceiver(t), newPager(t)
	cfg := shared(t, b, map[string]Target{"hook": webhook(in.URL), "page": page.target()})
	one, two := member(t, cfg), member(t, cfg)
	now, next := teller(t, one, two)
	write := func(r *rig, partition string, n int, rows ...row) {
		t.Helper()
		key := testKey(n)
		key.Span.Partition = partition
		if err := r.Write(t.Context(), key, batches(t, rows...)); err != nil {
			t.Fatal(err)
		}
	}
	pass := func(d time.Duration) {
		now.pass(d)
		next.pass(d)
	}
	told := func(what string, want string) {
		t.Helper()
		until(t, what, func() bool { return story(in.messages(t)) == want })
	}

	write(one, "p/0", 1, det("r1", "ann", 0))
	counted(t, now, "r1", 1)
	want := "firing r1 n=1 a=1 #1\n"
	told("the first detection is told of", want)
	write(two, "p/1", 1, det("r1", "bob", 1), det("r1", "ann", 1))
	write(one, "p/0", 1, det("r1", "ann", 0)) // again, as after a crash, by either
	write(two, "p/0", 1, det("r1", "ann", 0))
	write(two, "p/1", 2, det("r1", "cyd", 2, "severity", "info", "mode", "shadow")) // alerts nobody
	write(one, "p/0", 2, det("r1", "dan", 2))
	counted(t, now, "r1", 4)
	pass(cfg.GroupInterval)
	want += "updated r1 n=4 a=3 #2\n"
	told("the others are told of", want)

	if err := now.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the other tells", func() bool { return tells(next) })
	write(next, "p/0", 3, det("r1", "eve", 3))
	write(next, "p/1", 1, det("r1", "bob", 1), det("r1", "ann", 1)) // counted by the one before
	counted(t, next, "r1", 5)
	next.pass(cfg.GroupInterval)
	want += "updated r1 n=5 a=4 #3\n"
	told("the alert goes on", want)
	next.pass(cfg.ResolveAfter)
	want += "resolved r1 n=5 a=4 #4\n"
	told("the alert ends", want)

	ids := map[string]bool{}
	for _, m := range in.messages(t) {
		ids[m.AlertID] = true
	}
	until(t, "the page ends", func() bool { return strings.HasSuffix(page.tale(), "resolve") })
	if page.tale() != "trigger trigger trigger resolve" || len(ids) != 1 || len(page.incidents) != 1 {
		t.Errorf("%d alerts; %d incidents; %s", len(ids), len(page.incidents), page.tale())
	}
}
