package model

import "unsafe"

const (
	// A Scorer remembers 2<<cacheBits words of up to 16 bytes (2 MiB) and
	// 1<<longBits of up to longBytes (1 MiB).
	cacheBits = 15
	longBits  = 14
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

// cached is a word of up to 16 bytes, padded by zeros, which no word has.
type cached struct {
	lo, hi uint64
	word
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
// Tables and caches are larger than the processor's nearest caches. So posts are
// looked at in blocks: first where everything is that a block's posts are made
// of, which is asked for, and then the sums.
type Scorer struct {
	m      *Model
	cache  *[1 << cacheBits][2]cached // sets of words that share the highest bits of their hash: a line of 64 bytes
	long   *[1 << longBits]cachedLong
	spelt  spelt
	found  places // of the block
	posts  [block]located
	sum    [block][MaxHeads]int32   // of the block: sums
	inv    [block]float32           // of the block: what these are multiplied by
	out    [block][MaxHeads]float32 // of the block: probabilities
	one    Columns                  // for Score
	bounds [4]int32                 // for Score
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
	return &Scorer{m: m, cache: new([1 << cacheBits][2]cached), long: new([1 << longBits]cachedLong)}
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
func (s *Scorer) Probabilities(c *Columns, out [][]float32) {
	n := len(c.Tokens) - 1
	for from := 0; from < n; from += block {
		to := min(from+block, n)
		s.locate(c, from, to)
		s.addUp(c, from, to)
		s.m.finish(&s.sum, &s.inv, to-from, &s.out)
		for h, dst := range out[:len(s.m.card.Heads)] {
			dst = dst[from:to]
			for i := range dst {
				dst[i] = s.out[i&(block-1)][h&7]
			}
		}
	}
}

// addUp adds up the posts that were located. A sum is less than 2^15 times the
// tokens, so a post of less than 2^16 tokens cannot bring one out of range.
func (s *Scorer) addUp(c *Columns, from, to int) {
	clear(s.sum[:to-from])
	s.addWords(c, from, to-from)
	w := 0
	for k := range to - from {
		s.inv[k] = inverseRoot(int(c.Tokens[from+k+1] - c.Tokens[from+k]))
		if end := s.posts[k].others; w < end {
			s.addOthers(c, from+k, w, end, &s.sum[k])
			w = end
		}
	}
}

// Sums adds up the weights of all features by head, and returns the number of
// tokens.
func (s *Scorer) Sums(p *Post, sums *[MaxHeads]int64) (tokens int) {
	s.bounds = [4]int32{int32(p.From), 0, 0, int32(len(p.Hash))}
	s.one = Columns{p.Buf, s.bounds[:2], s.bounds[2:], p.Hash, p.Start, p.End, p.Kind}
	s.locate(&s.one, 0, 1)
	s.addUp(&s.one, 0, 1)
	for h := range sums {
		sums[h] = int64(s.sum[0][h])
	}
	s.one = Columns{}
	return len(p.Hash)
}

// locate finds what posts are made of, at most a block, and asks for where that
// is looked up.
func (s *Scorer) locate(c *Columns, from, to int) {
	p := &s.found
	p.grow(int(c.Tokens[to] - c.Tokens[from]))
	s.m.locate(p, c, from, to, &s.posts)
	end := s.posts[to-from-1]
	prefetch(unsafe.Pointer(&s.m.table[0]), p.buckets[:end.buckets], 3)
	prefetch(unsafe.Pointer(&s.cache[0]), p.words.slots[:end.words], 6)
	prefetch(unsafe.Pointer(&s.long[0]), p.longs.slots[:end.others], 6)
}

// addOthers adds long words of a post to its sums.
func (s *Scorer) addOthers(c *Columns, post, w, end int, sums *[MaxHeads]int32) {
	p := &s.found
	tokens := c.Hash[c.Tokens[post]:c.Tokens[post+1]]
	for _, span := range p.longs.spans[w:end] {
		at := span & (1<<32 - 1)
		_ = c.Buf[at : at+span>>32] // once for each word: addLong is called again behind each that is new
	}
	for w < end {
		w += s.addLong(c.Buf, p.longs.spans[w:end], p.longs.slots[w:end], sums)
		if w == end {
			break
		}
		if text, h := p.longs.at(c.Buf, w), tokens[p.longs.tokens[w]]; len(text) == 0 || len(text) > longBytes {
			var all word
			s.weigh(&all, text, h)
			all.add(sums)
			w++
		} else {
			s.learnLong(text, h)
		}
	}
}
