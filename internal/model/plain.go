package model

import "encoding/binary"

// packed adds up words' weights: the sums of two heads in the halves of an
// element, each word's plus 1<<15.
type packed [4]uint64

const lowHalves = 0x0000ffff0000ffff

// add adds a word.
func (p *packed) add(w *word) {
	p[0] += w.even & lowHalves
	p[1] += w.odd & lowHalves
	p[2] += w.even >> 16 & lowHalves
	p[3] += w.odd >> 16 & lowHalves
}

// addTo adds the packed sums of n words to sums, n < 1<<16.
func (p *packed) addTo(n int, sums *[MaxHeads]int32) {
	for i, x := range p {
		sums[i] += int32(uint32(x)) - int32(n)<<15
		sums[i+4] += int32(x>>32) - int32(n)<<15
	}
}

// addUpPlain is addUp without instructions of a kind of processor.
func (s *Scorer) addUpPlain(c *Columns, from, to int) int {
	s.ask(c.Hash[c.Tokens[from]:c.Tokens[from+1]])
	for i := from; i < to; i++ {
		if i+1 < to {
			s.ask(c.Hash[c.Tokens[i+1]:c.Tokens[i+2]])
		}
		s.addPlain(c, i, &s.sum[i-from])
	}
	return to
}

// addPlain adds up a post, without instructions of a kind of processor. A sum
// is less than 2^15 times the tokens, so a post of less than 2^16 tokens cannot
// bring one out of range.
func (s *Scorer) addPlain(c *Columns, post int, sums *[MaxHeads]int32) {
	first, last := int(c.Tokens[post]), int(c.Tokens[post+1])
	*sums = [MaxHeads]int32{}
	before := [2]uint64{edgeToken, 0}
	for first < last {
		n := min(last-first, mostTokens)
		before = s.addTokens(c, post, first, first+n, before, sums)
		first += n
	}
	if s.m.card.Features.Words > 1 && int(c.Tokens[post]) < last {
		x := s.m.table[bucket(runHash(before[0], edgeToken), s.m.shift)]
		unpack(x&lowBytes, x>>8&lowBytes, 128, sums)
	}
}

// mostTokens is after how many tokens, of up to 3 buckets each, addPlain
// unpacks its sums.
const mostTokens = mostBuckets / 3

// some is what some tokens are made of.
type some struct {
	buckets [mostBuckets]uint32
	words   [mostTokens]spot // of up to 16 bytes, with as many to read from their beginning on
}

// spot is a word of hash h that begins at a place in the buffer.
type spot struct {
	h        uint64
	at, size uint32
}

// addTokens adds tokens from first on and before last, at most mostTokens, behind
// the two tokens before, the last one first. It returns the last two. What is
// looked up is found first: so the processor waits for many places at once.
func (s *Scorer) addTokens(c *Columns, post, first, last int, before [2]uint64, sums *[MaxHeads]int32) [2]uint64 {
	shift, longest, begin := s.m.shift, s.m.card.Features.Words, int(c.Tokens[post])
	hash := c.Hash[first:last]
	kinds, starts, ends := c.Kind[first:last][:len(hash)], c.Start[first:last][:len(hash)], c.End[first:last][:len(hash)]
	from := int(c.Text[post])
	one, two := before[0], before[1]
	some, buckets, words := &s.some, 0, 0
	for j, h := range hash {
		u := &uses[kinds[j]]
		key := h&u.keep | u.instead
		if longest > 1 {
			some.buckets[buckets] = bucket(runHash(one, key), shift)
			buckets++
			if longest > 2 && first+j > begin {
				some.buckets[buckets] = bucket(runHash(runHash(two, one), key), shift)
				buckets++
			}
		}
		two, one = one, key
		if !u.cut {
			some.buckets[buckets] = bucket(key, shift)
			buckets++
			continue
		}
		at, end := from+int(starts[j]), from+int(ends[j])
		if size := uint(end - at); size-1 < 16 && at+16 <= len(c.Buf) {
			some.words[words] = spot{h, uint32(at), uint32(size)}
			words++
			continue
		}
		s.addLong(c.Buf[at:end], h, sums)
	}
	s.addBuckets(some.buckets[:buckets], sums)
	s.addShort(c.Buf, some.words[:words], sums)
	return [2]uint64{one, two}
}

// addBuckets adds the weights of buckets, at most mostBuckets, to sums.
func (s *Scorer) addBuckets(buckets []uint32, sums *[MaxHeads]int32) {
	even, odd, table := uint64(0), uint64(0), s.m.table
	for _, b := range buckets {
		x := table[b]
		even += x & lowBytes
		odd += x >> 8 & lowBytes
	}
	unpack(even, odd, int32(len(buckets))<<7, sums)
}

// addShort adds words, at most mostTokens, to sums.
func (s *Scorer) addShort(buf []byte, words []spot, sums *[MaxHeads]int32) {
	var known packed
	for i := range words {
		w := &words[i]
		text := buf[w.at:][:16]
		mask := &masks16[w.size&31]
		lo, hi := binary.LittleEndian.Uint64(text)&mask[0], binary.LittleEndian.Uint64(text[8:])&mask[1]
		set := &s.cache[w.h>>(64-cacheBits)]
		way := 0
		if (set.keys[0][0]^lo)|(set.keys[0][1]^hi) != 0 {
			way = 1
		}
		found := &set.words[way]
		if (set.keys[way][0]^lo)|(set.keys[way][1]^hi) != 0 {
			found = s.short(text, uint(w.size), w.h)
		}
		known.add(found)
	}
	known.addTo(len(words), sums)
}

// finishPlain is finish without instructions of a kind of processor.
func (s *Scorer) finishPlain(n int, least *[MaxHeads]float32) {
	s.reached = [block]uint8{}
	for h := range s.m.card.Heads {
		for i := range n {
			p := s.m.Probability(h&7, s.m.logit(h&7, float32(s.sum[i&(block-1)][h&7])*s.inv[i&(block-1)]))
			s.out[h&7][i&(block-1)] = p
			if p >= least[h&7] {
				s.reached[i&(block-1)] |= 1 << h
			}
		}
	}
}
