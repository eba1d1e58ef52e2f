package alert

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// watch looks for what is due until the sink is closed.
func (s *Sink) watch() {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.refreshSilences()
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
		r := s.routeOf(a)
		switch {
		case a.due(r, now, closing) != "" || s.catchesUp(a, r, now) || s.acknowledging(a, now) != nil:
			due = append(due, a)
		case a.over(r, now):
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
			if d.Msg.Status == statusUpdated && !d.busy {
				out[[2]string{target, d.Msg.AlertID}] = d
			}
		}
	}
	return out
}

// tell makes the messages of some alerts, as one change of the store.
func (s *Sink) tell(alerts []*alert, replaced map[[2]string]*delivery, now int64, closing bool) error {
	w := &telling{sink: s, now: now, replaced: replaced, suppressed: map[string]int64{}}
	for _, old := range alerts {
		w.begin(old)
		for status := w.a.due(w.r, now, closing); status != ""; status = w.a.due(w.r, now, closing) {
			w.next(status)
		}
		w.catchUp()
		w.acknowledge()
		w.rec.Alerts = append(w.rec.Alerts, w.a)
	}
	if err := s.st.commit(w.rec); err != nil {
		return err
	}
	for why, n := range w.suppressed {
		s.suppressed[why] += n
	}
	for _, t := range s.targets {
		s.shorten(t)
		t.rouse()
	}
	return nil
}

// shorten makes dead letters of the oldest messages of a queue that is too long.
func (s *Sink) shorten(t *target) {
	for len(s.st.queues[t.name]) > s.cfg.MaxQueue {
		i := slices.IndexFunc(s.st.queues[t.name], func(d *delivery) bool { return !d.busy })
		if i < 0 {
			return
		}
		s.bury(t, s.st.queues[t.name][i], fmt.Sprintf("more than %d messages wait for the target", s.cfg.MaxQueue))
	}
}

// telling makes messages into one record.
type telling struct {
	sink       *Sink
	now        int64
	replaced   map[[2]string]*delivery
	rec        record
	suppressed map[string]int64

	a     *alert // a copy
	r     *route
	since int64               // detections since the message before
	made  map[string]*Message // of the alert's Seq, by status
}

func (w *telling) begin(old *alert) { w.a, w.r = old.clone(), w.sink.routeOf(old) }

// number begins a message: what is sent of it to several targets has one number.
func (w *telling) number(status string) {
	w.since = w.a.Count - w.a.Told
	w.a.Seq++
	w.made = map[string]*Message{}
	w.report(alertRow(w.message(status), w.a, w.now))
}

func (w *telling) message(status string) *Message {
	if w.made[status] == nil {
		w.made[status] = w.sink.message(w.a, w.r, status, w.since)
	}
	return w.made[status]
}

// next makes the message that is due. Each target is told what is news to it:
// one that was not told that the alert fires is told so now, and one that was
// never told is not told of the end.
func (w *telling) next(status string) {
	w.number(status)
	w.a.told(status, w.now)
	for _, t := range w.sink.audience(w.a, w.r) {
		told := slices.Contains(w.a.ToldTo, t.name)
		if status == statusResolved && !told {
			w.a.Skipped = without(w.a.Skipped, t.name) // what is owed stays so
			continue
		}
		m := w.sink.muted(w.a, w.r, t, w.now)
		switch {
		case m.held():
			w.a.Owed = with(w.a.Owed, t.name)
			w.suppress(t, status, m)
		case m.why != "" && status != statusResolved:
			w.a.Skipped = with(w.a.Skipped, t.name)
			w.suppress(t, status, m)
		default:
			w.news(t, status == statusResolved)
		}
	}
}

// news queues what is news to a target.
func (w *telling) news(t *target, ended bool) {
	status := statusFiring
	switch told := slices.Contains(w.a.ToldTo, t.name); {
	case ended:
		status = statusResolved
	case told:
		status = statusUpdated
	}
	if status == statusResolved {
		w.a.ToldTo = without(w.a.ToldTo, t.name)
	} else {
		w.a.ToldTo = with(w.a.ToldTo, t.name)
	}
	w.a.Owed, w.a.Skipped = without(w.a.Owed, t.name), without(w.a.Skipped, t.name)
	w.queue(t, w.message(status))
}

// queue puts a message for a target into the outbox.
func (w *telling) queue(t *target, m *Message) {
	at := [2]string{t.name, w.a.ID}
	d := &delivery{ID: m.Key + "/" + t.name, Target: t.name, Born: w.now, Msg: m}
	if old := w.replaced[at]; old != nil && m.Status == statusUpdated {
		w.rec.Done = append(w.rec.Done, old.ID)
		w.report(deliveryRow(old, "replaced", "", w.now))
		delete(w.replaced, at)
	}
	w.rec.Add = append(w.rec.Add, d)
}

