package fold

import (
	"slices"
	"unicode/utf8"
)

// maxMarks bounds the combining marks behind one starter that are put into
// canonical order, as the Stream-Safe Text Format of UAX #15 does. Marks beyond
// it stay where they are: the work a character costs is bounded.
const maxMarks = 30

// appendComposed appends r, which the folded text may have to be composed with
// or ordered by (UAX #15, section 1.3): dst[base:] is a folded text. Most often
// r is a virama or a tone behind its letter and stays where it is.
func appendComposed(dst []byte, base int, r rune) []byte {
	cc := combiningClass(r)
	var buf [maxMarks + 2]rune
	seq := buf[:0] // what follows the last starter, backwards; then the starter
	at := len(dst)
	starter := false
	for at > base && len(seq) <= maxMarks {
		c, size := utf8.DecodeLastRune(dst[base:at])
		at -= size
		seq = append(seq, c)
		if combiningClass(c) == 0 {
			starter = true
			break
		}
	}
	if len(seq) > maxMarks || len(seq) == 0 {
		return utf8.AppendRune(dst, r)
	}
	slices.Reverse(seq)
	put := len(seq)
	for cc != 0 && put > 0 && combiningClass(seq[put-1]) > cc {
		put--
	}
	if starter && (put == 1 || put > 1 && combiningClass(seq[put-1]) < cc) {
		if c := composed(seq[0], r); c != 0 {
			seq[0] = c
			return appendRunes(dst[:at], seq)
		}
	}
	if put == len(seq) {
		return utf8.AppendRune(dst, r)
	}
	return appendRunes(dst[:at], slices.Insert(seq, put, r))
}

func appendRunes(dst []byte, s []rune) []byte {
	for _, r := range s {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// Hangul syllables are composed by arithmetic (The Unicode Standard, 3.12).
const (
	hangulL, hangulV, hangulT, hangulS = 0x1100, 0x1161, 0x11A7, 0xAC00
	countL, countV, countT             = 19, 21, 28
)

// composed returns the primary composite of a and b, or 0.
func composed(a, b rune) rune {
	switch {
	case a >= hangulL && a < hangulL+countL && b >= hangulV && b < hangulV+countV:
		return hangulS + ((a-hangulL)*countV+b-hangulV)*countT
	case a >= hangulS && a < hangulS+countL*countV*countT && (a-hangulS)%countT == 0 && b > hangulT && b < hangulT+countT:
		return a + b - hangulT
	}
	i, ok := slices.BinarySearchFunc(pairs[:], [2]rune{a, b}, func(p [3]rune, want [2]rune) int {
		return slices.Compare(p[:2], want[:])
	})
	if !ok {
		return 0
	}
	return pairs[i][2]
}

// combiningClass returns the canonical combining class of a rune that folding
// keeps.
func combiningClass(r rune) uint8 {
	if r < classes[0][0] {
		return 0
	}
	if r < 0x20000 && entries[int(index[r>>6])<<6|int(r&63)] == 0 {
		return 0 // what combines has a long form
	}
	i, ok := slices.BinarySearchFunc(classes[:], r, func(c [3]rune, r rune) int {
		switch {
		case c[1] < r:
			return -1
		case c[0] > r:
			return 1
		}
		return 0
	})
	if !ok {
		return 0
	}
	return uint8(classes[i][2])
}
