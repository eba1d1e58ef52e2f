package disguise

import (
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Classes of characters beyond ASCII, for the scan.
const (
	isLatin    = 1
	isCyrillic = 2
	isAlike    = 3 // of another script that has look-alikes
	scripts    = 3
	inWord     = 1 << 2 // letters, digits, marks, invisible characters
	isDigit    = 1 << 3
	isOdd      = 1 << 4 // mostly a disguise
	isSymbol   = 1 << 5 // a disguise where it stands beside a letter
	isMark     = 1 << 6 // belongs to the character before
)

// classLimit is where the rules of classBelow end.
const classLimit = 0x3000

// classOf returns the class of a character beyond ASCII.
func classOf(r rune) uint8 {
	if r < tableLimit {
		return classes.at(r)
	}
	return inWord // letters of Han, and tags
}

var classes = newByteTable(func(r rune) uint8 {
	if r < classLimit {
		return classBelow(r)
	}
	return classBeyond(r)
})

// classBelow returns the class of a character below classLimit.
func classBelow(r rune) uint8 {
	g := glyphOf(r)
	stands := g != 0 && glyphs[g].n > 0
	odd := uint8(0)
	if stands {
		odd = isOdd
	}
	switch {
	case r < 0x100:
		switch f := forms[r]; {
		case r == 0xAD:
			return isSymbol
		case f == letter && (r == 0xD8 || r == 0xF8 || r == 0xDE || r == 0xFE || r == 0xF0 || r == 0xD0):
			return inWord | isLatin | odd
		case f == letter:
			return inWord | isLatin
		case f == symbol:
			return isSymbol
		}
		return 0
	case r < 0x300, r >= 0x1D00 && r < 0x1DC0, r >= 0x2C60 && r < 0x2C80:
		return inWord | isLatin | odd
	case r < 0x370, r >= 0x1DC0 && r < 0x1E00, r >= 0x20D0 && r < 0x2100:
		return inWord | isMark
	case r < 0x400, r >= 0x1F00 && r < 0x2000, r >= 0x2C80 && r < 0x2D00:
		return inWord | isAlike
	case r < 0x460:
		return inWord | isCyrillic
	case r < 0x530:
		return inWord | isCyrillic | odd
	case r >= 0x600 && r < 0x780:
		return classArabic(r, odd)
	case r == 0x964 || r == 0x965:
		return 0
	case r < 0x700, r >= 0x10A0 && r < 0x1100, r >= 0x13A0 && r < 0x1700:
		return inWord | isAlike
	case r >= 0x1E00 && r < 0x1F00:
		return inWord | isLatin
	case r < 0x1D00:
		return inWord
	case r == 0x202D || r == 0x202E:
		return inWord | isOdd // overrides of the direction
	case r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202C, r >= 0x2060 && r < 0x2070:
		return isSymbol // invisible
	case r >= 0x249C && r <= 0x24B5:
		return inWord | isOdd
	case r >= 0x2460 && r < 0x2500, r >= 0x2070 && r < 0x20A0, r >= 0x2100 && r < 0x2190:
		return inWord
	case stands || formOf(r, g) == mask:
		return isSymbol
	}
	return 0
}

func classArabic(r rune, odd uint8) uint8 {
	switch {
	case r >= 0x660 && r <= 0x669 || r >= 0x6F0 && r <= 0x6F9:
		return inWord | isDigit
	case r < 0x610 || r == 0x61B || r == 0x61F || r >= 0x66A && r <= 0x66D || r == 0x6D4:
		return 0
	case r >= 0x610 && r <= 0x61A || r >= 0x64B && r <= 0x65F || r == 0x670 || r == 0x640:
		return inWord | isMark
	case r >= 0x671:
		return inWord | isAlike | odd
	case r == 0x66E || r == 0x66F:
		return inWord | isAlike | isOdd
	}
	return inWord | isAlike
}

// classBeyond returns the class of a character from classLimit to tableLimit.
func classBeyond(r rune) uint8 {
	switch {
	case r < 0x3041, r >= 0xE000 && r < 0xF900:
		return 0
	case r >= 0xA640 && r < 0xA6A0:
		return inWord | isCyrillic | isOdd
	case r == 0xFEFF:
		return isSymbol
	case r >= 0xA4D0 && r < 0xA500, r >= 0xAB70 && r < 0xABC0:
		return inWord | isAlike
	case r >= 0xA720 && r < 0xA800, r >= 0xAB30 && r < 0xAB70:
		return inWord | isLatin | isOdd
	case r >= 0xFB00 && r < 0xFB07:
		return inWord | isLatin
	case r >= 0xFF01 && r < 0xFF5F:
		return classWide(r - 0xFF00 + ' ')
	case r >= 0xFE10 && r < 0xFE70, r == 0xFF5F, r == 0xFF60, r >= 0xFF61 && r <= 0xFF65:
		return 0
	case r < 0x10000:
		return inWord
	case r >= 0x1D400 && r < 0x1D800, r >= 0x1F130 && r < 0x1F14A:
		return inWord | isLatin
	case r >= 0x1F110 && r < 0x1F130, r >= 0x1F150 && r < 0x1F18A:
		return inWord | isLatin | isOdd
	case r >= 0x1F000 && r < 0x20000:
		return 0
	}
	return inWord
}

// classWide returns the class of the full-width form of a character of ASCII.
func classWide(c rune) uint8 {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return inWord | isLatin
	case c >= '0' && c <= '9':
		return inWord | isDigit
	case forms[c] == symbol || forms[c] == mask:
		return isSymbol
	}
	return 0
}

// strict reports whether the letter r of one script is written like a letter of
// another one: the shape is the same, not only similar.
func strict(r rune) bool {
	switch {
	case r < 0x80:
		return strictLatin[r]
	case r >= 0x400 && r < 0x460:
		return strictCyrillic[r-0x400]
	case r >= 0x370 && r < 0x400:
		return true
	}
	return false
}

var strictLatin = func() (t [128]bool) {
	for _, r := range "aceopxyijskmtbhABCEHKMOPTXYIJS" {
		t[r] = true
	}
	return t
}()

var strictCyrillic = func() (t [0x60]bool) {
	for _, r := range "асеорхуіјѕкмтвнАВСЕНКМОРТХУІЈЅ" {
		t[r-0x400] = true
	}
	return t
}()

// strangers marks words of the one of two scripts that has fewer letters in the
// text, Latin or Cyrillic, where all letters are written as the other's.
func (s *scanner) strangers(text []byte) {
	blocks, share := s.latinBlocks, s.latin
	if s.latin > s.cyr {
		blocks, share = s.cyrBlocks, s.cyr
	}
	if share == 0 {
		return
	}
	carry := uint64(0)
	for k, m := range blocks {
		begins := m &^ (m<<1 | carry)
		carry = m >> 63
		for ; begins != 0; begins &= begins - 1 {
			i := k*64 + bits.TrailingZeros64(begins)
			if s.stranger(text, i) {
				s.places = append(s.places, place{k * 64, 1 << (i & 63)})
			}
		}
	}
	slices.SortStableFunc(s.places, func(a, b place) int { return a.at - b.at })
}

// stranger reports whether the word at i has four letters or more, all of
// which are written as letters of another script.
func (s *scanner) stranger(text []byte, i int) bool {
	for n := 0; ; n++ {
		if i == len(text) {
			return n > minLetters
		}
		r, size := runeAt(text, i, len(text))
		if !strict(r) {
			return n > minLetters && !(r < utf8.RuneSelf && wordByte(byte(r))) && !(r >= utf8.RuneSelf && classOf(r)&inWord != 0)
		}
		i += size
	}
}
