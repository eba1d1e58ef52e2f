package alert

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// States of an alert. It is told of when its state is not what its last
// message said; see due.
const (
	waiting  = "waiting" // nobody was told yet
	firing   = "firing"
	resolved = "resolved"
)

// What a message says.
const (
	statusFiring       = "firing"
	statusUpdated      = "updated"
	statusResolved     = "resolved"
	statusAcknowledged = "acknowledged"
	statusHeartbeat    = "heartbeat"
)

// alert is the state of one alert: a group within a window of event time. The
// window begins at the detection that opened it, and ends when the group's next
// detection is more than ResolveAfter later in event time. So which alerts there
// are, and what each counts, follows from the group's rows and their order alone.
// Only when a message is sent goes by the clock.
type alert struct {
	ID       string   `json:"id"`
	GroupID  string   `json:"group_id"`
	Pipeline string   `json:"pipeline"`
	Group    []Pair   `json:"group"` // values as they are in the column, at most maxValue bytes of each
	Types    []byte   `json:"types"` // of the columns: typeText, ...
	Cut      []bool   `json:"cut"`   // the value was longer
	Closed   bool     `json:"closed,omitempty"`
	Route    string   `json:"route"`
	Runbook  string   `json:"runbook,omitempty"`
	Note     string   `json:"note,omitempty"`
	Rule     string   `json:"rule"`
	Owner    string   `json:"owner"`
	Kind     string   `json:"kind"`
	Mode     string   `json:"mode"`
	Severity string   `json:"severity"`       // the highest
	Began    string   `json:"began_severity"` // of the first detection
	Labels   []string `json:"labels"`
	Authors  []uint64 `json:"authors"` // the least hashes, see estimate

	RuleVersion uint32    `json:"rule_version"`
	Count       int64     `json:"count"`
	Recent      recent    `json:"recent"`
	Opening     int64     `json:"opening"` // event time of the detection that opened it, ms
	First       int64     `json:"first"`   // event time, ms
	Last        int64     `json:"last"`
	Examples    []Example `json:"examples"`

	// Of delivery; times are of the clock, ms.
	State     string `json:"state"`
	Seq       int    `json:"seq"`      // messages made
	Told      int64  `json:"told"`     // Count in the last message
	ToldAt    int64  `json:"told_at"`  // when it was made
	FiredAt   int64  `json:"fired_at"` // when it was told of as firing last
	OpenedAt  int64  `json:"opened"`   // when the alert was made
	ReadAt    int64  `json:"read"`     // when the detection that opened it was read, or soon after
	TouchedAt int64  `json:"touched"`  // when the last detection was written

	// Targets that differ in what they know, by name.
	ToldTo  []string `json:"told_to,omitempty"` // that it fires, and not yet that it ended
	Owed    []string `json:"owed,omitempty"`    // of messages held back in quiet hours
	Skipped []string `json:"skipped,omitempty"` // by a silence, or dropped in quiet hours
	Acked   string   `json:"acked,omitempty"`   // silence that PagerDuty was told of
}

// clone returns a copy that shares nothing that add changes.
func (a *alert) clone() *alert {
	c := *a
	c.Labels, c.Authors, c.Examples = slices.Clone(a.Labels), slices.Clone(a.Authors), slices.Clone(a.Examples)
	c.ToldTo, c.Owed, c.Skipped = slices.Clone(a.ToldTo), slices.Clone(a.Owed), slices.Clone(a.Skipped)
	return &c
}

// sketchSize is the number of least hashes kept of an alert's authors.
const sketchSize = 64

// addAuthor puts an author into the sketch of the k least hashes (KMV:
// Bar-Yossef et al., Counting distinct elements in a data stream, 2002).
func addAuthor(sketch []uint64, author string) []uint64 {
	h := xxh3.HashString(author)
	i, there := slices.BinarySearch(sketch, h)
	if there || i == sketchSize {
		return sketch
	}
	sketch = slices.Insert(sketch, i, h)
	return sketch[:min(len(sketch), sketchSize)]
}

