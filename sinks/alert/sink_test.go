package alert

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// TestLife follows one alert: gathered, fired, throttled, updated, resolved.
func TestLife(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	cfg.GroupWait = 2 * time.Second
	r := opened(t, cfg)
	r.put(t, 1, det("r1", "ann", 0), det("r1", "bob", 1))
	r.idle(t)
	if got := story(in.messages(t)); got != "" {
		t.Fatalf("told before the group wait is over:\n%s", got)
	}
	r.pass(2 * time.Second)
	r.idle(t)
	r.put(t, 2, det("r1", "ann", 5))
	r.pass(cfg.GroupInterval - time.Second)
	r.idle(t) // throttled
	r.put(t, 3, det("r1", "cyd", 6))
	r.put(t, 3, det("r1", "cyd", 6)) // the same key again
	r.pass(time.Second)
	r.idle(t)
	r.pass(cfg.ResolveAfter)
	r.idle(t)
	want := "firing r1 n=2 a=2 #1\nupdated r1 n=4 a=3 #2\nresolved r1 n=4 a=3 #3\n"
	ms := in.messages(t)
	if got := story(ms); got != want {
		t.Fatalf("got\n%swant\n%s", got, want)
	}
	if ms[0].AlertID != ms[2].AlertID || ms[0].Rule != "r1" || ms[0].RuleVersion != 3 || ms[0].Owner != "team" || len(ms[2].Examples) != 3 {
		t.Errorf("got %+v", ms[2])
	}
	// By event time the window is open still: the same alert goes on.
	r.put(t, 4, det("r1", "ann", 60))
	r.pass(cfg.GroupInterval) // a rule that flaps is throttled too
	r.idle(t)
	if ms = in.messages(t); len(ms) != 4 || ms[3].AlertID != ms[0].AlertID || ms[3].Status != "firing" {
		t.Fatalf("got\n%s", story(ms))
	}
	// A gap in event time ends it, and begins another.
	r.put(t, 5, det("r1", "ann", 60+int(cfg.ResolveAfter.Seconds())+1))
	r.pass(cfg.GroupWait)
	r.idle(t)
	if ms = in.messages(t); len(ms) != 6 || ms[4].Status == ms[5].Status || ms[4].AlertID == ms[5].AlertID {
		t.Fatalf("got\n%s", story(ms))
	}
}

// TestGroupWaitBeginsWhenRead: the time that an epoch took to be written is not
// waited for again; a time of reading that cannot be is not believed.
func TestGroupWaitBeginsWhenRead(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	cfg.GroupWait = 10 * time.Second
	r := opened(t, cfg)
	write := func(n int, read time.Time, rows ...row) {
		t.Helper()
		if err := r.Write(pipeline.WithReadTime(t.Context(), read), testKey(n), batches(t, rows...)); err != nil {
			t.Fatal(err)
		}
	}
	told := func(after, want string) {
		t.Helper()
		r.idle(t)
		if got := story(in.messages(t)); got != want {
			t.Fatalf("%s got\n%swant\n%s", after, got, want)
		}
	}
	now := r.now()
	write(1, now.Add(-7*time.Second), det("r1", "ann", 0))
	write(2, now.Add(time.Hour), det("r2", "ann", 0)) // the clock was set back
	write(3, now.Add(-time.Hour), det("r1", "bob", 0), det("r3", "ann", 0))
	first := "firing r3 n=1 a=1 #1\n"
	told("an epoch that took an hour:", first) // r1's wait began with its own first detection
	r.pass(2 * time.Second)
	told("after 2 s:", first)
	r.pass(time.Second)
	first += "firing r1 n=2 a=2 #1\n"
	told("after 3 s:", first)
	r.pass(6 * time.Second)
	told("after 9 s:", first)
	r.pass(time.Second)
	told("after 10 s:", first+"firing r2 n=1 a=1 #1\n")
}

