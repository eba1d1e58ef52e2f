// Package alert is the sink that tells people of detections. It groups them,
// keeps each alert's life (firing, updated, resolved) and its messages in a
// folder of its own, durable with the epoch, and delivers the messages in the
// background, so a receiver that is slow or dead holds up nothing.
package alert

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// Sink makes alerts of detections and delivers them.
type Sink struct {
	cfg     Config
	name    string
	log     *slog.Logger
	pipe    string   // the pipeline's name
	routes  []*route // the default one last
	meta    *route
	targets []*target
	now     func() time.Time
	backoff func(attempts int) time.Duration
	every   time.Duration // between two looks for what is due
	drain   time.Duration // for what is due when the sink is closed

	stop    context.CancelFunc // ends requests under way
	closing chan struct{}
	running sync.WaitGroup

	shared   *sharing                 // nil: this process alone tells of what it writes
	keep     pipeline.KeepReport      // nil: nobody keeps reports
	progress func() pipeline.Progress // nil: unknown
	beats    map[string]int64         // by what came of them

	mu         sync.Mutex // guards what follows, and what changes in targets
	st         *store
	silences   silences
	runbooks   map[ruleKey]string
	suppressed map[string]int64 // messages that were not made, by why
	ended      bool
}

type ruleKey struct {
	id      string
	version uint32
}

// RegisterRules takes the rules' runbooks, of which alerts tell. It is
// [pipeline.RuleRegistrar].
func (s *Sink) RegisterRules(_ context.Context, rules []pipeline.RuleInfo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runbooks = map[ruleKey]string{}
	for _, r := range rules {
		if r.Runbook != "" {
			s.runbooks[ruleKey{r.ID, r.Version}] = r.Runbook
		}
	}
	return nil
}

// Open reads the state and begins to deliver what is left of the last run.
func (s *Sink) Open(ctx context.Context) error {
	if s.shared != nil {
		return s.shared.open(ctx)
	}
	st, err := openStore(s.cfg.Path, s.cfg.Fsync)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, classify(err))
	}
	s.begin(st)
	return nil
}

// begin has the sink tell of what is in st, which it takes over, until end.
func (s *Sink) begin(st *store) {
	s.silences.path = s.cfg.Silences
	s.refreshSilences()
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
	s.startBeats(ctx)
	s.startReports(ctx)
	if st.log != nil {
		s.running.Go(s.flush)
	}
}

// dropUnknown makes dead letters of messages for targets that the config has
// no more, and forgets what alerts owe them.
func (s *Sink) dropUnknown() {
	gone := func(name string) bool {
		return !slices.ContainsFunc(s.targets, func(t *target) bool { return t.name == name })
	}
	for _, a := range s.st.alerts {
		a.ToldTo, a.Owed, a.Skipped = slices.DeleteFunc(a.ToldTo, gone), slices.DeleteFunc(a.Owed, gone), slices.DeleteFunc(a.Skipped, gone)
	}
	for name, queue := range s.st.queues {
		if gone(name) {
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
func (s *Sink) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	if s.shared != nil {
		return s.shared.write(ctx, key, in)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.known[key.String()] {
		return nil
	}
	e := s.newEpoch()
	e.read = min(readTime(ctx, e.now), e.now)
	for _, b := range in {
		if b.Stream == pipeline.Detections {
			e.fold(b.Record, key.Pipeline)
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
	now     int64             // of the clock, ms
	read    int64             // when its rows were read, ms
	staged  map[string]*alert // by group
	changed []*alert          // each once, those of a group in their order
	ids     map[string]string // group id by the bytes that tell groups apart
	opened  int
}

func (s *Sink) newEpoch() *epoch {
	now := s.now().UnixMilli()
	return &epoch{sink: s, now: now, read: now, staged: map[string]*alert{}, ids: map[string]string{}}
}

// readTime is when the rows of a write were read, in ms; now where that is unknown.
func readTime(ctx context.Context, now int64) int64 {
	if at, ok := pipeline.ReadTime(ctx); ok {
		return at.UnixMilli()
	}
	return now
}

// fold counts the rows of a record that alert.
func (e *epoch) fold(rec arrow.Record, pipe string) {
	s := e.sink
	r := s.routes[0].layout.reader(rec, pipe)
	for row := range int(rec.NumRows()) {
		if !s.cfg.wants(r.head(row)) {
			continue
		}
		r.rest(row)
		r.to = s.routesOf(r.to[:0], &r.d)
		for _, to := range r.to {
			e.count(to, r, row)
		}
	}
}

// foldAs is fold, of a pipeline.
func (e *epoch) foldAs(pipe string) func(arrow.Record) {
	return func(rec arrow.Record) { e.fold(rec, pipe) }
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

// count adds a row to its group's alert of a route.
func (e *epoch) count(to *route, r *reader, row int) {
	s, d := e.sink, &r.d
	raw := r.group(to, row)
	group, there := e.ids[string(raw)]
	if !there {
		group = digest("group", string(raw))
		e.ids[string(raw)] = group
	}
	a := e.current(group)
	full := a == nil && len(s.st.alerts)+e.opened >= s.cfg.MaxGroups
	if full {
		group = overflow + "/" + to.name
		a = e.current(group)
	}
	if a != nil && a.ends(to, d.at) {
		a.Closed, a = true, nil
	}
	if a == nil {
		if full {
			a = s.open(to, group, d, []Pair{{Name: "group", Value: "all further groups"}}, nil, nil, e.now, e.read)
		} else {
			pairs, cuts := r.pairs(to, row)
			a = s.open(to, group, d, pairs, to.layout.types, cuts, e.now, e.read)
		}
		e.staged[group], e.changed = a, append(e.changed, a)
		e.opened++
	}
	a.add(d, s.cfg.Examples)
	a.Runbook = s.runbooks[ruleKey{a.Rule, a.RuleVersion}]
	a.TouchedAt = e.now
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
	if s.shared != nil {
		return s.shared.close(ctx)
	}
	if s.st == nil || s.ended {
		return nil
	}
	s.look(true) // before the workers are told to end when nothing is left
	s.end(ctx, s.drain)
	return nil
}

// end delivers what can be delivered at once, for as long as drain at the most,
// and ends what begin began. With no time at all what is under way is cut off.
func (s *Sink) end(ctx context.Context, drain time.Duration) {
	if drain == 0 {
		s.stop()
	}
	close(s.closing)
	for _, t := range s.targets {
		t.rouse()
	}
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	limit := time.NewTimer(drain)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	case <-ctx.Done():
	}
	s.stop()
	<-done
	if drain > 0 {
		s.lastReports(ctx)
	}
	for _, t := range s.targets {
		t.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	left := len(s.st.byID)
	s.st.close()
	if left > 0 && drain > 0 {
		s.log.Warn("messages are not delivered yet; the next run sends them", "sink", s.name, "messages", left)
	}
}
