package match

import "github.com/sluicehq/sluice/internal/text/pattern"

// globTerm is a wildcard.
type globTerm struct {
	*pattern.Glob
	term uint32
	tag  bool // of hashtags alone
}

// globSearch is the wildcards that have no literal to be found by: they are
// held against all words that begin and end as they do, and are as long.
type globSearch struct {
	from  int
	globs []globTerm
	sizes []size // by glob
	least int    // bytes of the shortest word that one matches

	firsts, lasts [256]uint8 // by byte: its number among those that globs begin and end with, or 0
	begin         [][]uint16 // by number of the first byte, then of the last: those whose first byte is known
	end           [][]uint16 // by number of the last byte: those of which it alone is known
	any           []uint16
}

// size is how many bytes a word of a wildcard has.
type size struct{ least, most int32 }

func newGlobSearch(from int, globs []globTerm) *globSearch {
	s := &globSearch{from: from, globs: globs}
	nf, nl := uint8(0), uint8(0)
	for i, g := range globs {
		first, last := g.Ends()
		if first >= 0 {
			number(&s.firsts, first, &nf)
		}
		if last >= 0 {
			number(&s.lasts, last, &nl)
		}
		least, most := g.Size()
		if i == 0 || least < s.least {
			s.least = least
		}
		s.sizes = append(s.sizes, size{int32(least), int32(most)})
	}
	columns := int(nl) + 1
	s.begin, s.end = make([][]uint16, (int(nf)+1)*columns), make([][]uint16, columns)
	for i, g := range globs {
		first, last := g.Ends()
		switch {
		case first >= 0 && last >= 0:
			add(s.begin, int(s.firsts[first])*columns+int(s.lasts[last]), i)
		case first >= 0:
			for k := range columns {
				add(s.begin, int(s.firsts[first])*columns+k, i)
			}
		case last >= 0:
			add(s.end, int(s.lasts[last]), i)
		default:
			s.any = append(s.any, uint16(i))
		}
	}
	return s
}

// number gives byte c the next number, unless it has one. No UTF-8 has all bytes,
// so 255 are enough.
func number(numbers *[256]uint8, c int, n *uint8) {
	if numbers[c] == 0 {
		*n++
		numbers[c] = *n
	}
}

func add(lists [][]uint16, k, glob int) { lists[k] = append(lists[k], uint16(glob)) }

func (s *globSearch) finder() finder { return s }

func (s *globSearch) find(b *batch) {
	t := &b.texts[s.from]
	for i := range len(t.Rows) - 1 {
		more := true
		for j := t.Rows[i]; j < t.Rows[i+1] && more; j++ {
			w := word(&t.Text, i, j)
			if len(w) < max(s.least, 1) || len(w) > pattern.MaxWord || !takes(&t.Text, j, false) {
				continue
			}
			for _, some := range s.candidates(w) {
				more = more && s.try(b, i, j, w, some)
			}
		}
	}
}

// candidates returns the globs that begin and end as w does, which is not empty.
func (s *globSearch) candidates(w []byte) [3][]uint16 {
	last := int(s.lasts[w[len(w)-1]])
	return [3][]uint16{s.begin[int(s.firsts[w[0]])*len(s.end)+last], s.end[last], s.any}
}

// try holds globs against word j of text i, and reports whether its post takes
// more.
func (s *globSearch) try(b *batch, i int, j int32, w []byte, globs []uint16) bool {
	for _, k := range globs {
		if n := int32(len(w)); n < s.sizes[k].least || n > s.sizes[k].most {
			continue
		}
		t := &b.texts[s.from]
		if g := &s.globs[k]; takes(&t.Text, j, g.tag) && g.Match(w) && !t.add(b, int32(i), t.Start[j], t.End[j], g.term) {
			return false
		}
	}
	return true
}
