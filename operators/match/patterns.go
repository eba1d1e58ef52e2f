package match

import (
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/pattern"
	"github.com/sluicehq/sluice/internal/text/terms"
)

// takes reports whether token j of t is one that wildcards and prefixes are
// held against: a word, or where they are written with '#', a hashtag.
func takes(t *terms.Text, j int32, tag bool) bool {
	switch text.Kind(t.Kind[j]) {
	case text.Hashtag:
		return true
	case text.Word, text.Number:
		return !tag
	}
	return false
}

// word returns token j of text i.
func word(t *terms.Text, i int, j int32) []byte {
	base := uint32(t.Offsets[i])
	return t.Bytes[base+t.Start[j] : base+t.End[j]]
}

// prefixSearch is the terms that a word must begin with.
type prefixSearch struct {
	from  int
	set   *pattern.Prefixes
	terms []uint32 // by their place in set
	tags  []bool   // of hashtags alone
}

func (s *prefixSearch) finder() finder { return s }

func (s *prefixSearch) find(b *batch) {
	t := &b.texts[s.from]
	for i := range len(t.Rows) - 1 {
		more := true
		for j := t.Rows[i]; j < t.Rows[i+1] && more; j++ {
			if !takes(&t.Text, j, false) {
				continue
			}
			s.set.Find(word(&t.Text, i, j), func(id uint32, _ int) bool {
				if takes(&t.Text, j, s.tags[id]) {
					more = t.add(b, int32(i), t.Start[j], t.End[j], s.terms[id])
				}
				return more
			})
		}
	}
}

// urlSearch is the hosts and URLs of a target.
type urlSearch struct {
	from  int
	set   *pattern.URLs
	terms []uint32 // by their place in set
}

func (s *urlSearch) finder() finder { return &urlFinder{urlSearch: s} }

type urlFinder struct {
	*urlSearch
	scratch []byte
}

func (f *urlFinder) find(b *batch) {
	t := &b.texts[f.from]
	for i := range len(t.Rows) - 1 {
		more := true
		for j := t.Rows[i]; j < t.Rows[i+1] && more; j++ {
			if t.posts == nil && text.Kind(t.Kind[j]) != text.URL {
				continue
			}
			f.scratch = pattern.AppendURL(f.scratch[:0], word(&t.Text, i, j))
			f.set.Find(f.scratch, func(id uint32) bool {
				more = t.add(b, int32(i), t.Start[j], t.End[j], f.terms[id])
				return more
			})
		}
	}
}

// globTerm is a wildcard.
type globTerm struct {
	*pattern.Glob
	term uint32
	tag  bool // of hashtags alone
}

// globSearch is the wildcards that have no literal to be found by: they are
// held against all words that begin or end as they do.
type globSearch struct {
	from  int
	globs []globTerm
	first [256][]uint16 // by the byte that words begin with
	last  [256][]uint16 // by the byte that words end with, where they may begin with any
	other []uint16
}

func newGlobSearch(from int, globs []globTerm) *globSearch {
	s := &globSearch{from: from, globs: globs}
	for i, g := range globs {
		first, last := g.Ends()
		switch {
		case first >= 0:
			s.first[first] = append(s.first[first], uint16(i))
		case last >= 0:
			s.last[last] = append(s.last[last], uint16(i))
		default:
			s.other = append(s.other, uint16(i))
		}
	}
	return s
}

func (s *globSearch) finder() finder { return s }

func (s *globSearch) find(b *batch) {
	t := &b.texts[s.from]
	for i := range len(t.Rows) - 1 {
		more := true
		for j := t.Rows[i]; j < t.Rows[i+1] && more; j++ {
			w := word(&t.Text, i, j)
			if len(w) == 0 || len(w) > pattern.MaxWord || !takes(&t.Text, j, false) {
				continue
			}
			for _, some := range [3][]uint16{s.first[w[0]], s.last[w[len(w)-1]], s.other} {
				for _, k := range some {
					if g := &s.globs[k]; more && takes(&t.Text, j, g.tag) && g.Match(w) {
						more = t.add(b, int32(i), t.Start[j], t.End[j], g.term)
					}
				}
			}
		}
	}
}