func TestGrouping(t *testing.T) {
	rows := []row{
		det("r1", "ann", 0, "labels", []string{"spam"}, "text_hash", uint64(7)),
		det("r1", "bob", 1, "severity", "low"),
		det("r2", "ann", 2, "severity", "critical", "labels", []string{"a", "spam"}, "kind", "score"),
		det("r2", "ann", 3, "mode", "shadow"),
		det("r3", "ann,b", 4, "labels", []string{"a,b"}, "severity", "info"),
	}
	for _, c := range []struct {
		name string
		set  func(*Config)
		want string
	}{
		{"by rule", func(*Config) {}, "r1 2; r2 1; r3 1"},
		{"by author", func(c *Config) { c.By = []string{"author_id"} }, "ann 2; ann,b 1; bob 1"},
		{"by two", func(c *Config) { c.By = []string{"rule_id", "author_id"} }, "r1 ann 1; r1 bob 1; r2 ann 1; r3 ann,b 1"},
		{"by hash", func(c *Config) { c.By = []string{"text_hash"} }, "0 3; 7 1"},
		{"by labels", func(c *Config) { c.By = []string{"labels"} }, " 1; a,b 1; a,spam 1; spam 1"},
		{"severity", func(c *Config) { c.MinSeverity = "high" }, "r1 1; r2 1"},
		{"rules", func(c *Config) { c.Rules = []string{"r3", "r9"} }, "r3 1"},
		{"labels", func(c *Config) { c.Labels = []string{"spam"} }, "r1 1; r2 1"},
		{"kinds", func(c *Config) { c.Kinds = []string{"score"} }, "r2 1"},
		{"shadow", func(c *Config) { c.Shadow = true }, "r1 2; r2 2; r3 1"},
		{"full", func(c *Config) { c.MaxGroups = 1; c.By = []string{"author_id"} }, "all further groups 2; ann 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// However the rows are cut into epochs, the alerts are the same.
			for cuts := range 3 {
				in := newReceiver(t)
				cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
				cfg.GroupWait = time.Minute
				c.set(&cfg)
				r := opened(t, cfg)
				switch cuts {
				case 0:
					r.put(t, 0, rows...)
				case 1:
					for i := range rows {
						r.put(t, i, rows[i])
					}
				default:
					r.put(t, 0, rows[:2]...)
					r.put(t, 1, rows[2:]...)
				}
				r.pass(time.Minute)
				r.idle(t)
				got := map[string]int64{}
				var names []string
				for _, m := range in.messages(t) {
					var values []string
					for _, p := range m.Group {
						values = append(values, p.Value)
					}
					name := strings.Join(values, " ")
					got[name] = m.Count
					names = append(names, name)
				}
				if s := summary(got); s != c.want || len(names) != len(got) {
					t.Errorf("cut %d: got %q, want %q", cuts, s, c.want)
				}
			}
		})
	}
}

// TestManyGroups is 10,000 detections in 50 groups: 50 alerts, all resolved.
func TestManyGroups(t *testing.T) {
	in := newReceiver(t)
	r := opened(t, testConfig(t, map[string]Target{"hook": webhook(in.URL)}))
	for n := range 10 {
		var rows []row
		for i := range 1000 {
			rows = append(rows, det(fmt.Sprintf("r%d", i%50), fmt.Sprintf("author-%d", i), n))
		}
		r.put(t, n, rows...)
	}
	r.idle(t)
	r.pass(r.cfg.ResolveAfter)
	r.idle(t)
	fired, ended, count := map[string]bool{}, map[string]bool{}, int64(0)
	for _, m := range in.messages(t) {
		fired[m.AlertID] = true
		if m.Status == "resolved" {
			ended[m.AlertID] = true
			count += m.Count
		}
	}
	if len(fired) != 50 || len(ended) != 50 || count != 10000 {
		t.Errorf("%d alerts, %d resolved, %d detections", len(fired), len(ended), count)
	}
}

