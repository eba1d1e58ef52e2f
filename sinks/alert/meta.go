package alert

import (
	"context"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// Names of the sink's own rules.
const (
	ruleDeadLetters = "sluice-dead-letters"
	ruleHeartbeat   = "sluice-heartbeat"
)

// lament counts a dead letter into the alert about the target's dead letters:
// nil where none is asked for, and for messages of that alert itself, which
// would go on for ever.
func (s *Sink) lament(d *delivery, reason string, now int64) *alert {
	if s.cfg.DeadLetters == nil || d.Msg.Kind == kindMeta {
		return nil
	}
	group := digest("group", kindMeta, d.Target)
	a := s.st.current[group]
	if a != nil {
		a = a.clone()
	} else {
		a = &alert{
			ID: digest("alert", s.pipe, s.name, group, strconv.FormatInt(now, 10)), GroupID: group, Pipeline: s.pipe, Route: kindMeta,
			Group: []Pair{{Name: "target", Value: d.Target}}, Types: []byte{typeText}, Cut: []bool{false},
			Rule: ruleDeadLetters, RuleVersion: 1, Kind: kindMeta, Mode: "live", Severity: s.cfg.DeadLetters.Severity, Began: s.cfg.DeadLetters.Severity,
			State: waiting, OpenedAt: now, First: now, Opening: now,
		}
	}
	a.Count++
	a.Recent.add(now)
	a.Last, a.TouchedAt = max(a.Last, now), now
	a.Note = clean("of rule " + d.Msg.Rule + ": " + reason)
	return a
}

// startBeats sends heartbeats to their targets, each from a goroutine of its
// own. A beat that fails is not sent again: the next one is as good.
func (s *Sink) startBeats(ctx context.Context) {
	if s.cfg.Heartbeat == nil {
		return
	}
	for _, name := range s.cfg.Heartbeat.Targets {
		for _, t := range s.targets {
			if t.name == name {
				s.running.Go(func() { s.beat(ctx, t) })
			}
		}
	}
}

// beat sends a heartbeat at each interval while the pipeline is well, until the
// sink is closed.
func (s *Sink) beat(ctx context.Context, t *target) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	var next time.Time
	well := true
	for n := 1; ; {
		now := s.now()
		if !now.Before(next) {
			next = now.Add(s.cfg.Heartbeat.Interval)
			is, why := s.well()
			if is != well {
				well = is
				if is {
					s.log.Info("the heartbeat goes on", "sink", s.name, "target", t.name)
				} else {
					s.log.Error("no heartbeat: the pipeline stands still", "sink", s.name, "target", t.name, "why", why)
				}
			}
			if is {
				s.sendBeat(ctx, t, n, now)
				n++
			} else {
				s.count("withheld")
			}
		}
		select {
		case <-tick.C:
		case <-s.closing:
			return
		}
	}
}

func (s *Sink) sendBeat(ctx context.Context, t *target, n int, now time.Time) {
	if f := t.attempt(ctx, s.heartbeat(n, now), now); f != nil {
		s.count("failed")
		s.log.Warn("a heartbeat was not delivered", "sink", s.name, "target", t.name, "err", f.text)
		return
	}
	s.count("sent")
}

func (s *Sink) count(beat string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beats[beat]++
}

// well tells whether what is read becomes durable, and whether anything is read.
func (s *Sink) well() (is bool, why string) {
	if s.progress == nil {
		return true, ""
	}
	p, h := s.progress(), s.cfg.Heartbeat
	switch {
	case p.Stalled > h.StallAfter:
		return false, "what was read has not become durable for " + p.Stalled.Round(time.Second).String()
	case h.MaxIdle > 0 && p.Idle > h.MaxIdle:
		return false, "nothing was read for " + p.Idle.Round(time.Second).String()
	}
	return true, ""
}

// WatchProgress takes the function that tells how far the pipeline is. It is
// [pipeline.ProgressWatcher].
func (s *Sink) WatchProgress(progress func() pipeline.Progress) { s.progress = progress }

// heartbeat makes beat n.
func (s *Sink) heartbeat(n int, now time.Time) *Message {
	id := digest("heartbeat", s.pipe, s.name)
	return &Message{
		Schema: 1, AlertID: id, GroupID: id, Key: digest("beat", id, strconv.FormatInt(now.UnixMilli(), 10)), Sequence: n, Status: statusHeartbeat,
		Pipeline: s.pipe, Sink: s.name, Route: kindMeta, Group: []Pair{}, Rule: ruleHeartbeat, RuleVersion: 1, Kind: kindMeta, Mode: "live",
		Severity: "info", BeganAs: "info", Labels: []string{}, AuthorsSure: true, Examples: []Example{}, FirstSeen: now.UTC(), LastSeen: now.UTC(),
	}
}
