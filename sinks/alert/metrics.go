package alert

import "github.com/prometheus/client_golang/prometheus"

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sluice_alert_"+name, help, append([]string{"sink"}, labels...), nil)
}

var (
	alertsDesc     = desc("alerts", "Alerts that are kept, by state.", "state")
	queueDesc      = desc("queue_length", "Messages that wait for a target.", "target")
	ageDesc        = desc("queue_age_seconds", "Age of the oldest message that waits for a target.", "target")
	deliveriesDesc = desc("deliveries_total", "Attempts to deliver, by what came of them: sent, retried, dead.", "target", "result")
	journalDesc    = desc("journal_bytes", "Size of the journal of alerts and messages.")
	suppressedDesc = desc("suppressed_total", "Messages that were not made, by why: silenced, held or dropped in quiet hours.", "reason")
	silencesDesc   = desc("silences", "Silences that are in force now.")
	beatsDesc      = desc("heartbeats_total", "Heartbeats, by what came of them: sent, failed, withheld because the pipeline stands still.", "result")
	reportsDesc    = desc("reports_waiting", "Rows about alerts that the store does not have yet.")
	tellsDesc      = desc("telling", "Whether this process is the one of several that tells: 1 or 0.")
	lostDesc       = desc("reports_lost_total", "Rows about alerts that were forgotten because too many waited for the store.")
)

// Describe implements prometheus.Collector.
func (s *Sink) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{alertsDesc, queueDesc, ageDesc, deliveriesDesc, journalDesc, suppressedDesc, silencesDesc, beatsDesc, reportsDesc, tellsDesc, lostDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A sink that is not open has nothing.
func (s *Sink) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{s.name}, labels...)...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{s.name}, labels...)...)
	}
	open := s.st != nil && !s.ended
	if s.shared != nil {
		is := 0.0
		if open {
			is = 1
		}
		gauge(tellsDesc, is)
	}
	if !open {
		return
	}
	states := map[string]int{waiting: 0, firing: 0, resolved: 0}
	for _, a := range s.st.alerts {
		states[a.State]++
	}
	for state, n := range states {
		gauge(alertsDesc, float64(n), state)
	}
	gauge(journalDesc, float64(s.st.size))
	gauge(reportsDesc, float64(len(s.st.reports)))
	counter(lostDesc, s.st.lost)
	for _, why := range []string{whySilenced, whyHeld, whyDropped} {
		counter(suppressedDesc, s.suppressed[why], why)
	}
	if s.cfg.Heartbeat != nil {
		for _, result := range []string{"sent", "failed", "withheld"} {
			counter(beatsDesc, s.beats[result], result)
		}
	}
	now := s.now()
	active := 0
	for _, x := range s.silences.list {
		if x.active(now) {
			active++
		}
	}
	gauge(silencesDesc, float64(active))
	for _, t := range s.targets {
		q, age := s.st.queues[t.name], 0.0
		if len(q) > 0 {
			age = float64(now.UnixMilli()-q[0].Born) / 1000
		}
		gauge(queueDesc, float64(len(q)), t.name)
		gauge(ageDesc, age, t.name)
		for result, n := range map[string]int64{"sent": t.sent, "retried": t.retried, "dead": t.dead} {
			counter(deliveriesDesc, n, t.name, result)
		}
	}
}
