// Package clickhouse is the sink that stores posts, detections and rejected
// rows in ClickHouse: in a server, or in an engine that it starts itself and
// keeps in a folder (package embedded). Over HTTP the Arrow records go in as
// they are; a server's native port gets native columns.
//
// # Writing once
//
//  1. An epoch is one INSERT of one block for each table that has rows, in the
//     order posts, detections, rejected, epochs. Each carries a token made of
//     the epoch's key and the table.
//  2. Every table of a chain, up to the last rollup, remembers the last 10,000
//     tokens (non_replicated_deduplication_window); the views hand the token
//     on. So an epoch that is written again adds nothing, and one whose first
//     try died between two tables, or between a table and its rollup, is
//     completed.
//  3. The row in epochs comes last: an epoch that has one is stored whole.
package clickhouse

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// Factory returns the factory of the sink.
func Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name:    "clickhouse",
		Summary: "stores posts, detections and rejected rows in ClickHouse, on a server or embedded",
		Doc: `Writes each epoch as one insert a table, so that a replay changes nothing, and keeps
rollups by minute and hour, a register of rules and a ledger of epochs. What a sink
alert of the same pipeline does is stored too, in alerts and alert_deliveries.

With embedded, the engine runs as a child process and speaks ClickHouse's HTTP
interface on listen: clickhouse-client, Grafana and curl can read from it. With dsn, the
rows go to a server: http:// and https:// take Arrow as it is, and are faster than
clickhouse:// (the native port).

The database and its tables are created and brought up to date at the start. Columns
that steps add to posts become columns of the table. A table whose columns do not fit is
an error before the first row.`,
		Example: "embedded:\n  path: ./data/clickhouse\n",
		Takes:   []pipeline.Stream{pipeline.Posts, pipeline.Detections, pipeline.Rejected},
	}, Defaults, newPlan)
}

// plan is the sink's config, checked against the streams that reach it.
type plan struct {
	cfg     Config
	bc      pipeline.BuildContext
	targets [pipeline.NumStreams]*target
	created [pipeline.NumStreams]int
}

// Single implements pipeline.Single: the folder of an embedded engine has one
// owner.
func (p *plan) Single() bool { return p.cfg.Embedded.Path != "" }

func newPlan(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	p := &plan{cfg: cfg.Resolve(bc.Dir), bc: bc, created: createdAt(in)}
	for stream, schema := range in {
		if schema == nil {
			continue
		}
		var types map[string]string
		if pipeline.Stream(stream) == pipeline.Posts {
			types = cfg.Columns
			if err := checkOverrides(types, schema); err != nil {
				return nil, err
			}
		}
		t, err := newTarget(pipeline.Stream(stream).String(), schema, types)
		if err != nil {
			return nil, &pipeline.FieldError{Err: err}
		}
		p.targets[stream] = t
	}
	return p, nil
}

// checkOverrides refuses types for columns that the sink does not create.
func checkOverrides(types map[string]string, schema *arrow.Schema) error {
	base := baseColumns()
	for name := range types {
		switch i := schema.FieldIndices(name); {
		case base[name]:
			return &pipeline.FieldError{Path: "columns." + name, Err: fmt.Errorf("%q is a column of every posts table, with a type of its own: leave it out", name)}
		case len(i) == 0:
			return &pipeline.FieldError{Path: "columns." + name, Err: fmt.Errorf("no step or source stores a column %q: leave it out, or add the column", name)}
		}
	}
	return nil
}

// createdAt finds the event time in each stream's records; -1 where it is not.
func createdAt(in pipeline.Schemas) (at [pipeline.NumStreams]int) {
	for stream, schema := range in {
		at[stream] = -1
		if schema == nil {
			continue
		}
		if i, err := pipeline.Column(schema, pipeline.ColCreatedAt, pipeline.Timestamp); err == nil {
			at[stream] = i
		}
	}
	return at
}

// New returns a sink; it connects when it is opened.
func (p *plan) New() (pipeline.Sink, error) {
	ledger, err := newTarget("epochs", ledgerSchema(), nil)
	if err != nil {
		return nil, err
	}
	reports, err := newReportTargets()
	if err != nil {
		return nil, err
	}
	return &Sink{cfg: p.cfg, name: p.bc.Name, log: p.bc.Logger, mem: p.bc.Mem, targets: p.targets, created: p.created, ledger: ledger, reports: reports}, nil
}

// Describe lists the tables and the number of columns that go into each.
func (p *plan) Describe() []string {
	var lines []string
	for _, t := range p.targets {
		if t != nil {
			lines = append(lines, fmt.Sprintf("table %s.%s: %d columns", p.cfg.database(), t.table, len(t.columns)))
		}
	}
	return lines
}
