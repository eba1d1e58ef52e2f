package token

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/token/class"
)

// The scanner works in two passes over all texts of a batch. The first classifies
// their bytes, 64 or 8 at a time, into bitmaps:
//
//	words    the bytes of letters, digits, connectors and of marks behind them
//	special  the first bytes of characters that the fast path does not know:
//	         scripts without spaces, emoji, digits and joiners beyond ASCII
//
// and lists the runs in words, with their hashes. A run that begins with a
// letter, neither follows '#', '@' or '$' nor is followed by a joiner and more of
// a word, is a word: that is nearly all of them. The others are odd; the second
// pass looks at these row by row, at their neighbours first, and reads character
// by character what these do not decide, and what begins with something special.
// Kernels in assembly do most of the first pass where the machine has the
// instructions; plain Go does it elsewhere, with the same result.

const (
	every = 0x0101010101010101
	highs = 0x8080808080808080
	blank = 0x2020202020202020

	// window is how many bits of a bitmap can be seen at any position: 8 bytes
	// less the bits before the position in the first of them.
	window = 64 - 7
)

// bitmaps is the scratch memory of the first pass, one bit a byte of text.
type bitmaps struct {
	words, special []byte
	rows           []byte // the first bytes of texts
	marked         bool   // a bit of special is set

	// The runs of words, by their number.
	begins, ends []uint32
	hash         []uint64
	odd          []uint8 // not 0 where a run may be more or less than a word

	// Of the blocks that the kernels did (see classifyBlocks).
	lead, sign, joint []byte
	oddEnd            []uint8
	blocks            int // their number
	stops             int // runs that end in them
}

