package tokenize

import (
	"math/bits"
	"slices"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/token"
)

// few is how many domains of a row are compared one by one. Nearly no post has
// more.
const few = 8

// seen tells whether a domain is in a row already, in a time that does not grow
// with the row. The zero value is ready; it is for one goroutine.
type seen struct {
	slots []slot // open addressing; a power of two
	begin int    // the row's first element in the column
	most  int    // elements that the row may have
	n     int    // elements of the row that are in slots: all or none
}

// slot is an element of a row by its number in it, from 1 on, with a part of its
// hash, by which it is placed. The zero value is free.
type slot struct{ hash, element uint32 }

// next begins the row whose first element will be begin, for which add is called
// at most most times.
func (s *seen) next(begin, most int) { s.begin, s.most, s.n = begin, most, 0 }

// add appends d to all where it is no element of the row, which is the last one.
func (s *seen) add(all *column.Strings, d []byte) {
	n := all.Len() - s.begin
	if n <= few {
		for i := all.Len() - 1; i >= s.begin; i-- {
			if string(all.At(i)) == string(d) {
				return
			}
		}
		all.Append(d)
		return
	}
	if s.n == 0 {
		s.fill(all, n)
	}
	h := uint32(token.Hash(d))
	mask := uint32(len(s.slots) - 1)
	i := h & mask
	for ; s.slots[i].element != 0; i = (i + 1) & mask {
		if at := s.slots[i]; at.hash == h && string(all.At(s.begin+int(at.element)-1)) == string(d) {
			return
		}
	}
	s.n++
	s.slots[i] = slot{h, uint32(s.n)}
	all.Append(d)
}

// fill puts the first elements of the row, n, into slots, of which it takes twice
// as many as the row may have elements: to clear what another row left takes time.
func (s *seen) fill(all *column.Strings, n int) {
	size := 1 << bits.Len(uint(2*s.most))
	s.slots = slices.Grow(s.slots[:0], size)[:size]
	clear(s.slots)
	for s.n = 0; s.n < n; {
		h := uint32(token.Hash(all.At(s.begin + s.n)))
		s.n++
		s.put(slot{h, uint32(s.n)})
	}
}

// put puts an element into slots, in which it is not.
func (s *seen) put(one slot) {
	mask := uint32(len(s.slots) - 1)
	i := one.hash & mask
	for s.slots[i].element != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = one
}
