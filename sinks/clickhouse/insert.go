package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/pipeline"
)

// target is a table with the columns that an epoch's records bring to it.
type target struct {
	table   string
	columns []column
	schema  *arrow.Schema // of the stored columns: what goes over the wire
	width   int           // number of columns of the stream's records
	insert  string        // INSERT INTO table (columns)
}

func newTarget(table string, in *arrow.Schema, types map[string]string) (*target, error) {
	cols, err := storedColumns(in, types)
	if err != nil {
		return nil, err
	}
	return targetOf(table, cols, in.NumFields()), nil
}

func targetOf(table string, cols []column, width int) *target {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: c.field.Name, Type: c.field.Type, Nullable: c.field.Nullable}
	}
	return &target{
		table: table, columns: cols, width: width,
		schema: arrow.NewSchema(fields, nil),
		insert: "INSERT INTO " + quoteName(table) + " (" + quoteNames(cols) + ")",
	}
}

// check fails unless the records have the columns that the plan has.
func (t *target) check(records []arrow.Record) error {
	for _, rec := range records {
		if int(rec.NumCols()) != t.width {
			return fmt.Errorf("%s: a batch has %d columns, the plan has %d", t.table, rec.NumCols(), t.width)
		}
		for _, c := range t.columns {
			if col := rec.Column(c.index); col.DataType().ID() != c.field.Type.ID() {
				return fmt.Errorf("%s: column %q of a batch is of type %s, the plan has %s", t.table, c.field.Name, col.DataType(), c.field.Type)
			}
		}
	}
	return nil
}

// project returns the stored columns of a record of the stream, to be
// released.
func (t *target) project(rec arrow.Record) (arrow.Record, error) {
	if err := t.check([]arrow.Record{rec}); err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(t.columns))
	for i, c := range t.columns {
		cols[i] = rec.Column(c.index)
	}
	return array.NewRecord(t.schema, cols, rec.NumRows()), nil
}

// inserter writes the records as one INSERT. Implementations differ in the
// bytes that they send, never in the rows that arrive.
type inserter func(ctx context.Context, conn driver.Conn, t *target, records []arrow.Record) error

// version is a server's version, for what depends on it.
type version struct{ major, minor uint64 }

func (v version) atLeast(major, minor uint64) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

// unboundedRows is far more than an epoch has: the server gathers all record
// batches of an INSERT into one block, which the token then covers.
const unboundedRows = 1 << 40

// insertSettings are pinned for every INSERT of an epoch. A setting that the
// server does not know would fail the statement, so newer ones depend on its
// version.
func insertSettings(v version, http bool, token string) clickhouse.Settings {
	s := clickhouse.Settings{
		"insert_deduplicate":                                  1,
		"insert_deduplication_token":                          token,
		"deduplicate_blocks_in_dependent_materialized_views":  1,
		"async_insert":                                        0,
		"min_insert_block_size_rows":                          uint64(unboundedRows),
		"min_insert_block_size_bytes":                         0,
		"max_insert_block_size":                               uint64(unboundedRows),
		"max_partitions_per_insert_block":                     0,
		"parallel_view_processing":                            0,
		"input_format_null_as_default":                        0,
		"input_format_skip_unknown_fields":                    0,
		"input_format_arrow_allow_missing_columns":            0,
		"input_format_arrow_case_insensitive_column_matching": 0,
		"materialized_views_ignore_errors":                    0,
	}
	if v.atLeast(26, 2) {
		s["deduplicate_insert"] = "enable"
		// Merges build the indices: at an insert they would cost a fifth of it,
		// the text index as much again as the rest.
		s["exclude_materialize_skip_indexes_on_insert"] = "ix_id,ix_author," + textIndexName
	}
	if http {
		s["wait_end_of_query"] = 1
	}
	return s
}

// splitStreams groups the batches that have rows by stream.
func splitStreams(in []pipeline.Batch) ([pipeline.NumStreams][]arrow.Record, error) {
	var out [pipeline.NumStreams][]arrow.Record
	for _, b := range in {
		if int(b.Stream) >= pipeline.NumStreams || b.Record == nil {
			return out, errors.New("clickhouse: a batch of an unknown stream, or without a record")
		}
		if b.Record.NumRows() > 0 {
			out[b.Stream] = append(out[b.Stream], b.Record)
		}
	}
	return out, nil
}