// catchUp tells targets what was kept from them and may be told now.
func (w *telling) catchUp() {
	if !w.sink.catchesUp(w.a, w.r, w.now) {
		return
	}
	if w.sink.silenced(w.a, time.UnixMilli(w.now)) != nil {
		w.forgive()
		return
	}
	if w.a.State == firing || slices.ContainsFunc(w.a.Owed, func(n string) bool { return !slices.Contains(w.a.ToldTo, n) }) {
		w.number(statusFiring)
		for _, t := range w.sink.awaiting(w.a, w.r, w.now) {
			told := slices.Contains(w.a.ToldTo, t.name)
			if w.a.State == firing || !told {
				owed := slices.Clone(w.a.Owed)
				w.news(t, false)
				if w.a.State == resolved {
					w.a.Owed = owed // of the end
				}
			}
		}
	}
	if w.a.State == resolved {
		w.number(statusResolved)
		for _, t := range w.sink.awaiting(w.a, w.r, w.now) {
			w.news(t, true)
		}
	}
}

// forgive is for an alert that was silenced after messages were held back: they
// are not owed any more, but for the end of what a target knows to fire.
func (w *telling) forgive() {
	owed := w.a.Owed
	w.a.Owed = nil
	for _, t := range w.sink.targets {
		switch told := slices.Contains(w.a.ToldTo, t.name); {
		case !slices.Contains(owed, t.name):
		case w.a.State == firing:
			w.a.Skipped = with(w.a.Skipped, t.name)
		case told:
			w.number(statusResolved)
			w.news(t, true)
		}
	}
}

// acknowledge tells PagerDuty that somebody has silenced an alert that it pages
// for: it need not go on to the next person.
func (w *telling) acknowledge() {
	x := w.sink.acknowledging(w.a, w.now)
	if x == nil {
		return
	}
	w.a.Acked = x.id
	w.number(statusAcknowledged)
	m := w.message(statusAcknowledged)
	m.Note = fmt.Sprintf("silenced by %s until %s: %s", x.author, stamp(x.until), x.comment)
	for _, t := range w.sink.targets {
		if t.cfg.PagerDuty != nil && slices.Contains(w.a.ToldTo, t.name) {
			w.queue(t, m)
		}
	}
}

// acknowledging returns the silence that PagerDuty is still to be told of.
func (s *Sink) acknowledging(a *alert, now int64) *silence {
	if a.State != firing || len(s.silences.list) == 0 {
		return nil
	}
	paged := slices.ContainsFunc(s.targets, func(t *target) bool { return t.cfg.PagerDuty != nil && slices.Contains(a.ToldTo, t.name) })
	if !paged {
		return nil
	}
	if x := s.silenced(a, time.UnixMilli(now)); x != nil && x.id != a.Acked {
		return x
	}
	return nil
}

// awaiting are the targets from which something was kept that they may be told now.
func (s *Sink) awaiting(a *alert, r *route, now int64) (out []*target) {
	if a.State == waiting {
		return nil
	}
	for _, t := range s.targets {
		kept := slices.Contains(a.Owed, t.name) || a.State == firing && slices.Contains(a.Skipped, t.name)
		if kept && s.muted(a, r, t, now).why == "" {
			out = append(out, t)
		}
	}
	return out
}

func (s *Sink) catchesUp(a *alert, r *route, now int64) bool {
	if len(a.Owed) > 0 && a.State != waiting && s.silenced(a, time.UnixMilli(now)) != nil {
		return true
	}
	return (len(a.Owed) > 0 || len(a.Skipped) > 0) && len(s.awaiting(a, r, now)) > 0
}

// muting is why a target is not told now; "" says that it is.
type muting struct{ why, detail string }

// Reasons not to make a message.
const (
	whySilenced = "silenced"
	whyHeld     = "held"
	whyDropped  = "dropped"
)

func (m muting) held() bool { return m.why == whyHeld }

// muted tells whether a silence or quiet hours keep a target from being told.
func (s *Sink) muted(a *alert, r *route, t *target, now int64) muting {
	at := time.UnixMilli(now)
	if x := s.silenced(a, at); x != nil {
		return muting{whySilenced, fmt.Sprintf("by %s until %s: %s", x.author, stamp(x.until), x.comment)}
	}
	for _, q := range r.quiet {
		times := s.cfg.Times[q.During]
		if len(q.Targets) > 0 && !slices.Contains(q.Targets, t.name) || severityRank(a.Severity) >= severityRank(q.Below) || !times.contains(at) {
			continue
		}
		why := whyHeld
		if q.Do == "drop" {
			why = whyDropped
		}
		return muting{why, "quiet hours: " + q.During}
	}
	return muting{}
}

func (w *telling) suppress(t *target, status string, m muting) {
	w.suppressed[m.why]++
	d := &delivery{Target: t.name, Born: w.now, Msg: w.message(status)}
	w.report(deliveryRow(d, m.why, m.detail, w.now))
}

func with(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

func without(list []string, name string) []string {
	return slices.DeleteFunc(list, func(n string) bool { return n == name })
}
