package match

import (
	"bytes"

	"github.com/sluicehq/sluice/internal/text/terms"
)

// wordSearch is the whole words and phrases of a target.
type wordSearch struct {
	from int // in plan.sources
	set  *terms.Set
}

func (s *wordSearch) finder() finder { return &wordFinder{wordSearch: s} }

type wordFinder struct {
	*wordSearch
	terms terms.Finder
}

func (f *wordFinder) find(b *batch) {
	t := &b.texts[f.from]
	for _, h := range f.terms.Find(f.set, &t.Text) {
		t.add(b, h.Row, h.Start, h.End, h.Term)
	}
}

// valueSearch is the terms that a value of another column must equal.
type valueSearch struct {
	from   int
	set    *terms.Set
	domain bool // or be a domain below it
}

func (s *valueSearch) finder() finder { return s }

func (s *valueSearch) find(b *batch) {
	t := &b.texts[s.from]
	for i := range t.posts {
		for value := t.at(i); len(value) > 0; {
			s.set.FindWhole(value, func(term uint32) { t.add(b, int32(i), 0, 0, term) })
			dot := bytes.IndexByte(value, '.')
			if !s.domain || dot < 0 {
				break
			}
			value = value[dot+1:]
		}
	}
}
