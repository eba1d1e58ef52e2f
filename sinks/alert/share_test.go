package alert

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

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
	return memberAt(t, cfg, time.UnixMilli(1_800_000_000_000))
}

// memberAt is member at a time.
func memberAt(t testing.TB, cfg Config, at time.Time) *rig {
	t.Helper()
	cfg.Path = t.TempDir()
	r := newRig(t, cfg)
	r.at = at
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

// awaitCount waits until a sink has counted n detections of a rule.
func awaitCount(t testing.TB, r *rig, rule string, n int64) {
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
	awaitCount(t, now, "r1", 1)
	want := "firing r1 n=1 a=1 #1\n"
	told("the first detection is told of", want)
	write(two, "p/1", 1, det("r1", "bob", 1), det("r1", "ann", 1))
	write(one, "p/0", 1, det("r1", "ann", 0)) // again, as after a crash, by either
	write(two, "p/0", 1, det("r1", "ann", 0))
	write(two, "p/1", 2, det("r1", "cyd", 2, "severity", "info", "mode", "shadow")) // alerts nobody
	write(one, "p/0", 2, det("r1", "dan", 2))
	awaitCount(t, now, "r1", 4)
	pass(cfg.GroupInterval)
	want += "updated r1 n=4 a=3 #2\n"
	told("the others are told of", want)

	if err := now.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the other tells", func() bool { return tells(next) })
	write(next, "p/0", 3, det("r1", "eve", 3))
	write(next, "p/1", 1, det("r1", "bob", 1), det("r1", "ann", 1)) // counted by the one before
	awaitCount(t, next, "r1", 5)
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
	tale := page.tale()
	page.mu.Lock()
	defer page.mu.Unlock()
	if tale != "trigger trigger trigger resolve" || len(ids) != 1 || len(page.incidents) != 1 {
		t.Errorf("%d alerts; %d incidents; %s", len(ids), len(page.incidents), tale)
	}
}

// TestSharePlaceLost: a process that does not know yet that another tells can
// make no message, and what it would have told the other tells.
func TestSharePlaceLost(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	in := newReceiver(t)
	cfg := shared(t, b, map[string]Target{"hook": webhook(in.URL)})
	r := member(t, cfg)
	until(t, "it tells", func() bool { return tells(r) })
	r.put(t, 1, det("r1", "ann", 0))
	awaitCount(t, r, "r1", 1)
	told := func(want string) {
		t.Helper()
		until(t, want, func() bool { return story(in.messages(t)) == want })
	}
	told("firing r1 n=1 a=1 #1\n")

	// Another process takes over, as when this one was suspended.
	other := newSharing(r.Sink, nil)
	st, err := other.takeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	if len(st.alerts) != 1 || len(st.byID) != 0 || st.read != 1 || len(st.counted["x"]) != 1 {
		t.Fatalf("it was given %d alerts, %d messages, epochs %v, offset %d", len(st.alerts), len(st.byID), st.counted, st.read)
	}
	r.Sink.mu.Lock()
	old := r.st
	r.Sink.mu.Unlock()
	r.pass(cfg.ResolveAfter) // by its clock the alert is over
	until(t, "it finds that it has lost its place", func() bool { return strings.Contains(r.logged(), "leaves the others to tell") })
	if old.log.err == nil {
		t.Error("it could still write")
	}
	if got := story(in.messages(t)); got != "firing r1 n=1 a=1 #1\n" {
		t.Errorf("it told\n%s", got)
	}
	// It joins again, and takes over in turn; nothing was counted twice.
	until(t, "it tells again", func() bool { return tells(r) && r.st != old })
	if err := st.commit(record{Drop: []string{"x"}}); err == nil {
		t.Error("the one in between can write still")
	}
	r.put(t, 1, det("r1", "ann", 0))
	r.put(t, 2, det("r1", "bob", 1))
	awaitCount(t, r, "r1", 2)
	r.pass(cfg.ResolveAfter)
	want := "firing r1 n=1 a=1 #1\nresolved r1 n=2 a=2 #2\n"
	until(t, want, func() bool {
		got := story(in.messages(t))
		return got == want || got == "firing r1 n=1 a=1 #1\nupdated r1 n=2 a=2 #2\nresolved r1 n=2 a=2 #3\n"
	})
}

// TestShareProof: a process that only sends what it has made before finds out too
// that another tells, and sends no more of it.
func TestShareProof(t *testing.T) {
	if testing.Short() {
		t.Skip("a broker takes ten seconds to start")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	in := newReceiver(t)
	in.setAnswer(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	r := member(t, shared(t, b, map[string]Target{"hook": webhook(in.URL)}))
	until(t, "it tells", func() bool { return tells(r) })
	r.put(t, 1, det("r1", "ann", 0))
	calls := func() int {
		in.mu.Lock()
		defer in.mu.Unlock()
		return in.calls
	}
	until(t, "the message is tried", func() bool { return calls() > 2 })
	st, err := newSharing(r.Sink, nil).takeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	if len(st.byID) != 1 {
		t.Fatalf("%d messages were taken over, want 1", len(st.byID))
	}
	until(t, "it sends no more", func() bool { return strings.Contains(r.logged(), "leaves the others to tell") })
	before := calls()
	time.Sleep(200 * time.Millisecond) // before it joins again
	if n := calls() - before; n > 0 {
		t.Errorf("%d attempts after it had lost its place", n)
	}
}

// TestShareLog: what a store holds is what is read again, whatever was written
// and taken back before.
func TestShareLog(t *testing.T) {
	if testing.Short() {
		t.Skip("a broker takes ten seconds to start")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	cfg := shared(t, b, map[string]Target{"hook": webhook("http://127.0.0.1:1")})
	r := newRig(t, cfg)
	r.keep = func(context.Context, pipeline.Report) error { return nil }
	x := newSharing(r.Sink, nil)
	if err := x.makeTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.makeTopics(t.Context()); err != nil {
		t.Fatalf("topics that are there: %v", err)
	}
	st, err := x.takeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.read != -1 || len(st.alerts) != 0 {
		t.Fatalf("at first there are %d alerts, offset %d", len(st.alerts), st.read)
	}
	at := int64(0)
	for i := range 5 {
		at = int64(10 * i)
		id := fmt.Sprint("a", i%3)
		rec := record{
			Counted: map[string][]counted{fmt.Sprint("p/", i%2): {{fmt.Sprint("e", i), i}}}, Alerts: []*alert{{ID: id, GroupID: "g" + id, Count: int64(i)}}, Read: &at,
			Add:     []*delivery{{ID: fmt.Sprint("d", i), Target: "hook", Msg: &Message{AlertID: id}}},
			Reports: []*report{{Delivery: &sendReport{AlertID: id}}},
		}
		if err := st.commit(rec); err != nil {
			t.Fatal(err)
		}
	}
	for _, rec := range []record{{Drop: []string{"a0"}}, {Done: []string{"d1", "d3"}}, {Reported: 2}} {
		if err := st.commit(rec); err != nil {
			t.Fatal(err)
		}
	}
	want := shape(st)
	st.close()
	if err := st.commit(record{Drop: []string{"a1"}}); err == nil {
		t.Error("a store that is closed takes changes")
	}
	again, err := x.takeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if got := shape(again); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if want != "read 40; counted map[p/0:[{e4 4}] p/1:[{e3 3}]]; a1 4 a2 2; current 2; [d0 d2 d4]; reports [3 4 5]" {
		t.Errorf("the store holds %s", want)
	}
}

// shape writes what a store holds.
func shape(st *store) string {
	var out strings.Builder
	fmt.Fprintf(&out, "read %d; counted %v;", st.read, st.counted)
	for _, id := range sortedKeys(st.alerts) {
		fmt.Fprintf(&out, " %s %d", id, st.alerts[id].Count)
	}
	var ids []string
	for _, d := range st.queues["hook"] {
		ids = append(ids, d.ID)
	}
	var reports []uint64
	for _, r := range st.reports {
		reports = append(reports, r.N)
	}
	fmt.Fprintf(&out, "; current %d; %v; reports %v", len(st.current), ids, reports)
	return out.String()
}

// TestShareRealAlertmanager: what two processes find of one thing is one alert
// there, and it goes when whoever tells then says that it is over.
func TestShareRealAlertmanager(t *testing.T) {
	if testing.Short() {
		t.Skip("a broker takes ten seconds to start")
	}
	url := startAlertmanager(t)
	defer http.DefaultClient.CloseIdleConnections()
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	cfg := shared(t, b, map[string]Target{"am": amTarget(url)})
	cfg.ResolveAfter = 100 * time.Second
	at := time.Now() // Alertmanager goes by the clock
	one, two := memberAt(t, cfg, at), memberAt(t, cfg, at)
	now, next := teller(t, one, two)
	one.put(t, 1, det("r1", "ann", 0))
	two.put(t, 2, det("r1", "bob", 1), det("r2", "bob", 1))
	awaitCount(t, now, "r1", 2)
	until(t, "two alerts", func() bool { return len(amActive(t, url)) == 2 })
	if err := now.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the other tells", func() bool { return tells(next) })
	next.put(t, 3, det("r1", "cyd", 2))
	awaitCount(t, next, "r1", 3)
	names := amNames(t, url)
	if len(names) != 2 || names["r1"] != 1 || names["r2"] != 1 {
		t.Errorf("Alertmanager has %v", names)
	}
	next.Sink.mu.Lock()
	for _, a := range next.st.alerts { // all is quiet
		a.TouchedAt -= cfg.ResolveAfter.Milliseconds()
	}
	next.Sink.mu.Unlock()
	until(t, "all are resolved", func() bool { return len(amActive(t, url)) == 0 })
}

// TestShareBrokerAway: while the broker is away nothing is told; when it is back,
// all that was written is, once.
func TestShareBrokerAway(t *testing.T) {
	if testing.Short() {
		t.Skip("a broker takes ten seconds to start")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "to be ended")
	in := newReceiver(t)
	cfg := shared(t, b, map[string]Target{"hook": webhook(in.URL)})
	cfg.Share.Settings["reconnect.backoff.max.ms"] = "500"
	r := member(t, cfg)
	until(t, "it tells", func() bool { return tells(r) })
	r.put(t, 1, det("r1", "ann", 0))
	awaitCount(t, r, "r1", 1)
	until(t, "the first is told", func() bool { return len(in.messages(t)) == 1 })
	b.Kill()
	r.pass(cfg.ResolveAfter) // there is something to tell
	within, end := context.WithTimeout(t.Context(), 2*time.Second)
	defer end()
	if err := r.Write(within, testKey(2), batches(t, det("r1", "bob", 1))); err == nil {
		t.Fatal("a write was taken without a broker")
	}
	until(t, "it gives its place up", func() bool { return !tells(r) })
	if n := len(in.messages(t)); n != 1 {
		t.Errorf("%d messages were told meanwhile", n)
	}
	b.Restart(t)
	until(t, "the epoch is written after all", func() bool {
		err := r.Write(t.Context(), testKey(2), batches(t, det("r1", "bob", 1)))
		if _, again := pipeline.IsRetryable(err); err != nil && !again {
			t.Fatal(err)
		}
		return err == nil
	})
	awaitCount(t, r, "r1", 2)
	r.pass(cfg.ResolveAfter)
	last := func() *Message { ms := in.messages(t); return ms[len(ms)-1] }
	until(t, "it ends with both", func() bool { m := last(); return m.Status == "resolved" && m.Count == 2 })
	for _, m := range in.messages(t) {
		if m.AlertID != last().AlertID {
			t.Errorf("got\n%s", story(in.messages(t)))
		}
	}
}

// TestParcels: messages of an epoch count once and in their order, whatever is
// sent again; the newest epochs of each partition are remembered.
func TestParcels(t *testing.T) {
	var list []counted
	send := func(epoch string, part int) bool {
		p := parcel{epoch: epoch, part: part}
		next, ok := p.next(list)
		if ok {
			list = next
		}
		return ok
	}
	for i, c := range []struct {
		epoch string
		part  int
		want  bool
	}{
		{"a", 0, true},
		{"a", 0, false},
		{"a", 2, false},
		{"a", 1, true},
		{"b", 1, false},
		{"b", 0, true},
		{"a", 0, false},
		{"a", 1, false},
		{"a", 2, true},
		{"b", 0, false},
		{"b", 1, true},
	} {
		if got := send(c.epoch, c.part); got != c.want {
			t.Errorf("step %d: message %d of %s: %v, want %v", i, c.part, c.epoch, got, c.want)
		}
	}
	for i := range keptEach - 1 {
		send(fmt.Sprint(i), 0)
	}
	if send("b", 0) || !send("a", 0) || len(list) != keptEach {
		t.Errorf("of %d epochs the newest %d are not what is remembered: %v", keptEach+2, keptEach, list)
	}
}

// TestShareMessages: an epoch that is too large for one message is several, which
// count once together; what is not ours is left out; columns that a process of
// another version does not write are empty.
func TestShareMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("a broker takes ten seconds to start")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	in := newReceiver(t)
	r := member(t, shared(t, b, map[string]Target{"hook": webhook(in.URL)}))
	var rows []row
	for i := range 20 {
		rows = append(rows, det("r1", "ann", i, "text", strings.Repeat("zorvath ", 12_000)))
	}
	r.put(t, 1, rows...)
	r.put(t, 1, rows...)
	b.Produce(t, kafkatest.Message("alerts", 0, nil, []byte("something else")))
	r.put(t, 2, det("r2", "ann", 0, "text", strings.Repeat("zorvath ", 300_000))) // too large for a broker
	r.put(t, 3, det("r3", strings.Repeat("a", 1_000_000), 0), det("r4", "ann", 0))
	for rule, n := range map[string]int64{"r1": 20, "r2": 1, "r4": 1} {
		awaitCount(t, r, rule, n)
	}
	if log := r.logged(); strings.Count(log, "is left out") != 1 || strings.Count(log, "too large to be told of") != 1 {
		t.Errorf("the log is\n%s", log)
	}
	if n := len(b.ConsumeAll(t, "alerts")); n < 2*4+2 {
		t.Errorf("%d messages: the epoch was not cut", n)
	}

	rec := batches(t, det("r3", "ann", 0, "labels", []string{"x"}))[0].Record
	at := rec.Schema().FieldIndices("labels")[0]
	fields := slices.Delete(rec.Schema().Fields(), at, at+1)
	older := array.NewRecord(arrow.NewSchema(fields, nil), slices.Delete(slices.Clone(rec.Columns()), at, at+1), 1)
	fitted := r.shared.fit(older, rec.Schema())
	d := r.routes[0].layout.reader(fitted, "p").head(0)
	if d.rule != "r3" || d.author != "ann" || len(d.labels) != 0 {
		t.Errorf("got %+v", d)
	}
}
