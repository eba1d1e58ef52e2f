package kafka

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
)

// Reasons for which a message is rejected before it is decoded.
const (
	reasonTombstone = "tombstone"
	reasonFraming   = "schema_registry_binary"
)

// decodePlan decodes the values of messages as the inner plan does, and adds
// what the messages know beside.
type decodePlan struct {
	inner            pipeline.DecodePlan
	mem              memory.Allocator
	schema           *arrow.Schema
	offsetAt         int // position of source_offset in the inner schema
	lines, meta      bool
	arrow            bool
	rejectTombstones bool
	key, time        bool     // there is a column for it
	headers          []string // those that are columns
}

func newDecodePlan(cfg *Config, inner pipeline.DecodePlan, mem memory.Allocator) (*decodePlan, error) {
	added, headers, err := cfg.fields()
	if err != nil {
		return nil, err
	}
	if cfg.Messages == "arrow" {
		if inner, err = newIPCPlan(cfg, inner.Output(), mem); err != nil {
			return nil, err
		}
	}
	fields := inner.Output().Fields()
	for _, f := range added {
		if inner.Output().HasField(f.Name) {
			return nil, &pipeline.FieldError{Err: &pipeline.DuplicateColumnError{Name: f.Name}}
		}
		fields = append(fields, f)
	}
	return &decodePlan{
		inner: inner, mem: mem, schema: arrow.NewSchema(fields, nil),
		offsetAt: inner.Output().FieldIndices(pipeline.ColSourceOffset)[0],
		lines:    cfg.Messages == "lines", arrow: cfg.Messages == "arrow", meta: len(added) > 0, rejectTombstones: cfg.Tombstones == "reject",
		key: cfg.KeyColumn != "", time: cfg.TimeColumn != "", headers: headers,
	}, nil
}

func (p *decodePlan) Output() *arrow.Schema { return p.schema }
func (p *decodePlan) New() pipeline.Decoder { return &decoder{decodePlan: p, inner: p.inner.New()} }

// decoder is the run half; it serves one worker.
type decoder struct {
	*decodePlan
	inner pipeline.Decoder
	side  side
	// With lines: the bounds of the chunk's lines, and the message of each.
	bounds  []uint32
	message []int32
}

// side is what a chunk's side says, by message.
type side struct {
	reject []byte
	raw    [][]byte // of the rejected
	time   []int64
	values [][]byte // key and headers: 1 + len(headers) a message
}

// Decode emits the chunk's posts and its rejected messages.
func (d *decoder) Decode(ctx context.Context, c *pipeline.Chunk, emit pipeline.Emit) error {
	values := int(c.Bounds[len(c.Bounds)-1])
	if values == len(c.Data) {
		return d.inner.Decode(ctx, c, emit) // there is nothing beside
	}
	if err := d.read(c.Data[values:], len(c.Bounds)-1); err != nil {
		return err
	}
	in := pipeline.Chunk{Span: c.Span, Origin: c.Origin, Offset: c.Offset, Data: c.Data[:values], Bounds: c.Bounds, Records: c.Records}
	if d.lines {
		d.split(&in)
	}
	err := d.inner.Decode(ctx, &in, func(b pipeline.Batch) error {
		out, err := d.complete(c, b)
		if err != nil {
			return err
		}
		return emit(out)
	})
	if err != nil {
		return err
	}
	return d.emitRejected(c, emit)
}

// read reads the side of n messages.
func (d *decoder) read(src []byte, n int) (err error) {
	s := &d.side
	s.reject, s.raw, s.time, s.values = s.reject[:0], s.raw[:0], s.time[:0], s.values[:0]
	for range n {
		if len(src) == 0 {
			return errSide
		}
		s.reject, src = append(s.reject, src[0]), src[1:]
		var raw []byte
		if s.reject[len(s.reject)-1] != accepted {
			if raw, src, err = cutBytes(src); err != nil {
				return err
			}
		}
		s.raw = append(s.raw, raw)
		if !d.meta {
			continue
		}
		ms, k := binary.Varint(src)
		if k <= 0 {
			return errSide
		}
		s.time, src = append(s.time, ms), src[k:]
		for range 1 + len(d.headers) {
			var v []byte
			if v, src, err = cutBytes(src); err != nil {
				return err
			}
			s.values = append(s.values, v)
		}
	}
	if len(src) > 0 {
		return errSide
	}
	return nil
}

