package rules

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/detection"
	"github.com/sluicehq/sluice/internal/rule"
	"github.com/sluicehq/sluice/pipeline"
)

// Bounds of a detection's evidence.
const (
	maxSpans      = 256
	maxValues     = 16
	maxValueBytes = 256
)

// layout is where the evidence of a detection comes from.
type layout struct {
	post    *detection.Layout
	origins []detection.Origin // by rule
	values  [][]rule.Value
	lists   [][]listVersion

	hitList, hitTerm, hitStart, hitEnd int // -1 without a match step
	hitView, hitDisguise, hitWeight    int // the same
}

func newLayout(mem memory.Allocator, prog *rule.Program, in *arrow.Schema) (*layout, error) {
	post, err := detection.NewLayout(mem, in)
	if err != nil {
		return nil, err
	}
	l := &layout{post: post}
	for i, r := range prog.Rules() {
		l.origins = append(l.origins, detection.Origin{
			Kind: "rule", RuleID: r.ID, Version: r.Version, Hash: r.Hash, Severity: r.Severity, Mode: string(r.Mode), Owner: r.Owner, Labels: r.Labels,
		})
		v := prog.Values(i)
		l.values = append(l.values, v[:min(len(v), maxValues)])
		l.lists = append(l.lists, listVersions(in, prog.Lists(i)))
	}
	u32, str := arrow.PrimitiveTypes.Uint32, arrow.BinaryTypes.String
	for _, c := range []struct {
		at   *int
		name string
		of   arrow.DataType
	}{
		{&l.hitList, pipeline.ColHitList, str},
		{&l.hitTerm, pipeline.ColHitTerm, str},
		{&l.hitStart, pipeline.ColHitStart, u32},
		{&l.hitEnd, pipeline.ColHitEnd, u32},
		{&l.hitView, pipeline.ColHitView, str},
		{&l.hitDisguise, pipeline.ColHitDisguise, str},
		{&l.hitWeight, pipeline.ColHitWeight, arrow.PrimitiveTypes.Float32},
	} {
		if *c.at = -1; !in.HasField(c.name) {
			continue
		}
		i, err := pipeline.Column(in, c.name, pipeline.ListOf(c.of))
		if err != nil {
			return nil, err
		}
		*c.at = i
	}
	return l, nil
}

// listVersion is a list that a condition names, and the version that reaches
// the step; "" of a list that no step has read.
type listVersion struct{ name, version string }

func listVersions(in *arrow.Schema, names []string) []listVersion {
	md := in.Metadata()
	out := make([]listVersion, len(names))
	for i, name := range names {
		out[i].name = name
		if k := md.FindKey(pipeline.MetaListVersionPrefix + name); k >= 0 {
			out[i].version = md.Values()[k]
		}
	}
	return out
}

// writer makes detections batches.
type writer struct {
	*layout
	out     *detection.Writer
	scratch []byte
}

func newWriter(l *layout) *writer { return &writer{layout: l, out: detection.NewWriter(l.post)} }

// detections returns one row for each rule that fired. The caller owns it.
func (w *writer) detections(rec arrow.Record, fired []rule.Fired) arrow.Record {
	h := w.hitsOf(rec)
	for _, f := range fired {
		w.out.Begin(rec, f.Row, &w.origins[f.Rule], 1)
		w.evidence(h, f)
		for _, v := range w.values[f.Rule] {
			w.scratch = rule.AppendValue(w.scratch[:0], rec.Column(v.Column), f.Row, maxValueBytes)
			w.out.Value(v.Name, w.scratch)
		}
		w.out.End()
	}
	return w.out.Record()
}

// hits is the hit columns of a batch. Their offsets are equal.
type hits struct {
	off            []int32
	list, term     column.StringView
	start, end     []uint32
	view, disguise column.StringView
	weight         []float32
}

func (w *writer) hitsOf(rec arrow.Record) (h hits) {
	if min(w.hitList, w.hitTerm, w.hitStart, w.hitEnd, w.hitView, w.hitDisguise, w.hitWeight) < 0 {
		return h
	}
	strings := func(at int) column.StringView {
		_, v := column.ViewList(rec.Column(at))
		return column.ViewStrings(v)
	}
	h.off, _ = column.ViewList(rec.Column(w.hitList))
	h.list, h.term = strings(w.hitList), strings(w.hitTerm)
	h.view, h.disguise = strings(w.hitView), strings(w.hitDisguise)
	_, start := column.ViewList(rec.Column(w.hitStart))
	_, end := column.ViewList(rec.Column(w.hitEnd))
	_, weight := column.ViewList(rec.Column(w.hitWeight))
	h.start, h.end = start.(*array.Uint32).Uint32Values(), end.(*array.Uint32).Uint32Values()
	h.weight = weight.(*array.Float32).Float32Values()
	return h
}

// evidence copies the hits of the lists that the rule refers to, and names
// these.
func (w *writer) evidence(h hits, f rule.Fired) {
	lists := w.lists[f.Rule]
	for _, l := range lists {
		w.out.List(l.name, l.version)
	}
	if h.off == nil || len(lists) == 0 {
		return
	}
	n := 0
	for j := int(h.off[f.Row]); j < int(h.off[f.Row+1]) && n < maxSpans; j++ {
		if !slices.ContainsFunc(lists, func(l listVersion) bool { return l.name == string(h.list.At(j)) }) {
			continue
		}
		w.out.Span(detection.Span{
			List: h.list.At(j), Term: h.term.At(j), Start: h.start[j], End: h.end[j],
			View: h.view.At(j), Disguise: h.disguise.At(j), Weight: h.weight[j],
		})
		n++
	}
}
