// Package jsonscan checks and skips JSON text in place: no tree, no tokens, no
// allocation. It is the kernel of a decoder that knows which values it wants:
// the caller walks to those and lets this package validate the rest.
//
// It accepts what encoding/json accepts (RFC 8259), with three differences:
// text that is not valid UTF-8 is an error rather than replaced; a text that
// nests deeper than [MaxDepth] is an error; and lone surrogates, which both
// accept, become U+FFFD in [AppendUnescaped], as they do there.
//
// Strings are searched eight bytes at a time by arithmetic in a 64-bit word
// (Lamport, "Multiple byte processing with full-word instructions", CACM 1975;
// the tests for zero and for less-than are those of Anderson's "Bit Twiddling
// Hacks"): the lowest mark of such a test is exact, and only that one is used.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest in one text.
const MaxDepth = 128

// Status says how scanning ended. The errors come after [Escaped].
type Status uint8

// The outcomes of scanning.
const (
	OK        Status = iota
	Escaped          // a string, fine, that holds at least one escape
	BadSyntax        // not JSON at the position that was returned
	BadUTF8          // a string holds bytes that are not UTF-8 there
	TooDeep          // deeper than MaxDepth
	Truncated        // the text ends in the middle of a value
)

// Failed reports whether s is an error.
func (s Status) Failed() bool { return s > Escaped }

// String describes s as the end of a sentence such as "byte 12: ...".
func (s Status) String() string {
	switch s {
	case BadSyntax:
		return "not valid JSON"
	case BadUTF8:
		return "not valid UTF-8"
	case TooDeep:
		return "nested too deep"
	case Truncated:
		return "ends in the middle of a value"
	}
	return "valid"
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks the bytes of x that end a run of plain string bytes: a quote, a
// backslash, a control character. Only the lowest mark is exact. Flipping bit 1
// swaps the quote (0x22) and the space (0x20), so that one comparison with 0x21
// finds control characters and quotes.
func stops(x uint64) uint64 {
	return ((x ^ 0x02*ones - 0x21*ones) | (x ^ '\\'*ones - ones)) &^ x & highs
}

// String scans a string whose opening quote is at b[i-1]. It returns the
// position of the closing quote, or that of the error.
func String(b []byte, i int) (int, Status) {
	// Fast path: plain ASCII, with more of the text behind it; two words at a
	// time, so that bounds are checked half as often.
	start, seen := i, uint64(0)
	for i+16 <= len(b) {
		words := (*[16]byte)(b[i:])
		x := binary.LittleEndian.Uint64(words[:8])
		m := stops(x)
		if m == 0 {
			seen |= x
			i += 8
			x = binary.LittleEndian.Uint64(words[8:])
			if m = stops(x); m == 0 {
				seen |= x
				i += 8
				continue
			}
		}
		seen |= x & (m&-m - 1)
		i += bits.TrailingZeros64(m) >> 3
		if b[i] == '"' && seen&highs == 0 {
			return i, OK
		}
		break
	}
	return rest(b, start, i, seen)
}

// rest scans a string that begins at start from i on. Seen is the union of the
// bytes before i, in any order within the word.
func rest(b []byte, start, i int, seen uint64) (int, Status) {
	status := OK
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i : i+8])
			if m := stops(x); m != 0 {
				seen |= x & (m&-m - 1)
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			seen |= x
			i += 8
		}
		for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' { // the last bytes of b
			seen |= uint64(b[i])
			i++
		}
		switch {
		case i >= len(b):
			return len(b), Truncated
		case b[i] == '"':
			if seen&highs != 0 && !utf8.Valid(b[start:i]) {
				return start + invalidAt(b[start:i]), BadUTF8
			}
			return i, status
		case b[i] != '\\':
			return i, BadSyntax
		}
		n, st := escape(b[i:])
		if st != OK {
			return i, st
		}
		status = Escaped
		i += n
	}
}

// escape returns the length of the escape that b begins with.
func escape(b []byte) (int, Status) {
	if len(b) < 2 {
		return 0, Truncated
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, OK
	case 'u':
		if len(b) < 6 {
			return 0, Truncated
		}
		if _, ok := hex4(b[2:6]); ok {
			return 6, OK
		}
	}
	return 0, BadSyntax
}

// invalidAt returns the position of the first byte of b that is not UTF-8.
func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// Space returns the position of the first byte at or after i that is not JSON
// white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// Number scans a number that begins at b[i] and returns its end, or the
// position of the error.
func Number(b []byte, i int) (int, Status) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i >= len(b) {
		return i, Truncated
	}
	first := b[i]
	end := digits(b, i)
	if end == i || first == '0' && end > i+1 {
		return i, BadSyntax
	}
	i = end
	if i < len(b) && b[i] == '.' {
		if end = digits(b, i+1); end == i+1 {
			return bad(b, end)
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if end = digits(b, i); end == i {
			return bad(b, end)
		}
		i = end
	}
	return i, OK
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// bad is an error at b[i]: the text's end if there is nothing more.
func bad(b []byte, i int) (int, Status) {
	if i >= len(b) {
		return len(b), Truncated
	}
	return i, BadSyntax
}

// Literal scans true, false or null at b[i].
func Literal(b []byte, i int) (int, Status) {
	if i >= len(b) {
		return i, Truncated
	}
	word := "null"
	switch b[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
	default:
		return i, BadSyntax
	}
	for k := range len(word) {
		if i+k >= len(b) || b[i+k] != word[k] {
			return bad(b, i+k)
		}
	}
	return i + len(word), OK
}

// Valid checks that b is one JSON value and nothing else but white space. It
// returns the position of what is wrong.
func Valid(b []byte) (int, Status) {
	i, st := Skip(b, Space(b, 0), 0)
	if st.Failed() {
		return i, st
	}
	if i = Space(b, i); i < len(b) {
		return i, BadSyntax
	}
	return i, OK
}
