package model

import "encoding/binary"

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
