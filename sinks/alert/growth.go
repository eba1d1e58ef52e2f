package alert

import (
	"fmt"
	"math"
)

// Growth tells how fast an alert grows, in event time, so that it is the same
// however fast the posts are read. Posts that came too late to be of the last
// ten minutes before the newest are not in it.
type Growth struct {
	New       int64   `json:"new"`        // detections since the message before
	Recent    int64   `json:"recent"`     // in the last 5 minutes up to last_seen, by whole minutes
	Before    int64   `json:"before"`     // in the 5 minutes before these
	PerMinute float64 `json:"per_minute"` // Recent by the minutes that there are of them, 1 at the least
}

// String is a line for people.
func (g Growth) String() string {
	return fmt.Sprintf("%d new; %.1f a minute in the last 5 minutes, %d after %d in the 5 before", g.New, g.PerMinute, g.Recent, g.Before)
}

// half is the number of minutes that are compared with as many before.
const half = 5

// recent counts detections by minute of event time.
type recent struct {
	Minute int64           `json:"minute"` // the newest, since 1970
	Counts [2 * half]int64 `json:"counts"` // of Minute, and of those before
}

// add counts a detection at a time in ms.
func (c *recent) add(at int64) {
	minute := at / 60_000
	if at < 0 && at%60_000 != 0 {
		minute-- // times before 1970 are counted downwards too
	}
	if *c == (recent{}) {
		c.Minute = minute
	}
	switch ago := c.Minute - minute; {
	case ago >= 2*half:
	case ago >= 0:
		c.Counts[ago]++
	default:
		old := c.Counts
		c.Minute, c.Counts = minute, [2 * half]int64{1}
		if -ago < 2*half {
			copy(c.Counts[-ago:], old[:])
		}
	}
}

// growth makes the figures; since is the number of new detections.
func (a *alert) growth(since int64) Growth {
	g := Growth{New: since}
	for i, n := range a.Recent.Counts {
		if i < half {
			g.Recent += n
		} else {
			g.Before += n
		}
	}
	from := max(a.First, (a.Recent.Minute-half+1)*60_000)
	minutes := min(max(float64(a.Last-from)/60_000, 1), half)
	g.PerMinute = math.Round(float64(g.Recent)/minutes*10) / 10
	return g
}
