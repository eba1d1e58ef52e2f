package decode

import (
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
)

// maxRaw is how much of a rejected record is kept.
const maxRaw = 64 << 10

// rejected builds batches of the rejected stream.
type rejected struct {
	schema                            *arrow.Schema
	rows, bytes                       int
	source, step, reason, detail, raw *column.Strings
	offset, size                      *column.Fixed[int64]
}

func (b *rejected) init(mem memory.Allocator) {
	b.schema = pipeline.RejectedSchema()
	for _, s := range []**column.Strings{&b.source, &b.step, &b.reason, &b.detail, &b.raw} {
		*s = column.NewStrings(mem)
	}
	b.offset, b.size = column.NewFixed[int64](mem), column.NewFixed[int64](mem)
}

func (b *rejected) append(origin string, offset int64, reason Reason, detail string, rec []byte) {
	b.rows++
	b.source.AppendString(strings.ToValidUTF8(origin, "\uFFFD"))
	b.offset.Append(offset)
	b.step.AppendString("decode")
	b.reason.AppendString(string(reason))
	b.detail.AppendString(detail)
	b.size.Append(int64(len(rec)))
	if reason == NotAPost {
		rec = nil
	}
	rec = rec[:min(len(rec), maxRaw)]
	b.raw.Append(rec)
	b.bytes += len(rec)
}

// record returns the batch and begins the next.
func (b *rejected) record() arrow.Record {
	n := int64(b.rows)
	b.rows, b.bytes = 0, 0
	text, i64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	cols := []arrow.Array{
		b.source.NewArray(text), b.offset.NewArray(i64), b.step.NewArray(text), b.reason.NewArray(text),
		b.detail.NewArray(text), b.raw.NewArray(arrow.BinaryTypes.Binary), b.size.NewArray(i64),
	}
	rec := array.NewRecord(b.schema, cols, n)
	for _, c := range cols {
		c.Release()
	}
	return rec
}

// drop gives up the rows that were not emitted.
func (b *rejected) drop() {
	b.rows, b.bytes = 0, 0
	for _, s := range []*column.Strings{b.source, b.step, b.reason, b.detail, b.raw} {
		s.Release()
	}
	b.offset.Release()
	b.size.Release()
}
