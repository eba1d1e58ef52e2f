package stdout

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/internal/visible"
	"github.com/sluicehq/sluice/pipeline"
)

// pretty prints rows for people. Detections have a layout of their own; rows
// of other streams are lists of their columns.
type pretty struct {
	stream pipeline.Stream
	names  []string // of the columns
	find   map[string]int
}

func newPretty(stream pipeline.Stream, schema *arrow.Schema) (*pretty, error) {
	p := &pretty{stream: stream, find: map[string]int{}}
	for i, f := range schema.Fields() {
		p.find[f.Name] = i
		p.names = append(p.names, f.Name)
	}
	if stream != pipeline.Detections {
		return p, nil
	}
	for _, f := range pipeline.DetectionsSchema().Fields() {
		if _, err := pipeline.Column(schema, f.Name, f.Type); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Append appends the rows of rec.
func (p *pretty) Append(dst []byte, rec arrow.Record) ([]byte, error) {
	for row := range int(rec.NumRows()) {
		if p.stream == pipeline.Detections {
			dst = p.detection(dst, rec, row)
		} else {
			dst = p.generic(dst, rec, row)
		}
		dst = append(dst, '\n')
	}
	return dst, nil
}

func (p *pretty) detection(dst []byte, rec arrow.Record, row int) []byte {
	text := func(name string) string { return rec.Column(p.find[name]).(*array.String).Value(row) }
	at := rec.Column(p.find["created_at"]).(*array.Timestamp).Value(row)
	dst = append(dst, at.ToTime(arrow.Millisecond).UTC().Format("2006-01-02 15:04:05.000Z")...)
	dst = fmt.Appendf(dst, "  %s  %s", visible.Text(text("severity")), visible.Text(text("rule_id")))
	dst = fmt.Appendf(dst, " v%d (%s, %s)", rec.Column(p.find["rule_version"]).(*array.Uint32).Value(row), visible.Text(text("kind")), visible.Text(text("mode")))
	if score := rec.Column(p.find["score"]).(*array.Float32).Value(row); score != 1 {
		dst = append(strconv.AppendFloat(append(dst, "  score "...), float64(score), 'f', 3, 32), ' ')
	}
	dst = fmt.Appendf(dst, "\n  post %s by %s", visible.Text(text("post_id")), visible.Text(text("author_id")))
	if where := text(pipeline.ColSource); where != "" {
		dst = fmt.Appendf(dst, " from %s at %d", visible.Text(where), rec.Column(p.find[pipeline.ColSourceOffset]).(*array.Int64).Value(row))
	}
	body := text("text")
	dst = fmt.Appendf(dst, "\n  %s\n", visible.Text(body))
	lists, terms := rec.Column(p.find["spans.list"]).(*array.List), rec.Column(p.find["spans.term"]).(*array.List)
	starts, ends := rec.Column(p.find["spans.start"]).(*array.List), rec.Column(p.find["spans.end"]).(*array.List)
	from, until := lists.ValueOffsets(row)
	for i := range int(until - from) {
		start, end := uint32At(starts, row, i), uint32At(ends, row, i)
		dst = fmt.Appendf(dst, "    %s: %s at %d..%d", visible.Text(stringAt(lists, row, i)), visible.Text(stringAt(terms, row, i)), start, end)
		if start < end && int64(end) <= int64(len(body)) {
			dst = fmt.Appendf(dst, " as %s", visible.Text(body[start:end]))
		}
		dst = append(dst, '\n')
	}
	names, values := rec.Column(p.find["values.name"]).(*array.List), rec.Column(p.find["values.value"]).(*array.List)
	from, until = names.ValueOffsets(row)
	for i := range int(until - from) {
		dst = fmt.Appendf(dst, "    %s = %s\n", visible.Text(stringAt(names, row, i)), visible.Text(stringAt(values, row, i)))
	}
	return dst
}

// stringAt and uint32At return element i of the list of a row; parallel lists
// that are shorter give an empty one.
func stringAt(l *array.List, row, i int) string {
	from, until := l.ValueOffsets(row)
	if from+int64(i) >= until {
		return ""
	}
	return l.ListValues().(*array.String).Value(int(from) + i)
}

func uint32At(l *array.List, row, i int) uint32 {
	from, until := l.ValueOffsets(row)
	if from+int64(i) >= until {
		return 0
	}
	return l.ListValues().(*array.Uint32).Value(int(from) + i)
}

// generic prints the columns that hold something, one a line.
func (p *pretty) generic(dst []byte, rec arrow.Record, row int) []byte {
	dst = append(append(dst, p.stream.String()...), '\n')
	for i, name := range p.names {
		value := printed(rec.Column(i), row)
		if value == "" || value == "[]" {
			continue
		}
		dst = fmt.Appendf(dst, "  %s: %s\n", name, value)
	}
	return dst
}

func printed(col arrow.Array, row int) string {
	if col.IsNull(row) {
		return ""
	}
	switch a := col.(type) {
	case *array.Binary:
		return visible.Text(string(a.Value(row)))
	case *array.Timestamp:
		return a.Value(row).ToTime(a.DataType().(*arrow.TimestampType).Unit).UTC().Format("2006-01-02 15:04:05.000Z")
	}
	return visible.Text(col.ValueStr(row))
}
