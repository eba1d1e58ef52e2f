package engine

import (
	"slices"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// maxPlaces bounds the places that a trail remembers. They are thinned evenly
// over event time, so a replay begins at most a sixteenth of the reach earlier
// than it could.
const maxPlaces = 64

// never is the latest event time of a step that was given no rows.
const never = -1 << 62

// trail remembers from where the state of a partition can be built again: the
// last place that is known to lie so far back in event time that no row before
// it matters any more, and later ones that will. See pipeline.Windowed. It
// belongs to the stager.
//
// Let latest(M) be the latest event time before a place M. When Advance is called
// before a row of time t, or was before, the watermark is above t - lateness - tick.
// So with one step and the rows up to C, all that matters is later than
// latest(C) - lateness - tick - window. With a step behind it, what the first one
// puts into a row that matters must be right too: the row is later than that, and
// the first step looks back from it by as much again. So M serves when
// latest(C) - latest(M) is at least the sum of window + lateness + tick over the
// stateful steps on any path, the reach. The state that is built at C is then that
// which was, so M serves all that comes behind C too.
type trail struct {
	reach int64 // ms; 0: state can be built from the beginning only
	begun bool  // the state is not that before the first row any more
	best  pipeline.Replay
	// ahead are ends of epochs behind best, by position, with the latest event time
	// that any stateful step was given before them; or never.
	ahead []checkpoint.Place
}

// reach is how far, in ms, event time must have moved on from a place before the
// state of all steps can be built from there: see trail. It is 0 when a step does
// not say how far its state goes back, and when there is none.
func (s *session) reach(g *graph.Graph) (reach int64) {
	upTo := make([]int64, len(g.Nodes)) // by node: the sum over the steps up to it
	for i, n := range g.Nodes {
		if n.Input >= 0 {
			upTo[i] = upTo[n.Input]
		}
		if n.Key < 0 {
			continue
		}
		w, ok := n.Plan.(pipeline.Windowed)
		if !ok || w.Window() <= 0 {
			return 0
		}
		upTo[i] += (w.Window() + time.Millisecond - 1).Milliseconds() + s.o.Lateness.Milliseconds() + tick
		reach = max(reach, upTo[i])
	}
	return reach
}

// beginning is a replay from where a partition began to be read. It is zero when
// from is empty, since that is the beginning of itself.
func beginning(from pipeline.Position, reach int64) pipeline.Replay {
	if from == "" || reach == 0 {
		return pipeline.Replay{}
	}
	return pipeline.Replay{From: from, Reach: reach}
}

// begin tells where the next rows begin. Fresh state can be built from there.
func (t *trail) begin(from pipeline.Position) {
	if !t.begun {
		t.begun, t.best = true, beginning(from, t.reach)
	}
}

// passed takes note of the end of an epoch, and returns from where the state there
// can be built. Rows reached the steps up to the event time latest; the step that
// is furthest behind was given rows up to least.
func (t *trail) passed(at pipeline.Position, latest, least int64) pipeline.Replay {
	if t.reach == 0 {
		return pipeline.Replay{}
	}
	if n := len(t.ahead); n > 0 && t.ahead[n-1].Latest == latest {
		t.ahead[n-1].At = at // serves as soon, and is nearer
	} else {
		t.ahead = append(t.ahead, checkpoint.Place{At: at, Latest: latest})
	}
	serve := 0
	for serve < len(t.ahead) && (t.ahead[serve].Latest == never || least-t.ahead[serve].Latest >= t.reach) {
		serve++
	}
	if serve > 0 {
		m := t.ahead[serve-1]
		t.best = pipeline.Replay{From: m.At, Latest: m.Latest, Reach: t.reach}
		if m.Latest == never {
			t.best.Latest = 0
		}
		t.ahead = slices.Delete(t.ahead, 0, serve)
	}
	t.thin()
	return t.best
}

// thin forgets the place whose neighbours are nearest to each other when there
// are too many.
func (t *trail) thin() {
	if len(t.ahead) <= maxPlaces {
		return
	}
	drop := 1
	apart := func(i int) int64 { return t.ahead[i+1].Latest - t.ahead[i-1].Latest }
	for i := 2; i < len(t.ahead)-1; i++ {
		if apart(i) < apart(drop) {
			drop = i
		}
	}
	t.ahead = slices.Delete(t.ahead, drop, drop+1)
}

// under returns the trail for steps of another reach.
func (t trail) under(reach int64) trail {
	if reach == t.reach {
		return t
	}
	return trail{reach: reach, begun: true} // settings of stateful steps do not change at a reload: this is rare
}

// times returns the latest event time that any stateful step was given, and the
// least of those of the steps that were given rows. Both are never when none was.
func (st *shards) times() (latest, least int64) {
	latest, least = never, never
	for _, n := range st.nodes {
		if n.latest == never {
			continue
		}
		latest = max(latest, n.latest)
		if least == never || n.latest < least {
			least = n.latest
		}
	}
	return latest, least
}

// place finds where a partition is to be read from: where it is committed, or,
// when steps keep state, from where that can be built: its last snapshot, which is
// returned, or replay, if that is nearer, or the beginning. What was committed is
// run through the graph again then.
func (s *session) place(p *partition, gen *generation, committed pipeline.Position, snap *checkpoint.Snapshot, replay pipeline.Replay) (st *shards, err error) {
	p.end = committed
	if gen.g.Stages == 1 {
		return nil, nil
	}
	if st, err = s.restore(gen, snap); err != nil {
		return nil, err
	}
	serves, seen, by := s.serves(gen, replay), int64(never), "a snapshot"
	if st != nil {
		seen, _ = st.times()
	}
	switch {
	case serves && (st == nil || seen < replay.Latest):
		by, st = "its last rows", newShards(s, gen)
		st.trail.begun, st.trail.best = true, replay
		p.end = replay.From
	case st != nil:
		p.end = st.at
		if serves {
			st.trail.best = replay
		}
		st.trail.ahead = slices.Clone(snap.Places)
	default:
		by, p.end = "all its rows", ""
	}
	if p.end != committed {
		p.marks = append(p.marks, mark{at: committed, warm: true})
		s.o.Logger.Info("building the state of steps again", "partition", p.name, "by", by, "from", p.end, "to", committed)
	}
	return st, nil
}

// serves reports whether the state of a generation can be built from a place that
// was recorded, maybe for other steps. A source that deletes what is older than
// the last snapshot does not have the rows.
func (s *session) serves(gen *generation, replay pipeline.Replay) bool {
	if _, ok := s.source.(pipeline.Keeper); ok {
		return false
	}
	reach := s.reach(gen.g)
	return reach > 0 && replay.From != "" && replay.Reach >= reach
}
