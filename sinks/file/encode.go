package file

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/internal/jsonlines"
	"github.com/sluicehq/sluice/pipeline"
)

// flushAt is the size of what is gathered before it is written.
const flushAt = 256 << 10

// lines appends JSON lines, each epoch compressed by itself: gzip members and
// zstd frames one after the other are a valid file.
type lines struct {
	enc         *jsonlines.Encoder
	compression string
	zstd        *zstd.Encoder
	buf         []byte
}

func newLines(schema *arrow.Schema, compression string) (*lines, error) {
	enc, err := jsonlines.New(schema, "", "")
	if err != nil {
		return nil, err
	}
	l := &lines{enc: enc, compression: compression}
	if compression == "zstd" {
		l.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	}
	return l, err
}

func (l *lines) columns() string { return "" } // a line says what it holds

func (l *lines) append(w io.Writer, records []arrow.Record, _ bool) error {
	switch l.compression {
	case "gzip":
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		return closeAfter(z, l.write(z, records))
	case "zstd":
		l.zstd.Reset(w)
		return closeAfter(l.zstd, l.write(l.zstd, records))
	}
	return l.write(w, records)
}

// closeAfter closes w and returns the first error.
func closeAfter(w io.Closer, err error) error {
	if e := w.Close(); err == nil {
		err = e
	}
	return err
}

func (l *lines) write(w io.Writer, records []arrow.Record) error {
	l.buf = l.buf[:0]
	for i, rec := range records {
		var err error
		if l.buf, err = l.enc.Append(l.buf, rec); err != nil {
			return err
		}
		if len(l.buf) >= flushAt || i == len(records)-1 {
			if _, err := w.Write(l.buf); err != nil {
				return err
			}
			l.buf = l.buf[:0]
		}
	}
	return nil
}

// plain is the schema of a file: columns without the pipeline's own metadata.
type plain struct{ schema *arrow.Schema }

// each calls write with each record as one of the plain schema.
func (s plain) each(records []arrow.Record, write func(arrow.Record) error) error {
	for _, rec := range records {
		if int(rec.NumCols()) != s.schema.NumFields() {
			return fmt.Errorf("a batch has %d columns, the plan has %d", rec.NumCols(), s.schema.NumFields())
		}
		out := array.NewRecord(s.schema, rec.Columns(), rec.NumRows())
		err := write(out)
		out.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// stream appends to an Arrow IPC stream: the schema once, then batches. There
// is no end mark: a stream may end with its file.
type stream struct {
	plain
	opts []ipc.Option
	head []byte // the encoded schema
	hash string
}

func newStream(schema *arrow.Schema, compression string) (*stream, error) {
	s := &stream{plain: plain{pipeline.Plain(schema)}}
	s.opts = []ipc.Option{ipc.WithSchema(s.schema)}
	if compression == "zstd" {
		s.opts = append(s.opts, ipc.WithZstd())
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, s.opts...)
	if err := w.Close(); err != nil {
		return nil, err
	}
	const endMark = 8 // 0xFFFFFFFF 0x00000000
	s.head = b.Bytes()[:b.Len()-endMark]
	sum := sha256.Sum256(s.head)
	s.hash = hex.EncodeToString(sum[:8])
	return s, nil
}

func (s *stream) columns() string { return s.hash }

func (s *stream) append(w io.Writer, records []arrow.Record, begin bool) error {
	out := &skipWriter{w: w}
	if !begin {
		out.skip = len(s.head)
	}
	enc := ipc.NewWriter(out, s.opts...)
	if err := s.each(records, enc.Write); err != nil {
		return err
	}
	return out.flush()
}

// skipWriter drops the first bytes and gathers the rest into larger writes.
type skipWriter struct {
	w    io.Writer
	skip int
	buf  []byte
}

func (s *skipWriter) Write(p []byte) (int, error) {
	n := len(p)
	drop := min(s.skip, n)
	s.skip -= drop
	s.buf = append(s.buf, p[drop:]...)
	if len(s.buf) >= flushAt {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (s *skipWriter) flush() error {
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// table writes Parquet files, each a whole epoch.
type table struct {
	plain
	props *parquet.WriterProperties
	buf   bytes.Buffer
}

func newTable(schema *arrow.Schema, compression string) *table {
	codec := map[string]compress.Compression{
		"none": compress.Codecs.Uncompressed, "gzip": compress.Codecs.Gzip, "zstd": compress.Codecs.Zstd,
	}[compression]
	return &table{
		plain: plain{pipeline.Plain(schema)},
		props: parquet.NewWriterProperties(parquet.WithCompression(codec), parquet.WithDictionaryDefault(true),
			parquet.WithCreatedBy("sluice"), parquet.WithVersion(parquet.V2_LATEST)),
	}
}

// write builds the file in memory first, an epoch's size compressed: Arrow's
// Parquet writer panics when its output fails, as a full disk does.
func (t *table) write(w io.Writer, records []arrow.Record) error {
	t.buf.Reset()
	out, err := pqarrow.NewFileWriter(t.schema, &t.buf, t.props, pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	// WriteBuffered gathers the batches into one row group.
	if err := closeAfter(out, t.each(records, out.WriteBuffered)); err != nil {
		return err
	}
	_, err = w.Write(t.buf.Bytes())
	return err
}
