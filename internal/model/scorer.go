package model

const (
	// A Scorer remembers 2<<cacheBits words of up to 16 bytes (4 MiB) and
	// 1<<longBits of up to longBytes (2 MiB).
	cacheBits = 16
	longBits  = 15
	longBytes = 48
	// block is the number of posts that are looked at together, a power of 2.
	block = 16
	// mostBuckets is after how many the packed sums are unpacked.
	mostBuckets = 257
	// wordZero is the sum 0 of 4 packed heads, 1<<15 each, so that no sum is
	// negative. A word has at most 1 + 5*(maxLetter+1) features of at most 128.
	wordZero = 0x8000800080008000
	lowBytes = 0x00ff00ff00ff00ff
)

// word is the weights of a word and its pieces, of all heads: the sum of head
// h, plus 1<<15, is the bits from 16*(h/2) on of even (h even) or odd.
type word struct{ even, odd uint64 }

// set is two words of up to 16 bytes, padded by zeros, which no word has: those
// seen last whose hashes share the highest bits. It is a line of 64 bytes.
type set struct {
	keys  [2][2]uint64
	words [2]word
}

// cachedLong is a word of up to longBytes.
type cachedLong struct {
	text [longBytes / 8]uint64
	word
}

// Scorer computes the scores of posts. It belongs to one goroutine.
//
// What a word's pieces add depends on the word alone, so it is kept for the
// words seen last: most of a post's features cost one look at a cache. The
// whole word is compared, so what was seen before never changes a score.
//
// Tables and caches are larger than the processor's nearest caches. So where
// there are kernels, posts are looked at in blocks: first where everything is
// that a block's posts are made of, which is asked for, and then the sums.
type Scorer struct {
	m       *Model
	cache   *[1 << cacheBits]set
	long    *[1 << longBits]cachedLong
	spelt   spelt
	some    some                     // for plain Go
	parts   *parts                   // for the kernels
	sum     [block][MaxHeads]int32   // of the block: sums
	inv     [block]float32           // of the block: what these are multiplied by
	out     [MaxHeads][block]float32 // of the block: probabilities
	reached [block]uint8
	one     Columns  // for Score
	bounds  [4]int32 // for Score
}

// Columns is posts as the columns of a batch hold them. Post i is the text that
// begins at Buf[Text[i]], and its tokens are those from Tokens[i] on and before
// Tokens[i+1]; their spans are of its text.
type Columns struct {
	Buf        []byte
	Text       []int32
	Tokens     []int32
	Hash       []uint64
	Start, End []uint32
	Kind       []uint8
}

// Post returns post i.
func (c *Columns) Post(i int) Post {
	from, to := c.Tokens[i], c.Tokens[i+1]
	return Post{c.Buf, int(c.Text[i]), c.Hash[from:to], c.Start[from:to], c.End[from:to], c.Kind[from:to]}
}

// NewScorer returns a scorer of m.
func NewScorer(m *Model) *Scorer {
	return &Scorer{m: m, cache: new([1 << cacheBits]set), long: new([1 << longBits]cachedLong), parts: newParts()}
}

// Score computes the logit and the probability of each head for a post, which
// it only reads. Those of heads that the model does not have mean nothing.
func (s *Scorer) Score(p *Post, logits, probabilities *[MaxHeads]float32) {
	var sums [MaxHeads]int64
	tokens := s.Sums(p, &sums)
	inv := inverseRoot(tokens)
	for h := range s.m.card.Heads {
		z := s.m.logit(h, float32(sums[h&7])*inv)
		logits[h&7] = z
		probabilities[h&7] = s.m.Probability(h, z)
	}
}

// Probabilities computes those of posts, by head: out has a slice of as many as
// there are posts for each head of the model. It gives what Score gives.
// Reached, of as many as there are posts, gets which heads' probabilities are
// least or more: bit h is head h's. Least of heads that the model does not have
// has to be more than 1.
func (s *Scorer) Probabilities(c *Columns, out [][]float32, least *[MaxHeads]float32, reached []uint8) {
	n, to := len(c.Tokens)-1, 0
	for from := 0; from < n; from = to {
		to = s.addUp(c, from, min(from+block, n))
		for i := from; i < to; i++ {
			s.inv[i-from] = inverseRoot(int(c.Tokens[i+1] - c.Tokens[i]))
		}
		s.finish(to-from, least)
		copy(reached[from:to], s.reached[:])
		for h, dst := range out[:len(s.m.card.Heads)] {
			copy(dst[from:to], s.out[h&7][:])
		}
	}
}

// Sums adds up the weights of all features by head, and returns the number of
// tokens.
func (s *Scorer) Sums(p *Post, sums *[MaxHeads]int64) (tokens int) {
	s.bounds = [4]int32{int32(p.From), 0, 0, int32(len(p.Hash))}
	s.one = Columns{p.Buf, s.bounds[:2], s.bounds[2:], p.Hash, p.Start, p.End, p.Kind}
	s.addUp(&s.one, 0, 1)
	for h := range sums {
		sums[h] = int64(s.sum[0][h])
	}
	s.one = Columns{}
	return len(p.Hash)
}
