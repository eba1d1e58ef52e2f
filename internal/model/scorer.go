package model

import (
	"encoding/binary"
	"unsafe"
)

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

// places is what posts are made of.
type places struct {
	buckets []uint32 // of what is not a word with pieces
	words   spotted  // of 1 to 16 bytes, with as many to read from their beginning on
	longs   spotted  // the other words
}

// spotted is words.
type spotted struct {
	spans  []uint64 // in the buffer: the beginning, and the length << 32
	slots  []uint32 // the place in the cache
	tokens []uint32 // the token of the post
}

// located is where in places a post's end.
type located struct{ buckets, words, others int }

// locateRoom is how many elements a kernel may write behind the last.
const locateRoom = 16

// grow makes room for n tokens of a block.
func (p *places) grow(n int) {
	if len(p.words.spans) >= n+locateRoom {
		return
	}
	n = 2*n + locateRoom
	p.buckets = make([]uint32, 3*n+block)
	for _, w := range []*spotted{&p.words, &p.longs} {
		*w = spotted{make([]uint64, n), make([]uint32, n), make([]uint32, n)}
	}
}

// put writes word i: a token of hash h.
func (w *spotted) put(i, at, size int, slot uint64, token int) {
	w.spans[i], w.slots[i], w.tokens[i] = uint64(at)|uint64(size)<<32, uint32(slot), uint32(token)
}