// estimate returns the number of distinct authors; sure while all are in the
// sketch. Otherwise the standard error is 1/sqrt(k-2), 13 %.
func estimate(sketch []uint64) (n int64, sure bool) {
	if len(sketch) < sketchSize {
		return int64(len(sketch)), true
	}
	return int64((sketchSize-1)/(float64(sketch[sketchSize-1])/math.MaxUint64) + 0.5), false
}

// keep puts a view of a record's text into dst, as a text of its own where it
// is another than before.
func keep(dst *string, view string) {
	if view = cut(view, maxValue); *dst != view {
		*dst = strings.Clone(view)
	}
}

// add counts a detection.
func (a *alert) add(d *detection, examples int) {
	a.RuleVersion = d.version
	keep(&a.Rule, d.rule)
	keep(&a.Owner, d.owner)
	keep(&a.Kind, d.kind)
	keep(&a.Mode, d.mode)
	if severityRank(d.severity) > severityRank(a.Severity) {
		keep(&a.Severity, d.severity)
	}
	for _, l := range d.labels {
		if l = cut(l, maxValue); len(a.Labels) < maxLabels && !slices.Contains(a.Labels, l) {
			a.Labels = append(a.Labels, strings.Clone(l))
		}
	}
	if a.Count == 0 {
		a.First, a.Last, a.Opening = d.at, d.at, d.at
		keep(&a.Began, d.severity)
	}
	a.First, a.Last = min(a.First, d.at), max(a.Last, d.at)
	a.Count++
	a.Recent.add(d.at)
	a.Authors = addAuthor(a.Authors, d.author)
	if len(a.Examples) < examples {
		a.Examples = append(a.Examples, d.example())
	}
}

// open begins an alert of a route at detection d.
func (s *Sink) open(r *route, group string, d *detection, pairs []Pair, types []byte, cuts []bool, now, read int64) *alert {
	return &alert{
		ID:      digest("alert", d.pipeline, s.name, group, strconv.FormatInt(d.at, 10), d.post),
		GroupID: group, Pipeline: d.pipeline, Route: r.name, Group: pairs, Types: types, Cut: cuts,
		State: waiting, OpenedAt: now, ReadAt: read, TouchedAt: now,
	}
}

// ends tells whether a detection at event time at is beyond the alert's window.
func (a *alert) ends(r *route, at int64) bool {
	return at > a.Last+r.resolve && at >= a.Opening+r.throttle
}

// due says what the alert's next message is, "" for none now. When the sink is
// closing nothing more is gathered, so there is nothing to wait for.
func (a *alert) due(r *route, now int64, closing bool) string {
	switch {
	case a.State == waiting && (closing || a.Closed || now >= cmp.Or(a.ReadAt, a.OpenedAt)+r.wait):
		return statusFiring
	case a.State == resolved && a.Told < a.Count && now >= max(a.ToldAt+r.interval, a.FiredAt+r.throttle):
		return statusFiring // it was quiet by the clock, and went on by event time
	case a.State == resolved && a.Told < a.Count && a.Closed:
		return statusResolved // with the figures at its end
	case a.State == firing && (a.Closed || now >= a.TouchedAt+r.resolve):
		return statusResolved
	case a.State == firing && a.Told < a.Count && now >= a.ToldAt+r.interval:
		return statusUpdated
	}
	return ""
}

// told takes down that a message is made.
func (a *alert) told(status string, now int64) {
	a.Told, a.ToldAt = a.Count, now
	switch status {
	case statusFiring:
		a.State, a.FiredAt = firing, now
	case statusResolved:
		a.State, a.Acked = resolved, ""
	}
}

// over reports whether the alert needs to be kept no longer: all is told, and
// no detection can belong to it any more, or none has for long.
func (a *alert) over(r *route, now int64) bool {
	if a.State != resolved || a.Told < a.Count || len(a.Owed) > 0 {
		return false
	}
	return a.Closed || now >= a.TouchedAt+max(3600_000, 4*r.resolve, r.throttle)
}
