// Package alert is the sink that tells people of detections. It groups them,
// keeps each alert's life (firing, updated, resolved) and its messages in a
// folder of its own, durable with the epoch, and delivers the messages in the
// background, so a receiver that is slow or dead holds up nothing.
package alert

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// Sink makes alerts of detections and delivers them.
type Sink struct {
	cfg     Config
	name    string
	log     *slog.Logger
	layout  *layout
	targets []*target
	now     func() time.Time
	backoff func(attempts int) time.Duration
	every   time.Duration // between two looks for what is due
	drain   time.Duration // for what is due when the sink is closed

	stop    context.CancelFunc // ends requests under way
	closing chan struct{}
	running sync.WaitGroup

	mu    sync.Mutex // guards st and what changes in targets
	st    *store
	ended bool
}

// Open reads the state and begins to deliver what is left of the last run.
func (s *Sink) Open(context.Context) error {
	st, err := openStore(s.cfg.Path, s.cfg.Fsync)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, classify(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st, s.ended = st, false
	// While the process was down nothing could come: an alert is not quiet for that.
	for _, a := range st.alerts {
		a.TouchedAt = max(a.TouchedAt, s.now().UnixMilli())
	}
	s.dropUnknown()
	// Deliveries outlive the call, so they are not under its context; Close ends them.
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.closing = stop, make(chan struct{})
	s.running.Go(func() { s.watch() })
	for _, t := range s.targets {
		for range t.workers {
			s.running.Go(func() { s.work(ctx, t) })
		}
	}
	return nil
}

// dropUnknown makes dead letters of messages for targets that the config has
// no more.
func (s *Sink) dropUnknown() {
	for name, queue := range s.st.queues {
		if !slices.ContainsFunc(s.targets, func(t *target) bool { return t.name == name }) {
			for _, d := range slices.Clone(queue) {
				s.bury(nil, d, "the target is not in the config any more")
			}
		}
	}
}

// overflow names the group of detections whose own group found no room.
const overflow = "overflow"

// Write counts the epoch's detections. They are durable when it returns; what
// is to be told of them is sent later.
func (s *Sink) Write(_ context.Context, key pipeline.Key, in []pipeline.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.known[key.String()] {
		return nil
	}
	e := epoch{sink: s, now: s.now().UnixMilli(), staged: map[string]*alert{}, ids: map[string]string{}}
	for _, b := range in {
		if b.Stream != pipeline.Detections || b.Record.NumRows() == 0 {
			continue
		}
		r := s.layout.reader(b.Record, key.Pipeline)
		for row := range b.Rows() {
			if s.cfg.wants(r.head(row)) {
				r.rest(row)
				e.count(r, row)
			}
		}
	}
	if len(e.changed) == 0 {
		return nil // the same key again changes nothing either
	}
	if err := s.st.commit(record{Keys: []string{key.String()}, Alerts: e.changed}); err != nil {
		return fmt.Errorf("%s: epoch %s: %w", s.name, key, classify(err))
	}
	return nil
}

// epoch is one write. It changes copies, so that a write that fails leaves
// everything as it was.
type epoch struct {
	sink    *Sink
	now     int64
	staged  map[string]*alert // by group
	changed []*alert          // each once, those of a group in their order
	ids     map[string]string // group id by the bytes that tell groups apart
	opened  int
}

func (e *epoch) current(group string) *alert {
	a := e.staged[group]
	if a == nil {
		if c := e.sink.st.current[group]; c != nil {
			a = c.clone()
			e.staged[group], e.changed = a, append(e.changed, a)
		}
	}
	if a != nil && a.Closed {
		return nil
	}
	return a
}

// count adds a row to its group's alert.
func (e *epoch) count(r *reader, row int) {
	s, d := e.sink, &r.d
	raw := r.group(row)
	group, there := e.ids[string(raw)]
	if !there {
		group = digest("group", string(raw))
		e.ids[string(raw)] = group
	}
	full := func() bool { return len(s.st.alerts)+e.opened >= s.cfg.MaxGroups }
	a := e.current(group)
	if a == nil && full() {
		group = overflow
		a = e.current(group)
	}
	if a != nil && d.at > a.Last+s.cfg.ResolveAfter.Milliseconds() {
		a.Closed, a = true, nil
	}
	if a == nil {
		if group == overflow {
			a = s.open(group, d, []Pair{{Name: "group", Value: "all further groups"}}, nil, nil, e.now)
		} else {
			pairs, cuts := r.pairs(row)
			a = s.open(group, d, pairs, r.types, cuts, e.now)
		}
		e.staged[group], e.changed = a, append(e.changed, a)
		e.opened++
	}
	a.add(d, s.cfg.Examples)
	a.TouchedAt = e.now
}

// watch looks for what is due until the sink is closed.
func (s *Sink) watch() {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.look(false)
		case <-s.closing:
			return
		}
	}
}

