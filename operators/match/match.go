package match

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
)

func (p *plan) New() pipeline.Operator {
	o := &operator{
		batch: batch{plan: p, texts: make([]texts, len(p.sources))},
		rows:  column.NewOffsets(p.mem), list: column.NewStrings(p.mem), term: column.NewStrings(p.mem),
		start: column.NewFixed[uint32](p.mem), end: column.NewFixed[uint32](p.mem),
		view: column.NewStrings(p.mem), disguise: column.NewStrings(p.mem), weight: column.NewFixed[float32](p.mem),
	}
	for i, s := range p.sources {
		o.texts[i].from = s
	}
	for _, s := range p.searches {
		o.finders = append(o.finders, s.finder())
	}
	for range p.lists {
		o.counts = append(o.counts, column.NewFixed[int32](p.mem))
		o.weights = append(o.weights, column.NewFixed[float32](p.mem))
	}
	return o
}

type operator struct {
	batch
	finders []finder

	counts         []*column.Fixed[int32]   // by list
	weights        []*column.Fixed[float32] // by list
	rows           *column.Offsets
	list, term     *column.Strings
	start, end     *column.Fixed[uint32]
	view, disguise *column.Strings
	weight         *column.Fixed[float32]
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	o.begin(in.Record)
	for _, f := range o.finders {
		o.run(f)
	}
	o.finish()
	arrays := o.arrays(int(in.Record.NumRows()))
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, arrays...), Stream: in.Stream})
}

// arrays returns the finished columns in the order of the schema.
func (o *operator) arrays(n int) []arrow.Array {
	for i, c := range o.counts {
		clear(c.Extend(n))
		clear(o.weights[i].Extend(n))
	}
	h := 0
	for row := range n {
		for ; h < len(o.hits) && int(o.hits[h].row) == row; h++ {
			hit := &o.hits[h]
			t := &o.plan.terms[hit.term]
			o.counts[t.list].Values()[row]++
			o.weights[t.list].Values()[row] += t.weight
			o.list.AppendString(o.lists[t.list].name)
			o.term.AppendString(t.text)
			o.start.Append(hit.start)
			o.end.Append(hit.end)
			o.view.AppendString(hit.view.String())
			o.disguise.AppendString(hit.disguise)
			o.weight.Append(t.weight)
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
