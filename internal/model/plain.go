package model

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
	for i := from; i < to; i++ {
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

// addTokens adds tokens from first on and before last, behind the two tokens
// before, the last one first. It returns the last two.
func (s *Scorer) addTokens(c *Columns, post, first, last int, before [2]uint64, sums *[MaxHeads]int32) [2]uint64 {
	table, shift, longest := s.m.table, s.m.shift, s.m.card.Features.Words
	hash := c.Hash[first:last]
	kinds, starts, ends := c.Kind[first:last][:len(hash)], c.Start[first:last][:len(hash)], c.End[first:last][:len(hash)]
	text := c.Buf[c.Text[post]:]
	one, two := before[0], before[1]
	var even, odd uint64
	var known packed
	buckets, words := 0, 0
	for j, h := range hash {
		u := &uses[kinds[j]]
		key := h&u.keep | u.instead
		if longest > 1 {
			run := runHash(one, key)
			x := table[bucket(run, shift)]
			even += x & lowBytes
			odd += x >> 8 & lowBytes
			buckets++
			if longest > 2 && first+j > int(c.Tokens[post]) {
				x := table[bucket(runHash(runHash(two, one), key), shift)]
				even += x & lowBytes
				odd += x >> 8 & lowBytes
				buckets++
			}
		}
		two, one = one, key
		if !u.cut {
			x := table[bucket(key, shift)]
			even += x & lowBytes
			odd += x >> 8 & lowBytes
			buckets++
			continue
		}
		at, end := int(starts[j]), int(ends[j])
		if size := uint(end - at); size-1 < 16 && at+16 <= len(text) {
			known.add(s.short(text[at:at+16], size, h))
			words++
			continue
		}
		s.addLong(text[at:end], h, sums)
	}
	unpack(even, odd, int32(buckets)<<7, sums)
	known.addTo(words, sums)
	return [2]uint64{one, two}
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
