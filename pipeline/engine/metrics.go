package engine

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// Metrics counts what the engine does. It is a prometheus.Collector, and
// collects too from the open source and each open sink that is one, which Describe cannot know.
// Totals gives the figures that a progress line shows.
type Metrics struct {
	rowsIn, rowsOut, rejected, seconds, sinkRows, sinkErrors, epochs *prometheus.CounterVec
	bytesIn, recordsIn                                               prometheus.Counter
	sinkLatency                                                      *prometheus.HistogramVec
	commitLatency                                                    prometheus.Histogram

	reload reloadMetrics

	ready  atomic.Bool
	totals totals

	mu       sync.Mutex
	source   pipeline.Source
	session  *session
	running  int64           // number of the newest generation; 0 while there is none
	manifest checkpoint.Hash // what that was built from
}

type totals struct{ records, bytes, posts, detections, rejected, epochs atomic.Int64 }

// Totals are sums since the start of the process.
type Totals struct {
	Records, Bytes              int64 // durable: committed to the checkpoint
	Epochs                      int64 // durable
	Posts, Detections, Rejected int64 // decoded, found, refused; durable or not yet
}

// NewMetrics returns metrics at zero.
func NewMetrics() *Metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "sluice", Name: name, Help: help}, labels)
	}
	buckets := prometheus.ExponentialBuckets(0.001, 2, 16)
	return &Metrics{
		rowsIn:     vec("step_rows_in_total", "Rows that went into a step.", "step"),
		rowsOut:    vec("step_rows_out_total", "Rows that left a step, by stream.", "step", "stream"),
		rejected:   vec("rejected_rows_total", "Rows that were rejected, by step and reason.", "step", "reason"),
		seconds:    vec("step_seconds_total", "Time that workers spent in a step, in core seconds.", "step"),
		sinkRows:   vec("sink_rows_total", "Rows that a sink has made durable, by stream.", "sink", "stream"),
		sinkErrors: vec("sink_errors_total", "Writes that failed; retryable ones are tried again.", "sink", "retryable"),
		epochs:     vec("epochs_total", "Epochs that are durable in every sink.", "partition"),
		bytesIn:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "sluice", Name: "source_bytes_total", Help: "Raw bytes that are durable."}),
		recordsIn:  prometheus.NewCounter(prometheus.CounterOpts{Namespace: "sluice", Name: "source_records_total", Help: "Raw records that are durable, blank lines included."}),
		sinkLatency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "sluice", Name: "sink_write_seconds", Help: "Time of one write of an epoch to a sink.", Buckets: buckets,
		}, []string{"sink"}),
		commitLatency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "sluice", Name: "epoch_seconds", Help: "Time from an epoch's first record read to its commit.", Buckets: buckets,
		}),
		reload: newReloadMetrics(),
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.rowsIn, m.rowsOut, m.rejected, m.seconds, m.sinkRows, m.sinkErrors, m.epochs,
		m.bytesIn, m.recordsIn, m.sinkLatency, m.commitLatency,
		m.reload.total, m.reload.successful, m.reload.at, m.reload.seconds,
	}
}

var (
	queueDesc    = prometheus.NewDesc("sluice_queue_length", "What waits: chunks read, tasks for workers, epochs whose tasks run, epochs to be written.", []string{"queue"}, nil)
	inFlightDesc = prometheus.NewDesc("sluice_in_flight", "Input that is read and not durable yet.", []string{"unit"}, nil)
)

