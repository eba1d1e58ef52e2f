package clickhouse

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"

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
// these in by itself, for less than reading them costs. Batches are joined in
// memory of mem.
func insertArrow(mem memory.Allocator, compression string) inserter {
	return func(ctx context.Context, conn driver.Conn, t *target, records []arrow.Record) error {
		if err := t.check(records); err != nil {
			return err
		}
		sent := t.withoutDefaults(records)
		stream := &ipcStream{mem: mem, target: sent, records: records, compression: compression}
		defer stream.close()
		return conn.InsertFormat(ctx, "ArrowStream", sent.insert, stream)
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

// ipcStream encodes records as an Arrow IPC stream, a batch of [wireRows] at a
// time, as it is read: its memory is that of one batch. The HTTP client reads it
// by WriteTo, which hands the columns' buffers to the socket as they are.
//
// A request that failed may be read from for a while after it has returned: so
// the stream holds the records while it is read, and is closed for readers that
// come later.
type ipcStream struct {
	mem         memory.Allocator
	target      *target
	records     []arrow.Record
	compression string

	mu     sync.Mutex
	closed bool
	pipe   *io.PipeReader // of Read
}

// hold keeps the records until release is called; not ok when the stream is
// closed, and they may be gone.
func (s *ipcStream) hold() (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	for _, rec := range s.records {
		rec.Retain()
	}
	return func() {
		for _, rec := range s.records {
			rec.Release()
		}
	}, true
}

func (s *ipcStream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.pipe != nil {
		s.pipe.Close()
	}
}

// sendBuffer gathers what is small, such as the padding between two buffers,
// into writes of this many bytes: the client sends each write as a chunk.
const sendBuffer = 128 << 10

// WriteTo implements [io.WriterTo].
func (s *ipcStream) WriteTo(w io.Writer) (int64, error) {
	release, ok := s.hold()
	if !ok {
		return 0, io.ErrClosedPipe
	}
	defer release()
	count := &countingWriter{w: w}
	buf := bufio.NewWriterSize(count, sendBuffer)
	opts := []ipc.Option{ipc.WithSchema(s.target.schema), ipc.WithAllocator(s.mem)}
	switch s.compression {
	case "lz4":
		opts = append(opts, ipc.WithLZ4())
	case "zstd":
		opts = append(opts, ipc.WithZstd())
	}
	to := ipc.NewWriter(buf, opts...)
	for left := s.records; len(left) > 0; {
		n, rows := 0, int64(0)
		for n < len(left) && rows < wireRows {
			rows += left[n].NumRows()
			n++
		}
		if err := s.send(to, left[:n]); err != nil {
			return count.n, err
		}
		left = left[n:]
	}
	if err := to.Close(); err != nil {
		return count.n, fmt.Errorf("encode %s: %w", s.target.table, err)
	}
	err := buf.Flush()
	return count.n, err
}

// send encodes one batch.
func (s *ipcStream) send(to *ipc.Writer, records []arrow.Record) error {
	rec, err := s.target.join(s.mem, records)
	if err != nil {
		return err
	}
	defer rec.Release()
	if err := to.Write(rec); err != nil {
		return fmt.Errorf("encode %s: %w", s.target.table, err)
	}
	return nil
}

// Read implements [io.Reader], for a client that does not know WriteTo.
func (s *ipcStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	if s.pipe == nil {
		r, w := io.Pipe()
		s.pipe = r
		if s.closed {
			r.Close()
		}
		go func() {
			_, err := s.WriteTo(w)
			w.CloseWithError(err) // nil is the end
		}()
	}
	pipe := s.pipe
	s.mu.Unlock()
	return pipe.Read(p)
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// join returns the stored columns of records, which were checked, one after
// the other as one record, to be released.
func (t *target) join(mem memory.Allocator, records []arrow.Record) (arrow.Record, error) {
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
		col, err := array.Concatenate(parts, mem)
		if err != nil {
			return nil, fmt.Errorf("%s: column %q: join %d batches: %w", t.table, c.field.Name, len(records), err)
		}
		cols = append(cols, col)
	}
	return array.NewRecord(t.schema, cols, rows), nil
}
