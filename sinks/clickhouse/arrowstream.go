package clickhouse

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// wireRows is how many rows a batch on the wire has at the least, but for the
// last one. The engine converts each column of each batch for itself: with the
// pipeline's batches of about 1,000 rows reading cost it 0.60 core-seconds a
// million posts of 28 columns, with these 0.31, with whole epochs 0.29.
const wireRows = 8192

// insertArrow sends the records as an Arrow IPC stream over HTTP, without the
// columns that hold nothing but their default in all of them: the server fills
// these in by itself, for less than reading them costs.
func insertArrow(compression string) inserter {
	return func(ctx context.Context, conn driver.Conn, t *target, records []arrow.Record) error {
		if err := t.check(records); err != nil {
			return err
		}
		sent := t.withoutDefaults(records)
		return conn.InsertFormat(ctx, "ArrowStream", sent.insert, newIPCReader(sent, records, compression))
	}
}

// withoutDefaults returns t less the columns that may be left out and of which
// every value of the records is the default. That depends on the rows alone,
// not on how they are cut into records.
func (t *target) withoutDefaults(records []arrow.Record) *target {
	var kept []column
	for _, c := range t.columns {
		if !c.omittable || !allDefault(c, records) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		kept = t.columns[:1] // a statement must name a column
	}
	if len(kept) == len(t.columns) {
		return t
	}
	return targetOf(t.table, kept, t.width)
}

func allDefault(c column, records []arrow.Record) bool {
	for _, rec := range records {
		if !isDefault(rec.Column(c.index), c.field.Nullable) {
			return false
		}
	}
	return true
}

// isDefault reports whether every value of col is the default of its column:
// null where the column is nullable, else the empty string, the empty list, or
// the number whose bits are zero (so not the negative zero).
func isDefault(col arrow.Array, nullable bool) bool {
	if nullable || col.NullN() > 0 {
		return nullable && col.NullN() == col.Len()
	}
	data := col.Data()
	from, to := data.Offset(), data.Offset()+col.Len()
	switch col := col.(type) {
	case *array.String:
		return col.Len() == 0 || col.ValueOffset(0) == col.ValueOffset(col.Len())
	case *array.List:
		return col.Len() == 0 || col.Offsets()[from] == col.Offsets()[to]
	}
	width, ok := col.DataType().(arrow.FixedWidthDataType)
	if !ok || width.BitWidth()%8 != 0 || len(data.Buffers()) != 2 || data.Buffers()[1] == nil {
		return false
	}
	size := width.BitWidth() / 8
	return allZero(data.Buffers()[1].Bytes()[from*size : to*size])
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// ipcReader encodes records as an Arrow IPC stream, a batch of [wireRows] at a
// time, as it is read: its memory is that of one batch and its encoding.
type ipcReader struct {
	target  *target
	records []arrow.Record
	buf     bytes.Buffer
	writer  *ipc.Writer
	err     error // what Read returns when buf is empty
}

func newIPCReader(t *target, records []arrow.Record, compression string) *ipcReader {
	r := &ipcReader{target: t, records: records}
	opts := []ipc.Option{ipc.WithSchema(t.schema)}
	switch compression {
	case "lz4":
		opts = append(opts, ipc.WithLZ4())
	case "zstd":
		opts = append(opts, ipc.WithZstd())
	}
	r.writer = ipc.NewWriter(&r.buf, opts...)
	return r
}

func (r *ipcReader) Read(p []byte) (int, error) {
	for r.buf.Len() == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.err = r.fill()
	}
	return r.buf.Read(p)
}

// fill encodes the next batch, or the end of the stream.
func (r *ipcReader) fill() error {
	if len(r.records) == 0 {
		if err := r.writer.Close(); err != nil {
			return fmt.Errorf("encode %s: %w", r.target.table, err)
		}
		return io.EOF
	}
	n, rows := 0, int64(0)
	for n < len(r.records) && rows < wireRows {
		rows += r.records[n].NumRows()
		n++
	}
	rec, err := r.target.join(r.records[:n])
	if err != nil {
		return err
	}
	defer rec.Release()
	r.records = r.records[n:]
	if err := r.writer.Write(rec); err != nil {
		return fmt.Errorf("encode %s: %w", r.target.table, err)
	}
	return nil
}

// join returns the stored columns of records, which were checked, one after
// the other as one record, to be released.
func (t *target) join(records []arrow.Record) (arrow.Record, error) {
	if len(records) == 1 {
		return t.project(records[0])
	}
	cols := make([]arrow.Array, 0, len(t.columns))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	parts, rows := make([]arrow.Array, len(records)), int64(0)
	for _, rec := range records {
		rows += rec.NumRows()
	}
	for _, c := range t.columns {
		for i, rec := range records {
			parts[i] = rec.Column(c.index)
		}
		col, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("%s: column %q: join %d batches: %w", t.table, c.field.Name, len(records), err)
		}
		cols = append(cols, col)
	}
	return array.NewRecord(t.schema, cols, rows), nil
}