// split makes each line of the messages a record, whose offset is its number:
// complete replaces it.
func (d *decoder) split(c *pipeline.Chunk) {
	d.bounds, d.message = append(d.bounds[:0], 0), d.message[:0]
	for i := range len(c.Bounds) - 1 {
		end := int(c.Bounds[i+1])
		for at := int(c.Bounds[i]); at < end; {
			next := end
			for j := at; j < end; j++ {
				if c.Data[j] == '\n' {
					next = j + 1
					break
				}
			}
			d.bounds = append(d.bounds, uint32(next))
			d.message = append(d.message, int32(i))
			at = next
		}
	}
	c.Offset, c.Bounds = 0, d.bounds
}

// complete gives the rows of a batch of the inner decoder their offsets, and
// posts their further columns. It takes over b.
func (d *decoder) complete(c *pipeline.Chunk, b pipeline.Batch) (pipeline.Batch, error) {
	posts := b.Stream == pipeline.Posts
	if !d.lines && !(posts && d.meta) {
		return b, nil
	}
	defer b.Record.Release()
	at := d.offsetAt
	if !posts {
		at = b.Record.Schema().FieldIndices(pipeline.ColSourceOffset)[0]
	}
	offsets := b.Record.Column(at).(*array.Int64).Int64Values()
	cols := append([]arrow.Array(nil), b.Record.Columns()...)
	var made []arrow.Array
	defer func() {
		for _, a := range made {
			a.Release()
		}
	}()
	if d.lines {
		real := column.NewFixed[int64](d.mem)
		for _, line := range offsets {
			real.Append(c.Offset + int64(d.message[line]))
		}
		a := real.NewArray(arrow.PrimitiveTypes.Int64)
		made, cols[at] = append(made, a), a
		offsets = a.(*array.Int64).Int64Values()
	}
	schema := b.Record.Schema()
	if posts && d.meta {
		added := d.columns(offsets, c.Offset)
		made, cols = append(made, added...), append(cols, added...)
		schema = d.schema
	}
	return pipeline.Batch{Record: array.NewRecord(schema, cols, b.Record.NumRows()), Stream: b.Stream}, nil
}

// columns returns the added columns for rows of these offsets.
func (d *decoder) columns(offsets []int64, first int64) (out []arrow.Array) {
	width := 1 + len(d.headers)
	text := func(nth int) arrow.Array {
		c := column.NewStrings(d.mem)
		for _, o := range offsets {
			c.AppendString(strings.ToValidUTF8(string(d.side.values[int(o-first)*width+nth]), "\uFFFD"))
		}
		return c.NewArray(arrow.BinaryTypes.String)
	}
	if d.key {
		out = append(out, text(0))
	}
	if d.time {
		c := column.NewFixed[int64](d.mem)
		for _, o := range offsets {
			c.Append(d.side.time[o-first])
		}
		out = append(out, c.NewArray(pipeline.Timestamp))
	}
	for i := range d.headers {
		out = append(out, text(1+i))
	}
	return out
}

// maxRaw is how much of a rejected message is kept.
const maxRaw = 64 << 10

// emitRejected emits the messages that were rejected before they were decoded.
func (d *decoder) emitRejected(c *pipeline.Chunk, emit pipeline.Emit) error {
	var b *array.RecordBuilder
	for i, why := range d.side.reject {
		if why == accepted {
			continue
		}
		if b == nil {
			b = array.NewRecordBuilder(d.mem, pipeline.RejectedSchema())
			defer b.Release()
		}
		reason, detail := reasonTombstone, "the message has no value"
		if why == binaryFraming {
			reason = reasonFraming
			detail = "the message is in the frame of a schema registry and is not JSON: Avro and Protobuf are not read; produce JSON, with or without a schema"
		}
		appendRejected(b, c.Origin, c.Offset+int64(i), reason, detail, d.side.raw[i])
	}
	if b == nil {
		return nil
	}
	return emit(pipeline.Batch{Record: b.NewRecord(), Stream: pipeline.Rejected})
}

// appendRejected adds a row of the rejected stream to b.
func appendRejected(b *array.RecordBuilder, origin string, offset int64, reason, detail string, raw []byte) {
	text := func(col int, s string) { b.Field(col).(*array.StringBuilder).Append(s) }
	text(0, origin)
	b.Field(1).(*array.Int64Builder).Append(offset)
	text(2, "decode")
	text(3, reason)
	text(4, detail)
	b.Field(5).(*array.BinaryBuilder).Append(raw[:min(len(raw), maxRaw)])
	b.Field(6).(*array.Int64Builder).Append(int64(len(raw)))
}
