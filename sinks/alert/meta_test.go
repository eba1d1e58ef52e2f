package alert

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/pipeline"
)

// TestDeadLetterAlert: messages that were given up are told of by another way,
// one alert for each target, and not when they are of that alert itself.
func TestDeadLetterAlert(t *testing.T) {
	bad, ops := newReceiver(t), newReceiver(t)
	bad.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(400); return true }
	cfg := testConfig(t, map[string]Target{"bad": webhook(bad.URL), "ops": webhook(ops.URL)})
	cfg.Default = &[]string{"bad"}
	cfg.DeadLetters = &DeadLetters{Targets: []string{"ops", "bad"}}
	cfg.DeadLetters.SetDefaults()
	r := opened(t, cfg)
	r.put(t, 1, det("r1", "ann", 0), det("r2", "ann", 0))
	r.idleWithDead(t)
	until(t, "ops is told", func() bool { r.look(false); return tale(t, ops) != "" })
	counts := func(n int64) func() bool {
		return func() bool { r.look(false); ms := ops.messages(t); return ms[len(ms)-1].Count == n }
	}
	if !counts(2)() { // the first of the two was given up, and told, before the second
		r.pass(cfg.GroupInterval)
		until(t, "ops is told of both", counts(2))
	}
	r.pass(cfg.GroupInterval)
	r.put(t, 2, det("r3", "ann", 0))
	r.idleWithDead(t)
	until(t, "ops is told of more", counts(3))
	r.pass(cfg.DeadLetters.ResolveAfter)
	r.idleWithDead(t)
	ms := ops.messages(t)
	first, last := ms[0], ms[len(ms)-1]
	if first.Status != "firing" || last.Status != "resolved" || last.Count != 3 || first.AlertID != last.AlertID || first.Kind != "meta" ||
		first.Severity != "high" || first.Group[0] != (Pair{"target", "bad"}) || !strings.Contains(last.Note, "of rule r3: answer 400") || last.SQL != "" || len(ms) > 4 {
		t.Errorf("got %s, %+v", tale(t, ops), last)
	}
	if title := last.title(); title != "high: sluice-dead-letters (target=bad): 3 messages were given up" {
		t.Errorf("title %q", title)
	}
	// Of the alert itself "bad" takes no message either: no alert about that.
	r.Sink.mu.Lock()
	defer r.Sink.mu.Unlock()
	metas := 0
	for _, a := range r.st.alerts {
		if a.Kind == kindMeta {
			metas++
		}
	}
	if metas != 1 || r.targets[0].dead < 5 {
		t.Errorf("%d alerts about dead letters; %d dead letters", metas, r.targets[0].dead)
	}
}

// TestHeartbeat beats while the pipeline moves or has nothing to do, and stops
// when it stands still.
func TestHeartbeat(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	cfg.Heartbeat = &Heartbeat{Targets: []string{"hook"}, MaxIdle: time.Hour}
	cfg.Heartbeat.SetDefaults()
	r := newRig(t, cfg)
	var stalled, idle atomic.Int64
	r.WatchProgress(func() pipeline.Progress {
		return pipeline.Progress{Stalled: time.Duration(stalled.Load()), Idle: time.Duration(idle.Load())}
	})
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	beats := func() int { return len(in.messages(t)) }
	counted := func(what string) int64 {
		r.Sink.mu.Lock()
		defer r.Sink.mu.Unlock()
		return r.beats[what]
	}
	until(t, "the first beat", func() bool { return beats() == 1 })
	for n := range 3 {
		r.pass(time.Minute)
		until(t, "a beat", func() bool { return beats() == n+2 })
	}
	stalled.Store(int64(5*time.Minute + 1))
	r.pass(time.Minute)
	until(t, "a beat is withheld", func() bool { return counted("withheld") == 1 })
	r.pass(time.Minute)
	until(t, "another too", func() bool { return counted("withheld") == 2 })
	if beats() != 4 || strings.Count(r.logged(), "the pipeline stands still") != 1 {
		t.Errorf("%d beats; log %s", beats(), r.logged())
	}
	stalled.Store(0)
	r.pass(time.Minute)
	until(t, "it goes on", func() bool { return beats() == 5 })
	idle.Store(int64(time.Hour + 1))
	r.pass(time.Minute)
	until(t, "the source is silent for too long", func() bool { return counted("withheld") == 3 })
	idle.Store(0)
	in.setAnswer(func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true })
	r.pass(time.Minute)
	until(t, "a beat fails", func() bool { return counted("failed") == 1 })
	ms := in.messages(t)
	keys := map[string]bool{}
	for i, m := range ms {
		keys[m.Key] = true
		if m.Status != "heartbeat" || m.Rule != "sluice-heartbeat" || m.AlertID != ms[0].AlertID || m.Sequence != i+1 {
			t.Errorf("beat %+v", m)
		}
	}
	if len(keys) != len(ms) || len(r.st.byID) != 0 {
		t.Errorf("%d keys of %d beats; %d in the outbox", len(keys), len(ms), len(r.st.byID))
	}
}

// TestHeartbeatAlertmanager: there it is an alert that ends by itself soon.
func TestHeartbeatAlertmanager(t *testing.T) {
	cfg := testConfig(t, map[string]Target{"am": {Alertmanager: &Alertmanager{URL: "http://127.0.0.1:1"}, AllowPrivate: true, Timeout: time.Second}})
	cfg.Heartbeat = &Heartbeat{Targets: []string{"am"}}
	cfg.Heartbeat.SetDefaults()
	r := newRig(t, cfg)
	req, err := r.targets[0].request(t.Context(), r.heartbeat(1, r.now()), r.now())
	if err != nil {
		t.Fatal(err)
	}
	var alerts []amAlert
	if err := json.NewDecoder(req.Body).Decode(&alerts); err != nil {
		t.Fatal(err)
	}
	if a := alerts[0]; a.Labels["alertname"] != "SluiceHeartbeat" || !a.EndsAt.Equal(r.now().Add(3*time.Minute)) {
		t.Errorf("got %+v", a)
	}
}

