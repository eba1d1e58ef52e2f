package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/internal/arrowipc"
	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

const (
	// ipcMaxRows is how many rows a batch holds at most, as those of package decode do.
	ipcMaxRows = 1024
	// ipcMaxBytes is how much text a batch holds when it is handed on at the
	// latest, so that a column's offsets fit 31 bits.
	ipcMaxBytes = 64 << 20
)

// ipcDecoder is the run half of ipcPlan; it serves one worker. Rows of several
// messages share a batch, and a large message gives several.
type ipcDecoder struct {
	*ipcPlan
	reader   arrowipc.Reader
	at       []int // by column: its position in Batch.Columns; -1 for none
	builders []ipcBuilder
	offsets  *column.Fixed[int64]
	rows     int
	bytes    int
	rejected *array.RecordBuilder
	refused  int       // rows in rejected
	bad      []refusal // by row of the batch that is being read; "" for a good one
}

func (d *ipcDecoder) init() {
	d.offsets = column.NewFixed[int64](d.mem)
	for i := range d.columns {
		d.builders = append(d.builders, newIPCBuilder(d.mem, d.columns[i].kind))
	}
}

// Decode emits the posts of the chunk's messages, and its rejected messages and
// rows.
func (d *ipcDecoder) Decode(ctx context.Context, c *pipeline.Chunk, emit pipeline.Emit) (err error) {
	defer func() {
		if err != nil { // what is half built belongs to nobody
			d.drop()
		}
		if d.rejected != nil {
			d.rejected.Release()
			d.rejected, d.refused = nil, 0
		}
	}()
	for i := range len(c.Bounds) - 1 {
		value := c.Data[c.Bounds[i]:c.Bounds[i+1]]
		if len(value) == 0 {
			continue // as a blank line
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.message(c, value, c.Offset+int64(i), emit); err != nil {
			return err
		}
	}
	if err := d.flush(c.Origin, emit); err != nil || d.refused == 0 {
		return err
	}
	return d.flushRejected(emit)
}

func (d *ipcDecoder) flushRejected(emit pipeline.Emit) error {
	d.refused = 0
	return emit(pipeline.Batch{Record: d.rejected.NewRecord(), Stream: pipeline.Rejected})
}

// message decodes a message.
func (d *ipcDecoder) message(c *pipeline.Chunk, value []byte, offset int64, emit pipeline.Emit) error {
	batches, err := d.reader.Read(value, d.pick)
	if err != nil {
		why := &refusal{reason: reasonInvalidArrow, detail: err.Error()}
		if errors.Is(err, arrowipc.ErrTooLarge) {
			why.reason = decode.TooLarge
		}
		errors.As(err, &why)
		return d.reject(c.Origin, offset, why, value, emit)
	}
	row := 0 // of the message
	for i := range batches {
		b := &batches[i]
		anyBad := d.check(b)
		for from := 0; from < b.Rows; {
			if anyBad && d.bad[from].reason != "" {
				why := d.bad[from]
				why.detail = fmt.Sprintf("row %d: %s", row+from, why.detail)
				if err := d.reject(c.Origin, offset, &why, nil, emit); err != nil {
					return err
				}
				from++
				continue
			}
			to := min(b.Rows, from+ipcMaxRows-d.rows)
			if anyBad {
				for n := from + 1; n < to; n++ {
					if d.bad[n].reason != "" {
						to = n
					}
				}
			}
			d.append(b, from, to, offset)
			from = to
			if d.rows == ipcMaxRows || d.bytes >= ipcMaxBytes {
				if err := d.flush(c.Origin, emit); err != nil {
					return err
				}
			}
		}
		row += b.Rows
	}
	return nil
}

// reject adds a rejected row, and emits those that are there when they are many.
func (d *ipcDecoder) reject(origin string, offset int64, why *refusal, raw []byte, emit pipeline.Emit) error {
	if d.rejected == nil {
		d.rejected = array.NewRecordBuilder(d.mem, pipeline.RejectedSchema())
	}
	d.refused++
	appendRejected(d.rejected, origin, offset, string(why.reason), strings.ToValidUTF8(why.detail, "\uFFFD"), raw)
	if d.refused < ipcMaxRows {
		return nil
	}
	return d.flushRejected(emit)
}

// of returns a column of a batch; nil without one.
func (d *ipcDecoder) of(b *arrowipc.Batch, i int) *arrowipc.Column {
	if d.at[i] < 0 {
		return nil
	}
	return &b.Columns[d.at[i]]
}

// check finds the rows that are no posts.
func (d *ipcDecoder) check(b *arrowipc.Batch) (found bool) {
	fail := func(row int, reason decode.Reason, format string, args ...any) {
		if !found {
			found = true
			d.bad = append(d.bad[:0], make([]refusal, b.Rows)...)
		}
		if d.bad[row].reason == "" {
			d.bad[row] = refusal{reason, fmt.Sprintf(format, args...)}
		}
	}
	for i := range d.columns {
		col := d.of(b, i)
		if col == nil {
			continue
		}
		spec := &d.columns[i]
		if spec.required && col.Nulls > 0 {
			for row := range b.Rows {
				if col.IsNull(row) {
					fail(row, d.missing(i), "%s: it is null", spec.name)
				}
			}
		}
		switch {
		case i == d.id:
			for row := range b.Rows {
				if col.IsNull(row) || col.Offset(row) == col.Offset(row+1) {
					fail(row, decode.MissingID, "id: it is empty")
				}
			}
		case i == d.created:
			for row := range b.Rows {
				if t := col.Int64(row); (t < d.minTime || t >= d.maxTime) && !col.IsNull(row) {
					fail(row, decode.TimeOutOfRange, "%s: %d ms is not within min_time and max_time", spec.name, t)
				}
			}
		case i == d.kind:
			for row := range b.Rows {
				if kind := col.Text(row); !col.IsNull(row) && len(kind) > 0 && !decode.IsKind(kind) {
					fail(row, decode.WrongType, "kind: %.64q is not one of post, reply, quote, repost", kind)
				}
			}
		case col.Kind == arrowipc.Float64:
			for row := range b.Rows {
				if f := math.Float64frombits(binary.LittleEndian.Uint64(col.Values[8*row:])); (math.IsNaN(f) || math.IsInf(f, 0)) && !col.IsNull(row) {
					fail(row, decode.WrongType, "%s: %v is not a number of 64 bits", spec.name, f)
				}
			}
		}
		d.checkSize(b.Rows, spec, col, fail)
	}
	return found
}

// checkSize rejects rows of which one value alone is longer than max_record.
func (d *ipcDecoder) checkSize(rows int, spec *ipcColumn, col *arrowipc.Column, fail func(int, decode.Reason, string, ...any)) {
	text := col
	switch col.Kind {
	case arrowipc.Utf8List:
		text = col.Elements
	case arrowipc.Utf8:
	default:
		return
	}
	if len(text.Values) <= d.maxRecord {
		return
	}
	for row := range rows {
		from, to := col.Offset(row), col.Offset(row+1)
		if col != text {
			from, to = text.Offset(from), text.Offset(to)
		}
		if to-from > d.maxRecord {
			fail(row, decode.TooLarge, "%s: %d bytes are more than max_record %s", spec.name, to-from, pipeline.ByteSize(d.maxRecord))
		}
	}
}

// append adds rows of a batch, which were checked.
func (d *ipcDecoder) append(b *arrowipc.Batch, from, to int, offset int64) {
	for i := range d.columns {
		if i == d.kind && !d.columns[i].isConst {
			d.appendKinds(b, from, to)
			continue
		}
		d.bytes += d.builders[i].append(d.of(b, i), from, to, d.columns[i].constant)
	}
	offsets := d.offsets.Extend(to - from)
	for i := range offsets {
		offsets[i] = offset
	}
	d.rows += to - from
}

// appendKinds adds the kinds, and tells those of posts that do not say it by
// what they refer to, as package decode does.
func (d *ipcDecoder) appendKinds(b *arrowipc.Batch, from, to int) {
	col, kinds := d.of(b, d.kind), d.builders[d.kind].text
	names := [...]string{"repost", "reply", "quote"}
	for row := from; row < to; row++ {
		if col != nil && !col.IsNull(row) && len(col.Text(row)) > 0 {
			kinds.Append(col.Text(row))
			continue
		}
		kind := "post"
		for i, ref := range d.refs {
			if c := d.of(b, ref); c != nil && !c.IsNull(row) && c.Offset(row) < c.Offset(row+1) {
				kind = names[i]
				break
			}
		}
		kinds.AppendString(kind)
	}
}

// flush emits the rows that are there.
func (d *ipcDecoder) flush(origin string, emit pipeline.Emit) error {
	if d.rows == 0 {
		return nil
	}
	lower(d.builders[d.lang].text.Data.Values())
	cols := make([]arrow.Array, d.schema.NumFields())
	for i := range d.columns {
		f := d.columns[i].field
		cols[f] = d.builders[i].array(d.schema.Field(f).Type)
	}
	cols[d.source] = column.Fill(d.mem, strings.ToValidUTF8(origin, "\uFFFD"), d.rows)
	cols[d.offset] = d.offsets.NewArray(arrow.PrimitiveTypes.Int64)
	rec := array.NewRecord(d.schema, cols, int64(d.rows))
	for _, c := range cols {
		c.Release()
	}
	d.rows, d.bytes = 0, 0
	return emit(pipeline.Batch{Record: rec, Stream: pipeline.Posts})
}

// lower turns text to lower case, as far as it is ASCII.
func lower(text []byte) {
	for i, c := range text {
		if c-'A' < 26 {
			text[i] = c | 0x20
		}
	}
}

// drop gives up the rows that were not emitted.
func (d *ipcDecoder) drop() {
	d.rows, d.bytes = 0, 0
	d.offsets.Release()
	for i := range d.builders {
		d.builders[i].release()
	}
}
