package alert

import (
	"context"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// report is a row for the store, kept in the journal until the store has it.
type report struct {
	N        uint64       `json:"n"` // in their order, from 1
	Alert    *alertReport `json:"alert,omitempty"`
	Delivery *sendReport  `json:"delivery,omitempty"`
}

// alertReport is a row of pipeline.AlertsSchema; times are in ms.
type alertReport struct {
	Pipeline, Sink, Route, AlertID, Status, GroupID string
	Sequence                                        int
	Group                                           []Pair
	Rule, Kind, Owner, Severity, Runbook            string
	RuleVersion                                     uint32
	Labels                                          []string
	Count, Authors                                  int64
	PerMinute                                       float64
	Opening, First, Last, Detected, Made            int64
}

// sendReport is a row of pipeline.AlertDeliveriesSchema; times are in ms.
type sendReport struct {
	Pipeline, Sink, AlertID, Target, Status, Rule, Result, Detail string
	Sequence, Attempts                                            int
	Made, At                                                      int64
}

func alertRow(m *Message, a *alert, now int64) *report {
	return &report{Alert: &alertReport{
		Pipeline: m.Pipeline, Sink: m.Sink, Route: m.Route, AlertID: m.AlertID, Status: m.Status, GroupID: m.GroupID, Sequence: m.Sequence,
		Group: m.Group, Rule: m.Rule, Kind: m.Kind, Owner: m.Owner, Severity: m.Severity, Runbook: m.Runbook, RuleVersion: m.RuleVersion,
		Labels: m.Labels, Count: m.Count, Authors: m.Authors, PerMinute: m.Growth.PerMinute,
		Opening: a.Opening, First: a.First, Last: a.Last, Detected: a.OpenedAt, Made: now,
	}}
}

func deliveryRow(d *delivery, result, detail string, now int64) *report {
	m := d.Msg
	return &report{Delivery: &sendReport{
		Pipeline: m.Pipeline, Sink: m.Sink, AlertID: m.AlertID, Target: d.Target, Status: m.Status, Rule: m.Rule, Result: result,
		Detail: cut(detail, 1000), Sequence: m.Sequence, Attempts: d.attempts, Made: d.Born, At: now,
	}}
}

func (w *telling) report(r *report) { w.rec.Reports = w.sink.reports(w.rec.Reports, r) }

// reports adds a row, where somebody keeps reports.
func (s *Sink) reports(rows []*report, r *report) []*report {
	if s.keep == nil {
		return rows
	}
	return append(rows, r)
}

// ReportTo takes the function that keeps reports. It is [pipeline.Reporter].
func (s *Sink) ReportTo(keep pipeline.KeepReport) { s.keep = keep }

// Bounds of reports.
const (
	maxReports  = 100_000 // rows that wait for the store; the oldest are forgotten
	reportBatch = 5_000   // rows in one write
	reportEvery = 500 * time.Millisecond
	reportLimit = 30 * time.Second // for one write
)

// startReports hands rows to the store until the sink is closed. They wait in
// the journal while it cannot take them, and nothing else waits for it.
func (s *Sink) startReports(ctx context.Context) {
	if s.keep == nil {
		return
	}
	s.running.Go(func() {
		failures := 0
		for {
			wait := reportEvery
			if failures > 0 {
				wait = max(wait, s.backoff(failures))
			}
			timer := time.NewTimer(wait)
			select {
			case <-s.closing:
				timer.Stop()
				return
			case <-timer.C:
			}
			if err := s.handOver(ctx); err == nil {
				failures = 0
			} else if failures++; failures == 1 {
				s.log.Warn("rows about alerts cannot be stored; this is tried again", "sink", s.name, "err", err)
			}
		}
	})
}

// lastReports hands over what the end of the run has left.
func (s *Sink) lastReports(ctx context.Context) {
	if s.keep == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.drain)
	defer cancel()
	if err := s.handOver(ctx); err != nil {
		s.log.Warn("rows about alerts are not stored yet; the next run stores them", "sink", s.name, "err", err)
	}
}

// handOver gives the rows that wait to the store, and forgets them.
func (s *Sink) handOver(ctx context.Context) error {
	for {
		s.mu.Lock()
		rows := slices.Clone(s.st.reports[:min(len(s.st.reports), reportBatch)])
		s.mu.Unlock()
		if len(rows) == 0 {
			return nil
		}
		for _, r := range []pipeline.Report{
			{Table: pipeline.TableAlerts, Record: alertRecord(rows)},
			{Table: pipeline.TableAlertDeliveries, Record: sendRecord(rows)},
		} {
			err := s.keepOne(ctx, r)
			r.Record.Release()
			if err != nil {
				return err
			}
		}
		s.mu.Lock()
		err := s.st.commit(record{Reported: rows[len(rows)-1].N})
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

func (s *Sink) keepOne(ctx context.Context, r pipeline.Report) error {
	if r.Record.NumRows() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	return s.keep(ctx, r)
}

// builder appends values to the columns of a record in their order.
type builder struct {
	*array.RecordBuilder
	at int
}

func (b *builder) column() array.Builder {
	b.at++
	return b.Field(b.at - 1)
}

func (b *builder) text(values ...string) {
	for _, v := range values {
		b.column().(*array.StringBuilder).Append(v)
	}
}

func (b *builder) texts(values []string) {
	l := b.column().(*array.ListBuilder)
	l.Append(true)
	for _, v := range values {
		l.ValueBuilder().(*array.StringBuilder).Append(v)
	}
}

func (b *builder) u32(v uint32) { b.column().(*array.Uint32Builder).Append(v) }

func (b *builder) u64(v int64) { b.column().(*array.Uint64Builder).Append(uint64(max(v, 0))) }

func (b *builder) times(values ...int64) {
	for _, v := range values {
		b.column().(*array.TimestampBuilder).Append(arrow.Timestamp(v))
	}
}

func alertRecord(rows []*report) arrow.Record {
	b := &builder{RecordBuilder: array.NewRecordBuilder(memory.DefaultAllocator, pipeline.AlertsSchema())}
	defer b.Release()
	for _, r := range rows {
		a := r.Alert
		if a == nil {
			continue
		}
		var names, values []string
		for _, p := range a.Group {
			names, values = append(names, p.Name), append(values, p.Value)
		}
		b.at = 0
		b.text(a.Pipeline, a.Sink, a.Route, a.AlertID)
		b.u32(uint32(a.Sequence))
		b.text(a.Status, a.GroupID)
		b.texts(names)
		b.texts(values)
		b.text(a.Rule)
		b.u32(a.RuleVersion)
		b.text(a.Kind, a.Owner, a.Severity)
		b.texts(a.Labels)
		b.u64(a.Count)
		b.u64(a.Authors)
		b.column().(*array.Float32Builder).Append(float32(a.PerMinute))
		b.times(a.Opening, a.First, a.Last, a.Detected, a.Made)
		b.text(a.Runbook)
	}
	return b.NewRecord()
}

func sendRecord(rows []*report) arrow.Record {
	b := &builder{RecordBuilder: array.NewRecordBuilder(memory.DefaultAllocator, pipeline.AlertDeliveriesSchema())}
	defer b.Release()
	for _, r := range rows {
		d := r.Delivery
		if d == nil {
			continue
		}
		b.at = 0
		b.text(d.Pipeline, d.Sink, d.AlertID)
		b.u32(uint32(d.Sequence))
		b.text(d.Target, d.Status, d.Rule, d.Result)
		b.u32(uint32(d.Attempts))
		b.text(d.Detail)
		b.times(d.Made, d.At)
	}
	return b.NewRecord()
}
