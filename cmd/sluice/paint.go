package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/visible"
	"github.com/sluicehq/sluice/pipeline"
)

// Limits of what explain prints of one post.
const (
	maxShownTokens = 200
	maxShownHits   = 100
)

// painter prints what was explained for people.
type painter struct {
	*explained
	color  bool
	out    bytes.Buffer
	groups []string // lists and heads, by their colour
	shown  map[string]bool
}

// paint returns the whole page.
func (p *painter) paint() []byte {
	p.shown = map[string]bool{}
	spans := p.spans()
	for _, s := range spans {
		if !slices.Contains(p.groups, s.group) {
			p.groups = append(p.groups, s.group)
		}
	}
	p.line("text", p.marked(p.text(pipeline.ColText), spans))
	if p.rejected != "" {
		p.line("rejected", "by step "+p.rejected)
	}
	p.views()
	p.tokens()
	p.hits()
	p.rest()
	p.fired()
	return p.out.Bytes()
}

// line prints a name and a value.
func (p *painter) line(name, value string) {
	fmt.Fprintf(&p.out, "%s  %s\n", p.style("1", fmt.Sprintf("%-11s", name)), value)
}

// style wraps s in an ANSI style where colours are wanted.
func (p *painter) style(code, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// colourOf returns the style of a list or head.
func (p *painter) colourOf(group string) string {
	codes := [...]string{"1;31", "1;33", "1;36", "1;35", "1;32", "1;34"}
	return codes[max(0, slices.Index(p.groups, group))%len(codes)]
}

// marked returns the text with the spans marked: coloured, or in [brackets]
// where there are no colours. Of spans that overlap the first one counts.
func (p *painter) marked(s string, spans []span) string {
	var out strings.Builder
	at := 0
	for _, sp := range spans {
		if sp.start < at {
			continue
		}
		out.WriteString(visible.Text(s[at:sp.start]))
		found := visible.Text(s[sp.start:sp.end])
		if p.color {
			found = p.style("4;"+p.colourOf(sp.group), found)
		} else {
			found = "[" + found + "]"
		}
		out.WriteString(found)
		at = sp.end
	}
	out.WriteString(visible.Text(s[at:]))
	return out.String()
}

func (p *painter) views() {
	before := ""
	for _, v := range []struct{ name, column string }{
		{"folded", pipeline.ColTextFolded}, {"skeleton", pipeline.ColTextSkeleton}, {"squeezed", pipeline.ColTextSqueezed},
	} {
		p.shown[v.column] = true
		if !p.has(v.column) {
			continue
		}
		now := p.text(v.column)
		if v.column != pipeline.ColTextFolded && now == before {
			p.line(v.name, p.style("2", "the same"))
			continue
		}
		p.line(v.name, visible.Text(now))
		before = now
	}
}

// table prints rows in columns, below a name.
func (p *painter) table(name string, rows [][]string) {
	if len(rows) < 2 { // a header and nothing
		return
	}
	var buf bytes.Buffer
	w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	_ = w.Flush() // to memory
	for i, l := range strings.Split(strings.TrimRight(buf.String(), "\n"), "\n") {
		if i == 0 {
			p.line(name, p.style("2", strings.TrimRight(l, " ")))
		} else {
			p.line("", strings.TrimRight(l, " "))
		}
	}
}

// lists returns the elements of parallel list columns, row by row.
func (p *painter) lists(row int, from func(string) arrow.Array, columns ...string) [][]any {
	var out [][]any
	for c, name := range columns {
		for i, v := range listOf(from(name), row) {
			if c == 0 {
				out = append(out, make([]any, len(columns)))
			}
			if i < len(out) {
				out[i][c] = v
			}
		}
	}
	return out
}

func (p *painter) tokens() {
	folded := p.text(pipeline.ColTextFolded)
	rows := [][]string{{"kind", "token", "bytes of folded", "hash"}}
	for _, t := range p.lists(0, p.find, pipeline.ColTokenKind, pipeline.ColTokenStart, pipeline.ColTokenEnd, pipeline.ColTokenHash) {
		kind, from, to := text.Kind(number(t[0])), number(t[1]), number(t[2])
		if from > to || to > int64(len(folded)) {
			continue
		}
		if len(rows) > maxShownTokens {
			rows = append(rows, []string{"...", "", "", ""})
			break
		}
		rows = append(rows, []string{kind.String(), visible.Text(folded[from:to]), fmt.Sprintf("%d..%d", from, to), fmt.Sprintf("%016x", t[3])})
	}
	p.table("tokens", rows)
	for _, c := range []string{pipeline.ColTokenKind, pipeline.ColTokenStart, pipeline.ColTokenEnd, pipeline.ColTokenHash} {
		p.shown[c] = true
	}
}

func (p *painter) hits() {
	columns := []string{
		pipeline.ColHitList, pipeline.ColHitTerm, pipeline.ColHitView, pipeline.ColHitDisguise, pipeline.ColHitWeight,
		pipeline.ColHitStart, pipeline.ColHitEnd,
	}
	for _, c := range columns {
		p.shown[c] = true
	}
	if !p.has(pipeline.ColHitList) {
		return
	}
	hits := p.lists(0, p.find, columns...)
	if len(hits) == 0 {
		p.line("hits", "none")
		return
	}
	rows := [][]string{{"list", "term", "view", "disguise", "weight", "bytes", "as written"}}
	for i, h := range hits {
		if i == maxShownHits {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(hits)-i), "", "", "", "", "", ""})
			break
		}
		rows = append(rows, p.evidence(p.text(pipeline.ColText), h))
	}
	p.table("hits", rows)
}

