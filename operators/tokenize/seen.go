package tokenize

import (
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
	n     int    // elements of the row that are in slots: all or none
}

// slot is an element of a row by its number in it, from 1 on, with a part of its
// hash, so that hardly any two are compared in vain. The zero value is free.
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
	if s.n == 0 || 4*s.n >= 3*len(s.slots) {
		s.fill(all, n)
	}
	h := token.Hash(d)
	at := s.find(all, d, h)
	if s.slots[at].element != 0 {
		return
	}
	s.n++
	s.slots[at] = slot{uint32(h >> 32), uint32(s.n)}
	all.Append(d)
}

// fill puts the n elements of the row into slots, with room for as many more. It
// takes no more of them than the row needs: to clear what another row left takes
// time.
func (s *seen) fill(all *column.Strings, n int) {
	size := 4 * few
	for size < 2*n {
		size *= 2
	}
	if cap(s.slots) < size {
		s.slots = make([]slot, size)
	}
	s.slots = s.slots[:size]
	clear(s.slots)
	for s.n = 0; s.n < n; {
		d := all.At(s.begin + s.n)
		h := token.Hash(d)
		at := s.find(all, d, h)
		s.n++
		s.slots[at] = slot{uint32(h >> 32), uint32(s.n)}
	}
}

// find returns the slot of d, which has the hash h, or the free one where it
// would be.
func (s *seen) find(all *column.Strings, d []byte, h uint64) uint64 {
	mask := uint64(len(s.slots) - 1)
	i := h & mask
	for ; s.slots[i].element != 0; i = (i + 1) & mask {
		if at := s.slots[i]; at.hash == uint32(h>>32) && string(all.At(s.begin+int(at.element)-1)) == string(d) {
			break
		}
	}
	return i
}
