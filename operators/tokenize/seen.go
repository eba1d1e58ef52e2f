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
	row   uint16 // a number of the row: slots of other rows are free
	begin int    // the row's first element in the column
	n     int    // elements of the row that are in slots: all or none
}

// slot is an element of a row by its number in it, with 16 bits of its hash, so
// that hardly any two are compared in vain.
type slot struct {
	row, hash uint16
	element   uint32
}

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
	if s.n == 0 || 2*s.n >= len(s.slots) {
		s.fill(all, n)
	}
	h := token.Hash(d)
	at := s.find(all, d, h)
	if s.slots[at].row == s.row {
		return
	}
	s.slots[at] = slot{s.row, uint16(h >> 48), uint32(n)}
	s.n++
	all.Append(d)
}

// fill puts the n elements of the row into slots, with room for as many more.
func (s *seen) fill(all *column.Strings, n int) {
	if 4*n > len(s.slots) {
		s.slots, s.row = make([]slot, max(2*len(s.slots), 8*few)), 0
	}
	if s.row++; s.row == 0 { // after 2^16 rows
		clear(s.slots)
		s.row = 1
	}
	for e := range n {
		d := all.At(s.begin + e)
		h := token.Hash(d)
		s.slots[s.find(all, d, h)] = slot{s.row, uint16(h >> 48), uint32(e)}
	}
	s.n = n
}

// find returns the slot of d, which has the hash h, or the free one where it
// would be.
func (s *seen) find(all *column.Strings, d []byte, h uint64) uint64 {
	mask := uint64(len(s.slots) - 1)
	i := h & mask
	for ; s.slots[i].row == s.row; i = (i + 1) & mask {
		if at := &s.slots[i]; at.hash == uint16(h>>48) && string(all.At(s.begin+int(at.element))) == string(d) {
			break
		}
	}
	return i
}
