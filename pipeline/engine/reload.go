package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ReloadResult is how an attempt to take up changed files ended.
type ReloadResult string

// The results, which are the values of a metric's label.
const (
	ReloadApplied   ReloadResult = "applied"   // what was changed is in force
	ReloadUnchanged ReloadResult = "unchanged" // the files say what is in force already
	ReloadRefused   ReloadResult = "refused"   // the files are wrong, or need a restart; what was in force stays
)

var generationDesc = prometheus.NewDesc("sluice_generation", "Number of the graph that new epochs are run with, from 1 at the start; its manifest is what their intents name.", []string{"manifest"}, nil)

type reloadMetrics struct {
	total          *prometheus.CounterVec
	successful, at prometheus.Gauge
	seconds        prometheus.Histogram
}

func newReloadMetrics() reloadMetrics {
	m := reloadMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sluice", Name: "reload_total", Help: "Attempts to take up changed files while running, by result.",
		}, []string{"result"}),
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "sluice", Name: "reload_last_successful", Help: "1 if what runs is what the files say, as far as they have been looked at; 0 after a reload that was refused.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "sluice", Name: "reload_last_success_timestamp_seconds", Help: "When changed files were last taken up, in seconds since 1970; 0 if never.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "sluice", Name: "reload_seconds", Help: "Time from a look at changed files to the first epoch that they are in force for.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 18),
		}),
	}
	for _, r := range []ReloadResult{ReloadApplied, ReloadUnchanged, ReloadRefused} {
		m.total.WithLabelValues(string(r)) // so that they are there at 0
	}
	m.successful.Set(1)
	return m
}

// Reloaded counts an attempt to take up changed files, and the time that it
// took when it was applied.
func (m *Metrics) Reloaded(result ReloadResult, took time.Duration) {
	m.reload.total.WithLabelValues(string(result)).Inc()
	if result == ReloadRefused {
		m.reload.successful.Set(0)
		return
	}
	m.reload.successful.Set(1)
	if result == ReloadApplied {
		m.reload.at.SetToCurrentTime()
		m.reload.seconds.Observe(took.Seconds())
	}
}

// generation makes gen the one that is shown.
func (m *Metrics) generation(gen *generation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running, m.manifest = gen.number, gen.manifest
}
