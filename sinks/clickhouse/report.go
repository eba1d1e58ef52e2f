package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

var _ pipeline.ReportKeeper = (*Sink)(nil)

// newReportTargets returns the tables of reports. An epoch's inserts do not
// reach them: their rows replace those of the same key, so they need no tokens.
func newReportTargets() (map[string]*target, error) {
	out := map[string]*target{}
	for table, schema := range map[string]*arrow.Schema{
		pipeline.TableAlerts: pipeline.AlertsSchema(), pipeline.TableAlertDeliveries: pipeline.AlertDeliveriesSchema(),
	} {
		t, err := newTarget(table, schema, nil)
		if err != nil {
			return nil, err
		}
		out[table] = t
	}
	return out, nil
}

// KeepReport stores the rows of a report. It may be called by any goroutine,
// while epochs are written too. Its errors are classified as those of Write are.
func (s *Sink) KeepReport(ctx context.Context, r pipeline.Report) error {
	t := s.reports[r.Table]
	if t == nil {
		return fmt.Errorf("%s: no table %q for reports", s.name, r.Table)
	}
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	ctx = clickhouse.Context(bounded, clickhouse.WithSettings(insertSettings(s.version, s.http(), "")))
	if err := s.insert(ctx, s.conn, t, []arrow.Record{r.Record}); err != nil {
		return s.classify(bounded, fmt.Errorf("%s: insert into %s of %s: %w", s.name, t.table, s.store.name, err))
	}
	return nil
}

// checkReports compares the tables of reports with what is to be written.
func (s *Sink) checkReports(ctx context.Context) error {
	for table, t := range s.reports {
		info, err := readTable(ctx, s.conn, table)
		if err != nil {
			return err
		}
		if err := fit(ctx, s.conn, t, info, s.log); err != nil {
			return err
		}
		if err := setRetention(ctx, s.conn, table, "toDateTime(made_at)", info, s.cfg.Retention, s.log); err != nil {
			return err
		}
	}
	return nil
}
