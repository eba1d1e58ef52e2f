package pipeline

import (
	"context"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// Report is rows that a sink tells of its own work, for a store to keep beside
// what the pipeline writes.
type Report struct {
	Table  string       // TableAlerts or TableAlertDeliveries
	Record arrow.Record // of the table's schema; it is the caller's, and read while the call lasts
}

// Tables of reports.
const (
	TableAlerts          = "alerts"           // rows of AlertsSchema
	TableAlertDeliveries = "alert_deliveries" // rows of AlertDeliveriesSchema
)

// KeepReport makes a report's rows durable and returns nil, or it returns an
// error: then it is called again with the same rows, and perhaps more. The same
// rows again are harmless: a row replaces the one of its key.
type KeepReport func(ctx context.Context, r Report) error

// Reporter is implemented by sinks that report. ReportTo is called before Open,
// if any other sink of the pipeline keeps reports. From Open on until Close has
// returned the reporter calls keep, from one goroutine at a time, which should
// not be one that a write waits for: a store that is down must not hold it up.
// The engine opens and closes reporters before the sinks that keep: what an earlier
// run has left is delivered while the store is down, and the last rows find it open.
type Reporter interface {
	ReportTo(keep KeepReport)
}

// ReportKeeper is implemented by sinks that keep reports. KeepReport is called
// between Open and Close, from other goroutines than Write and while a write is
// under way.
type ReportKeeper interface {
	KeepReport(ctx context.Context, r Report) error
}

// Progress is how far the engine is with what it has read, by the clock.
type Progress struct {
	Idle    time.Duration // since the source gave something, or was opened
	Stalled time.Duration // since something of what was read became durable; 0 while nothing waits for that
}

// ProgressWatcher is implemented by sinks that tell people whether the pipeline
// is well. WatchProgress is called before Open; progress may be called from
// then on by any goroutine.
type ProgressWatcher interface {
	WatchProgress(progress func() Progress)
}

// AlertsSchema returns the schema of reports of alerts: a row for each message
// that was made about an alert. Rows are known by alert_id and sequence.
func AlertsSchema() *arrow.Schema {
	u64, u32 := arrow.PrimitiveTypes.Uint64, arrow.PrimitiveTypes.Uint32
	return arrow.NewSchema([]arrow.Field{
		str("pipeline"), str("sink"), str("route"),
		str("alert_id"),
		{Name: "sequence", Type: u32}, // of the message in the alert, from 1
		str("status"),                 // firing, updated, resolved, acknowledged
		str("group_id"),               // the same for all alerts of a group
		strs("group.name"), strs("group.value"),
		str("rule_id"),
		{Name: "rule_version", Type: u32},
		str("kind"), str("owner"),
		str("severity"), // the highest so far
		strs("labels"),
		{Name: "detections", Type: u64}, // so far
		{Name: "authors", Type: u64},    // so far, distinct
		{Name: "per_minute", Type: arrow.PrimitiveTypes.Float32},
		{Name: "opening_at", Type: Timestamp},  // event time of the detection that opened it
		{Name: "first_seen", Type: Timestamp},  // event time
		{Name: "last_seen", Type: Timestamp},   // event time
		{Name: "detected_at", Type: Timestamp}, // when the alert was opened, by the clock
		{Name: "made_at", Type: Timestamp},     // when the message was, by the clock
		str("runbook"),
	}, nil)
}

// AlertDeliveriesSchema returns the schema of reports of deliveries: what has
// become of a message for a target. Rows are known by alert_id, sequence and
// target; the one with the latest at stands.
func AlertDeliveriesSchema() *arrow.Schema {
	u32 := arrow.PrimitiveTypes.Uint32
	return arrow.NewSchema([]arrow.Field{
		str("pipeline"), str("sink"),
		str("alert_id"),
		{Name: "sequence", Type: u32},
		str("target"),
		str("status"), // of the message as the target was told it
		str("rule_id"),
		str("result"),                      // sent, retrying, dead, replaced (by a newer update), silenced, held, dropped (in quiet hours)
		{Name: "attempts", Type: u32},      // by this process
		str("detail"),                      // the last error, or why nothing was sent
		{Name: "made_at", Type: Timestamp}, // when the message was made
		{Name: "at", Type: Timestamp},      // of this row
	}, nil)
}
