package alert

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// TestRecent compares with a count of all times.
func TestRecent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var c recent
		var all []int64
		at := rng.Int64N(3_000_000) - 1_500_000
		for range 1 + rng.IntN(50) {
			at += rng.Int64N(400_000) - 150_000
			c.add(at)
			minute := at / 60_000
			if at < 0 && at%60_000 != 0 {
				minute--
			}
			all = append(all, minute)
		}
		newest := all[0]
		// What was too old when it came is not counted, so count as it came.
		want := map[int64]int64{}
		for _, m := range all {
			newest = max(newest, m)
			if newest-m < 2*half {
				want[m]++
			}
		}
		if c.Minute != newest {
			t.Fatalf("newest %d, want %d", c.Minute, newest)
		}
		for i, n := range c.Counts {
			if n != want[newest-int64(i)] {
				t.Fatalf("%v: minute %d before %d has %d, want %d", all, i, newest, n, want[newest-int64(i)])
			}
		}
	}
}

// TestGrowth: the figures go by event time, however fast the rows are read.
func TestGrowth(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	r := opened(t, cfg)
	var rows []row
	for sec := 0; sec < 600; sec += 20 { // 3 a minute for 5 minutes, then 12
		rows = append(rows, det("r1", "ann", sec))
		for n := range 3 {
			if sec >= 300 {
				rows = append(rows, det("r1", "ann", sec+n+1))
			}
		}
	}
	r.put(t, 1, rows[:15]...)
	r.idle(t)
	r.put(t, 2, rows[15:]...)
	r.pass(cfg.GroupInterval)
	r.idle(t)
	ms := in.messages(t)
	// 1,700,000,000 s is 20 s into its minute. Up to second 280 the newest minute is
	// the sixth: the five up to it have 13 rows in the 240 s since second 40. Up to
	// second 583 it is the eleventh: 52 rows in the 243 s since second 340.
	for i, want := range []Growth{
		{New: 15, Recent: 13, Before: 2, PerMinute: 3.3},
		{New: 60, Recent: 52, Before: 21, PerMinute: 12.8},
	} {
		if g := ms[i].Growth; g != want {
			t.Errorf("message %d: %+v, want %+v", i+1, g, want)
		}
	}
}

// TestRunbook: an alert has the runbook of its rule's version.
func TestRunbook(t *testing.T) {
	in := newReceiver(t)
	r := opened(t, testConfig(t, map[string]Target{"hook": webhook(in.URL)}))
	rules := []pipeline.RuleInfo{{ID: "r1", Version: 3, Runbook: "https://wiki.example.org/r1"}, {ID: "r2", Version: 2, Runbook: "https://wiki.example.org/old"}}
	if err := r.RegisterRules(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	r.put(t, 1, det("r1", "ann", 0), det("r2", "ann", 0))
	r.idle(t)
	got := map[string]string{}
	for _, m := range in.messages(t) {
		got[m.Rule] = m.Runbook
	}
	if got["r1"] != "https://wiki.example.org/r1" || got["r2"] != "" {
		t.Errorf("got %v", got)
	}
	if err := r.RegisterRules(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.put(t, 2, det("r1", "ann", 5))
	r.pass(5 * time.Minute)
	r.idle(t)
	ms := in.messages(t)
	if m := ms[len(ms)-1]; m.Status != "updated" || m.Runbook != "" {
		t.Errorf("after a reload without it: %+v", m)
	}
}
