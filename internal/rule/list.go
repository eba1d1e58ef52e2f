package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/listfile"
	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/pipeline"
)

// List is a set of terms, compared as the match step does: both sides are folded
// (package fold: case, accents, invisible characters, forms of width).
type List struct {
	Name  string
	terms map[string]struct{}
	// noFile marks a list whose terms stand in the match step's config, from
	// where they cannot be had: match.<name> is there and list.<name> is not.
	noFile bool

	read func() (*List, error) // nil for a list that has its terms
	once sync.Once
	err  error
}

// Len returns the number of distinct folded terms.
func (l *List) Len() int { return len(l.terms) }

// NewList makes a list of terms.
func NewList(name string, terms ...string) *List {
	l := &List{Name: name, terms: make(map[string]struct{}, len(terms))}
	var f folder
	for _, t := range terms {
		l.terms[string(f.fold([]byte(t)))] = struct{}{}
	}
	return l
}

// ParseList reads a list file, as the match step does (package termlist). The
// set has the terms that a value can equal: those of whole words. Prefixes,
// wildcards, substrings, expressions and URLs are left out, and a term's weight,
// language and view mean nothing here. The error is of every mistake, with its
// place.
func ParseList(name, path string, data []byte) (*List, error) {
	list, err := termlist.Parse(path, data, nil)
	if err != nil {
		var errs listfile.Errors
		if !errors.As(err, &errs) {
			return nil, fmt.Errorf("list %q (%s): %w", name, path, err)
		}
		out := make([]error, len(errs))
		for i, e := range errs {
			out[i] = fmt.Errorf("list %q (%s:%d): %w", name, path, e.Line, e)
		}
		return nil, errors.Join(out...)
	}
	var terms []string
	for _, e := range list.Entries {
		if e.Match == termlist.Whole {
			terms = append(terms, e.Term)
		}
	}
	return NewList(name, terms...), nil
}

// ListPaths returns the lists that upstream steps announce in the schema's
// metadata: name to path.
func ListPaths(schema *arrow.Schema) map[string]string {
	out := map[string]string{}
	md := schema.Metadata()
	for i, k := range md.Keys() {
		if name, ok := strings.CutPrefix(k, pipeline.MetaListPrefix); ok && name != "" {
			out[name] = md.Values()[i]
		}
	}
	return out
}

// folder folds text for look-ups in lists, as normalize and match do. It is
// scratch of one goroutine.
type folder struct{ buf []byte }

// fold returns s folded: s itself if it is lower-case ASCII, else memory that
// the next call overwrites.
func (f *folder) fold(s []byte) []byte {
	i := 0
	for i < len(s) && s[i] >= ' ' && s[i] < 0x7f && (s[i] < 'A' || s[i] > 'Z') {
		i++
	}
	if i == len(s) {
		return s
	}
	f.buf = fold.Append(f.buf[:0], s)
	return f.buf
}

// Lists returns the lists that the schema announces. A list's file is read when
// a condition that says list.<name> is compiled: a list may hold a million
// terms, and most stand in match.<list> only.
func Lists(files Files, schema *arrow.Schema) []*List {
	paths := ListPaths(schema)
	var out []*List
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		path := paths[name]
		l := &List{Name: name, noFile: path == ""}
		l.read = func() (*List, error) {
			data, err := files.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("list %q: %w", name, err)
			}
			return ParseList(name, path, data)
		}
		out = append(out, l)
	}
	return out
}

// load reads the list's file, once.
func (l *List) load() error {
	if l.read == nil {
		return nil
	}
	l.once.Do(func() {
		var full *List
		if full, l.err = l.read(); l.err == nil {
			l.terms = full.terms
		}
	})
	return l.err
}