// evidence is a row of the table of hits or spans: list, term, view, disguise,
// weight, start, end.
func (p *painter) evidence(body string, h []any) []string {
	from, to := number(h[5]), number(h[6])
	bytes, written := "", "(not in the text)"
	if from < to && to <= int64(len(body)) {
		bytes, written = fmt.Sprintf("%d..%d", from, to), p.style(p.colourOf(fmt.Sprint(h[0])), visible.Text(body[from:to]))
	}
	return []string{shown(h[0]), shown(h[1]), shown(h[2]), shown(h[3]), shown(h[4]), bytes, written}
}

// shown prints an element of a list.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return visible.Text(v)
	case float32:
		return fmt.Sprintf("%.3g", v)
	}
	return fmt.Sprint(v)
}

// rest prints the other columns that steps have added, by step.
func (p *painter) rest() {
	step := ""
	for _, c := range p.columns {
		if c.step == "" || p.shown[c.field.Name] {
			continue
		}
		value := oneLine(c.field.Name, c.data)
		if value == "" {
			continue
		}
		name := ""
		if c.step != step {
			name, step = c.step, c.step
		}
		p.line(name, c.field.Name+" "+p.style("2", "=")+" "+value)
	}
}

// oneLine prints a column's value; "" where it has none.
func oneLine(name string, data arrow.Array) string {
	if data.IsNull(0) {
		return ""
	}
	switch d := data.(type) {
	case *array.String:
		return visible.Text(d.Value(0))
	case *array.Float32:
		return fmt.Sprintf("%.3f", d.Value(0))
	case *array.Uint64:
		if name == pipeline.ColTextHash || name == pipeline.ColSimHash {
			return fmt.Sprintf("%016x", d.Value(0))
		}
	case *array.List:
		var out []string
		for _, v := range listOf(d, 0) {
			out = append(out, shown(v))
		}
		return strings.Join(out, " ")
	}
	return visible.Text(data.ValueStr(0))
}

// fired prints the detections.
func (p *painter) fired() {
	if len(p.detections) == 0 {
		return
	}
	for _, d := range p.detections {
		from := func(name string) arrow.Array { return columnOf(d, name) }
		str := func(name string, row int) string {
			if c, ok := from(name).(*array.String); ok {
				return visible.Text(c.Value(row))
			}
			return ""
		}
		for row := range int(d.NumRows()) {
			head := p.style("1;31", str("rule_id", row))
			p.line("detection", fmt.Sprintf("%s version %s, %s, %s, kind %s, score %s", head, from("rule_version").ValueStr(row),
				str("severity", row), str("mode", row), str("kind", row), from("score").ValueStr(row)))
			rows := [][]string{{"list", "term", "view", "disguise", "weight", "bytes", "as written"}}
			for _, s := range p.lists(row, from, "spans.list", "spans.term", "spans.view", "spans.disguise", "spans.weight", "spans.start", "spans.end") {
				rows = append(rows, p.evidence(p.text(pipeline.ColText), s))
			}
			p.table("", rows)
			for _, v := range p.lists(row, from, "values.name", "values.value") {
				p.line("", shown(v[0])+" "+p.style("2", "=")+" "+shown(v[1]))
			}
			for _, l := range p.lists(row, from, "lists.name", "lists.version") {
				p.line("", fmt.Sprintf("list %s, version %s", shown(l[0]), shown(l[1])))
			}
		}
	}
}
