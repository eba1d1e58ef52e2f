//go:build !amd64

package model

const hasKernels = false

// parts is what kernels keep.
type parts struct{}

func newParts() *parts { return nil }

// ask does nothing: Go has no instruction to ask for memory.
func (s *Scorer) ask([]uint64) {}

// addUp adds up posts from one on and before another, at most a block, and
// returns up to which one.
func (s *Scorer) addUp(c *Columns, from, to int) int { return s.addUpPlain(c, from, to) }

// finish makes the sums of the first n posts of the block into probabilities,
// and notes which are least or more.
func (s *Scorer) finish(n int, least *[MaxHeads]float32) { s.finishPlain(n, least) }

// pieces adds the packed weights of the pieces of a word.
func (s *Scorer) pieces(word []byte) (even, odd, n uint64) { return s.piecesPlain(word) }
