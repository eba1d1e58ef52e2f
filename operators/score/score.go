package score

import (
	"context"
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
	over    []over
	offsets fold.Offsets
	reasons []model.Reason
	scratch []byte
	w       *detection.Writer
}

// over is a row whose score reached the threshold.
type over struct {
	row, head int
	logit     float32
	score     float32
}

var view = []byte("folded")

// rows is the columns that a model looks at.
type rows struct {
	folded     column.StringView
	off        []int32
	hash       []uint64
	start, end []uint32
	kind       []uint8
}

func (o *operator) rows(rec arrow.Record) (r rows) {
	r.folded = column.ViewStrings(rec.Column(o.folded))
	off, hash := column.ViewList(rec.Column(o.hash))
	_, start := column.ViewList(rec.Column(o.start))
	_, end := column.ViewList(rec.Column(o.end))
	_, kind := column.ViewList(rec.Column(o.kind))
	r.off, r.hash = off, hash.(*array.Uint64).Uint64Values()
	r.start, r.end = start.(*array.Uint32).Uint32Values(), end.(*array.Uint32).Uint32Values()
	r.kind = kind.(*array.Uint8).Uint8Values()
	return r
}

// post returns row i.
func (r *rows) post(i int) model.Post {
	from, to := r.off[i], r.off[i+1]
	return model.Post{
		Buf: r.folded.Data, From: int(r.folded.Offsets[i]),
		Hash: r.hash[from:to], Start: r.start[from:to], End: r.end[from:to], Kind: r.kind[from:to],
	}
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
	var logits, scores [model.MaxHeads]float32
	o.over = o.over[:0]
	for i := range n {
		p := r.post(i)
		if i+1 < n {
			o.scorer.Ahead(r.hash[r.off[i+1]:r.off[i+2]])
		}
		o.scorer.Score(&p, &logits, &scores)
		for h := range o.heads {
			score := scores[h]
			out[h][i] = score
			if score >= o.heads[h].threshold && o.heads[h].emits {
				o.over = append(o.over, over{i, h, logits[h], score})
			}
		}
	}
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

// detections writes one row for each score that reached its threshold.
func (o *operator) detections(rec arrow.Record, r *rows) arrow.Record {
	texts := column.ViewStrings(rec.Column(o.text))
	mapped := -1 // the row that the offsets are of
	for _, v := range o.over {
		h := &o.heads[v.head]
		p := r.post(v.row)
		o.w.Begin(rec, v.row, &h.origin, v.score)
		o.reasons = o.model.Explain(o.reasons[:0], v.head, &p, o.top)
		if mapped != v.row && len(o.reasons) > 0 {
			o.offsets.Build(texts.At(v.row))
			mapped = v.row
		}
		for _, why := range o.reasons {
			from, to := p.Start[why.First], p.End[why.Last]
			start, end := o.offsets.Span(from, to)
			o.w.Span(detection.Span{
				List: h.list, Term: cut(r.folded.At(v.row)[from:to]), Start: start, End: end, View: view, Weight: why.Weight,
			})
		}
		o.value(h.column, v.score)
		o.value("threshold", h.threshold)
		o.value("logit", v.logit)
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
