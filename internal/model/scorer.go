package model

import "encoding/binary"

const (
	// A Scorer remembers 2<<cacheBits words of up to 16 bytes (2 MiB) and
	// 1<<longBits of up to longBytes (256 KiB).
	cacheBits = 15
	longBits  = 12
	longBytes = 48
	// block is the number of posts that are looked at together, a power of 2.
	block = 8
	// mostBuckets and mostWords are after how many the packed sums are unpacked.
	mostBuckets = 257
	mostWords   = 1 << 16
	// wordZero is the sum 0 of 4 packed heads, 1<<15 each, so that no sum is
	// negative. A word has at most 1 + 5*(maxLetter+1) features of at most 128.
	wordZero  = 0x8000800080008000
	lowHalves = 0x0000ffff0000ffff
	lowBytes  = 0x00ff00ff00ff00ff
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
	m       *Model
	cache   *[1 << cacheBits][2]cached // sets of words that share the highest bits of their hash: a line of 64 bytes
	long    *[1 << longBits]cachedLong
	spelt   spelt
	scratch word
	buckets []uint32 // of the block: of what is not a word with pieces
	words   []key    // of the block
	posts   [block]located
	part    [block][MaxHeads]float32 // of the block: sums over the root of the tokens
	one     Columns                  // for Score
	bounds  [4]int32                 // for Score
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

// key is a word of a post: what it is looked up by.
type key struct {
	lo, hi uint64 // its bytes, padded by zeros, where these are at most 16; else 0
	slot   uint32 // the set of the cache
	token  uint32
}

// located is where in the block's buckets and words a post's end.
type located struct{ buckets, words int }

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
	heads := s.m.heads[:len(s.m.card.Heads)]
	for h := range heads {
		f := &heads[h]
		z := f.logit(float32(sums[h&7]) * inv)
		logits[h&7] = z
		probabilities[h&7] = f.probability(z)
	}
}

// Probabilities computes those of n posts from post first on, by head: out has a
// slice of n for each head of the model. It gives what Score gives.
func (s *Scorer) Probabilities(c *Columns, out [][]float32) {
	n := len(c.Tokens) - 1
	for from := 0; from < n; from += block {
		to := min(from+block, n)
		s.locate(c, from, to)
		s.addUp(c, from, to)
		for h, dst := range out[:len(s.m.card.Heads)] {
			f := &s.m.heads[h&7]
			dst = dst[from:to]
			for i := range dst {
				dst[i] = f.probability(f.logit(s.part[i&(block-1)][h&7]))
			}
		}
	}
}

// Sums adds up the weights of all features by head, and returns the number of
// tokens.
func (s *Scorer) Sums(p *Post, sums *[MaxHeads]int64) (tokens int) {
	s.bounds = [4]int32{int32(p.From), 0, 0, int32(len(p.Hash))}
	s.one = Columns{p.Buf, s.bounds[:2], s.bounds[2:], p.Hash, p.Start, p.End, p.Kind}
	s.locate(&s.one, 0, 1)
	s.sums(&s.one, 0, located{}, s.posts[0], sums)
	s.one = Columns{}
	return len(p.Hash)
}

// locate finds the buckets and the words of posts, at most a block. Nothing that
// it loads decides what it does next but where a post ends.
func (s *Scorer) locate(c *Columns, from, to int) {
	room := int(c.Tokens[to] - c.Tokens[from])
	if most := 3*room + block; len(s.buckets) < most {
		s.buckets, s.words = make([]uint32, 2*most), make([]key, 2*most)
	}
	buckets, words := s.buckets, s.words
	shift, longest := s.m.shift, s.m.card.Features.Words
	nb, nw := 0, 0
	for i := from; i < to; i++ {
		first, last := int(c.Tokens[i]), int(c.Tokens[i+1])
		hash := c.Hash[first:last]
		kinds, starts, ends := c.Kind[first:last], c.Start[first:last], c.End[first:last]
		kinds, starts, ends = kinds[:len(hash)], starts[:len(hash)], ends[:len(hash)]
		text := c.Buf[c.Text[i]:]
		safe := len(text) - 16 // the last place that 16 bytes can be read at
		two, one := uint64(0), uint64(edgeToken)
		for j, h := range hash {
			u := &uses[kinds[j]]
			h = h&u.keep | u.instead
			buckets[nb] = bucket(h, shift)
			nb += 1 - u.word
			if longest > 1 {
				buckets[nb] = bucket(runHash(one, h), shift)
				nb++
				if longest > 2 && j > 0 {
					buckets[nb] = bucket(runHash(runHash(two, one), h), shift)
					nb++
				}
			}
			two, one = one, h
			w := &words[nw]
			nw += u.word
			w.slot, w.token = uint32(h>>(64-cacheBits)), uint32(j)
			at, size := int(starts[j]), uint(ends[j]-starts[j])
			if at <= safe {
				m := &wordMasks[min(size, 17)]
				b := text[at : at+16]
				w.lo, w.hi = binary.LittleEndian.Uint64(b)&m[0], binary.LittleEndian.Uint64(b[8:])&m[1]
			} else {
				w.lo, w.hi = 0, 0
			}
		}
		if longest > 1 && len(hash) > 0 {
			buckets[nb] = bucket(runHash(one, edgeToken), shift)
			nb++
		}
		s.posts[(i-from)&(block-1)] = located{nb, nw}
	}
	if nb > 0 {
		prefetchBuckets(&s.m.table[0], &buckets[0], nb)
	}
	if nw > 0 {
		prefetchWords(&s.cache[0], &words[0], nw)
	}
}

