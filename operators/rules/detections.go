package rules

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
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
	mem    memory.Allocator
	schema *arrow.Schema
	rules  []*rule.Rule
	values [][]rule.Value
	lists  [][]listVersion

	id, created, author, platform, lang, text, source, offset int
	hitList, hitTerm, hitStart, hitEnd                        int // -1 without a match step
	hitView, hitDisguise, hitWeight                           int // the same
	textHash, simHash                                         int // -1 without a fingerprint step
}

func newLayout(mem memory.Allocator, prog *rule.Program, in *arrow.Schema) (*layout, error) {
	l := &layout{mem: mem, schema: pipeline.DetectionsSchema(), rules: prog.Rules()}
	for i := range l.rules {
		v := prog.Values(i)
		l.values = append(l.values, v[:min(len(v), maxValues)])
		l.lists = append(l.lists, listVersions(in, prog.Lists(i)))
	}
	u32, u64, str := arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64, arrow.BinaryTypes.String
	for _, c := range []struct {
		at       *int
		name     string
		typ      arrow.DataType
		optional bool
	}{
		{&l.id, pipeline.ColID, str, false},
		{&l.created, pipeline.ColCreatedAt, pipeline.Timestamp, false},
		{&l.author, pipeline.ColAuthorID, str, false},
		{&l.platform, pipeline.ColPlatform, str, false},
		{&l.lang, pipeline.ColLang, str, false},
		{&l.text, pipeline.ColText, str, false},
		{&l.source, pipeline.ColSource, str, false},
		{&l.offset, pipeline.ColSourceOffset, arrow.PrimitiveTypes.Int64, false},
		{&l.hitList, pipeline.ColHitList, pipeline.ListOf(str), true},
		{&l.hitTerm, pipeline.ColHitTerm, pipeline.ListOf(str), true},
		{&l.hitStart, pipeline.ColHitStart, pipeline.ListOf(u32), true},
		{&l.hitEnd, pipeline.ColHitEnd, pipeline.ListOf(u32), true},
		{&l.hitView, pipeline.ColHitView, pipeline.ListOf(str), true},
		{&l.hitDisguise, pipeline.ColHitDisguise, pipeline.ListOf(str), true},
		{&l.hitWeight, pipeline.ColHitWeight, pipeline.ListOf(arrow.PrimitiveTypes.Float32), true},
		{&l.textHash, pipeline.ColTextHash, u64, true},
		{&l.simHash, pipeline.ColSimHash, u64, true},
	} {
		if *c.at = -1; c.optional && !in.HasField(c.name) {
			continue
		}
		i, err := pipeline.Column(in, c.name, c.typ)
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

// writer makes detections batches. Its builders are empty between batches.
type writer struct {
	*layout
	id, author, platform, lang, kind, ruleID, hash, severity, mode, owner, text, source *column.Strings
	label, spanList, spanTerm, spanView, spanDisguise                                   *column.Strings
	listName, listVersion, valueName, valueText                                         *column.Strings
	created, offset                                                                     *column.Fixed[int64]
	version, spanStart, spanEnd                                                         *column.Fixed[uint32]
	score, spanWeight                                                                   *column.Fixed[float32]
	textHash, simHash                                                                   *column.Fixed[uint64]
	labels, spans, listRows, values                                                     *column.Offsets
	scratch                                                                             []byte
}

func newWriter(l *layout) *writer {
	w := &writer{layout: l}
	for _, s := range []**column.Strings{
		&w.id, &w.author, &w.platform, &w.lang, &w.kind, &w.ruleID, &w.hash, &w.severity, &w.mode, &w.owner, &w.text, &w.source,
		&w.label, &w.spanList, &w.spanTerm, &w.spanView, &w.spanDisguise,
		&w.listName, &w.listVersion, &w.valueName, &w.valueText,
	} {
		*s = column.NewStrings(l.mem)
	}
	w.created, w.offset = column.NewFixed[int64](l.mem), column.NewFixed[int64](l.mem)
	w.version, w.spanStart, w.spanEnd = column.NewFixed[uint32](l.mem), column.NewFixed[uint32](l.mem), column.NewFixed[uint32](l.mem)
	w.score, w.spanWeight = column.NewFixed[float32](l.mem), column.NewFixed[float32](l.mem)
	w.textHash, w.simHash = column.NewFixed[uint64](l.mem), column.NewFixed[uint64](l.mem)
	w.labels, w.spans = column.NewOffsets(l.mem), column.NewOffsets(l.mem)
	w.listRows, w.values = column.NewOffsets(l.mem), column.NewOffsets(l.mem)
	return w
}

// detections returns one row for each rule that fired. The caller owns it.
func (w *writer) detections(rec arrow.Record, fired []rule.Fired) arrow.Record {
	h := w.hitsOf(rec)
	for _, f := range fired {
		w.post(rec, f.Row)
		w.rule(w.rules[f.Rule])
		w.evidence(h, f)
		for _, v := range w.layout.values[f.Rule] {
			w.valueName.AppendString(v.Name)
			w.scratch = rule.AppendValue(w.scratch[:0], rec.Column(v.Column), f.Row, maxValueBytes)
			w.valueText.Append(w.scratch)
		}
		w.values.End(w.valueName.Len())
	}
	return w.record(len(fired))
}

// post copies what a detection keeps of its post.
func (w *writer) post(rec arrow.Record, row int) {
	for _, c := range []struct {
		to *column.Strings
		at int
	}{
		{w.id, w.layout.id},
		{w.author, w.layout.author},
		{w.platform, w.layout.platform},
		{w.lang, w.layout.lang},
		{w.text, w.layout.text},
		{w.source, w.layout.source},
	} {
		c.to.AppendString(rec.Column(c.at).(*array.String).Value(row))
	}
	w.created.Append(int64(rec.Column(w.layout.created).(*array.Timestamp).Value(row)))
	w.offset.Append(rec.Column(w.layout.offset).(*array.Int64).Value(row))
	w.textHash.Append(wordAt(rec, w.layout.textHash, row))
	w.simHash.Append(wordAt(rec, w.layout.simHash, row))
}

// wordAt returns a Uint64 value, 0 if there is no such column.
func wordAt(rec arrow.Record, col, row int) uint64 {
	if col < 0 {
		return 0
	}
	return rec.Column(col).(*array.Uint64).Value(row)
}

func (w *writer) rule(r *rule.Rule) {
	w.kind.AppendString("rule")
	w.ruleID.AppendString(r.ID)
	w.version.Append(r.Version)
	w.hash.AppendString(r.Hash)
	w.severity.AppendString(r.Severity)
	w.mode.AppendString(string(r.Mode))
	w.owner.AppendString(r.Owner)
	for _, l := range r.Labels {
		w.label.AppendString(l)
	}
	w.labels.End(w.label.Len())
	w.score.Append(1)
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
		w.listName.AppendString(l.name)
		w.listVersion.AppendString(l.version)
	}
	w.listRows.End(w.listName.Len())
	if h.off != nil && len(lists) > 0 {
		n := 0
		for j := int(h.off[f.Row]); j < int(h.off[f.Row+1]) && n < maxSpans; j++ {
			if !slices.ContainsFunc(lists, func(l listVersion) bool { return l.name == string(h.list.At(j)) }) {
				continue
			}
			w.spanList.Append(h.list.At(j))
			w.spanTerm.Append(h.term.At(j))
			w.spanStart.Append(h.start[j])
			w.spanEnd.Append(h.end[j])
			w.spanView.Append(h.view.At(j))
			w.spanDisguise.Append(h.disguise.At(j))
			w.spanWeight.Append(h.weight[j])
			n++
		}
	}
	w.spans.End(w.spanStart.Len())
}

// record hands the columns over, in the order of pipeline.DetectionsSchema.
func (w *writer) record(n int) arrow.Record {
	str, u32, u64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64
	labels := w.labels.NewLists(w.label.NewArray(str))
	f32 := arrow.PrimitiveTypes.Float32
	spans := w.spans.NewLists(w.spanList.NewArray(str), w.spanTerm.NewArray(str), w.spanStart.NewArray(u32), w.spanEnd.NewArray(u32),
		w.spanView.NewArray(str), w.spanDisguise.NewArray(str), w.spanWeight.NewArray(f32))
	lists := w.listRows.NewLists(w.listName.NewArray(str), w.listVersion.NewArray(str))
	values := w.values.NewLists(w.valueName.NewArray(str), w.valueText.NewArray(str))
	cols := []arrow.Array{
		w.id.NewArray(str), w.created.NewArray(pipeline.Timestamp), w.author.NewArray(str), w.platform.NewArray(str), w.lang.NewArray(str),
		w.kind.NewArray(str), w.ruleID.NewArray(str), w.version.NewArray(u32), w.hash.NewArray(str), w.severity.NewArray(str),
		w.mode.NewArray(str), w.owner.NewArray(str), labels[0], w.score.NewArray(f32),
	}
	cols = append(append(append(cols, spans...), lists...), values...)
	cols = append(cols,
		w.text.NewArray(str), w.textHash.NewArray(u64), w.simHash.NewArray(u64), w.source.NewArray(str), w.offset.NewArray(arrow.PrimitiveTypes.Int64),
	)
	rec := array.NewRecord(w.schema, cols, int64(n))
	for _, c := range cols {
		c.Release()
	}
	return rec
}
