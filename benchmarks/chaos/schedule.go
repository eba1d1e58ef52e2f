package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// kind is what a fault does to its target.
type kind string

// Faults of a process.
const (
	kill      kind = "killed (SIGKILL), started again"
	freeze    kind = "frozen (SIGSTOP) for less than the session"
	zombie    kind = "frozen (SIGSTOP) for longer than the session"
	leave     kind = "removed by SIGTERM, added again"
	vanish    kind = "removed by SIGKILL, added again"
	join      kind = "added"
	stop      kind = "stopped (SIGTERM), started again"
	storeStop kind = "stalled (SIGSTOP)"
)

// event is one fault.
type event struct {
	at    time.Duration // since the begin of the faults
	kind  kind
	lasts time.Duration // until the target is as before
	fresh bool          // a process comes back without its checkpoint folder
}

// timeline has the events of a target, one after another.
type timeline []event

// schedule has all faults of a run.
type schedule struct {
	nodes         []timeline // by slot; a slot whose first event is join is empty before
	broker, store timeline
}

// pace says how often and for how long targets have faults.
type pace struct {
	session             time.Duration // of the group: a process that is frozen for longer is put out
	node, broker, store time.Duration // mean time between the faults of one
	nodeDown, absent    [2]time.Duration
	brokerDown          [2]time.Duration
	storeDown           [2]time.Duration
}

// newSchedule draws the faults of a run that lasts for the time. processes run
// at the begin, up to most later. Without faults of the broker its timeline is
// empty. Slot 0 is never removed.
func newSchedule(r *rand.Rand, lasts time.Duration, p pace, processes, most int, broker bool) schedule {
	var s schedule
	for slot := range most {
		var first time.Duration
		if slot >= processes {
			first = between(r, [2]time.Duration{lasts / 10, lasts / 2})
		}
		var t timeline
		if first > 0 {
			t = timeline{{at: first, kind: join}}
		}
		s.nodes = append(s.nodes, append(t, draw(r, first, lasts, p.node, func() event { return p.nodeFault(r, slot > 0) })...))
	}
	if broker {
		s.broker = draw(r, 0, lasts, p.broker, func() event {
			return event{kind: pick(r, kill, stop), lasts: between(r, p.brokerDown)}
		})
	}
	s.store = draw(r, 0, lasts, p.store, func() event {
		return event{kind: pick(r, kill, storeStop), lasts: between(r, p.storeDown)}
	})
	return s
}

func (p pace) nodeFault(r *rand.Rand, removable bool) event {
	kinds := []kind{kill, kill, kill, freeze, zombie}
	if removable {
		kinds = append(kinds, leave, leave, vanish)
	}
	e := event{kind: pick(r, kinds...)}
	switch e.kind {
	case freeze:
		e.lasts = between(r, [2]time.Duration{p.session / 10, p.session * 2 / 3})
	case zombie:
		e.lasts = between(r, [2]time.Duration{p.session * 11 / 10, p.session * 2})
	case leave, vanish:
		e.lasts, e.fresh = between(r, p.absent), r.IntN(2) == 0
	default:
		e.lasts = between(r, p.nodeDown)
	}
	return e
}

// draw makes events from a time on, with waits of the mean between them, that
// all are over at the end.
func draw(r *rand.Rand, from, end, mean time.Duration, next func() event) timeline {
	var t timeline
	for at := from; ; {
		at += (mean/4 + time.Duration(r.ExpFloat64()*float64(mean)*3/4)).Round(time.Millisecond)
		if at > end {
			return t
		}
		for range 5 { // one that is short enough, near the end
			if e := next(); at+e.lasts <= end {
				e.at = at
				t = append(t, e)
				at += e.lasts
				break
			}
		}
	}
}

func between(r *rand.Rand, d [2]time.Duration) time.Duration {
	return (d[0] + time.Duration(r.Int64N(int64(d[1]-d[0])+1))).Round(time.Millisecond)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// String lists the events in the order of time.
func (s schedule) String() string {
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	add := func(target string, t timeline) {
		for _, e := range t {
			text := fmt.Sprintf("%8.3fs %-9s %s", e.at.Seconds(), target, e.kind)
			if e.lasts > 0 {
				text += fmt.Sprintf(", %s", e.lasts)
			}
			if e.fresh {
				text += ", without its folder"
			}
			lines = append(lines, line{e.at, text})
		}
	}
	for slot, t := range s.nodes {
		add(fmt.Sprintf("process %d", slot), t)
	}
	add("broker", s.broker)
	add("store", s.store)
	slices.SortStableFunc(lines, func(a, b line) int { return int(a.at - b.at) })
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l.text + "\n")
	}
	return out.String()
}
