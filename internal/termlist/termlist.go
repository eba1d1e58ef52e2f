// Package termlist reads the files of term lists: text, CSV and YAML. It knows
// how a term is written and what can be wrong with a file; what a term means is
// up to its caller.
package termlist

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/terms"
)

// Limits of a list.
const (
	MaxBytes     = 256 << 20 // of a file
	MaxYAMLBytes = 16 << 20  // of a YAML file, which costs far more memory than its size
	MaxLanguages = 256       // distinct ones of a list
	MaxWeight    = 1e6       // of a term, up or down
	maxNote      = 1 << 10
	maxErrors    = 10 // told of one file
)

// Match is how a term is held against a text.
type Match uint8

// The kinds of match.
const (
	Whole     Match = iota // whole words in that order; on another column than text, the whole value
	Prefix                 // words that begin so
	Wildcard               // one word, with '?' for a character and '*' for any number of them
	Substring              // anywhere, within words too
	Regex                  // RE2
	URL                    // a host or hosts below it, and what the path begins with
	Matches                // how many there are
)

var matchNames = [Matches]string{"whole", "prefix", "wildcard", "substring", "regex", "url"}

// String returns the name that lists and configs use.
func (m Match) String() string { return matchNames[m] }

// MatchNames returns the names of all kinds of match.
func MatchNames() []string { return matchNames[:] }

// ParseMatch returns the kind of match of that name.
func ParseMatch(name string) (Match, error) {
	for m, s := range matchNames {
		if s == name {
			return Match(m), nil
		}
	}
	return 0, fmt.Errorf("no match is called %.40q: use %s", name, strings.Join(matchNames[:], ", "))
}

// View is the view of the text that a term is held against.
type View uint8

// The views. Unset leaves it to the list.
const (
	Unset View = iota
	Raw
	Folded
	Skeleton
	Squeezed
	Views // how many there are
)

var viewNames = [Views]string{"", "raw", "folded", "skeleton", "squeezed"}

// String returns the name that lists, configs and the column hits.view use.
func (v View) String() string { return viewNames[v] }

// ParseView returns the view of that name.
func ParseView(name string) (View, error) {
	for v := Raw; v < Views; v++ {
		if viewNames[v] == name {
			return v, nil
		}
	}
	return 0, fmt.Errorf("no view is called %.40q: use %s", name, strings.Join(viewNames[1:], ", "))
}

// Entry is one term of a list.
type Entry struct {
	Term     string // without the mark of its match (but for the '*' of a prefix): what hits show
	Note     string
	Weight   float32
	Line     int32  // in the file, from 1
	Language uint16 // index into List.Languages; 0 for a term of all languages
	Match    Match
	View     View
	marked   bool // a prefix with a '*' at its end
}

// Body returns the term without the '*' that marks a prefix.
func (e *Entry) Body() string {
	if e.marked {
		return e.Term[:len(e.Term)-1]
	}
	return e.Term
}

// List is what a file holds.
type List struct {
	Entries   []Entry
	Languages []string // lower case; the first is ""
	Ignored   []string // columns of a CSV file that mean nothing here
}

// Error is a mistake in a list at a line, from 1; 0 is the file as a whole.
type Error struct {
	Line int
	Msg  string
}

func (e *Error) Error() string { return e.Msg }

// Errors are the mistakes of a file, in the order of their lines: the first few.
type Errors []*Error

func (e Errors) Error() string {
	var b strings.Builder
	for i, x := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "line %d: %s", x.Line, x.Msg)
	}
	return b.String()
}

// parser collects the entries of one list.
type parser struct {
	list      List
	byDefault *Match // of entries that name none; nil: the marks in the term tell
	languages map[string]uint16
	errs      Errors
}

