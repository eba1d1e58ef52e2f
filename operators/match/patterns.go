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