// sized returns s with n elements, which may have any values.
func sized[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// reset makes room for n bits; those behind them are 0.
func (m *bitmaps) reset(n int) {
	size := (n+7)/8 + 16
	m.words = slices.Grow(m.words[:0], size)[:size]
	clear(m.words[size-16:])
	m.rows = slices.Grow(m.rows[:0], size)[:size]
	clear(m.rows)
	if m.marked || cap(m.special) < size {
		m.special = slices.Grow(m.special[:0], size)
		clear(m.special[:cap(m.special)])
	}
	m.special, m.marked = m.special[:size], false
}

// mark sets the bit of special for byte i.
func (m *bitmaps) mark(i int) {
	m.special[i>>3] |= 1 << (i & 7)
	m.marked = true
}

// at returns the bits of m from position i on, window of them at least.
func at(m []byte, i int) uint64 {
	return binary.LittleEndian.Uint64(m[i>>3:]) >> (i & 7)
}

// block returns the 64 bits of m from position 64*k on; 0 behind the end.
func block(m []byte, k int) uint64 {
	if 8*k+8 > len(m) {
		return 0
	}
	return binary.LittleEndian.Uint64(m[8*k:])
}

// nextSpecial returns where the first special character is that is not before
// from, or a place behind all texts.
func (m *bitmaps) nextSpecial(from int) int {
	if m.marked {
		if x := at(m.special, from); x != 0 {
			return from + bits.TrailingZeros64(x)
		}
		mask := ^uint64(0) << (from & 63)
		for k := from >> 6; 8*k+8 <= len(m.special); k++ {
			if x := block(m.special, k) & mask; x != 0 {
				return 64*k + bits.TrailingZeros64(x)
			}
			mask = ^uint64(0)
		}
	}
	return math.MaxInt
}

// last returns less than 8 bytes as a word, with blanks behind them.
func last(b []byte) uint64 {
	x := uint64(blank)
	for j := len(b) - 1; j >= 0; j-- {
		x = x<<8 | uint64(b[j])
	}
	return x
}

// gather returns the high bits of the 8 bytes of x as 8 bits.
func gather(x uint64) uint64 { return (x & highs) * 0x0002040810204081 >> 56 }

// wordASCII returns, in the high bits, which bytes of x, all ASCII, are letters,
// digits or '_'.
func wordASCII(x uint64) uint64 { return alnumASCII(x) | ^(x ^ '_'*every + 0x7f*every) }

// alnumASCII is wordASCII without '_'.
func alnumASCII(x uint64) uint64 {
	low := x | blank
	letter := (low + (0x80-'a')*every) &^ (low + (0x80-'z'-1)*every)
	digit := (x + (0x80-'0')*every) &^ (x + (0x80-'9'-1)*every)
	return letter | digit
}

// wordBytes is wordASCII for any bytes; those beyond ASCII are of words.
func wordBytes(x uint64) uint64 { return wordASCII(x&^highs) | x }

// uniform reports whether the characters beyond ASCII that begin in x, if any,
// all begin with the bytes D0 or D1: U+0400 to U+047F, which are letters all.
func uniform(x uint64) bool {
	lead := x & (x << 1) & highs
	z := x&^every ^ 0xd0*every
	return lead&((z&^highs+0x7f*every)|z) == 0
}

// classify fills the bitmaps for buf[:size].
func (m *bitmaps) classify(buf []byte, size int) {
	m.reset(size)
	m.blocks = m.classifyBlocks(buf, size)
	buf = buf[:size]
	// What the last character leaves to the next group: the number of its bytes
	// there, and their bits.
	var over, overWords uint64
	for k := range m.blocks {
		over, overWords = m.addLeads(buf, k, block(m.lead, k), over, overWords)
	}
	i := 64 * m.blocks
	if over == 0 {
		over, overWords = m.known(buf, i)
	}
	for ; i+64 <= len(buf); i += 64 {
		b, out := (*[64]byte)(buf[i:]), m.words[i/8:i/8+8]
		if w, ok := blockASCII(b); ok {
			// Fast path: 64 bytes of ASCII; no character reaches into them.
			binary.LittleEndian.PutUint64(out, w)
			over, overWords = 0, 0
			continue
		}
		over, overWords = m.groups(buf, i, over, overWords)
	}
	for ; i < len(buf); i += 8 {
		var x uint64
		if i <= len(buf)-8 {
			x = binary.LittleEndian.Uint64(buf[i:])
		} else {
			x = last(buf[i:])
		}
		over, overWords = m.group(buf, x, i/8, over, overWords)
	}
}

// fewLeads is how many characters beyond ASCII a block has at most for that each
// is looked at by itself. There are more of them where most have two bytes.
const fewLeads = 22

// wordBits and specialBits hold what the classes of characters beyond ASCII are in
// the bitmaps: all bits, where a class is in a word, and 1, where it is special.
var wordBits, specialBits = func() (words, special [class.Count]uint64) {
	for c := range class.Count {
		if inWord(c) {
			words[c] = ^uint64(0)
		}
		if c > class.Letter {
			special[c] = 1
		}
	}
	return words, special
}()

// known returns what a character that the kernel knew, if one began before the
// block at i, leaves to it: it has two or three bytes.
func (m *bitmaps) known(buf []byte, i int) (over, overWords uint64) {
	first := i - 1
	switch {
	case i == 0:
		return 0, 0
	case buf[i-1] >= 0xe0:
		over = 2
	case buf[i-1] >= 0xc0:
		over = 1
	case buf[i-2] >= 0xe0:
		over, first = 1, i-2
	default:
		return 0, 0
	}
	if at(m.words, first)&1 == 1 {
		overWords = 1<<over - 1
	}
	return over, overWords
}

// addLeads classifies the characters of block k which begin at the bits of lead;
// the others are classified already.
func (m *bitmaps) addLeads(buf []byte, k int, lead, over, overWords uint64) (uint64, uint64) {
	switch {
	case lead|over == 0:
		return 0, 0
	case bits.OnesCount64(lead) > fewLeads:
		if over == 0 {
			over, overWords = m.known(buf, 64*k)
		}
		return m.groups(buf, 64*k, over, overWords)
	}
	out := m.words[8*k : 8*k+8]
	w, special := binary.LittleEndian.Uint64(out)|overWords, uint64(0)
	rest, c := 0, class.Other
	for ; lead != 0; lead &= lead - 1 {
		at := bits.TrailingZeros64(lead) & 63
		var size int
		c, size = classAt(buf, 64*k+at)
		special |= specialBits[c] << at
		if c == class.Mark && (at > 0 && w>>(at-1)&1 == 1 || at == 0 && k > 0 && m.words[8*k-1]>>7 == 1) {
			special &^= 1 << at // of the word that it stands behind
		}
		w |= wordBits[c] & (1<<size - 1) << at
		rest = at + size - 64
	}
	binary.LittleEndian.PutUint64(out, w)
	if special != 0 {
		binary.LittleEndian.PutUint64(m.special[8*k:], block(m.special, k)|special)
		m.marked = true
	}
	if rest <= 0 {
		return 0, 0
	}
	return uint64(rest), wordBits[c] & (1<<rest - 1)
}

// groups classifies the 64 bytes from start on, 8 at a time.
func (m *bitmaps) groups(buf []byte, start int, over, overWords uint64) (uint64, uint64) {
	for i := start; i < start+64; i += 8 {
		over, overWords = m.group(buf, binary.LittleEndian.Uint64(buf[i:]), i/8, over, overWords)
	}
	return over, overWords
}

// blockASCII returns the bits of words of 64 bytes, where they are all ASCII.
func blockASCII(b *[64]byte) (w uint64, ok bool) {
	x0, x1 := binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:])
	x2, x3 := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	x4, x5 := binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:])
	x6, x7 := binary.LittleEndian.Uint64(b[48:]), binary.LittleEndian.Uint64(b[56:])
	if (x0|x1|x2|x3|x4|x5|x6|x7)&highs != 0 {
		return 0, false
	}
	w = gather(wordASCII(x0)) | gather(wordASCII(x1))<<8 | gather(wordASCII(x2))<<16 | gather(wordASCII(x3))<<24
	w |= gather(wordASCII(x4))<<32 | gather(wordASCII(x5))<<40 | gather(wordASCII(x6))<<48 | gather(wordASCII(x7))<<56
	return w, true
}

