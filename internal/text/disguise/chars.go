package disguise

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// chars classifies the characters that begin at the bits of starts, which are
// neither ASCII nor begin with D0 or D1.
func (b *block) chars(text []byte, base int, starts uint64) {
	var word, more, digit, odd uint64
	var letters [scripts + 1]uint64 // by script
	var class uint8
	at, size := 0, 0
	for ; starts != 0; starts &= starts - 1 {
		at = bits.TrailingZeros64(starts)
		i := base + at
		var x, page, low uint64
		if i+8 <= len(text) {
			x = binary.LittleEndian.Uint64(text[i:])
		} else {
			x = wordAt(text, i)
		}
		if x&0xf0 == 0xe0 && uint8(x>>8) >= allWords[x&0xf] {
			// Fast path: Han, Hangul, kana, Thai and most Indic scripts.
			class, size = inWord, 3
			word |= 7 << at
			if (x^x>>24)<<40 == 0 && repeats(text[i:], 3) {
				odd |= 1 << at
			}
			continue
		}
		page, low, size = pageOf(x)
		class = inWord // letters of Han, and tags
		if page < tableLimit>>6 {
			class = classes.inPage(page, low)
		}
		if class == 0 && page != regionals {
			continue // emoji, punctuation
		}
		all := (uint64(1)<<size - 1) << at
		word |= all & -uint64(class/inWord&1)
		more |= all & -uint64(class/isMark&1)
		digit |= all & -uint64(class/isDigit&1)
		letters[class&scripts] |= all
		odd |= uint64(class/isOdd&1) << at
		var found bool
		switch {
		case class&inWord != 0:
			found = (x^x>>(8*size&63))<<((64-8*size)&63) == 0 && repeats(text[i:], size)
		case class&isSymbol != 0:
			found = touches(text, i, size)
		case page == regionals:
			found = low >= 0x26 && regional(text[min(i+size, len(text)):]) && regional(text[min(i+2*size, len(text)):])
		}
		if found {
			odd |= 1 << at
		}
	}
	b.word, b.more, b.digit, b.odd = b.word|word, b.more|more, b.digit|digit, b.odd|odd
	b.latin, b.cyr, b.alike = b.latin|letters[isLatin], b.cyr|letters[isCyrillic], b.alike|letters[isAlike]
	if at+size > 64 {
		b.spill.take(class, (uint64(1)<<size-1)>>(64-at))
	}
}

// allWords holds, by the low half of the first byte of a character of three, from
// which second byte on all characters are letters of scripts that have no
// look-alikes.
var allWords = [16]uint8{0xa6, 0xff, 0xff, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xb0, 0x80, 0x80, 0x80, 0xff, 0xff}

// take sets what the last character leaves, which is of a class.
func (s *spill) take(class uint8, beyond uint64) {
	if class&inWord != 0 {
		s.word = beyond
	}
	switch class & scripts {
	case isLatin:
		s.latin = beyond
	case isCyrillic:
		s.cyr = beyond
	case isAlike:
		s.alike = beyond
	}
}

// regionals is the page of the regional indicators, which begin at its rune 0x26.
const regionals = 0x1F1C0 >> 6

// repeats reports whether the character that text begins with is there three
// times, or twice before another that is.
func repeats(text []byte, size int) bool {
	if len(text) < 3*size || string(text[:size]) != string(text[size:2*size]) {
		return false
	}
	next := text[2*size:]
	return string(next[:size]) == string(text[:size]) || len(next) >= 2*size && string(next[:size]) == string(next[size:2*size])
}

// regional reports whether b begins with a regional indicator.
func regional(b []byte) bool {
	return len(b) >= 4 && b[0] == 0xF0 && b[1] == 0x9F && b[2] == 0x87 && b[3] >= 0xA6
}

// touches reports whether the character at i stands directly beside a letter
// or digit of ASCII, or another character beyond it.
func touches(text []byte, i, size int) bool {
	beside := func(c byte) bool {
		return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf
	}
	return i > 0 && beside(text[i-1]) || i+size < len(text) && beside(text[i+size])
}
