package engine

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
)

// TestTrail has epochs go by with any event times: at each end, no row before the
// place that the trail gives matters, and hardly a later place would have served.
func TestTrail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reach := rapid.Int64Range(1, 100_000).Draw(t, "reach")
		far := rapid.SampledFrom([]int64{10, 1000, 200_000}).Draw(t, "step")
		trail := trail{reach: reach}
		type end struct{ latest, least int64 }
		ends := []end{{never, never}} // by position
		trail.begin("0")
		var steps [2]int64 // what two steps have seen
		steps[0], steps[1] = never, never
		furthest := int64(never) // least has been: a step whose first row comes later had no state at the place
		both := rapid.Bool().Draw(t, "both steps are given all rows")
		for at := 1; at <= rapid.IntRange(1, 300).Draw(t, "epochs"); at++ {
			for i := range steps {
				if i == 1 && both {
					steps[1] = steps[0]
				} else if rapid.IntRange(0, 3).Draw(t, "rows") > 0 {
					steps[i] = max(steps[i], 0) + rapid.Int64Range(0, far).Draw(t, "on")
				}
			}
			latest, least := max(steps[0], steps[1]), min(steps[0], steps[1])
			if least == never {
				least = latest
			}
			ends, furthest = append(ends, end{latest, least}), max(furthest, least)
			got := trail.passed(pipeline.Position(strconv.Itoa(at)), latest, least)
			from, err := strconv.Atoi(string(got.From))
			if err != nil || from > at || got.Reach != reach {
				t.Fatalf("%+v at %d", got, at)
			}
			if was := ends[from].latest; was != never && furthest-was < reach {
				t.Fatalf("a row before %d is %d ms old at %d, and the reach is %d", from, furthest-was, at, reach)
			}
			if was := max(ends[from].latest, 0); got.Latest != was {
				t.Fatalf("%+v, but rows before it are up to %d", got, was)
			}
			if n := len(trail.ahead); n > maxPlaces {
				t.Fatalf("%d places are kept", n)
			}
			nearest := from
			for m := from; m <= at; m++ {
				if was := ends[m].latest; was == never || least-was >= reach {
					nearest = m
				}
			}
			if lost := ends[nearest].latest - max(ends[from].latest, 0); both && nearest > from && ends[from].latest != never && lost > reach/16+1 {
				t.Fatalf("at %d the state is built from %d, when it could be from %d, %d ms later, with a reach of %d", at, from, nearest, lost, reach)
			}
		}
	})
}

// TestTrailGoesOn: places that were stored serve as those that were gathered.
func TestTrailGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := trail{reach: rapid.Int64Range(1, 1000).Draw(t, "reach")}
		whole.begin("0")
		stored := whole
		latest := int64(0)
		for at := range 200 {
			latest += rapid.Int64Range(0, 100).Draw(t, "on")
			want := whole.passed(pipeline.Position(strconv.Itoa(at)), latest, latest)
			if got := stored.passed(pipeline.Position(strconv.Itoa(at)), latest, latest); got != want {
				t.Fatalf("at %d: %+v, want %+v", at, got, want)
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				stored = trail{reach: whole.reach, begun: true, best: stored.best, ahead: append([]checkpoint.Place(nil), stored.ahead...)}
			}
		}
	})
}

// TestTrailWithoutReach gives no place.
func TestTrailWithoutReach(t *testing.T) {
	var tr trail
	tr.begin("5")
	for i := range int64(100) {
		if got := tr.passed("7", i*1e9, i*1e9); got != (pipeline.Replay{}) || len(tr.ahead) > 0 {
			t.Fatalf("%+v, %v", got, tr.ahead)
		}
	}
	wider := trail{reach: 10, begun: true, best: pipeline.Replay{From: "1", Reach: 10}}
	if got := wider.under(11); got.best != (pipeline.Replay{}) || got.reach != 11 {
		t.Errorf("a place that served a shorter reach is kept: %+v", got)
	}
	if got := wider.under(10); got.best != wider.best {
		t.Errorf("the same reach: %+v", got)
	}
}