// at returns word i.
func (w *spotted) at(buf []byte, i int) []byte {
	from := w.spans[i] & (1<<32 - 1)
	return buf[from : from+w.spans[i]>>32]
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

// locatePlain is locate without instructions of a kind of processor.
func (m *Model) locatePlain(p *places, c *Columns, from, to int, ends *[block]located) {
	var end located
	for i := from; i < to; i++ {
		m.locatePost(p, c, i, &end)
		ends[i-from] = end
	}
}

// locatePost appends what post i is made of to p, behind end.
func (m *Model) locatePost(p *places, c *Columns, i int, end *located) {
	shift, longest := m.shift, m.card.Features.Words
	first, last := int(c.Tokens[i]), int(c.Tokens[i+1])
	hash := c.Hash[first:last]
	kinds, starts, ends := c.Kind[first:last], c.Start[first:last], c.End[first:last]
	from := int(c.Text[i])
	text := c.Buf[from:]
	two, one := uint64(0), uint64(edgeToken)
	for j, h := range hash {
		u := &uses[kinds[j]]
		h = h&u.keep | u.instead
		if longest > 1 {
			p.buckets[end.buckets] = bucket(runHash(one, h), shift)
			end.buckets++
			if longest > 2 && j > 0 {
				p.buckets[end.buckets] = bucket(runHash(runHash(two, one), h), shift)
				end.buckets++
			}
		}
		two, one = one, h
		at, size := int(starts[j]), int(ends[j]-starts[j])
		switch {
		case !u.cut:
			p.buckets[end.buckets] = bucket(h, shift)
			end.buckets++
		case size > 0 && size <= 16 && at+16 <= len(text):
			p.words.put(end.words, from+at, size, h>>(64-cacheBits), j)
			end.words++
		default:
			p.longs.put(end.others, from+at, size, h>>(64-longBits), j)
			end.others++
		}
	}
	if longest > 1 && len(hash) > 0 {
		p.buckets[end.buckets] = bucket(runHash(one, edgeToken), shift)
		end.buckets++
	}
}

// addOthers adds long words of a post to its sums.
func (s *Scorer) addOthers(c *Columns, post, w, end int, sums *[MaxHeads]int32) {
	p := &s.found
	tokens := c.Hash[c.Tokens[post]:c.Tokens[post+1]]
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

// addWordsPlain is addWords without instructions of a kind of processor.
func (s *Scorer) addWordsPlain(c *Columns, from, n int) {
	p := &s.found
	var before located
	for k := range n {
		end, sums := s.posts[k], &s.sum[k]
		s.addBuckets(p.buckets[before.buckets:end.buckets], sums)
		for w := before.words; w < end.words; w++ {
			e := s.lookUp(c.Buf, p.words.spans[w], p.words.slots[w])
			if e == nil {
				s.learn(p.words.at(c.Buf, w), c.Hash[c.Tokens[from+k]+int32(p.words.tokens[w])])
				e = &s.cache[p.words.slots[w]][0].word
			}
			e.add(sums)
		}
		before = end
	}
}

// addBuckets adds the weights of buckets to sums.
func (s *Scorer) addBuckets(buckets []uint32, sums *[MaxHeads]int32) {
	for len(buckets) > 0 {
		even, odd := uint64(0), uint64(0)
		part := buckets[:min(len(buckets), mostBuckets)]
		for _, b := range part {
			x := s.m.table[b]
			even += x & lowBytes
			odd += x >> 8 & lowBytes
		}
		unpack(even, odd, int32(len(part))<<7, sums)
		buckets = buckets[len(part):]
	}
}

// lookUp returns a word of up to 16 bytes, or nil if it is not in the cache.
func (s *Scorer) lookUp(buf []byte, span uint64, slot uint32) *word {
	at, size := span&(1<<32-1), span>>32
	lo, hi := padded16(buf[at : at+size])
	set := &s.cache[slot&(1<<cacheBits-1)]
	way := 0
	if (set[0].lo^lo)|(set[0].hi^hi) != 0 {
		way = 1
	}
	e := &set[way]
	if e.lo != lo || e.hi != hi {
		return nil
	}
	return &e.word
}

// addLongPlain is addLong without instructions of a kind of processor.
func (s *Scorer) addLongPlain(buf []byte, spans []uint64, slots []uint32, sums *[MaxHeads]int32) (found int) {
	for i, span := range spans {
		at, size := span&(1<<32-1), span>>32
		c := &s.long[slots[i]&(1<<longBits-1)]
		if size == 0 || size > longBytes || c.text != padded(buf[at:at+size]) {
			return i
		}
		c.add(sums)
	}
	return len(spans)
}

// add adds a word to sums.
func (w *word) add(sums *[MaxHeads]int32) { unpack(w.even, w.odd, 1<<15, sums) }

// unpack adds packed sums, each less than it is, to sums.
func unpack(even, odd uint64, less int32, sums *[MaxHeads]int32) {
	sums[0] += int32(even&0xffff) - less
	sums[1] += int32(odd&0xffff) - less
	sums[2] += int32(even>>16&0xffff) - less
	sums[3] += int32(odd>>16&0xffff) - less
	sums[4] += int32(even>>32&0xffff) - less
	sums[5] += int32(odd>>32&0xffff) - less
	sums[6] += int32(even>>48) - less
	sums[7] += int32(odd>>48) - less
}

// learn puts a word of up to 16 bytes and of hash h into the cache.
func (s *Scorer) learn(text []byte, h uint64) {
	set := &s.cache[h>>(64-cacheBits)]
	set[1] = set[0]
	set[0].lo, set[0].hi = padded16(text)
	s.weigh(&set[0].word, text, h)
}

// learnLong puts a word of up to longBytes into the cache of long words.
func (s *Scorer) learnLong(text []byte, h uint64) {
	c := &s.long[h>>(64-longBits)]
	c.text = padded(text)
	s.weigh(&c.word, text, h)
}

// padded16 returns a word of up to 16 bytes, padded by zeros. Behind its
// beginning it has as many, in its capacity.
func padded16(text []byte) (lo, hi uint64) {
	b, size := text[:16], len(text)
	return binary.LittleEndian.Uint64(b) & masks[min(size, 8)], binary.LittleEndian.Uint64(b[8:]) & masks[max(size, 8)-8]
}

// padded returns a word of up to longBytes, padded by zeros.
func padded(text []byte) (key [longBytes / 8]uint64) {
	i := 0
	for ; len(text) >= 8; i++ {
		key[i%len(key)] = binary.LittleEndian.Uint64(text)
		text = text[8:]
	}
	for k, b := range text {
		key[i%len(key)] |= uint64(b) << (8 * k)
	}
	return key
}

// weigh adds up the weights of a word of hash h and of its pieces.
func (s *Scorer) weigh(w *word, text []byte, h uint64) {
	x := s.m.table[bucket(h, s.m.shift)]
	even, odd := x&lowBytes, x>>8&lowBytes
	n := uint64(1)
	if s.m.card.Features.PieceMax > 0 {
		e, o, k := s.pieces(text)
		even, odd, n = even+e, odd+o, n+k
	}
	zero := wordZero - n*0x0080008000800080
	w.even, w.odd = even+zero, odd+zero
}

// piecesPlain is pieces without instructions of a kind of processor.
func (s *Scorer) piecesPlain(word []byte) (even, odd, n uint64) {
	sp, table, shift := &s.spelt, s.m.table, s.m.shift
	least, most := s.m.card.Features.PieceMin, s.m.card.Features.PieceMax
	sp.of(word)
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