// group classifies the characters that begin in group g, which is x. What
// characters that began before leave to it is in over and overWords; it returns
// what its own leave to the next.
func (m *bitmaps) group(buf []byte, x uint64, g int, over, overWords uint64) (uint64, uint64) {
	if x&highs == 0 {
		m.words[g] = byte(gather(wordASCII(x)))
		return 0, 0
	}
	if uniform(x) {
		// Fast path: the bytes beyond ASCII are of letters, but for the rest of
		// another character.
		w := gather(wordBytes(x))
		m.words[g] = byte(w&^(1<<(over&7)-1) | overWords)
		over = x >> 63 & (x >> 62) // the group ends with a first byte
		return over, over
	}
	if x&(x<<1)&(x<<2)&highs == 0 && over <= 1 && 8*g+9 <= len(buf) {
		// Fast path: characters of one and two bytes, letters and what is of no
		// word.
		w := gather(wordASCII(x&^highs)&^x) | overWords
		for lead := x & (x << 1) & highs; lead != 0; lead &= lead - 1 {
			i := bits.TrailingZeros64(lead) / 8
			c := low[(uint(buf[8*g+i])&0x1f<<6|uint(buf[8*g+i+1])&0x3f)&0x7ff]
			if c > class.Letter {
				return m.mixed(buf, g, over, overWords)
			}
			w |= uint64(c) * 3 << i // Other is 0 and Letter 1
		}
		m.words[g] = byte(w)
		return x >> 63 & (x >> 62), w >> 8
	}
	return m.mixed(buf, g, over, overWords)
}

// mixed classifies the characters that begin in group g.
func (m *bitmaps) mixed(buf []byte, g int, over, overWords uint64) (uint64, uint64) {
	start := 8 * g
	wordBits, special := overWords, uint64(0)
	i := start + int(over)
	prev := over > 0 && overWords != 0 // the byte before i is of a word
	if over == 0 && g > 0 {
		prev = m.words[g-1]>>7 == 1
	}
	for i < start+8 && i < len(buf) {
		var c class.Class
		size := 1
		if b := buf[i]; b < utf8.RuneSelf {
			c = low[b]
		} else {
			if c, size = classAt(buf, i); c != class.Letter && c != class.Other && (c != class.Mark || !prev) {
				special |= 1 << (i - start)
			}
		}
		if prev = inWord(c); prev {
			wordBits |= (1<<size - 1) << (i - start)
		}
		i += size
	}
	m.words[g] = byte(wordBits)
	if special != 0 {
		m.special[g], m.marked = byte(special), true
	}
	return uint64(max(i-start-8, 0)), wordBits >> 8
}

// cut finds the runs of words in the texts that begin at offsets and together
// have size bytes: begins and ends. A run ends where its text does.
func (m *bitmaps) cut(offsets []int32, size int) {
	base := offsets[0]
	for _, o := range offsets {
		m.rows[(o-base)>>3] |= 1 << ((o - base) & 7)
	}
	most := size/2 + 2 + len(offsets) // runs; texts of one letter may be beside one another
	m.begins = slices.Grow(m.begins[:0], most+64)
	m.ends = slices.Grow(m.ends[:0], most+64)
	m.hash = sized(m.hash, most)
	m.odd, m.oddEnd = sized(m.odd, most+64), sized(m.oddEnd, most+64)
	begins, ends := m.begins[:cap(m.begins)], m.ends[:cap(m.ends)]
	n, e := m.cutBlocks(m.blocks, begins, ends, m.odd, m.oddEnd)
	m.stops = e
	carry := uint64(0) // 1 where a run reaches into the block
	if m.blocks > 0 {
		carry = uint64(m.words[8*m.blocks-1] >> 7)
	}
	for k := m.blocks; k*64 <= size; k++ {
		w, r := block(m.words, k), block(m.rows, k)
		prev := w<<1 | carry
		carry = w >> 63
		n += put64(begins[n:], uint32(64*k), w&(^prev|r))
		e += put64(ends[e:], uint32(64*k), prev&(^w|r))
	}
	m.begins, m.ends, m.hash, m.odd = begins[:n], ends[:e], m.hash[:n], m.odd[:n]
}

// look fills in hash and odd for the runs of buf, which has more than the texts
// where there is more. Runs at its end are odd.
func (m *bitmaps) look(buf []byte) {
	for j := m.lookBlocks(buf); j < len(m.begins); j++ {
		i, end := int(m.begins[j]), int(m.ends[j])
		m.hash[j] = hashOf(buf, i, end)
		if end+16 > len(buf) {
			m.odd[j] = 1
			continue
		}
		m.odd[j] = beside[buf[i]]&odd | joined(buf[end], buf[end+1])
		if i > 0 {
			m.odd[j] |= beside[buf[i-1]] & starts
		}
	}
}

// put64 writes base and the number of each bit of x to out, which has room for
// 64 numbers, and returns how many there are.
func put64(out []uint32, base uint32, x uint64) int {
	n := bits.OnesCount64(x)
	for done := 0; done < n; done += 12 {
		// More than there are bits, so that their number does not matter.
		o := (*[12]uint32)(out[done:])
		for j := range o {
			o[j] = base + uint32(bits.TrailingZeros64(x))
			x &= x - 1
		}
	}
	return n
}
