package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// errKeeperClosed is passing: a reporter is opened before what keeps its reports.
var errKeeperClosed = errors.New("the store is not open yet")

// introduce tells the sinks what they ask for before they are opened.
func (s *session) introduce() {
	var keepers []*sinkRun
	for _, k := range s.sinks {
		if _, ok := k.sink.(pipeline.ReportKeeper); ok {
			keepers = append(keepers, k)
		}
	}
	for _, k := range s.sinks {
		if r, ok := k.sink.(pipeline.Reporter); ok && len(keepers) > 0 {
			r.ReportTo(func(ctx context.Context, rows pipeline.Report) error { return keepReport(ctx, keepers, rows) })
		}
		if w, ok := k.sink.(pipeline.ProgressWatcher); ok {
			w.WatchProgress(s.moved.progress)
		}
	}
}

// keepReport gives rows to all sinks that keep them. Where one of several
// fails, the others are given the same rows again.
func keepReport(ctx context.Context, keepers []*sinkRun, rows pipeline.Report) error {
	for _, k := range keepers {
		err := errKeeperClosed
		if k.open.Load() {
			err = k.sink.(pipeline.ReportKeeper).KeepReport(ctx, rows)
		}
		if err != nil {
			return fmt.Errorf("sink %s: %w", k.plan.Name, err)
		}
	}
	return nil
}

// reportersFirst returns the sinks in the order of opening and of closing:
// reporters deliver what an earlier run has left whether or not the store is
// up, and their last rows need a store that is still open.
func (s *session) reportersFirst() []*sinkRun {
	out := slices.Clone(s.sinks)
	slices.SortStableFunc(out, func(a, b *sinkRun) int { return rank(a) - rank(b) })
	return out
}

func rank(k *sinkRun) int {
	if _, ok := k.sink.(pipeline.Reporter); ok {
		return 0
	}
	return 1
}

// movement is when the engine last got on, for [pipeline.Progress]; times are
// in ns since 1970.
type movement struct {
	read    atomic.Int64 // something was read, or the source was opened
	durable atomic.Int64 // something became durable, or was read when nothing waited
	waiting atomic.Int64 // bytes and records that are read and not durable; 1 until the source is open
}

func newMovement() *movement {
	m := &movement{}
	now := time.Now().UnixNano()
	m.read.Store(now)
	m.durable.Store(now)
	m.waiting.Store(1)
	return m
}

// opened tells that the source was.
func (m *movement) opened() {
	m.read.Store(time.Now().UnixNano())
	m.waiting.Add(-1)
}

func (m *movement) took(n int64) {
	now := time.Now().UnixNano()
	m.read.Store(now)
	if m.waiting.Add(n) == n {
		m.durable.Store(now)
	}
}

func (m *movement) gave(n int64) {
	m.durable.Store(time.Now().UnixNano())
	m.waiting.Add(-n)
}

func (m *movement) progress() (p pipeline.Progress) {
	now := time.Now().UnixNano()
	p.Idle = time.Duration(max(now-m.read.Load(), 0))
	if m.waiting.Load() > 0 {
		p.Stalled = time.Duration(max(now-m.durable.Load(), 0))
	}
	return p
}