var lagDesc = prometheus.NewDesc("sluice_source_lag", "What the source has left to read, where it knows.", []string{"unit"}, nil)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
	ch <- lagDesc
	ch <- queueDesc
	ch <- inFlightDesc
	ch <- generationDesc
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
	if left, _, unit, ok := m.Lag(); ok {
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(left), unit)
	}
	m.mu.Lock()
	s, number, manifest := m.session, m.running, m.manifest
	var own []prometheus.Collector // of components that count things of their own
	if s != nil {
		if c, ok := s.source.(prometheus.Collector); ok {
			own = append(own, c)
		}
		for _, k := range s.sinks { // they are open and do not change while the session is set
			if c, ok := k.sink.(prometheus.Collector); ok {
				own = append(own, c)
			}
		}
	}
	m.mu.Unlock()
	for _, c := range own {
		c.Collect(ch)
	}
	if number > 0 {
		ch <- prometheus.MustNewConstMetric(generationDesc, prometheus.GaugeValue, float64(number), string(manifest))
	}
	if s == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v int64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), label)
	}
	gauge(queueDesc, int64(len(s.chunks)), "chunks")
	gauge(queueDesc, int64(len(s.tasks)), "tasks")
	gauge(queueDesc, int64(len(s.sealed)), "sealed")
	gauge(queueDesc, int64(len(s.staged)), "staged")
	gauge(inFlightDesc, s.inFlight.records.Load(), "records")
	gauge(inFlightDesc, s.inFlight.bytes.Load(), "bytes")
}

// Ready reports whether the source and all sinks are open.
func (m *Metrics) Ready() bool { return m.ready.Load() }

// Lag asks the source what is left; known is false when there is no source
// open or it can not tell.
func (m *Metrics) Lag() (left, total int64, unit string, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.source.(pipeline.Lagger); ok {
		return l.Lag()
	}
	return 0, 0, "", false
}

// Totals returns the sums so far.
func (m *Metrics) Totals() Totals {
	t := &m.totals
	return Totals{
		Records: t.records.Load(), Bytes: t.bytes.Load(), Epochs: t.epochs.Load(),
		Posts: t.posts.Load(), Detections: t.detections.Load(), Rejected: t.rejected.Load(),
	}
}

// observe makes lag, queues and readiness those of s; nil when none runs.
func (m *Metrics) observe(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session, m.source, m.running = s, nil, 0
	if s != nil {
		m.source, m.running, m.manifest = s.source, s.gen.number, s.gen.manifest
	}
	m.ready.Store(s != nil)
}

// add takes over what a worker counted and sets it to zero.
func (m *Metrics) add(g *graph.Graph, counts []count) {
	for i := range counts {
		c, step := &counts[i], g.Nodes[i].Name
		if c.nanos == 0 && c.in == 0 && c.out == 0 && c.rejected == 0 {
			continue
		}
		m.rowsIn.WithLabelValues(step).Add(float64(c.in))
		m.seconds.WithLabelValues(step).Add(float64(c.nanos) / 1e9)
		m.rowsOut.WithLabelValues(step, "posts").Add(float64(c.out))
		if c.detections > 0 {
			m.rowsOut.WithLabelValues(step, "detections").Add(float64(c.detections))
		}
		for reason, n := range c.reasons {
			m.rejected.WithLabelValues(step, reason).Add(float64(n))
		}
		if i == graph.Root {
			m.totals.posts.Add(c.out)
		}
		m.totals.detections.Add(c.detections)
		m.totals.rejected.Add(c.rejected)
		*c = count{}
	}
}

func (m *Metrics) wrote(sink string, in []pipeline.Batch, d time.Duration, err error) {
	if err != nil {
		_, again := pipeline.IsRetryable(err)
		m.sinkErrors.WithLabelValues(sink, strconv.FormatBool(again)).Inc()
		return
	}
	m.sinkLatency.WithLabelValues(sink).Observe(d.Seconds())
	for _, b := range in {
		m.sinkRows.WithLabelValues(sink, b.Stream.String()).Add(float64(b.Rows()))
	}
}

func (m *Metrics) committed(e *epoch) {
	m.epochs.WithLabelValues(e.span.Partition).Inc()
	m.bytesIn.Add(float64(e.bytes))
	m.recordsIn.Add(float64(e.records))
	m.commitLatency.Observe(time.Since(e.begun).Seconds())
	m.totals.epochs.Add(1)
	m.totals.bytes.Add(e.bytes)
	m.totals.records.Add(e.records)
}

// reasonColumn returns the reasons of a rejected batch.
func reasonColumn(rec arrow.Record) column.StringView {
	i := rec.Schema().FieldIndices("reason")
	return column.ViewStrings(rec.Column(i[0]))
}