// keeper is a store of reports: rows by key, the newest at of deliveries.
type keeper struct {
	alerts, sends map[string]string
	calls         int
	fail          error
}

func (k *keeper) keep(_ context.Context, r pipeline.Report) error {
	k.calls++
	if k.fail != nil {
		return k.fail
	}
	text := func(name string, row int) string {
		return r.Record.Column(r.Record.Schema().FieldIndices(name)[0]).ValueStr(row)
	}
	for row := range int(r.Record.NumRows()) {
		if r.Table == pipeline.TableAlerts {
			k.alerts[text("alert_id", row)[:4]+" "+text("sequence", row)] = text("rule_id", row) + " " + text("status", row) + " " + text("detections", row) + " " +
				r.Record.Column(8).(*array.List).ValueStr(row)
		} else {
			k.sends[text("rule_id", row)+" "+text("sequence", row)+" "+text("target", row)] = text("status", row) + " " + text("result", row) + " " + text("attempts", row)
		}
	}
	return nil
}

// TestReports: each message and what became of it are rows; a store that is down
// holds up nothing, and gets all of them later, over a restart too.
func TestReports(t *testing.T) {
	good, bad := newReceiver(t), newReceiver(t)
	bad.answer = func(call int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(map[bool]int{true: 500, false: 400}[call == 1])
		return true
	}
	cfg := testConfig(t, map[string]Target{"good": webhook(good.URL), "bad": webhook(bad.URL)})
	k := &keeper{alerts: map[string]string{}, sends: map[string]string{}, fail: context.DeadlineExceeded}
	r := newRig(t, cfg)
	r.ReportTo(k.keep)
	r.drain = 50 * time.Millisecond
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.put(t, 1, det("r1", "ann", 0))
	r.idleWithDead(t)
	until(t, "the store was asked", func() bool { return strings.Contains(r.logged(), "rows about alerts cannot be stored") })
	at := r.now()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(good.messages(t)) != 1 || !strings.Contains(r.logged(), "the next run stores them") {
		t.Errorf("log %s", r.logged())
	}
	k.fail = nil
	r = newRig(t, cfg)
	r.at = at
	r.ReportTo(k.keep)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.pass(cfg.ResolveAfter)
	r.idleWithDead(t)
	if err := r.Close(t.Context()); err != nil { // hands over what is left
		t.Fatal(err)
	}
	if len(r.st.reports) != 0 || len(k.alerts) != 2 {
		t.Errorf("%d wait; alerts %v", len(r.st.reports), k.alerts)
	}
	for key, row := range k.alerts {
		if want := map[byte]string{'1': `r1 firing 1 ["r1"]`, '2': `r1 resolved 1 ["r1"]`}[key[5]]; row != want {
			t.Errorf("%s: %s, want %s", key, row, want)
		}
	}
	for key, want := range map[string]string{"r1 1 good": "firing sent 1", "r1 1 bad": "firing dead 1", "r1 2 good": "resolved sent 1", "r1 2 bad": "resolved dead 0"} {
		if got := k.sends[key]; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

// TestReportsBound: rows that no store takes are forgotten, the oldest first,
// and nothing is kept where nobody wants them.
func TestReportsBound(t *testing.T) {
	st, err := openStore(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	for range 3 {
		rows := make([]*report, maxReports/2)
		for i := range rows {
			rows[i] = &report{Delivery: &sendReport{}}
		}
		st.applyReports(record{Reports: rows})
	}
	if n := len(st.reports); n != maxReports || st.lost != maxReports/2 || st.reports[0].N != maxReports/2+1 {
		t.Errorf("%d wait, %d lost, first %d", n, st.lost, st.reports[0].N)
	}
	st.applyReports(record{Reported: st.reports[9].N})
	if n := len(st.reports); n != maxReports-10 {
		t.Errorf("%d wait", n)
	}
	in := newReceiver(t)
	r := opened(t, testConfig(t, map[string]Target{"hook": webhook(in.URL)}))
	r.put(t, 1, det("r1", "ann", 0))
	r.idle(t)
	if len(r.st.reports) != 0 {
		t.Error("reports without a keeper")
	}
}

// TestReportNumbers: what the store has is forgotten, and nothing else, over a
// compaction, rows that are in memory only, and a restart.
func TestReportNumbers(t *testing.T) {
	dir := t.TempDir()
	st, err := openStore(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	row := func(rule string) []*report { return []*report{{Delivery: &sendReport{Rule: rule}}} }
	put := func(rec record) {
		t.Helper()
		if err := st.commit(rec); err != nil {
			t.Fatal(err)
		}
	}
	put(record{Reports: row("a")})
	st.applyReports(record{Reports: row("in memory")})
	put(record{Reports: row("b")})
	put(record{Reported: st.reports[1].N})
	if err := st.compact(); err != nil {
		t.Fatal(err)
	}
	put(record{Reports: row("c")})
	put(record{Reports: row("d")})
	put(record{Reported: st.reports[1].N}) // b and c
	st.close()
	if st, err = openStore(dir, false); err != nil {
		t.Fatal(err)
	}
	defer st.close()
	if len(st.reports) != 1 || st.reports[0].Delivery.Rule != "d" {
		t.Errorf("%d wait", len(st.reports))
	}
	put(record{Reports: row("e")})
	if a, b := st.reports[0].N, st.reports[1].N; b <= a {
		t.Errorf("numbers %d, %d", a, b)
	}
}
