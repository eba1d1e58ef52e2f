package tokenize

import (
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
	spare []slot // memory that slots had before
	begin int    // the row's first element in the column
	n     int    // elements of the row that are in slots: all or none
}

// slot is an element of a row by its number in it, from 1 on, with a part of its
// hash, by which it is placed. The zero value is free.
type slot struct{ hash, element uint32 }

// next begins the row whose first element will be begin.
func (s *seen) next(begin int) { s.begin, s.n = begin, 0 }

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
	switch {
	case s.n == 0:
		s.fill(all, n)
	case 2*s.n > len(s.slots):
		s.grow()
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

// fill puts the first elements of the row, n, into slots. It takes no more of
// them than these need: to clear what another row left takes time.
func (s *seen) fill(all *column.Strings, n int) {
	s.slots = slices.Grow(s.slots[:0], 4*few)[:4*few]
	clear(s.slots)
	for s.n = 0; s.n < n; {
		h := uint32(token.Hash(all.At(s.begin + s.n)))
		s.n++
		s.put(slot{h, uint32(s.n)})
	}
}

// grow makes twice as many slots.
func (s *seen) grow() {
	old, size := s.slots, 2*len(s.slots)
	s.slots = slices.Grow(s.spare[:0], size)[:size]
	clear(s.slots)
	for _, at := range old {
		if at.element != 0 {
			s.put(at)
		}
	}
	s.spare = old
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
