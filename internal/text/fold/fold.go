// Package fold makes the folded view of a text, in which words that readers
// take for the same are the same bytes.
//
// The folded view is NFKC_Casefold (UAX #44; compatibility composition, full
// case folding, default ignorables removed) with these steps beyond it:
//
//   - bidi controls and the C0 and C1 controls but for white space are removed;
//   - combining marks of the Latin, Greek, Cyrillic, Arabic, Hebrew and Syriac
//     scripts and those common to many are removed after decomposition, before
//     case folding: e-acute is e, Cyrillic io is ie, alef with hamza is alef.
//     The marks of all other scripts stay (vowel signs, viramas, tones), and so
//     do the voicing marks of kana;
//   - Arabic tatweel is removed, alef wasla is alef, alef maksura and Farsi yeh
//     are yeh, keheh and swash kaf are kaf;
//   - typographic apostrophes and the acute accent as a character are U+0027;
//   - what an emoji sequence (UTS #51) is made with stays where it makes one, and
//     is removed elsewhere: see [inSequence].
//
// Folding a folded text changes nothing. All input must be valid UTF-8; other
// bytes give an unspecified result, but no fault.
package fold

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// slack is the least room that folding keeps beyond twice the input that is
// left: its wide stores end at most 32 bytes behind the output, and the longest
// long form has fewer bytes than the rest.
const slack = 32 + 64

const (
	every = 0x0101010101010101
	highs = 0x8080808080808080

	blanks = 0x2020202020202000 // 7 bytes of ASCII behind one
)

// Room returns the spare capacity with which Append folds size bytes without
// allocating, long forms aside.
func Room(size int) int { return 2*size + slack }

// Append appends the folded view of src to dst and returns the extended slice.
// It uses and changes dst's spare capacity, and allocates only where that is
// less than [Room] of src's length or src holds characters of long forms.
func Append(dst, src []byte) []byte {
	base, taken := len(dst), 0
	for {
		dst = slices.Grow(dst, Room(len(src)-taken))
		if dst, taken = Resume(dst, base, src, taken); taken == len(src) {
			return dst
		}
	}
}

// Resume folds src[taken:] behind dst, whose bytes from base on are the folded
// view of src[:taken]. It stops where characters of long forms leave less spare
// capacity than [Room] of the bytes behind them, and returns how many bytes of src
// are taken then. dst must have that much to begin with.
func Resume(dst []byte, base int, src []byte, taken int) ([]byte, int) {
	out, n, i := dst[:cap(dst)], len(dst), taken
	for i+8 <= len(src) {
		x := binary.LittleEndian.Uint64(src[i:])
		// Fast path: 8 characters of ASCII.
		if (x|controls(x))&highs == 0 {
			binary.LittleEndian.PutUint64(out[n:], lower(x))
			n, i = n+8, i+8
			continue
		}
		// Fast path: 4 characters of one or two bytes.
		if x&(x<<1)&(x<<2)&highs == 0 {
			if y, length, taken := narrow(x); taken != 0 {
				binary.LittleEndian.PutUint64(out[n:], y)
				n, i = n+int(length), i+taken
				continue
			}
		}
		// Fast path: a character.
		var e uint32
		size := 3
		if x&0xf0 == 0xe0 {
			e = entries[int(index[x&0xf<<6|x>>8&0x3f])<<6|int(x>>16&0x3f)]
		} else {
			e, size = lookupWord(uint32(x))
		}
		if e == 0 {
			binary.LittleEndian.PutUint32(out[n:], uint32(x))
			n, i = n+size, i+size
			continue
		}
		if e < entry.IsLong {
			binary.LittleEndian.PutUint32(out[n:], e)
			n, i = n+entry.Length(e), i+size
			continue
		}
		if m, next := special(out, base, n, src, i, i+size, e); m >= 0 {
			n, i = m, next
		} else {
			dst, i = one(out[:n], base, src, i)
			out, n = dst[:cap(dst)], len(dst)
		}
		if len(out)-n < Room(len(src)-i) {
			return out[:n], i
		}
	}
	return tail(out[:n], base, src, i), len(src)
}

// lookupWord returns the entry of the character that x begins with, little-endian
// UTF-8, and its length; 0 where it is its own folded form, and for tags and
// selectors beyond the tables.
func lookupWord(x uint32) (e uint32, size int) {
	switch {
	case x&0xf0 == 0xe0:
		return entries[int(index[x&0xf<<6|x>>8&0x3f])<<6|int(x>>16&0x3f)], 3
	case x&0x80 == 0:
		return low[x&0x7f], 1
	case x&0xe0 == 0xc0:
		return low[x&0x1f<<6|x>>8&0x3f], 2
	}
	r := x&7<<18 | x>>8&0x3f<<12 | x>>16&0x3f<<6 | x>>24&0x3f
	if r < entry.Limit {
		return entries[int(index[r>>6])<<6|int(r&63)], 4
	}
	e, _ = lookup(rune(r))
	return e, 4
}

