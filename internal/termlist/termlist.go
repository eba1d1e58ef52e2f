// Package termlist reads the files of term lists: text, CSV and YAML. It knows
// how a term is written and what can be wrong with a file; what a term means is
// up to its caller.
package termlist

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/listfile"
	"github.com/sluicehq/sluice/internal/text/terms"
)

// Limits of a list.
const (
	MaxLanguages = 256 // distinct ones of a list
	MaxWeight    = 1e6 // of a term, up or down
	maxNote      = 1 << 10
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

// parser collects the entries of one list.
type parser struct {
	list      List
	byDefault *Match // of entries that name none; nil: the marks in the term tell
	languages map[string]uint16
	errs      listfile.Errors
}

// Parse reads a file by the ending of its name: .csv, .yaml, .yml, or else one
// term a line. byDefault is the match of terms that name none; where it is nil,
// marks in the term tell: see [Entry] and the documentation of the operator match.
// An error is of type [listfile.Errors]; the list then has the terms without mistakes. It
// shares no memory with data.
func Parse(name string, data []byte, byDefault *Match) (*List, error) {
	p := newParser(byDefault)
	listfile.Read(name, data, format, p)
	return &p.list, p.errs.Err()
}

// FromTerms makes a list of terms that stand in a config; the line of an entry
// is its place, from 1.
func FromTerms(terms []string, byDefault *Match) (*List, error) {
	p := newParser(byDefault)
	for i, t := range terms {
		p.add(row{term: t, line: i + 1})
	}
	return &p.list, p.errs.Err()
}

func newParser(byDefault *Match) *parser {
	return &parser{byDefault: byDefault, languages: map[string]uint16{"": 0}, list: List{Languages: []string{""}}}
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
		p.errs.Fail(r.line, "empty term; delete the line or quote a blank")
		return
	case !utf8.ValidString(r.term):
		p.errs.Fail(r.line, "the term %.100q is not UTF-8; convert the file", r.term)
		return
	case len(r.note) > maxNote:
		p.errs.Fail(r.line, "a note of %d bytes; the longest is %d: cut it", len(r.note), maxNote)
	case !utf8.ValidString(r.note):
		p.errs.Fail(r.line, "the note %.100q is not UTF-8; convert the file", r.note)
	}
	var err error
	if r.weight != "" {
		if e.Weight, err = parseWeight(r.weight); err != nil {
			p.errs.Fail(r.line, "%v", err)
		}
	}
	if r.language != "" {
		if e.Language, err = p.language(r.language); err != nil {
			p.errs.Fail(r.line, "%v", err)
		}
	}
	if r.view != "" {
		if e.View, err = ParseView(r.view); err != nil {
			p.errs.Fail(r.line, "%v", err)
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
		p.errs.Fail(r.line, "%v", err)
	}
	if len(e.Term) > terms.MaxLength {
		p.errs.Fail(r.line, "a term of %d bytes; the longest is %d: cut it", len(e.Term), terms.MaxLength)
	}
	if len(p.errs) > before {
		return
	}
	if p.list.Entries = append(p.list.Entries, e); len(p.list.Entries) == terms.MaxTerms+1 {
		p.errs.Fail(r.line, "more than %d terms: split the list over several pipelines", terms.MaxTerms)
	}
}
