package alert

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRandomLives lets detections, hours, quiet times, silences and kills come in
// any order. What each target is told of an alert must always be a life: firing,
// updates, resolved, perhaps again; all ends are told in the end, and with hold
// and without silences nothing is kept from anybody.
func TestRandomLives(t *testing.T) {
	for seed := range uint64(12) {
		for _, mode := range []string{"hold", "drop", "silences"} {
			t.Run(fmt.Sprint(mode, " ", seed), func(t *testing.T) { randomLife(t, seed, mode) })
		}
	}
}

func randomLife(t *testing.T, seed uint64, mode string) {
	rng := rand.New(rand.NewPCG(seed, 5))
	team, other := newReceiver(t), newReceiver(t)
	cfg := testConfig(t, map[string]Target{"team": webhook(team.URL), "other": webhook(other.URL)})
	cfg.GroupInterval, cfg.ResolveAfter, cfg.GroupWait = time.Minute, 20*time.Minute, time.Duration(rng.IntN(3))*time.Minute
	cfg.Times = map[string]Times{"nights": {Zone: "UTC", Spans: []TimeSpan{{From: clock(t, "22:00"), To: clock(t, "07:00")}, {From: clock(t, "12:00"), To: clock(t, "13:00")}}}}
	do := mode
	if mode == "silences" {
		do = "hold"
	}
	cfg.Quiet = []Quiet{{During: "nights", Below: "critical", Do: do, Targets: []string{"team"}}}
	start := func(at time.Time) *rig {
		r := newRig(t, cfg)
		r.at = at
		if err := r.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := start(time.Date(2026, 11, 25, 20, 0, 0, 0, time.UTC))
	second, epochs := 0, 0
	for range 60 {
		switch rng.IntN(8) {
		case 0:
			r.pass(time.Duration(rng.IntN(180)) * time.Minute)
		case 1:
			second += rng.IntN(2400) // some gaps end a window
		case 2:
			if mode == "silences" {
				r.Sink.mu.Lock()
				r.silences.list = []*silence{{id: fmt.Sprint(epochs), match: matchers(t, fmt.Sprintf("rule != r%d", rng.IntN(4))), until: r.at.Add(time.Duration(rng.IntN(240)) * time.Minute)}}
				r.Sink.mu.Unlock()
			}
		case 3:
			at, list := r.at, r.silences.list
			r.kill(t, rng.IntN(2) == 0)
			r = start(at)
			r.Sink.mu.Lock()
			r.silences.list = list
			r.Sink.mu.Unlock()
		default:
			second += rng.IntN(120)
			epochs++
			severity := []string{"low", "high", "high", "critical"}[rng.IntN(4)]
			r.put(t, epochs, det(fmt.Sprintf("r%d", rng.IntN(3)), "ann", second, "severity", severity))
			r.pass(time.Duration(rng.IntN(240)) * time.Second)
		}
		r.look(false)
	}
	r.Sink.mu.Lock()
	r.silences.list = nil
	r.Sink.mu.Unlock()
	for range 4 { // through the ends of what is quiet, and of all alerts
		r.pass(7 * time.Hour)
		r.idle(t)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	lives := func(in *receiver) map[string]string {
		state, sequence, out := map[string]string{}, map[string]int{}, map[string]string{}
		for _, m := range in.messages(t) {
			allowed := map[string][]string{"": {"firing"}, "firing": {"updated", "resolved"}, "updated": {"updated", "resolved"}, "resolved": {"firing"}}[state[m.AlertID]]
			if !slices.Contains(allowed, m.Status) {
				t.Errorf("alert of %s: %s after %q", m.Rule, m.Status, state[m.AlertID])
			}
			if m.Sequence <= sequence[m.AlertID] {
				t.Errorf("alert of %s: message %d after %d", m.Rule, m.Sequence, sequence[m.AlertID])
			}
			state[m.AlertID], sequence[m.AlertID] = m.Status, m.Sequence
			out[m.AlertID] = fmt.Sprint(m.Status, " ", m.Count)
		}
		return out
	}
	a, b := lives(team), lives(other)
	for name, told := range map[string]map[string]string{"team": a, "other": b} {
		for id, last := range told {
			if !strings.HasPrefix(last, "resolved") {
				t.Errorf("%s was told last that %s is %s", name, id, last)
			}
		}
	}
	if mode == "hold" && fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("held back for good:\n%v\n%v", a, b)
	}
	if mode != "silences" && len(b) == 0 {
		t.Error("nobody was told of anything")
	}
}
