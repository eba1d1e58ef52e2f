package main

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// TestSchedule shows that a schedule is a function of its seed, that its events
// come one after another within the time, and that many have every fault.
func TestSchedule(t *testing.T) {
	for _, p := range []plan{short(), full()} {
		make := func(seed uint64) schedule {
			return newSchedule(rand.New(rand.NewPCG(seed, 1)), p.faults, p.pace, p.processes, p.most, true)
		}
		seen := map[string]int{}
		for seed := range uint64(200) {
			s := make(seed)
			if !reflect.DeepEqual(s, make(seed)) {
				t.Fatalf("seed %d gives two schedules", seed)
			}
			if len(s.nodes) != p.most {
				t.Fatalf("seed %d: %d slots, want %d", seed, len(s.nodes), p.most)
			}
			for slot, line := range s.nodes {
				check(t, line, p.faults)
				for i, e := range line {
					seen["process: "+string(e.kind)]++
					if slot == 0 && (e.kind == leave || e.kind == vanish) {
						t.Errorf("seed %d: process 0 is removed", seed)
					}
					if (e.kind == join) != (slot >= p.processes && i == 0) {
						t.Errorf("seed %d: event %d of slot %d is %q", seed, i, slot, e.kind)
					}
					if e.kind == zombie && e.lasts <= p.pace.session {
						t.Errorf("seed %d: a zombie of %s, less than the session's %s", seed, e.lasts, p.pace.session)
					}
				}
			}
			check(t, s.broker, p.faults)
			check(t, s.store, p.faults)
			for _, e := range s.broker {
				seen["broker: "+string(e.kind)]++
			}
			for _, e := range s.store {
				seen["store: "+string(e.kind)]++
			}
		}
		if len(seen) != 10 {
			t.Errorf("%d kinds of faults, want 10: %v", len(seen), seen)
		}
	}
}

func check(t *testing.T, line timeline, end time.Duration) {
	t.Helper()
	var at time.Duration
	for _, e := range line {
		if e.at < at {
			t.Errorf("an event at %s, before the end of the one before it at %s", e.at, at)
		}
		if at = e.at + e.lasts; at > end {
			t.Errorf("an event ends at %s, after the end at %s", at, end)
		}
	}
}

// TestInput shows that messages are a function of the seed, and what the checks
// take them for.
func TestInput(t *testing.T) {
	type line struct {
		message
		text string
	}
	collect := func(seed uint64) (*input, []line) {
		in, err := newInput(seed, 20_000, 12)
		if err != nil {
			t.Fatal(err)
		}
		var out []line
		_ = in.each(func(m message) error {
			l := line{m, string(m.value)}
			l.value = nil
			out = append(out, l)
			return nil
		})
		return in, out
	}
	in, a := collect(7)
	_, b := collect(7)
	_, c := collect(8)
	if !reflect.DeepEqual(a, b) {
		t.Error("one seed gives two inputs")
	}
	if reflect.DeepEqual(a, c) {
		t.Error("two seeds give one input")
	}
	if posts, bad, none := in.count(isPost), in.count(isPoison), in.count(isTombstone); posts != 20_000 || bad < 5 || none < 1 || posts+bad+none != len(a) {
		t.Errorf("%d posts, %d poison, %d tombstones of %d messages", posts, bad, none, len(a))
	}
	for p, places := range in.partitions {
		if len(places) < 1000 {
			t.Errorf("partition %d has %d messages", p, len(places))
		}
	}
}
