// Package detection writes rows of the detections stream. Every step that
// emits detections writes them here, so that all kinds keep the same of a post.
package detection

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
)

// Layout is where a detection's copy of its post comes from. It is immutable.
type Layout struct {
	mem    memory.Allocator
	schema *arrow.Schema

	id, created, author, platform, lang, text, source, offset int
	textHash, simHash                                         int // -1 without a fingerprint step
}

// NewLayout finds the columns in the schema that reaches a step.
func NewLayout(mem memory.Allocator, in *arrow.Schema) (*Layout, error) {
	l := &Layout{mem: mem, schema: pipeline.DetectionsSchema()}
	u64, str := arrow.PrimitiveTypes.Uint64, arrow.BinaryTypes.String
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

// Origin is what a detection says of the rule or the model that made it.
type Origin struct {
	Kind     string // rule, score, campaign, burst
	RuleID   string
	Version  uint32
	Hash     string // hex SHA-256
	Severity string // info, low, medium, high, critical
	Mode     string // live, shadow
	Owner    string
	Labels   []string
}

// Writer makes detections batches: for each detection Begin, then any number of
// Span, List and Value, then End; for each batch Record. It is for one
// goroutine, and empty between batches.
type Writer struct {
	*Layout
	id, author, platform, lang, kind, ruleID, hash, severity, mode, owner, text, source *column.Strings
	label, spanList, spanTerm, spanView, spanDisguise                                   *column.Strings
	listName, listVersion, valueName, valueText                                         *column.Strings
	created, offset                                                                     *column.Fixed[int64]
	version, spanStart, spanEnd                                                         *column.Fixed[uint32]
	score, spanWeight                                                                   *column.Fixed[float32]
	textHash, simHash                                                                   *column.Fixed[uint64]
	labels, spans, listRows, values                                                     *column.Offsets
}

// NewWriter returns an empty writer.
func NewWriter(l *Layout) *Writer {
	w := &Writer{Layout: l}
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

// Begin starts a detection of the post in a row, with a score of 0..1.
func (w *Writer) Begin(rec arrow.Record, row int, o *Origin, score float32) {
	for _, c := range []struct {
		to *column.Strings
		at int
	}{
		{w.id, w.Layout.id},
		{w.author, w.Layout.author},
		{w.platform, w.Layout.platform},
		{w.lang, w.Layout.lang},
		{w.text, w.Layout.text},
		{w.source, w.Layout.source},
	} {
		c.to.AppendString(rec.Column(c.at).(*array.String).Value(row))
	}
	w.created.Append(int64(rec.Column(w.Layout.created).(*array.Timestamp).Value(row)))
	w.offset.Append(rec.Column(w.Layout.offset).(*array.Int64).Value(row))
	w.textHash.Append(wordAt(rec, w.Layout.textHash, row))
	w.simHash.Append(wordAt(rec, w.Layout.simHash, row))

	w.kind.AppendString(o.Kind)
	w.ruleID.AppendString(o.RuleID)
	w.version.Append(o.Version)
	w.hash.AppendString(o.Hash)
	w.severity.AppendString(o.Severity)
	w.mode.AppendString(o.Mode)
	w.owner.AppendString(o.Owner)
	for _, l := range o.Labels {
		w.label.AppendString(l)
	}
	w.labels.End(w.label.Len())
	w.score.Append(score)
}

// wordAt returns a Uint64 value, 0 if there is no such column.
func wordAt(rec arrow.Record, col, row int) uint64 {
	if col < 0 {
		return 0
	}
	return rec.Column(col).(*array.Uint64).Value(row)
}

// Span is a piece of evidence; see pipeline.DetectionsSchema.
type Span struct {
	List, Term     []byte
	Start, End     uint32 // bytes of the post's text
	View, Disguise []byte
	Weight         float32
}

// Span adds evidence to the detection that was begun.
func (w *Writer) Span(s Span) {
	w.spanList.Append(s.List)
	w.spanTerm.Append(s.Term)
	w.spanStart.Append(s.Start)
	w.spanEnd.Append(s.End)
	w.spanView.Append(s.View)
	w.spanDisguise.Append(s.Disguise)
	w.spanWeight.Append(s.Weight)
}

// List names a list that was looked at, with its version, which may be "".
func (w *Writer) List(name, version string) {
	w.listName.AppendString(name)
	w.listVersion.AppendString(version)
}

// Value adds a value that was looked at, as it is printed.
func (w *Writer) Value(name string, printed []byte) {
	w.valueName.AppendString(name)
	w.valueText.Append(printed)
}

// End closes the detection that was begun.
func (w *Writer) End() {
	w.spans.End(w.spanStart.Len())
	w.listRows.End(w.listName.Len())
	w.values.End(w.valueName.Len())
}

// Len returns the number of detections since the last Record.
func (w *Writer) Len() int { return w.spans.Len() }

// Record hands the detections over, in the order of pipeline.DetectionsSchema.
// The caller owns the record.
func (w *Writer) Record() arrow.Record {
	n := w.Len()
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
