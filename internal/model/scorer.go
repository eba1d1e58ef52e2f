package model

import "encoding/binary"

const (
	// A Scorer remembers 2<<cacheBits words of up to 16 bytes (2 MiB) and
	// 1<<longBits of up to longBytes (256 KiB).
	cacheBits = 15
	longBits  = 12
	longBytes = 48
	// chunk is the number of tokens after which the packed sums are unpacked:
	// the 16-bit ones take 257 bytes, a token adds up to 3, and the end one.
	chunk = 85
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
type Scorer struct {
	m       *Model
	cache   *[1 << cacheBits][2]cached // sets of words that share the highest bits of their hash: a line of 64 bytes
	long    *[1 << longBits]cachedLong
	shift   uint
	spelt   spelt
	scratch word
	touched uint64 // what Ahead has loaded; of no meaning
}

// NewScorer returns a scorer of m.
func NewScorer(m *Model) *Scorer {
	return &Scorer{m: m, cache: new([1 << cacheBits][2]cached), long: new([1 << longBits]cachedLong), shift: uint(64 - m.card.Features.Bits)}
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
		z := f.bias + float32(f.scale*float32(float32(sums[h&7])*inv))
		logits[h&7] = z
		probabilities[h&7] = f.probability(z)
	}
}

// Ahead brings what the words of a post will be looked up in into the nearest
// cache, given the hashes of its tokens, while the post before it is scored.
func (s *Scorer) Ahead(hash []uint64) {
	touched := uint64(0)
	for _, h := range hash {
		touched ^= s.cache[h>>(64-cacheBits)][0].lo
	}
	s.touched = touched
}

// packed is sums that are being made: of words in 32 bits (heads 0 and 4, 2 and
// 6, 1 and 5, 3 and 7), of other features in 16 (even heads, odd heads).
type packed struct {
	words     [4]uint64
	even, odd uint64
	n, others int // words and others that were added
}

// Sums adds up the weights of all features by head, and returns the number of
// tokens.
func (s *Scorer) Sums(p *Post, sums *[MaxHeads]int64) (tokens int) {
	*sums = [MaxHeads]int64{}
	before := [2]uint64{0, edgeToken} // the last two tokens
	for from := 0; from < len(p.Hash); from += chunk {
		to := min(from+chunk, len(p.Hash))
		part := p
		if len(p.Hash) > chunk {
			part = &Post{p.Buf, p.From, p.Hash[from:to], p.Start[from:to], p.End[from:to], p.Kind[from:to]}
		}
		var sum packed
		s.runs(part, &sum, &before, tokens == 0)
		s.words(part, &sum)
		tokens += len(part.Hash)
		if to == len(p.Hash) && s.m.card.Features.Words > 1 {
			s.add(&sum, runHash(before[1], edgeToken))
		}
		sum.unpack(sums)
	}
	return tokens
}

// add adds the weights of the bucket of a hash.
func (s *Scorer) add(sum *packed, h uint64) {
	x := s.m.table[bucket(h, s.shift)]
	sum.even += x & lowBytes
	sum.odd += x >> 8 & lowBytes
	sum.others++
}

// runs adds runs of tokens, and tokens that are no words. Nothing that it loads
// decides what it does next, so the processor runs far ahead of its loads.
func (s *Scorer) runs(p *Post, sum *packed, before *[2]uint64, first bool) {
	table, shift := s.m.table, s.shift
	kinds := p.Kind[:len(p.Hash)]
	two, one := before[0], before[1]
	even, odd := uint64(0), uint64(0)
	others := 0
	words := s.m.card.Features.Words
	for i, h := range p.Hash {
		if u := &uses[kinds[i]]; !u.cut {
			h = h&u.keep | u.instead
			x := table[bucket(h, shift)]
			even += x & lowBytes
			odd += x >> 8 & lowBytes
			others++
		}
		if words > 1 {
			run := runHash(one, h)
			x := table[bucket(run, shift)]
			even += x & lowBytes
			odd += x >> 8 & lowBytes
			if words > 2 && !(first && i == 0) {
				x := table[bucket(runHash(runHash(two, one), h), shift)]
				even += x & lowBytes
				odd += x >> 8 & lowBytes
				others++
			}
		}
		two, one = one, h
	}
	if words > 1 {
		others += len(p.Hash)
	}
	before[0], before[1] = two, one
	sum.even, sum.odd, sum.others = even, odd, others
}

// words adds the words with their pieces.
func (s *Scorer) words(p *Post, sum *packed) {
	kinds, starts, ends := p.Kind[:len(p.Hash)], p.Start[:len(p.Hash)], p.End[:len(p.Hash)]
	var w0, w1, w2, w3 uint64
	n := 0
	for i, h := range p.Hash {
		if !uses[kinds[i]].cut {
			continue
		}
		n++
		from, size := p.From+int(starts[i]), uint(ends[i]-starts[i])
		var w *word
		if size-1 < 16 && from+16 <= len(p.Buf) {
			b := p.Buf[from : from+16 : from+16]
			lo := binary.LittleEndian.Uint64(b) & masks[min(size, 8)]
			hi := binary.LittleEndian.Uint64(b[8:]) & masks[max(size, 8)-8]
			c := &s.cache[h>>(64-cacheBits)]
			switch {
			case c[0].lo == lo && c[0].hi == hi:
				w = &c[0].word
			case c[1].lo == lo && c[1].hi == hi:
				w = &c[1].word
			default:
				c[1] = c[0]
				c[0].lo, c[0].hi = lo, hi
				w = &c[0].word
				if (lo|hi)&0x8080808080808080 == 0 {
					s.weighASCII(w, lo, hi, size, h)
				} else {
					s.weigh(w, p.word(i), h)
				}
			}
		} else {
			w = s.other(p.word(i), h)
		}
		w0 += w.even & lowHalves
		w1 += w.even >> 16 & lowHalves
		w2 += w.odd & lowHalves
		w3 += w.odd >> 16 & lowHalves
	}
	sum.words = [4]uint64{w0, w1, w2, w3}
	sum.n += n
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
	x := s.m.table[bucket(h, s.shift)]
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
	table, shift := s.m.table, s.shift
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
	sp, table, shift := &s.spelt, s.m.table, s.shift
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
