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
	row   uint32 // a number of the row: slots of other rows are free
	begin int    // the row's first element in the column
	n     int    // elements of the row that are in slots
}

// slot is an element of a row by its number in it.
type slot struct{ row, element uint32 }

// next begins the row whose first element will be begin.
func (s *seen) next(begin int) {
	if s.row++; s.row == 0 { // after 2^32 rows
		clear(s.slots)
		s.row = 1
	}
	s.begin, s.n = begin, 0
}

// has reports whether d is an element of all in the row, which is the last one.
func (s *seen) has(all *column.Strings, d string) bool {
	n := all.Len() - s.begin
	if n <= few {
		for i := s.begin; i < all.Len(); i++ {
			if string(all.At(i)) == d {
				return true
			}
		}
		return false
	}
	for ; s.n < n; s.n++ {
		s.put(all, s.n)
	}
	return s.slots[s.find(all, []byte(d))].row == s.row
}

// put adds element e of the row, which is equal to none before it.
func (s *seen) put(all *column.Strings, e int) {
	if 2*(e+1) > len(s.slots) {
		s.slots = make([]slot, max(2*len(s.slots), 8*few))
		for before := range e {
			s.slots[s.find(all, all.At(s.begin+before))] = slot{s.row, uint32(before)}
		}
	}
	s.slots[s.find(all, all.At(s.begin+e))] = slot{s.row, uint32(e)}
}

// find returns the slot of d, or the free one where it would be.
func (s *seen) find(all *column.Strings, d []byte) uint64 {
	mask := uint64(len(s.slots) - 1)
	i := token.Hash(d) & mask
	for s.slots[i].row == s.row && string(all.At(s.begin+int(s.slots[i].element))) != string(d) {
		i = (i + 1) & mask
	}
	return i
}
