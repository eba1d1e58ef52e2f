package hashbank

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/internal/termlist"
)

// MaxHash is the most bytes of a hash as a bank writes it.
const MaxHash = 256

const (
	maxNote   = 1 << 10
	maxErrors = 10 // told of one file
)

// Entry is one hash of a bank, as its file writes it.
type Entry struct {
	Hash     string // without the mark of a negative entry
	Note     string
	Weight   float32 // 1 where none is given
	Line     int32   // in the file, from 1
	Distance int16   // in bits; -1 where none is given
	Negative bool    // values near it are no hits
}

// columns are the columns of a CSV file, and the keys of a YAML entry.
var columns = [...]string{"hash", "weight", "distance", "negative", "note"}

// row holds the fields of an entry in the order of columns; "" is not given.
type row [len(columns)]string

// Parse reads the file of a bank by the ending of its name: .csv with the column
// hash and perhaps weight, distance, negative and note; .yaml or .yml, a list of
// hashes or of maps with these keys; or else one hash a line, with '!' before a
// negative one and lines of '#' as comments. What a hash is, is up to the
// caller. An error is of type [termlist.Errors].
func Parse(name string, data []byte) ([]Entry, error) {
	p := &parser{}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	ext, limit := strings.ToLower(path.Ext(name)), termlist.MaxBytes
	if ext == ".yaml" || ext == ".yml" {
		limit = termlist.MaxYAMLBytes
	}
	switch {
	case len(data) > limit:
		p.fail(0, "%d bytes; a bank in this format has at most %d: split it, or use another format", len(data), limit)
	case !utf8.Valid(data):
		p.fail(0, "the file is not UTF-8; convert it")
	case ext == ".csv":
		p.csv(data)
	case ext == ".yaml" || ext == ".yml":
		p.yaml(data)
	default:
		line := 0
		for raw := range strings.Lines(string(data)) {
			line++
			if raw = strings.TrimSpace(raw); raw != "" && raw[0] != '#' {
				p.line(line, raw)
			}
		}
	}
	return p.done()
}

// FromLines makes entries of hashes that stand in a config, written as in a file
// of one hash a line; the line of an entry is its place, from 1.
func FromLines(lines []string) ([]Entry, error) {
	p := &parser{}
	for i, s := range lines {
		p.line(i+1, strings.TrimSpace(s))
	}
	return p.done()
}

type parser struct {
	entries []Entry
	errs    termlist.Errors
}

func (p *parser) done() ([]Entry, error) {
	if len(p.errs) > 0 {
		return p.entries, p.errs
	}
	return p.entries, nil
}

// fail notes a mistake, of which the first few are told.
func (p *parser) fail(line int, format string, args ...any) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, &termlist.Error{Line: line, Msg: fmt.Sprintf(format, args...)})
	}
}

// full reports whether there is nothing to gain from reading on.
func (p *parser) full() bool { return len(p.errs) >= maxErrors || len(p.entries) > MaxEntries }

// line adds the hash of a line.
func (p *parser) line(n int, s string) {
	if p.full() {
		return
	}
	hash, negative := strings.CutPrefix(s, "!")
	r := row{strings.TrimSpace(hash)}
	if negative {
		r[3] = "true"
	}
	p.add(n, &r)
}

// add checks a row and adds its entry.
func (p *parser) add(line int, r *row) {
	e := Entry{Hash: r[0], Note: r[4], Weight: 1, Line: int32(line), Distance: -1}
	before := len(p.errs)
	switch {
	case e.Hash == "":
		p.fail(line, "no hash; delete the line, or write one")
	case len(e.Hash) > MaxHash:
		p.fail(line, "a hash of %d characters; the longest is %d", len(e.Hash), MaxHash)
	case len(e.Note) > maxNote:
		p.fail(line, "a note of %d bytes; the longest is %d: cut it", len(e.Note), maxNote)
	}
	if r[1] != "" {
		w, err := strconv.ParseFloat(r[1], 32)
		if err != nil || !(w >= -termlist.MaxWeight && w <= termlist.MaxWeight) {
			p.fail(line, "the weight %.40q is not a number from %g to %g", r[1], -termlist.MaxWeight, termlist.MaxWeight)
		}
		e.Weight = float32(w)
	}
	if r[2] != "" {
		d, err := strconv.ParseUint(r[2], 10, 8)
		if err != nil {
			p.fail(line, "the distance %.40q is not a number of bits, such as 3", r[2])
		}
		e.Distance = int16(d)
	}
	switch strings.ToLower(r[3]) {
	case "", "false", "no", "0":
	case "true", "yes", "1":
		e.Negative = true
	default:
		p.fail(line, "negative is %.40q: write true or false", r[3])
	}
	if len(p.errs) > before {
		return
	}
	if p.entries = append(p.entries, e); len(p.entries) > MaxEntries {
		p.fail(line, "more than %d hashes: split the bank over several lists", MaxEntries)
	}
}

// csv reads a file with a header.
func (p *parser) csv(data []byte) {
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	header, err := r.Read()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			p.failCSV(err)
		}
		return
	}
	// where is the column's field; -1 is one that the file lacks. Other columns
	// are for people and other tools.
	where := [len(columns)]int{-1, -1, -1, -1, -1}
	for i, h := range header {
		c := slices.Index(columns[:], strings.ToLower(strings.TrimSpace(h)))
		switch {
		case c < 0:
		case where[c] >= 0:
			p.fail(1, "the column %q is there twice; delete one", columns[c])
			return
		default:
			where[c] = i
		}
	}
	if where[0] < 0 {
		p.fail(1, "no column \"hash\" in the header %.200q; name the column of the hashes so, or use a .txt file", strings.Join(header, ","))
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
		line, _ := r.FieldPos(0)
		var fields row
		for c, i := range where {
			if i >= 0 && i < len(rec) {
				fields[c] = strings.TrimSpace(rec[i])
			}
		}
		// The strings of a record share memory: only these two are kept.
		fields[0], fields[4] = strings.Clone(fields[0]), strings.Clone(fields[4])
		p.add(line, &fields)
	}
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

// yaml reads a list of hashes.
func (p *parser) yaml(data []byte) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		msg, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
		if _, noLine := fmt.Sscanf(msg, "line %d:", &line); noLine == nil {
			_, msg, _ = strings.Cut(msg, ": ")
		}
		p.fail(line, "%s", msg)
		return
	}
	if len(doc.Content) == 0 {
		return
	}
	if top := doc.Content[0]; top.Kind != yaml.SequenceNode {
		p.fail(top.Line, "a bank is a YAML sequence: begin each hash with \"- \"")
		return
	}
	for _, n := range doc.Content[0].Content {
		switch {
		case p.full():
			return
		case n.Kind == yaml.ScalarNode:
			p.line(n.Line, n.Value)
		case n.Kind == yaml.MappingNode:
			p.mapping(n)
		default:
			p.fail(n.Line, "an entry is a hash or a map with the keys %s", strings.Join(columns[:], ", "))
		}
	}
}

// mapping adds the entry of a YAML map.
func (p *parser) mapping(n *yaml.Node) {
	var r row
	before := len(p.errs)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		c := slices.Index(columns[:], k.Value)
		switch {
		case c < 0:
			p.fail(k.Line, "no key of a bank is called %.40q: use %s", k.Value, strings.Join(columns[:], ", "))
		case v.Kind != yaml.ScalarNode:
			p.fail(v.Line, "%s is a single value", k.Value)
		default:
			r[c] = strings.TrimSpace(v.Value)
		}
	}
	if len(p.errs) == before {
		p.add(n.Line, &r)
	}
}
