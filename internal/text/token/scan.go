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
// digits or '_', and all bytes beyond ASCII.
func wordBytes(x uint64) uint64 {
	a := x &^ highs
	low := a | blank
	letter := (low + (0x80-'a')*every) &^ (low + (0x80-'z'-1)*every)
	digit := (a + (0x80-'0')*every) &^ (a + (0x80-'9'-1)*every)
	return letter | digit | ^(a ^ '_'*every + 0x7f*every) | x
}

// uniform reports whether the characters beyond ASCII that begin in x, if any,
// all begin with the bytes D0 or D1: U+0400 to U+047F, which are letters all.
func uniform(x uint64) bool {
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
	words, special := m.words, m.special[:len(m.words)]
	for g := range (to - from + 7) / 8 {
		x := load(buf, from+8*g, to)
		if uniform(x) {
			// Fast path: the bytes beyond ASCII are of letters, but for the
			// rest of another character.
			w := gather(wordBytes(x))
			words[g], special[g] = byte(w&^(1<<(over&7)-1)|overWords), 0
			over = x >> 63 & (x >> 62) // the group ends with a first byte
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
	joint  = 1 << iota // after a run: may join it to the next, or begin a URL
	starts             // before a run: '#' and '@' begin a hashtag or a mention
	odd                // first in a run: not a letter
	stops              // ends a URL
	closes             // is not the last of a URL
	named              // is part of a handle
)

// beside holds the flags of bytes.
var beside = func() (f [256]uint8) {
	for flag, set := range map[uint8]string{
		starts: "#@", joint: ".,':", odd: "_0123456789", stops: "\x7f \"<>`{}|\\^", closes: ".,:;!?'*_)]~",
		named: "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
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
	in := s.buf[s.from:]
	size := s.to - s.from
	// The slices as they would be when full; n is how far they are.
	n := s.Len()
	hash, start, stop, kind := s.Hash[:cap(s.Hash)], s.Start[:cap(s.Start)], s.End[:cap(s.End)], s.Kind[:cap(s.Kind)]
	for i := 0; i < size; {
		w, x := at(words, i), at(special, i)
		skip := bits.TrailingZeros64(w | x)
		if skip >= window {
			i += window
			continue
		}
		i += skip
		w, x = w>>skip, x>>skip
		length := bits.TrailingZeros64(^w)
		end := i + length
		if skip+length < window-1 && end+1 < len(in) && x<<((63-length)&63) == 0 {
			// Fast path: a run of which the window shows both sides, and the
			// buffer too. Nothing is special up to the byte behind it. It is a
			// word when that byte does not join it to more of one, and it does
			// not begin oddly or behind a sign.
			var before byte
			if i > 0 {
				before = in[i-1]
			}
			joined := beside[in[end]] & joint & (uint8(w>>((length+1)&63)) | equal(in[end+1], '/'))
			if beside[before]&starts|beside[in[i]]&odd|joined == 0 {
				hash[n] = hashOf(in, i, end)
				start[n], stop[n], kind[n] = uint32(i), uint32(end), text.Word
				n++
				i = end
				continue
			}
			if k := simple(in, i, end, before, joined); k != 0 {
				hash[n] = hashOf(in, i, end)
				start[n], stop[n], kind[n] = uint32(i), uint32(end), k
				n++
				i = end
				continue
			}
		}
		s.truncate(n)
		begin := i
		if end < size && in[end] == ':' && (i == 0 || beside[in[i-1]]&starts == 0) {
			if next := s.url(s.from+i, s.from+end) - s.from; next > end {
				i = next
			}
		}
		if i == begin {
			i = s.slow(s.from+i) - s.from
		}
		for i < size && at(words, i)&1 == 1 {
			i = s.slow(s.from+i) - s.from // it ended within a run
		}
		n = s.Len()
	}
	s.truncate(n)
}

// simple returns the kind of the run i..end that is not a word, where it is a
// plain number or hashtag, else 0.
func simple(in []byte, i, end int, before byte, joined uint8) text.Kind {
	if joined != 0 {
		return 0
	}
	if before == '#' {
		if in[i] >= 'a' && (i == 1 || in[i-2] <= ' ') {
			return text.Hashtag
		}
		return 0
	}
	if before == '@' || end-i > 8 || i+8 > len(in) {
		return 0
	}
	x := binary.LittleEndian.Uint64(in[i:])<<(64-8*(end-i)) ^ '0'*every
	x ^= 1<<(64-8*(end-i)) - 1&('0'*every) // the bytes that are not of the run
	if (x|(x+(0x80-10)*every))&highs == 0 {
		return text.Number
	}
	return 0
}

// equal is 1 when a and b are equal, without a branch.
func equal(a, b byte) uint8 { return uint8((uint16(a^b) - 1) >> 15) }

// put appends the token buf[from:to].
func (s *scanner) put(from, to int, kind text.Kind) {
	n := len(s.Hash)
	s.Hash, s.Start, s.End, s.Kind = s.Hash[:n+1], s.Start[:n+1], s.End[:n+1], s.Kind[:n+1]
	s.Hash[n] = hashOf(s.buf, from, to)
	s.Start[n] = uint32(from - s.from)
	s.End[n] = uint32(to - s.from)
	s.Kind[n] = kind
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
