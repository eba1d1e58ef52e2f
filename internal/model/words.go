package model

import "encoding/binary"

// short returns a word of hash h: the first size bytes of text, 1 to 16, which
// has 16 or more. It is valid until the next call.
func (s *Scorer) short(text []byte, size uint, h uint64) *word {
	mask := &masks16[size&31]
	lo, hi := binary.LittleEndian.Uint64(text)&mask[0], binary.LittleEndian.Uint64(text[8:])&mask[1]
	key, set := [2]uint64{lo, hi}, &s.cache[h>>(64-cacheBits)]
	if set.keys[0] == key {
		return &set.words[0]
	}
	if set.keys[1] != key {
		set.keys[1], set.words[1] = set.keys[0], set.words[0]
		set.keys[0] = key
		s.weigh(&set.words[0], text[:size], h)
		return &set.words[0]
	}
	return &set.words[1]
}

// masks16 holds, by number, which bits of two words are of that many bytes; it
// has 32 elements so that an index needs no check.
var masks16 = func() (m [32][2]uint64) {
	for n := range 17 {
		m[n] = [2]uint64{masks[min(n, 8)], masks[max(n, 8)-8]}
	}
	return m
}()

// addLong adds a word of hash h that short does not take.
func (s *Scorer) addLong(text []byte, h uint64, sums *[MaxHeads]int32) {
	if len(text) == 0 || len(text) > longBytes {
		var w word
		s.weigh(&w, text, h)
		w.add(sums)
		return
	}
	c := &s.long[h>>(64-longBits)]
	if key := padded(text); c.text != key {
		c.text = key
		s.weigh(&c.word, text, h)
	}
	c.add(sums)
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
