//go:build !amd64

package model

import "unsafe"

const hasKernels = false

// Nothing is asked for: Go has no instruction for it.
func prefetch(unsafe.Pointer, []uint32, uint) {}
func (*Columns) prefetch(int, int)            {}

// locate finds what the posts from one on and before another are made of.
func (m *Model) locate(p *places, c *Columns, from, to int, ends *[block]located) {
	m.locatePlain(p, c, from, to, ends)
}

// addWords adds the buckets and the words of up to 16 bytes of n posts from one
// on, at least one, to the sums.
func (s *Scorer) addWords(c *Columns, from, n int) { s.addWordsPlain(c, from, n) }

// addLong adds long words to sums, up to the first one that is not in the cache.
// It returns how many it added. The words are within buf.
func (s *Scorer) addLong(buf []byte, spans []uint64, slots []uint32, sums *[MaxHeads]int32) (found int) {
	return s.addLongPlain(buf, spans, slots, sums)
}

// finish makes sums into probabilities, of the first n posts of a block.
func (m *Model) finish(sums *[block][MaxHeads]int32, inv *[block]float32, n int, out *[block][MaxHeads]float32) {
	m.finishPlain(sums, inv, n, out)
}

// pieces adds the packed weights of the pieces of a word.
func (s *Scorer) pieces(word []byte) (even, odd, n uint64) { return s.piecesPlain(word) }
