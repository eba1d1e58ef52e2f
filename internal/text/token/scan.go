package token

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/token/class"
)

// The scanner works in two passes. The first classifies the bytes of all texts
// of a batch, 8 at a time where they are ASCII, into two bitmaps:
//
//	words    the bytes of letters, digits, connectors and of marks behind them
//	special  the first bytes of characters that the fast path does not know:
//	         scripts without spaces, emoji, digits and joiners beyond ASCII
//
// The second finds the runs in words by counting zeros, row by row. A run that
// begins with a letter, neither follows '#' or '@' nor is followed by a joiner
// and more of a word, is a word: that is nearly all of them. The others take
// slower paths, of which the last reads character by character. Rows that have
// something special are walked by another loop, which looks at both bitmaps.

const (
	every = 0x0101010101010101
	highs = 0x8080808080808080
	blank = 0x2020202020202020

	// window is how many bits of a bitmap can be seen at any position: 8 bytes
	// less the bits before the position in the first of them.
	window = 64 - 7
)

// bitmaps is the scratch memory of the first pass, one bit a byte of text.
type bitmaps struct{ words, special []byte }

// reset makes room for n bits; those behind them are 0.
func (m *bitmaps) reset(n int) {
	size := (n+7)/8 + 16
	m.words = slices.Grow(m.words[:0], size)[:size]
	m.special = slices.Grow(m.special[:0], size)[:size]
	clear(m.words[size-16:])
	clear(m.special)
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

// anyOf reports whether a bit of from..to is set in m.
func anyOf(m []byte, from, to int) bool {
	for i := from; i < to; i += window {
		x := at(m, i)
		if left := to - i; left < window {
			x &= 1<<left - 1
		} else {
			x &= 1<<window - 1
		}
		if x != 0 {
			return true
		}
	}
	return false
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
func wordASCII(x uint64) uint64 {
	low := x | blank
	letter := (low + (0x80-'a')*every) &^ (low + (0x80-'z'-1)*every)
	digit := (x + (0x80-'0')*every) &^ (x + (0x80-'9'-1)*every)
	return letter | digit | ^(x ^ '_'*every + 0x7f*every)
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

// classify fills the bitmaps for buf.
func (m *bitmaps) classify(buf []byte) {
	m.reset(len(buf))
	// What the last character leaves to the next group: the number of its bytes
	// there, and their bits.
	var over, overWords uint64
	words := m.words[:(len(buf)+7)/8]
	for g := range words {
		var x uint64
		if i := 8 * g; i <= len(buf)-8 {
			x = binary.LittleEndian.Uint64(buf[i : i+8])
		} else {
			x = last(buf[i:])
		}
		if x&highs == 0 {
			// Fast path: ASCII; no character reaches into the group.
			words[g] = byte(gather(wordASCII(x)))
			over, overWords = 0, 0
			continue
		}
		if uniform(x) {
			// Fast path: the bytes beyond ASCII are of letters, but for the
			// rest of another character.
			w := gather(wordBytes(x))
			words[g] = byte(w&^(1<<(over&7)-1) | overWords)
			over = x >> 63 & (x >> 62) // the group ends with a first byte
			overWords = over
			continue
		}
		over, overWords = m.mixed(buf, g, over, overWords)
	}
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
			var r rune
			r, size = utf8.DecodeRune(buf[i:])
			if c = classOf(r); c != class.Letter && c != class.Other && (c != class.Mark || !prev) {
				special |= 1 << (i - start)
			}
		}
		if prev = inWord(c); prev {
			wordBits |= (1<<size - 1) << (i - start)
		}
		i += size
	}
	m.words[g], m.special[g] = byte(wordBits), byte(special)
	return uint64(max(i-start-8, 0)), wordBits >> 8
}
