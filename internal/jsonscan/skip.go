package jsonscan

import (
	"bytes"
	"unicode/utf8"
)

// Skip validates the value that begins at b[i] (not white space) and returns
// the position after it, or that of the error. depth is the number of arrays
// and objects that the value lies in. It does not recurse: what is open is kept
// in a bitmap of MaxDepth bits.
func Skip(b []byte, i, depth int) (int, Status) {
	var objects [MaxDepth / 64]uint64 // bit set = the container on that level is an object
	level := 0
	var st Status
	for {
		// A value.
		if i >= len(b) {
			return i, Truncated
		}
		switch c := b[i]; {
		case c == '"':
			if i, st = String(b, i+1); st.Failed() {
				return i, st
			}
			i++
		case c == '{' || c == '[':
			if depth+level >= MaxDepth {
				return i, TooDeep
			}
			i = Space(b, i+1)
			if i < len(b) && b[i] == c+2 { // '}' is '{'+2, ']' is '['+2
				i++
				break
			}
			word, bit := level>>6&1, uint64(1)<<(level&63)
			objects[word] &^= bit
			level++
			if c == '[' {
				continue
			}
			objects[word] |= bit
			if i, st = key(b, i); st != OK {
				return i, st
			}
			continue
		case c == '-' || c-'0' <= 9:
			if i, st = Number(b, i); st != OK {
				return i, st
			}
		default:
			if i, st = Literal(b, i); st != OK {
				return i, st
			}
		}
		// What follows a value: close containers until there is a comma.
		for {
			if level == 0 {
				return i, OK
			}
			if i = Space(b, i); i >= len(b) {
				return i, Truncated
			}
			object := objects[(level-1)>>6&1]>>((level-1)&63)&1 != 0
			c := b[i]
			if c == ',' {
				i = Space(b, i+1)
				if object {
					if i, st = key(b, i); st != OK {
						return i, st
					}
				}
				break
			}
			if object && c != '}' || !object && c != ']' {
				return i, BadSyntax
			}
			level--
			i++
		}
	}
}

// key scans a key at b[i], its colon and the white space around it.
func key(b []byte, i int) (int, Status) {
	if i >= len(b) {
		return i, Truncated
	}
	if b[i] != '"' {
		return i, BadSyntax
	}
	i, st := String(b, i+1)
	if st.Failed() {
		return i, st
	}
	if i = Space(b, i+1); i >= len(b) {
		return i, Truncated
	}
	if b[i] != ':' {
		return i, BadSyntax
	}
	return Space(b, i+1), OK
}

// AppendUnescaped appends the text of a string to dst: src is what lies between
// the quotes and was accepted by [String]. The text is never longer than src. A
// surrogate that is not half of a pair becomes U+FFFD, as in encoding/json.
func AppendUnescaped(dst, src []byte) []byte {
	for {
		n := bytes.IndexByte(src, '\\')
		if n < 0 || n+1 >= len(src) {
			return append(dst, src...)
		}
		dst = append(dst, src[:n]...)
		c := src[n+1]
		src = src[n+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			var r rune
			r, src = unicodeEscape(src)
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}

// unicodeEscape reads the digits after \u, and a second \u escape if the two
// are a surrogate pair.
func unicodeEscape(src []byte) (rune, []byte) {
	if len(src) < 4 {
		return utf8.RuneError, nil
	}
	r, _ := hex4(src)
	src = src[4:]
	if r < 0xD800 || r > 0xDFFF {
		return r, src
	}
	if r < 0xDC00 && len(src) >= 6 && src[0] == '\\' && src[1] == 'u' {
		if low, ok := hex4(src[2:]); ok && low >= 0xDC00 && low <= 0xDFFF {
			return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, src[6:]
		}
	}
	return utf8.RuneError, src
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
