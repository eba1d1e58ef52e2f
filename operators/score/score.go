package score

import (
	"context"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/detection"
	"github.com/sluicehq/sluice/internal/model"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/pipeline"
)

// maxTermBytes bounds a span's term: a word may be as long as a post.
const maxTermBytes = 256

type operator struct {
	*plan
	scorer  *model.Scorer
	scores  []*column.Fixed[float32] // by head
	reached []uint8                  // by row: the heads whose score reached the threshold
	over    []over
	offsets fold.Offsets
	reasons []model.Reason
	scratch []byte
	w       *detection.Writer
}

// over is a row whose score reached the threshold.
type over struct{ row, head int }

var view = []byte("folded")

// rows returns the columns that a model looks at.
func (o *operator) rows(rec arrow.Record) (c model.Columns) {
	folded := column.ViewStrings(rec.Column(o.folded))
	off, hash := column.ViewList(rec.Column(o.hash))
	_, start := column.ViewList(rec.Column(o.start))
	_, end := column.ViewList(rec.Column(o.end))
	_, kind := column.ViewList(rec.Column(o.kind))
	c.Buf, c.Text, c.Tokens = folded.Data, folded.Offsets, off
	c.Hash = hash.(*array.Uint64).Uint64Values()
	c.Start, c.End = start.(*array.Uint32).Uint32Values(), end.(*array.Uint32).Uint32Values()
	c.Kind = kind.(*array.Uint8).Uint8Values()
	return c
}

// Process implements [pipeline.Operator]: the posts with their scores, and then
// the detections if there are any, by row and then by head.
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	r := o.rows(in.Record)
	n := int(in.Record.NumRows())
	var out [model.MaxHeads][]float32
	for h, c := range o.scores {
		out[h] = c.Extend(n)
	}
	o.reached = slices.Grow(o.reached[:0], n)[:n]
	o.scorer.Probabilities(&r, out[:len(o.scores)], &o.least, o.reached)
	o.findOver()
	var added [model.MaxHeads]arrow.Array
	for h, c := range o.scores {
		added[h] = c.NewArray(arrow.PrimitiveTypes.Float32)
	}
	rec := column.Append(in.Record, o.out, added[:len(o.scores)]...)
	if len(o.over) == 0 {
		return emit(pipeline.Batch{Record: rec, Stream: pipeline.Posts})
	}
	found := o.detections(in.Record, &r)
	if err := emit(pipeline.Batch{Record: rec, Stream: pipeline.Posts}); err != nil {
		found.Release()
		return err
	}
	return emit(pipeline.Batch{Record: found, Stream: pipeline.Detections})
}

// findOver lists the scores that reached their thresholds, by row and then by
// head.
func (o *operator) findOver() {
	o.over = o.over[:0]
	for row, heads := range o.reached {
		for ; heads != 0; heads &= heads - 1 {
			o.over = append(o.over, over{row, bits.TrailingZeros8(heads)})
		}
	}
}

// detections writes one row for each score that reached its threshold.
func (o *operator) detections(rec arrow.Record, c *model.Columns) arrow.Record {
	texts := column.ViewStrings(rec.Column(o.text))
	mapped := -1 // the row that the offsets are of
	for _, v := range o.over {
		h := &o.heads[v.head]
		p := c.Post(v.row)
		var logits, scores [model.MaxHeads]float32
		o.scorer.Score(&p, &logits, &scores)
		o.w.Begin(rec, v.row, &h.origin, scores[v.head])
		o.reasons = o.model.Explain(o.reasons[:0], v.head, &p, o.top)
		if mapped != v.row && len(o.reasons) > 0 {
			o.offsets.Build(texts.At(v.row))
			mapped = v.row
		}
		for _, why := range o.reasons {
			from, to := p.Start[why.First], p.End[why.Last]
			start, end := o.offsets.Span(from, to)
			o.w.Span(detection.Span{
				List: h.list, Term: cut(p.Buf[p.From+int(from) : p.From+int(to)]), Start: start, End: end, View: view, Weight: why.Weight,
			})
		}
		o.value(h.column, scores[v.head])
		o.value("threshold", h.threshold)
		o.value("logit", logits[v.head])
		o.value("bias", o.model.Card().Heads[v.head].Bias)
		o.w.End()
	}
	return o.w.Record()
}

func (o *operator) value(name string, v float32) {
	o.scratch = strconv.AppendFloat(o.scratch[:0], float64(v), 'g', -1, 32)
	o.w.Value(name, o.scratch)
}

// cut returns at most maxTermBytes of b, whole characters.
func cut(b []byte) []byte {
	if len(b) <= maxTermBytes {
		return b
	}
	n := maxTermBytes
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}