// look makes the messages that are due, and dead letters of those that are too old.
func (s *Sink) look(closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UnixMilli()
	var due []*alert
	var drop []string
	for _, a := range s.st.alerts {
		switch {
		case a.due(&s.cfg, now, closing) != "":
			due = append(due, a)
		case a.over(&s.cfg, now):
			drop = append(drop, a.ID)
		}
	}
	slices.SortFunc(due, func(a, b *alert) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.ID, b.ID)) })
	slices.Sort(drop)
	replaced := s.replaceable(due)
	for part := range slices.Chunk(due, 256) {
		if err := s.tell(part, replaced, now, closing); err != nil {
			s.log.Warn("messages of alerts cannot be kept; this is tried again", "sink", s.name, "err", err)
			return
		}
	}
	if len(drop) > 0 {
		if err := s.st.commit(record{Drop: drop}); err != nil {
			s.log.Warn("alerts that are over cannot be dropped; this is tried again", "sink", s.name, "err", err)
		}
	}
	s.expire(now)
}

// replaceable finds updates that wait still: a newer one says it all.
func (s *Sink) replaceable(due []*alert) map[[2]string]*delivery {
	out := map[[2]string]*delivery{}
	if len(due) == 0 {
		return out
	}
	for target, q := range s.st.queues {
		for _, d := range q {
			if d.Msg.Status == "updated" && !d.busy {
				out[[2]string{target, d.Msg.AlertID}] = d
			}
		}
	}
	return out
}

// tell makes the messages of some alerts, as one change of the store.
func (s *Sink) tell(alerts []*alert, replaced map[[2]string]*delivery, now int64, closing bool) error {
	var rec record
	for _, old := range alerts {
		a := old.clone()
		for status := a.due(&s.cfg, now, closing); status != ""; status = a.due(&s.cfg, now, closing) {
			a.told(status, now)
			m := s.message(a, status)
			for _, t := range s.targets {
				if severityRank(a.Severity) < severityRank(t.cfg.MinSeverity) {
					continue
				}
				if d := replaced[[2]string{t.name, a.ID}]; d != nil && status == "updated" {
					rec.Done = append(rec.Done, d.ID)
				}
				rec.Add = append(rec.Add, &delivery{ID: m.Key + "/" + t.name, Target: t.name, Born: now, Msg: m})
			}
		}
		rec.Alerts = append(rec.Alerts, a)
	}
	if err := s.st.commit(rec); err != nil {
		return err
	}
	for _, t := range s.targets {
		for len(s.st.queues[t.name]) > s.cfg.MaxQueue {
			i := slices.IndexFunc(s.st.queues[t.name], func(d *delivery) bool { return !d.busy })
			if i < 0 {
				break
			}
			s.bury(t, s.st.queues[t.name][i], fmt.Sprintf("more than %d messages wait for the target", s.cfg.MaxQueue))
		}
		t.rouse()
	}
	return nil
}

// expire makes dead letters of messages that were tried for too long. One that
// was not tried yet gets its attempt: the process may have been down.
func (s *Sink) expire(now int64) {
	for _, t := range s.targets {
		for _, d := range slices.Clone(s.st.queues[t.name]) {
			if !d.busy && d.attempts > 0 && s.tooOld(d, now) {
				s.bury(t, d, s.gaveUp(d.last))
			}
		}
	}
}

// Close sends what can be sent at once, and ends. The rest stays in the folder
// for the next run.
func (s *Sink) Close(ctx context.Context) error {
	if s.st == nil || s.ended {
		return nil
	}
	s.look(true) // before the workers are told to end when nothing is left
	close(s.closing)
	for _, t := range s.targets {
		t.rouse()
	}
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	limit := time.NewTimer(s.drain)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	case <-ctx.Done():
	}
	s.stop()
	<-done
	for _, t := range s.targets {
		t.client.CloseIdleConnections()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	left := len(s.st.byID)
	s.st.close()
	if left > 0 {
		s.log.Warn("messages are not delivered yet; the next run sends them", "sink", s.name, "messages", left)
	}
	return nil
}