// narrow folds the 4 characters that x begins with, all of one or two bytes.
// It returns their folded form, its length and the bytes of x that were taken:
// 0 where one of the characters has a long form. Entries below U+0800 that are
// not long have at most two bytes, so that 4 fit a word.
func narrow(x uint64) (out uint64, length uint, taken int) {
	e0, w0 := unit(x)
	x >>= 8 << w0 & 63
	e1, w1 := unit(x)
	x >>= 8 << w1 & 63
	e2, w2 := unit(x)
	x >>= 8 << w2 & 63
	e3, w3 := unit(x)
	if (e0 | e1 | e2 | e3) >= entry.IsLong {
		return 0, 0, 0
	}
	out = uint64(e0 & 0xffff)
	n := uint(entry.Length(e0))
	out |= uint64(e1&0xffff) << (8 * n & 63)
	n += uint(entry.Length(e1))
	out |= uint64(e2&0xffff) << (8 * n & 63)
	n += uint(entry.Length(e2))
	out |= uint64(e3&0xffff) << (8 * n & 63)
	return out, n + uint(entry.Length(e3)), 4 + int(w0+w1+w2+w3)
}

// unit returns the entry of the character of one or two bytes that x begins
// with, and 1 where it is of two.
func unit(x uint64) (e uint32, wide uint64) {
	wide = x >> 7 & 1
	at := x & 0x7f
	at += -wide & ((x&0x1f<<6 | x>>8&0x3f) - at)
	return low[at&0x7ff], wide
}

// tail folds src[i:], which is less than 8 bytes long.
func tail(dst []byte, base int, src []byte, i int) []byte {
	if left := len(src) - i; left > 0 && len(src) >= 8 {
		// Fast path: the last 8 bytes are ASCII, so they have 8 bytes of
		// output, of which the first are there already.
		x := binary.LittleEndian.Uint64(src[len(src)-8:])
		if n := len(dst) + left; n-8 >= base && (x|controls(x))&highs == 0 {
			binary.LittleEndian.PutUint64(dst[n-8:n], lower(x))
			return dst[:n]
		}
	}
	for i < len(src) {
		dst, i = one(dst, base, src, i)
	}
	return dst
}

// lower returns the lower case of 8 bytes of ASCII.
func lower(x uint64) uint64 {
	above := x + (0x80-'A')*every
	beyond := x + (0x80-'Z'-1)*every
	return x | (above&^beyond&highs)>>2
}

// controls returns, of 8 bytes of ASCII, a word whose high bits are not all
// zero when one of them is below U+0020 or is U+007F.
func controls(x uint64) uint64 { return (x - 0x20*every) | (x + every) }

// one folds the character at src[i] and returns where the next one is. It knows
// all rules; what Resume does faster is held against it.
func one(dst []byte, base int, src []byte, i int) ([]byte, int) {
	if b := src[i]; b < utf8.RuneSelf {
		e := low[b]
		if entry.Length(e) != 0 {
			dst = append(dst, byte(e))
		}
		return dst, i + 1
	}
	r, size := utf8.DecodeRune(src[i:])
	next := i + size
	e, identity := lookup(r)
	switch {
	case identity:
		return utf8.AppendRune(dst, r), next
	case e < entry.IsLong:
		n := entry.Length(e)
		dst = append(dst, byte(e), byte(e>>8), byte(e>>16))
		return dst[:len(dst)-3+n], next
	case e&entry.IsSequence != 0:
		if inSequence(dst[base:], src[next:], r) {
			dst = utf8.AppendRune(dst, r)
		}
	case e&entry.IsComposing == 0:
		dst = append(dst, long[e&entry.LongMask]...)
	default:
		for _, c := range long[e&entry.LongMask] {
			dst = appendComposed(dst, base, c)
		}
	}
	return dst, next
}

// lookup returns the entry of r, or that r is its own folded form.
func lookup(r rune) (e uint32, identity bool) {
	switch {
	case r < 0x800:
		return low[r], false
	case r < entry.Limit:
		e = entries[int(index[r>>6])<<6|int(r&63)]
		return e, e == 0
	case r >= firstTag && r <= lastTag:
		return entry.Sequence(false), false
	case r >= 0xE0000 && r <= 0xE0FFF:
		return entry.Removed(false), false
	}
	return 0, true
}
