package token

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// The scanner works in two passes. The first classifies bytes, 8 at a time
// where they are ASCII, into two bitmaps:
//
//	words    the bytes of letters, digits, connectors and of marks behind them
//	special  the first bytes of characters that the fast path does not know:
//	         scripts without spaces, emoji, digits and joiners beyond ASCII
//
// The second finds the runs in words by counting zeros. A run that begins with
// a letter, has nothing special in or behind it, and neither follows '#' or '@'
// nor is followed by a joiner and more of a word, is a word: that is nearly all
// of them. The others take the slow path, which reads character by character.

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
	clear(m.special[size-16:])
}

// at returns the bits of m from position i on, window of them at least.
func at(m []byte, i int) uint64 {
	return binary.LittleEndian.Uint64(m[i>>3:]) >> (i & 7)
}

// load returns the 8 bytes at buf[i:], with blanks from to on.
func load(buf []byte, i, to int) uint64 {
	if i+8 <= to {
		return binary.LittleEndian.Uint64(buf[i:])
	}
	x := uint64(blank)
	for j := to - 1; j >= i; j-- {
		x = x<<8 | uint64(buf[j])
	}
	return x
}

// gather returns the high bits of the 8 bytes of x as 8 bits.
func gather(x uint64) uint64 { return (x & highs >> 7) * 0x0102040810204080 >> 56 }

// wordBytes returns, in the high bits, which bytes of x are ASCII letters,
// digits or '_'. Bytes beyond ASCII give either.
func wordBytes(x uint64) uint64 {
	x &^= highs
	low := x | blank
	letter := (low + (0x80-'a')*every) &^ (low + (0x80-'z'-1)*every)
	digit := (x + (0x80-'0')*every) &^ (x + (0x80-'9'-1)*every)
	return letter | digit | ^(x ^ '_'*every + 0x7f*every)
}

// cyrillic reports whether the characters beyond ASCII that begin in x all
// begin with the bytes D0 or D1: U+0400 to U+047F, which are letters all.
func cyrillic(x uint64) bool {
	lead := x & (x << 1) & highs
	z := x&^every ^ 0xd0*every
	return lead&((z&^highs+0x7f*every)|z) == 0
}

// classify fills the bitmaps for buf[from:to].
func (m *bitmaps) classify(buf []byte, from, to int) {
	m.reset(to - from)
	// What the last character leaves to the next group: the number of its bytes
	// there, and their bits.
	var over, overWords uint64
	for g := range (to - from + 7) / 8 {
		x := load(buf, from+8*g, to)
		if x&highs == 0 {
			// Fast path: 8 bytes of ASCII.
			m.words[g], m.special[g] = byte(gather(wordBytes(x))), 0
			over, overWords = 0, 0
			continue
		}
		if cyrillic(x) {
			// Fast path: the bytes beyond ASCII are of letters, but for the
			// rest of another character.
			w := gather(wordBytes(x)&^x | x)
			rest := uint64(1)<<over - 1
			m.words[g], m.special[g] = byte(w&^rest|overWords), 0
			over = x >> 62 & 1 // the group ends with a first byte
			overWords = over
			continue
		}
		over, overWords = m.mixed(buf, from, to, g, over, overWords)
	}
}

// mixed classifies the characters that begin in group g.
func (m *bitmaps) mixed(buf []byte, from, to, g int, over, overWords uint64) (uint64, uint64) {
	start := from + 8*g
	wordBits, special := overWords, uint64(0)
	i := start + int(over)
	prev := over > 0 && overWords != 0 // the byte before i is of a word
	if over == 0 && g > 0 {
		prev = m.words[g-1]>>7 == 1
	}
	for i < start+8 && i < to {
		c, size := class.Other, 1
		if b := buf[i]; b < utf8.RuneSelf {
			c = low[b]
		} else {
			var r rune
			r, size = utf8.DecodeRune(buf[i:to])
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

// What a byte of ASCII does beside a run, and to a URL: flags in beside.
const (
	starts = 1 << iota // before a run: '#' and '@' begin a hashtag or a mention
	joint              // after a run: may join it to the next, or begin a URL
	odd                // first in a run: not a letter
	stops              // ends a URL
	closes             // is not the last of a URL
)

// beside holds the flags of bytes.
var beside = func() (f [256]uint8) {
	for flag, set := range map[uint8]string{
		starts: "#@", joint: ".,':", odd: "_0123456789", stops: "\x7f \"<>`{}|\\^", closes: ".,:;!?'*_)]~",
	} {
		for i := range len(set) {
			f[set[i]] |= flag
		}
	}
	for b := range ' ' {
		f[b] |= stops
	}
	return f
}()

// scan puts all tokens.
func (s *scanner) scan() {
	s.maps.classify(s.buf, s.from, s.to)
	words, special := s.maps.words, s.maps.special
	n := s.to - s.from
	for i := 0; i < n; {
		w, x := at(words, i), at(special, i)
		skip := bits.TrailingZeros64(w | x)
		if skip >= window {
			i += window
			continue
		}
		i += skip
		if w>>skip&1 == 0 {
			i = s.slow(s.from+i) - s.from
			continue
		}
		// The run is i..end.
		length := bits.TrailingZeros64(^(w >> skip))
		end := i + length
		if skip+length >= window {
			for end = i; ; end += window { // the rare run that leaves the window
				if l := bits.TrailingZeros64(^at(words, end)); l < window {
					end += l
					break
				}
			}
		}
		if s.isWord(i, end) {
			s.put(s.from+i, s.from+end, text.Word)
			i = end
			continue
		}
		i = s.slow(s.from+i) - s.from
	}
}

// isWord reports whether the run i..end (relative to the text) is a word by
// itself.
func (s *scanner) isWord(i, end int) bool {
	flags := beside[s.buf[s.from+i]] & odd
	if i > 0 {
		flags |= beside[s.buf[s.from+i-1]] & starts
	}
	if s.from+end+1 < s.to {
		// A joiner counts when more of a word follows, or a second slash.
		next := s.buf[s.from+end+1]
		if beside[s.buf[s.from+end]]&joint != 0 && (s.maps.words[(end+1)>>3]>>((end+1)&7)&1 == 1 || next >= utf8.RuneSelf || next == '/') {
			return false
		}
	}
	if flags != 0 {
		return false
	}
	length := end - i
	return length < window && at(s.maps.special, i)<<(63-length) == 0
}

// slow puts what begins at i, which is not a word by itself, character by
// character, and returns where it ends.
func (s *scanner) slow(i int) int {
	if i > s.from {
		end := i
		switch s.buf[i-1] {
		case '#':
			end = s.hashtag(i - 1)
		case '@':
			end = s.mention(i - 1)
		}
		if end > i {
			return end
		}
	}
	return s.one(i)
}
