package match

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/disguise"
	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/terms"
	"github.com/sluicehq/sluice/internal/text/token"
	"github.com/sluicehq/sluice/pipeline"
)

func (p *plan) New() pipeline.Operator {
	o := &operator{
		plan: p, rows: column.NewOffsets(p.mem), list: column.NewStrings(p.mem), term: column.NewStrings(p.mem),
		start: column.NewFixed[uint32](p.mem), end: column.NewFixed[uint32](p.mem),
		view: column.NewStrings(p.mem), disguise: column.NewStrings(p.mem), weight: column.NewFixed[float32](p.mem),
	}
	for range p.lists {
		o.counts = append(o.counts, column.NewFixed[int32](p.mem))
		o.weights = append(o.weights, column.NewFixed[float32](p.mem))
	}
	return o
}

type operator struct {
	*plan
	finder    terms.Finder
	offsets   fold.Offsets
	rawTokens token.Tokens
	rawRows   []int32
	scanned   []token.Row
	scratch   []byte
	disguises disguise.Finder
	hits      []hit // of the batch

	counts         []*column.Fixed[int32]   // by list
	weights        []*column.Fixed[float32] // by list
	rows           *column.Offsets
	list, term     *column.Strings
	start, end     *column.Fixed[uint32]
	view, disguise *column.Strings
	weight         *column.Fixed[float32]
}

// hit is a hit; its span is that of the original text.
type hit struct {
	terms.Hit
	kinds kind.Set // of disguise, beyond the folded view
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	o.hits = o.hits[:0]
	if o.tokens != nil {
		o.findFolded(in.Record)
	}
	if o.disguised.set != nil {
		o.findDisguised(in.Record)
	}
	if o.raw != nil {
		o.findRaw(in.Record)
	}
	for i := range o.values {
		o.findValues(&o.values[i], in.Record)
	}
	slices.SortFunc(o.hits, func(a, b hit) int {
		// Ids are in the order of the lists, then of the terms in a list.
		return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Term, b.Term))
	})
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, o.arrays(int(in.Record.NumRows()))...), Stream: in.Stream})
}

// findFolded finds the terms of the lists on the folded text.
func (o *operator) findFolded(rec arrow.Record) {
	rows, hashes := column.ViewList(rec.Column(o.hash))
	_, starts := column.ViewList(rec.Column(o.plan.start))
	_, ends := column.ViewList(rec.Column(o.plan.end))
	_, kinds := column.ViewList(rec.Column(o.kind))
	folded, original := column.ViewStrings(rec.Column(o.folded)), column.ViewStrings(rec.Column(o.text))
	found := o.finder.Find(o.tokens, &terms.Text{
		Hash: hashes.(*array.Uint64).Uint64Values(), Kind: kinds.(*array.Uint8).Uint8Values(),
		Start: starts.(*array.Uint32).Uint32Values(), End: ends.(*array.Uint32).Uint32Values(),
		Rows: rows, Offsets: folded.Offsets, Bytes: folded.Data,
	})
	row := int32(-1)
	for _, h := range found {
		if h.Row != row {
			row = h.Row
			o.offsets.Build(original.At(int(row)))
		}
		h.Start, h.End = o.offsets.Span(h.Start, h.End)
		o.hits = append(o.hits, hit{Hit: h})
	}
}

// findRaw finds the terms of the lists on the text as it is written.
func (o *operator) findRaw(rec arrow.Record) {
	texts := column.ViewStrings(rec.Column(o.text))
	o.rawTokens.Reset()
	o.rawRows = append(o.rawRows[:0], 0)
	if n := texts.Len(); cap(o.scanned) < n {
		o.scanned = make([]token.Row, n)
	}
	scanned := o.scanned[:texts.Len()]
	o.rawTokens.AppendRows(scanned, texts.Data, texts.Offsets)
	for _, r := range scanned {
		o.rawRows = append(o.rawRows, r.End)
	}
	kinds := o.scratch[:0]
	for _, k := range o.rawTokens.Kind {
		kinds = append(kinds, uint8(k))
	}
	o.scratch = kinds
	for _, h := range o.finder.Find(o.raw, &terms.Text{
		Hash: o.rawTokens.Hash, Kind: kinds, Start: o.rawTokens.Start, End: o.rawTokens.End,
		Rows: o.rawRows, Offsets: texts.Offsets, Bytes: texts.Data,
	}) {
		o.hits = append(o.hits, hit{Hit: h})
	}
}

// findValues finds the terms of the lists on another column.
func (o *operator) findValues(v *values, rec arrow.Record) {
	col := rec.Column(v.column)
	if !v.list {
		texts := column.ViewStrings(col)
		for i := range texts.Len() {
			o.findValue(v, int32(i), texts.At(i))
		}
		return
	}
	rows, child := column.ViewList(col)
	texts := column.ViewStrings(child)
	for i := range len(rows) - 1 {
		for j := rows[i]; j < rows[i+1]; j++ {
			o.findValue(v, int32(i), texts.At(int(j)))
		}
	}
}

// findValue looks one value up.
func (o *operator) findValue(v *values, row int32, value []byte) {
	if !v.raw {
		o.scratch = fold.Append(o.scratch[:0], value)
		value = o.scratch
	}
	for len(value) > 0 {
		v.set.FindWhole(value, func(term uint32) {
			o.hits = append(o.hits, hit{Hit: terms.Hit{Row: row, Term: term}})
		})
		dot := bytes.IndexByte(value, '.')
		if !v.domain || dot < 0 {
			return
		}
		value = value[dot+1:]
	}
}

// arrays returns the finished columns in the order of the schema.
func (o *operator) arrays(n int) []arrow.Array {
	for i, c := range o.counts {
		clear(c.Extend(n))
		clear(o.weights[i].Extend(n))
	}
	h := 0
	for row := range n {
		for ; h < len(o.hits) && int(o.hits[h].Row) == row; h++ {
			hit := &o.hits[h]
			l := o.owner[hit.Term]
			o.counts[l].Values()[row]++
			o.weights[l].Values()[row]++
			o.list.AppendString(o.lists[l].name)
			o.term.AppendString(o.plan.terms[hit.Term])
			o.start.Append(hit.Start)
			o.end.Append(hit.End)
			o.view.AppendString(shownBy(o.lists[l].view, hit.kinds))
			o.disguise.AppendString(hit.kinds.String())
			o.weight.Append(1)
		}
		o.rows.End(o.start.Len())
	}
	out := make([]arrow.Array, 0, 2*len(o.counts)+7)
	for _, c := range o.counts {
		out = append(out, c.NewArray(arrow.PrimitiveTypes.Int32))
	}
	for _, w := range o.weights {
		out = append(out, w.NewArray(arrow.PrimitiveTypes.Float32))
	}
	return append(out, o.rows.NewLists(
		o.list.NewArray(arrow.BinaryTypes.String), o.term.NewArray(arrow.BinaryTypes.String),
		o.start.NewArray(arrow.PrimitiveTypes.Uint32), o.end.NewArray(arrow.PrimitiveTypes.Uint32),
		o.view.NewArray(arrow.BinaryTypes.String), o.disguise.NewArray(arrow.BinaryTypes.String), o.weight.NewArray(arrow.PrimitiveTypes.Float32),
	)...)
}