// addUp adds up the posts that were located.
func (s *Scorer) addUp(c *Columns, from, to int) {
	var before located
	for i := from; i < to; i++ {
		k := (i - from) & (block - 1)
		var sums [MaxHeads]int64
		s.sums(c, i, before, s.posts[k], &sums)
		before = s.posts[k]
		inv := inverseRoot(int(c.Tokens[i+1] - c.Tokens[i]))
		part := &s.part[k]
		for h := range part {
			part[h] = float32(sums[h]) * inv
		}
	}
}

// packed is sums that are being made: of words in 32 bits (heads 0 and 4, 2 and
// 6, 1 and 5, 3 and 7), of other features in 16 (even heads, odd heads).
type packed struct {
	words     [4]uint64
	even, odd uint64
	n, others int // words and others that were added
}

// sums adds up a post.
func (s *Scorer) sums(c *Columns, post int, from, to located, sums *[MaxHeads]int64) {
	buckets, words := s.buckets[from.buckets:to.buckets], s.words[from.words:to.words]
	for {
		var sum packed
		b, w := buckets[:min(len(buckets), mostBuckets)], words[:min(len(words), mostWords)]
		s.others(b, &sum)
		s.ofWords(c, post, w, &sum)
		sum.unpack(sums)
		buckets, words = buckets[len(b):], words[len(w):]
		if len(buckets) == 0 && len(words) == 0 {
			return
		}
	}
}

// others adds buckets, at most mostBuckets.
func (s *Scorer) others(buckets []uint32, sum *packed) {
	table := s.m.table
	even, odd := uint64(0), uint64(0)
	for _, b := range buckets {
		x := table[b]
		even += x & lowBytes
		odd += x >> 8 & lowBytes
	}
	sum.even, sum.odd, sum.others = even, odd, len(buckets)
}

// ofWords adds words with their pieces, at most mostWords.
func (s *Scorer) ofWords(c *Columns, post int, words []key, sum *packed) {
	var w0, w1, w2, w3 uint64
	for i := range words {
		k := &words[i]
		set := &s.cache[k.slot&(1<<cacheBits-1)]
		way := 0
		if (set[0].lo^k.lo)|(set[0].hi^k.hi) != 0 {
			way = 1
		}
		e := &set[way]
		w := &e.word
		if e.lo != k.lo || e.hi != k.hi || k.lo == 0 {
			w = s.unknown(c, post, k)
		}
		w0 += w.even & lowHalves
		w1 += w.even >> 16 & lowHalves
		w2 += w.odd & lowHalves
		w3 += w.odd >> 16 & lowHalves
	}
	sum.words = [4]uint64{w0, w1, w2, w3}
	sum.n = len(words)
}

// unknown returns the weights of a word that is not in the cache of short ones,
// valid until the next call.
func (s *Scorer) unknown(c *Columns, post int, k *key) *word {
	t := int(c.Tokens[post]) + int(k.token)
	h := c.Hash[t]
	at := int(c.Text[post])
	text := c.Buf[at+int(c.Start[t]) : at+int(c.End[t])]
	if k.lo == 0 {
		return s.other(text, h)
	}
	set := &s.cache[k.slot]
	set[1] = set[0]
	set[0].lo, set[0].hi = k.lo, k.hi
	w := &set[0].word
	if (k.lo|k.hi)&0x8080808080808080 == 0 {
		s.weighASCII(w, k.lo, k.hi, uint(len(text)), h)
	} else {
		s.weigh(w, text, h)
	}
	return w
}

