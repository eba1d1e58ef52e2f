package alert

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/pipeline"
)

// Types of columns that group, as SQL must write their values.
const (
	typeText byte = iota
	typeNumber
	typeList // of text, joined by commas
)

// layout is where the columns are in the detections that reach the sink.
type layout struct {
	post, author, rule, owner, kind, mode, severity, text int
	at, version, labels, start, end                       int
	schema                                                *arrow.Schema
	by                                                    []int
	types                                                 []byte
}

// newLayout finds the columns; path is where the config names those that group.
func newLayout(by []string, at string, schema *arrow.Schema) (*layout, error) {
	l := &layout{schema: schema}
	str, u32 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Uint32
	for _, c := range []struct {
		at   *int
		name string
		typ  arrow.DataType
	}{
		{&l.post, "post_id", str},
		{&l.author, "author_id", str},
		{&l.rule, "rule_id", str},
		{&l.owner, "owner", str},
		{&l.kind, "kind", str},
		{&l.mode, "mode", str},
		{&l.severity, "severity", str},
		{&l.text, "text", str},
		{&l.at, "created_at", pipeline.Timestamp},
		{&l.version, "rule_version", u32},
		{&l.labels, "labels", pipeline.ListOf(str)},
		{&l.start, "spans.start", pipeline.ListOf(u32)},
		{&l.end, "spans.end", pipeline.ListOf(u32)},
	} {
		i, err := pipeline.Column(schema, c.name, c.typ)
		if err != nil {
			return nil, &pipeline.FieldError{Err: err}
		}
		*c.at = i
	}
	for n, name := range by {
		path := fmt.Sprintf("%s.%d", at, n)
		i := schema.FieldIndices(name)
		if len(i) == 0 {
			return nil, &pipeline.FieldError{Path: path, Err: fmt.Errorf("detections have no column %q; they have %s", name, strings.Join(groupable(schema), ", "))}
		}
		typ, ok := groupType(schema.Field(i[0]))
		if !ok {
			return nil, &pipeline.FieldError{Path: path, Err: fmt.Errorf("%q does not group: write some of %s", name, strings.Join(groupable(schema), ", "))}
		}
		l.by, l.types = append(l.by, i[0]), append(l.types, typ)
	}
	return l, nil
}

// groupType tells whether a column can group. The text itself cannot: its
// text_hash is there for that, and alerts would be as long as posts.
func groupType(f arrow.Field) (byte, bool) {
	switch t := f.Type.(type) {
	case *arrow.StringType:
		return typeText, f.Name != "text"
	case *arrow.Uint32Type, *arrow.Uint64Type, *arrow.Int64Type:
		return typeNumber, true
	case *arrow.ListType:
		return typeList, t.Elem().ID() == arrow.STRING
	}
	return 0, false
}

func groupable(schema *arrow.Schema) (names []string) {
	for _, f := range schema.Fields() {
		if _, ok := groupType(f); ok {
			names = append(names, f.Name)
		}
	}
	return names
}

// detection is a row. Its texts are views of the record: what is kept of them
// is cloned.
type detection struct {
	pipeline                                        string
	post, author, rule, owner, kind, mode, severity string
	text                                            string
	at                                              int64
	version                                         uint32
	labels                                          []string
	start, end                                      []uint32
}

// reader reads the rows of one record.
type reader struct {
	*layout
	rec  arrow.Record
	d    detection
	key  []byte
	to   []*route
	text [8]*array.String
}

func (l *layout) reader(rec arrow.Record, pipeline string) *reader {
	r := &reader{layout: l, rec: rec}
	r.d.pipeline = pipeline
	for i, c := range []int{l.post, l.author, l.rule, l.owner, l.kind, l.mode, l.severity, l.text} {
		r.text[i] = rec.Column(c).(*array.String)
	}
	return r
}

// head reads what filters look at.
func (r *reader) head(row int) *detection {
	d := &r.d
	for i, to := range []*string{&d.post, &d.author, &d.rule, &d.owner, &d.kind, &d.mode, &d.severity} {
		*to = r.text[i].Value(row)
	}
	d.labels = texts(d.labels[:0], r.rec.Column(r.labels), row)
	return d
}

// rest reads the remaining fields.
func (r *reader) rest(row int) {
	d := &r.d
	d.text = r.text[7].Value(row)
	d.at = int64(r.rec.Column(r.at).(*array.Timestamp).Value(row))
	d.version = r.rec.Column(r.version).(*array.Uint32).Value(row)
	d.start = numbers(d.start[:0], r.rec.Column(r.layout.start), row)
	d.end = numbers(d.end[:0], r.rec.Column(r.layout.end), row)
}

// example makes an example of the row; it shares nothing with the record.
func (d *detection) example() Example {
	n := min(len(d.start), len(d.end))
	return Example{
		PostID: clean(strings.Clone(cut(d.post, maxValue+1))), AuthorID: clean(strings.Clone(cut(d.author, maxValue+1))),
		CreatedAt: time.UnixMilli(d.at).UTC(), Pieces: pieces(strings.Clone(d.text), d.start[:n], d.end[:n]),
	}
}

func texts(dst []string, col arrow.Array, row int) []string {
	list := col.(*array.List)
	from, to := list.ValueOffsets(row)
	values := list.ListValues().(*array.String)
	for i := from; i < to; i++ {
		dst = append(dst, values.Value(int(i)))
	}
	return dst
}

func numbers(dst []uint32, col arrow.Array, row int) []uint32 {
	list := col.(*array.List)
	from, to := list.ValueOffsets(row)
	values := list.ListValues().(*array.Uint32)
	for i := from; i < to; i++ {
		dst = append(dst, values.Value(int(i)))
	}
	return dst
}

// group returns the bytes that tell the row's group within a route from others;
// they are valid until the next call.
func (r *reader) group(to *route, row int) []byte {
	r.key = append(append(r.key[:0], to.name...), 0)
	for _, c := range to.layout.by {
		before := len(r.key)
		r.key = r.append(r.key, c, row)
		r.key = binary.LittleEndian.AppendUint32(r.key, uint32(len(r.key)-before))
	}
	return r.key
}

// append writes a value that groups as text.
func (r *reader) append(dst []byte, column, row int) []byte {
	switch col := r.rec.Column(column).(type) {
	case *array.String:
		return append(dst, col.Value(row)...)
	case *array.Uint32:
		return strconv.AppendUint(dst, uint64(col.Value(row)), 10)
	case *array.Uint64:
		return strconv.AppendUint(dst, col.Value(row), 10)
	case *array.Int64:
		return strconv.AppendInt(dst, col.Value(row), 10)
	default:
		for n, s := range texts(nil, col, row) {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, s...)
		}
		return dst
	}
}

// pairs returns the columns that group and the row's values.
func (r *reader) pairs(to *route, row int) (pairs []Pair, cuts []bool) {
	for _, c := range to.layout.by {
		value := string(r.append(nil, c, row))
		short := cut(value, maxValue)
		pairs = append(pairs, Pair{Name: r.rec.Schema().Field(c).Name, Value: strings.Clone(short)})
		cuts = append(cuts, len(short) < len(value))
	}
	return pairs, cuts
}

// wants reports whether a detection alerts.
func (c *Config) wants(d *detection) bool {
	any := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	labelled := len(c.Labels) == 0 || slices.ContainsFunc(d.labels, func(l string) bool { return slices.Contains(c.Labels, l) })
	return labelled && any(c.Rules, d.rule) && any(c.Kinds, d.kind) && (c.Shadow || d.mode != "shadow") &&
		severityRank(d.severity) >= severityRank(c.MinSeverity)
}
