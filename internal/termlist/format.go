package termlist

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// text reads one term a line. Blank lines are skipped, and comments: '#'
// and a blank or another mark. "\#word" is the hashtag; "#word" is refused,
// since it may be a hashtag, a comment or a term that was switched off.
func (p *parser) text(data string) {
	line := 0
	for raw := range strings.Lines(data) {
		line++
		raw = strings.TrimSpace(raw)
		if raw == "" {
			continue
		}
		if raw[0] == '#' {
			if r, _ := utf8.DecodeRuneInString(raw[1:]); len(raw) > 1 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				p.fail(line, `%.40q is a comment or a hashtag; write "# ..." for a comment, "\#..." for a hashtag`, raw)
			}
			continue
		}
		if strings.HasPrefix(raw, `\#`) {
			raw = raw[1:]
		}
		if p.add(row{term: raw, line: line}); p.full() {
			return
		}
	}
}

// The columns of a CSV file, and the keys of a YAML entry.
const (
	colTerm = iota
	colWeight
	colLanguage
	colView
	colMatch
	colNote
	cols
)

var colNames = [cols]string{"term", "weight", "language", "view", "match", "note"}

// set gives a field of a row its value.
func (r *row) set(col int, value string) {
	switch col {
	case colTerm:
		r.term = value
	case colWeight:
		r.weight = value
	case colLanguage:
		r.language = value
	case colView:
		r.view = value
	case colMatch:
		r.match = value
	case colNote:
		r.note = value
	}
}

// csv reads a file with a header.
func (p *parser) csv(data []byte) {
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			p.failCSV(err)
		}
		return
	}
	where, ok := p.header(header)
	if !ok {
		return
	}
	for !p.full() {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.failCSV(err)
			return
		}
		at := row{}
		at.line, _ = r.FieldPos(0)
		if where[colTerm] >= len(rec) {
			p.fail(at.line, "%d fields, but the column term is number %d; add the missing commas", len(rec), where[colTerm]+1)
			continue
		}
		for col, i := range where {
			if i >= 0 && i < len(rec) {
				at.set(col, strings.TrimSpace(rec[i]))
			}
		}
		// The strings of a record share memory: the term alone is kept.
		at.term, at.note = strings.Clone(at.term), strings.Clone(at.note)
		p.add(at)
	}
}

// header finds the columns; -1 is one that the file lacks.
func (p *parser) header(names []string) (where [cols]int, ok bool) {
	for i := range where {
		where[i] = -1
	}
	before := len(p.errs)
	for i, h := range names {
		h = strings.ToLower(strings.TrimSpace(h))
		col := slices.Index(colNames[:], h)
		switch {
		case col < 0:
			p.list.Ignored = append(p.list.Ignored, strings.Clone(h))
		case where[col] >= 0:
			p.fail(1, "the column %q is there twice; delete one", h)
		default:
			where[col] = i
		}
	}
	if where[colTerm] < 0 {
		p.fail(1, "no column \"term\" in the header %.200q; name the column of the terms so, or use a .txt file", strings.Join(names, ","))
	}
	return where, len(p.errs) == before
}

// failCSV notes an error of the CSV reader with its line.
func (p *parser) failCSV(err error) {
	var e *csv.ParseError
	if errors.As(err, &e) {
		p.fail(e.Line, "%v; quote fields that hold quotes or commas", e.Err)
		return
	}
	p.fail(0, "%v", err)
}

// yaml reads a list of terms, each a string or a map with the names of the
// columns of a CSV file as keys.
func (p *parser) yaml(data []byte) {
	if !utf8.Valid(data) {
		p.fail(0, "the file is not UTF-8; convert it")
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || doc.Content[0].Tag == "!!null") {
		return
	}
	if err != nil {
		p.failYAML(err)
		return
	}
	if dec.Decode(&more) == nil {
		p.fail(more.Line, "a second document; a list is one YAML document")
		return
	}
	top := doc.Content[0]
	if top.Kind != yaml.SequenceNode {
		p.fail(top.Line, "a list of terms is a YAML sequence: begin each term with \"- \"")
		return
	}
	for _, n := range top.Content {
		if p.node(n); p.full() {
			return
		}
	}
}

// failYAML notes a syntax error; the reader's message begins with its line.
func (p *parser) failYAML(err error) {
	msg, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if _, scanErr := fmt.Sscanf(msg, "line %d:", &line); scanErr == nil {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	p.fail(line, "%s", msg)
}

// node reads one element of a YAML list.
func (p *parser) node(n *yaml.Node) {
	r := row{line: n.Line}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			p.fail(n.Line, "empty term; delete the line or quote a blank")
			return
		}
		r.term = n.Value
	case yaml.MappingNode:
		if !p.mapping(n, &r) {
			return
		}
	default:
		p.fail(n.Line, "a term is a string or a map with the keys %s", strings.Join(colNames[:], ", "))
		return
	}
	p.add(r)
}

// mapping reads the keys of an entry.
func (p *parser) mapping(n *yaml.Node, r *row) bool {
	before := len(p.errs)
	var seen [cols]bool
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		col := slices.Index(colNames[:], k.Value)
		switch {
		case k.Kind != yaml.ScalarNode || col < 0:
			p.fail(k.Line, "no key of a term is called %.40q: use %s", k.Value, strings.Join(colNames[:], ", "))
		case seen[col]:
			p.fail(k.Line, "the key %q is there twice; delete one", k.Value)
		case v.Kind != yaml.ScalarNode:
			p.fail(v.Line, "%s is a single value", k.Value)
		case v.Tag != "!!null":
			r.set(col, v.Value)
		}
		if col >= 0 {
			seen[col] = true
		}
	}
	if len(p.errs) == before && !seen[colTerm] {
		p.fail(n.Line, "no key \"term\"; write the term there")
	}
	return len(p.errs) == before
}
