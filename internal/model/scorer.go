package model

import (
	"encoding/binary"
)

const (
	cacheBits = 13
	// chunk is the number of tokens after which the packed sums are unpacked:
	// the 16-bit ones take 257 bytes, and a token adds up to 3.
	chunk = 85
	// wordBias makes the sums of a word positive. A word has at most
	// 1 + 5*(maxLetter+1) features, of at most 128 each: below 1<<15.
	wordBias  = 1 << 15
	wordZero  = wordBias * 0x0001000100010001
	lowHalves = 0x0000ffff0000ffff
	lowBytes  = 0x00ff00ff00ff00ff
)

// word is the weights of a word and its pieces, of all heads: the sum of head
// h, plus wordBias, is bits 16*(h/2) and up of even (h even) or odd.
type word struct{ even, odd uint64 }

// cached is a word of up to 16 bytes, padded by zeros, which no word has.
type cached struct {
	lo, hi uint64
	word
}

// Scorer computes the logits of posts. It belongs to one goroutine.
//
// What a word's pieces add depends on the word alone, so it is kept for the
// words seen last: most of a post's features cost one look at a cache. The
// whole word is compared, so what was seen before never changes a score.
type Scorer struct {
	m     *Model
	cache []cached
	shift uint
}

// NewScorer returns a scorer of m.
func NewScorer(m *Model) *Scorer {
	s := &Scorer{m: m, cache: make([]cached, 1<<cacheBits), shift: uint(64 - m.card.Features.Bits)}
	return s
}

// Logits computes the logit of each head for a post, which it only reads. Those
// of heads that the model does not have are 0.
func (s *Scorer) Logits(p *Post) (out [MaxHeads]float32) {
	sums, tokens := s.Sums(p)
	inv := inverseRoot(tokens)
	for h := range s.m.card.Heads {
		head := &s.m.card.Heads[h]
		out[h] = head.Bias + float32(head.Scale*float32(float32(sums[h])*inv))
	}
	return out
}

// Sums returns the sum of the weights of all features by head, and the number
// of tokens.
func (s *Scorer) Sums(p *Post) (sums [MaxHeads]int64, tokens int) {
	f := &s.m.card.Features
	one, two := uint64(edgeToken), uint64(0)
	for from := 0; from < len(p.Hash); from += chunk {
		to := min(from+chunk, len(p.Hash))
		var words [4]uint64 // 32-bit sums: heads 0 and 4, 2 and 6, 1 and 5, 3 and 7
		var even, odd uint64
		n, runs := 0, 0
		hash, kinds := p.Hash[from:to], p.Kind[from:to]
		for i, h := range hash {
			switch u := uses[kinds[i]]; u {
			case skip:
				continue
			case asWord:
				w := s.word(p, from+i, h)
				words[0] += w.even & lowHalves
				words[1] += w.even >> 16 & lowHalves
				words[2] += w.odd & lowHalves
				words[3] += w.odd >> 16 & lowHalves
				n++
			default:
				if u == asOther {
					h = standIn(kinds[i])
				}
				x := s.m.table[bucket(h, s.shift)]
				even += x & lowBytes
				odd += x >> 8 & lowBytes
				runs++
			}
			tokens++
			if f.Words > 1 {
				x := s.m.table[bucket(runHash(one, h), s.shift)]
				even += x & lowBytes
				odd += x >> 8 & lowBytes
				runs++
				if f.Words > 2 {
					if tokens > 1 {
						x := s.m.table[bucket(runHash(runHash(two, one), h), s.shift)]
						even += x & lowBytes
						odd += x >> 8 & lowBytes
						runs++
					}
					two = one
				}
				one = h
			}
		}
		unpack(&sums, &words, n, even, odd, runs)
	}
	if f.Words > 1 && tokens > 0 {
		x := s.m.table[bucket(runHash(one, edgeToken), s.shift)]
		unpack(&sums, &[4]uint64{}, 0, x&lowBytes, x>>8&lowBytes, 1)
	}
	return sums, tokens
}

// unpack adds packed sums of n words and of runs other features.
func unpack(sums *[MaxHeads]int64, words *[4]uint64, n int, even, odd uint64, runs int) {
	less := int64(n)*wordBias + int64(runs)*128
	for h := range 4 {
		e, o := int64(even>>(16*h)&0xffff), int64(odd>>(16*h)&0xffff)
		// even bytes of a bucket are heads 0, 2, 4, 6; so are the lanes of a word's even.
		we := int64(uint32(words[h&1] >> (32 * (h >> 1))))
		wo := int64(uint32(words[2+h&1] >> (32 * (h >> 1))))
		sums[2*h] += e + we - less
		sums[2*h+1] += o + wo - less
	}
}

// word returns the weights of a token that is cut into pieces.
func (s *Scorer) word(p *Post, i int, h uint64) word {
	from, size := p.From+int(p.Start[i]), uint(p.End[i]-p.Start[i])
	if size-1 >= 16 { // none and more than 16 alike
		return s.sum(p.word(i), h)
	}
	var lo, hi uint64
	if from+16 <= len(p.Buf) {
		lo = binary.LittleEndian.Uint64(p.Buf[from:]) & (1<<(8*size) - 1) // a shift of 64 and more gives 0
		hi = binary.LittleEndian.Uint64(p.Buf[from+8:]) & (1<<(8*(max(size, 8)-8)) - 1)
	} else {
		var pad [16]byte
		copy(pad[:], p.word(i))
		lo, hi = binary.LittleEndian.Uint64(pad[:]), binary.LittleEndian.Uint64(pad[8:])
	}
	c := &s.cache[h>>(64-cacheBits)]
	if c.lo != lo || c.hi != hi {
		c.lo, c.hi = lo, hi
		c.word = s.sum(p.word(i), h)
	}
	return c.word
}

// sum adds the weights of a word of hash h and of its pieces.
func (s *Scorer) sum(text []byte, h uint64) word {
	x := s.m.table[bucket(h, s.shift)]
	even, odd := x&lowBytes, x>>8&lowBytes
	f := &s.m.card.Features
	n := uint64(1)
	if f.PieceMax > 0 {
		var runes [maxLetter + 2]uint64
		k := spell(&runes, text)
		for i := 0; i+f.PieceMin <= k; i++ {
			h := uint64(hashPiece)
			last := min(k, i+f.PieceMax)
			for j := i; j < last; j++ {
				h = (h + runes[j]) * hashRune
				if j-i+1 >= f.PieceMin {
					x := s.m.table[pieceBucket(h, s.shift)]
					even += x & lowBytes
					odd += x >> 8 & lowBytes
					n++
				}
			}
		}
	}
	zero := uint64(wordZero) - n*0x0080008000800080
	return word{even + zero, odd + zero}
}