// TestRestarts ends the sink at random places without a Close, as a kill does,
// tears the journal's last line, loses acknowledgements, and writes the last
// epoch again. Nothing may be lost, and nothing told twice under two keys.
func TestRestarts(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		in := newReceiver(t)
		in.setAnswer(func(int, http.ResponseWriter, *http.Request) bool { return false })
		cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
		cfg.GroupInterval = time.Second
		const epochs, groups = 12, 5
		r := newRig(t, cfg)
		if err := r.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range epochs {
			var rows []row
			for g := range groups {
				rows = append(rows, det(fmt.Sprintf("r%d", g), fmt.Sprintf("a%d", n), n))
			}
			r.put(t, n, rows...)
			r.pass(time.Second)
			if rng.IntN(2) == 0 {
				r.look(false)
			}
			if rng.IntN(3) > 0 {
				continue
			}
			torn := rng.IntN(2) == 0
			r.kill(t, torn)
			at := r.at
			r = newRig(t, cfg)
			r.at = at
			if err := r.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.put(t, n, rows...) // the engine replays what it did not commit
		}
		r.idle(t)
		r.pass(cfg.ResolveAfter)
		r.idle(t)
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		last, ids := map[string]*Message{}, map[string]bool{}
		for _, m := range in.messages(t) {
			if b := last[m.Rule]; b != nil && m.Sequence <= b.Sequence {
				t.Errorf("seed %d: %s: message %d came after %d", seed, m.Rule, m.Sequence, b.Sequence)
			}
			last[m.Rule], ids[m.AlertID] = m, true
		}
		if len(ids) != groups {
			t.Errorf("seed %d: %d alerts, want %d", seed, len(ids), groups)
		}
		for rule, m := range last {
			if m.Status != "resolved" || m.Count != epochs {
				t.Errorf("seed %d: %s ended as %s with %d detections, want %d", seed, rule, m.Status, m.Count, epochs)
			}
		}
	}
}

// kill ends the sink as SIGKILL does: requests under way are cut off, nothing
// is written any more. With torn, the line of a next write was begun.
func (r *rig) kill(t *testing.T, torn bool) {
	t.Helper()
	close(r.closing)
	r.stop()
	r.Sink.mu.Lock()
	data, err := os.ReadFile(r.st.path()) // what is on disk at this moment
	r.Sink.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	r.running.Wait()
	r.st.close()
	if torn {
		data = append(data, `deadbeef {"alerts":[{"id":"`...)
	}
	if err := os.WriteFile(filepath.Join(r.cfg.Path, "journal"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCloseTells: a run that ends tells at once what it gathered.
func TestCloseTells(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	cfg.GroupWait = time.Hour
	r := newRig(t, cfg)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.put(t, 1, det("r1", "ann", 0))
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := story(in.messages(t)); got != "firing r1 n=1 a=1 #1\n" {
		t.Errorf("got %q", got)
	}
}

func TestOneProcess(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	opened(t, cfg)
	if err := newRig(t, cfg).Open(t.Context()); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

// TestDamage: damage before the end of the journal is an error; compaction
// keeps everything.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	st, err := openStore(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		m := &Message{AlertID: "x", Key: fmt.Sprint(i)}
		rec := record{Keys: []string{fmt.Sprint(i)}, Alerts: []*alert{{ID: "x", GroupID: "g", Count: int64(i)}}, Add: []*delivery{{ID: fmt.Sprint(i), Target: "t", Msg: m}}}
		if err := st.commit(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.commit(record{Done: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // read as it was written, then as it was compacted
		st.close()
		if st, err = openStore(dir, false); err != nil {
			t.Fatal(err)
		}
		if len(st.known) != 3 || st.alerts["x"].Count != 2 || st.current["g"] != st.alerts["x"] || len(st.queues["t"]) != 2 || st.queues["t"][1].ID != "2" {
			t.Fatalf("got %+v", st)
		}
	}
	st.close()
	data, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	data[20] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "journal"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(dir, false); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}