// unpack adds packed sums to sums.
func (p *packed) unpack(sums *[MaxHeads]int64) {
	less := int64(p.n)<<15 + int64(p.others)<<7
	for k := range 4 {
		even, odd := int64(p.even>>(16*k)&0xffff), int64(p.odd>>(16*k)&0xffff)
		even += int64(uint32(p.words[k&1] >> (32 * (k >> 1))))
		odd += int64(uint32(p.words[2+k&1] >> (32 * (k >> 1))))
		sums[2*k] += even - less
		sums[2*k+1] += odd - less
	}
}

// other returns the weights of a word that is long, or at the end of the
// buffer, valid until the next call.
func (s *Scorer) other(text []byte, h uint64) *word {
	if len(text) > longBytes || len(text) == 0 {
		s.weigh(&s.scratch, text, h)
		return &s.scratch
	}
	var pad [longBytes]byte
	copy(pad[:], text)
	var key [longBytes / 8]uint64
	for i := range key {
		key[i] = binary.LittleEndian.Uint64(pad[8*i:])
	}
	c := &s.long[h>>(64-longBits)]
	if c.text != key {
		c.text = key
		s.weigh(&c.word, text, h)
	}
	return &c.word
}

// weigh adds up the weights of a word of hash h and of its pieces.
func (s *Scorer) weigh(w *word, text []byte, h uint64) {
	x := s.m.table[bucket(h, s.m.shift)]
	even, odd := x&lowBytes, x>>8&lowBytes
	n := uint64(1)
	if f := &s.m.card.Features; f.PieceMax > 0 {
		s.spelt.of(text)
		e, o, k := s.pieces(f.PieceMin, f.PieceMax)
		even, odd, n = even+e, odd+o, n+k
	}
	zero := wordZero - n*0x0080008000800080
	w.even, w.odd = even+zero, odd+zero
}

// weighASCII is weigh for a word of size ASCII characters, at most 16, which
// lo and hi hold. Each piece is a masked word of 8 bytes.
func (s *Scorer) weighASCII(w *word, lo, hi uint64, size uint, h uint64) {
	table, shift := s.m.table, s.m.shift
	x := table[bucket(h, shift)]
	even, odd := x&lowBytes, x>>8&lowBytes
	n := uint64(1)
	if least, most := s.m.card.Features.PieceMin, s.m.card.Features.PieceMax; most > 0 {
		var marked [4]uint64 // the word between its marks
		marked[0], marked[1], marked[2] = beginMark|lo<<8, lo>>56|hi<<8, hi>>56
		marked[(size+1)>>3&3] |= endMark << (8 * ((size + 1) & 7))
		a, b, c := marked[0], marked[1], marked[2]
		total := int(size) + 2
		if least == 3 && most == 5 {
			// Fast path: the common lengths, without a loop over them.
			for ; total >= 5; total-- {
				x := table[(a&masks[3])*hashPiece>>shift]
				y := table[(a&masks[4])*hashPiece>>shift]
				z := table[(a&masks[5])*hashPiece>>shift]
				even += x&lowBytes + y&lowBytes + z&lowBytes
				odd += x>>8&lowBytes + y>>8&lowBytes + z>>8&lowBytes
				a, b, c = a>>8|b<<56, b>>8|c<<56, c>>8
			}
		}
		for left := total; left >= least; left-- {
			for k := least; k <= min(most, left); k++ {
				x := table[(a&masks[k])*hashPiece>>shift]
				even += x & lowBytes
				odd += x >> 8 & lowBytes
			}
			a, b, c = a>>8|b<<56, b>>8|c<<56, c>>8
		}
		for k := least; k <= most; k++ {
			n += uint64(max(int(size)+2-k+1, 0))
		}
	}
	zero := wordZero - n*0x0080008000800080
	w.even, w.odd = even+zero, odd+zero
}

// pieces adds the packed weights of the pieces of the word that is spelt.
func (s *Scorer) pieces(least, most int) (even, odd, n uint64) {
	sp, table, shift := &s.spelt, s.m.table, s.m.shift
	ascii := int(sp.at[sp.n]) == sp.n
	for size := least; size <= most && size <= sp.n; size++ {
		last := sp.n - size
		n += uint64(last + 1)
		if ascii {
			// Fast path: a piece is a masked word of 8 bytes.
			mask := masks[size&7]
			for i := 0; i <= last; i++ {
				x := table[(binary.LittleEndian.Uint64(sp.text[i:])&mask)*hashPiece>>shift]
				even += x & lowBytes
				odd += x >> 8 & lowBytes
			}
			continue
		}
		for i := 0; i <= last; i++ {
			x := table[pieceHash(&sp.text, sp.at[i], sp.at[i+size])>>shift]
			even += x & lowBytes
			odd += x >> 8 & lowBytes
		}
	}
	return even, odd, n
}