// Parse reads a file by the ending of its name: .csv, .yaml, .yml, or else one
// term a line. byDefault is the match of terms that name none; where it is nil,
// marks in the term tell: see [Entry] and the documentation of the operator match.
// An error is of type Errors; the list then has the terms without mistakes. It
// shares no memory with data.
func Parse(name string, data []byte, byDefault *Match) (*List, error) {
	p := newParser(byDefault)
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	ext := strings.ToLower(path.Ext(name))
	limit := MaxBytes
	if ext == ".yaml" || ext == ".yml" {
		limit = MaxYAMLBytes
	}
	switch {
	case len(data) > limit:
		p.fail(0, "%d bytes; a list of this format has at most %d: split it, or use another format", len(data), limit)
	case ext == ".csv":
		p.csv(data)
	case ext == ".yaml" || ext == ".yml":
		p.yaml(data)
	default:
		p.text(string(data))
	}
	return p.done()
}

// FromTerms makes a list of terms that stand in a config; the line of an entry
// is its place, from 1.
func FromTerms(terms []string, byDefault *Match) (*List, error) {
	p := newParser(byDefault)
	for i, t := range terms {
		p.add(row{term: t, line: i + 1})
	}
	return p.done()
}

func newParser(byDefault *Match) *parser {
	return &parser{byDefault: byDefault, languages: map[string]uint16{"": 0}, list: List{Languages: []string{""}}}
}

func (p *parser) done() (*List, error) {
	if len(p.errs) > 0 {
		return &p.list, p.errs
	}
	return &p.list, nil
}

// fail notes a mistake.
func (p *parser) fail(line int, format string, args ...any) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, &Error{line, fmt.Sprintf(format, args...)})
	} else if len(p.errs) == maxErrors {
		p.errs = append(p.errs, &Error{line, "and further errors, here and below; correct the ones above first"})
	}
}

// full reports whether there is nothing to gain from reading on.
func (p *parser) full() bool {
	return len(p.errs) > maxErrors || len(p.list.Entries) > terms.MaxTerms
}

// row is an entry as a file writes it; empty fields are not given.
type row struct {
	term, weight, language, view, match, note string
	line                                      int
}

// add checks a row and adds its entry.
func (p *parser) add(r row) {
	e := Entry{Term: r.term, Note: r.note, Line: int32(r.line), Weight: 1}
	before := len(p.errs)
	switch {
	case strings.TrimSpace(r.term) == "":
		p.fail(r.line, "empty term; delete the line or quote a blank")
		return
	case !utf8.ValidString(r.term):
		p.fail(r.line, "the term %.100q is not UTF-8; convert the file", r.term)
		return
	case len(r.note) > maxNote:
		p.fail(r.line, "a note of %d bytes; the longest is %d: cut it", len(r.note), maxNote)
	case !utf8.ValidString(r.note):
		p.fail(r.line, "the note %.100q is not UTF-8; convert the file", r.note)
	}
	var err error
	if r.weight != "" {
		if e.Weight, err = parseWeight(r.weight); err != nil {
			p.fail(r.line, "%v", err)
		}
	}
	if r.language != "" {
		if e.Language, err = p.language(r.language); err != nil {
			p.fail(r.line, "%v", err)
		}
	}
	if r.view != "" {
		if e.View, err = ParseView(r.view); err != nil {
			p.fail(r.line, "%v", err)
		}
	}
	switch {
	case r.match != "":
		e.Match, err = ParseMatch(r.match)
	case p.byDefault != nil:
		e.Match = *p.byDefault
	default:
		err = e.readMarks()
	}
	if err != nil {
		p.fail(r.line, "%v", err)
	}
	if len(e.Term) > terms.MaxLength {
		p.fail(r.line, "a term of %d bytes; the longest is %d: cut it", len(e.Term), terms.MaxLength)
	}
	if len(p.errs) > before {
		return
	}
	if p.list.Entries = append(p.list.Entries, e); len(p.list.Entries) == terms.MaxTerms+1 {
		p.fail(r.line, "more than %d terms: split the list over several pipelines", terms.MaxTerms)
	}
}
