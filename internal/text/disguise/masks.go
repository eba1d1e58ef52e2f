package disguise

import "strings"

// masks tells of 64 bytes what can be told byte by byte: one bit a byte.
// masks_amd64.s knows its layout.
type masks struct {
	letter uint64 // of ASCII
	digit  uint64 // of ASCII
	blank  uint64 // U+0020 and below
	same   uint64 // letters of ASCII that are followed by the same one, but for case
	high   uint64 // beyond ASCII
	cyr    uint64 // D0 and D1, the first bytes of U+0400 to U+047F
	more   uint64 // continuation bytes of UTF-8
	same2  uint64 // equal to the byte two further on
	symbol uint64 // symbols of ASCII that can be disguises, but for those below
	slash  uint64
	at     uint64
	under  uint64
	hash   uint64
	bang   uint64 // '!'
}

// clip drops all bits but those of the bytes that are valid, which are the first
// ones. A byte of these that looked at others has looked at valid ones.
func (m *masks) clip(valid uint64) {
	m.letter &= valid
	m.digit &= valid
	m.blank |= ^valid
	m.same &= valid >> 1
	m.high &= valid
	m.cyr &= valid
	m.more &= valid
	m.same2 &= valid >> 2
	m.symbol &= valid
	m.slash &= valid
	m.at &= valid
	m.under &= valid
	m.hash &= valid
	m.bang &= valid
}

// isSymbolByte reports whether c is a symbol of ASCII that can be a disguise and has
// no mask of its own.
func isSymbolByte(c byte) bool { return strings.IndexByte("$&(*+<=[\\]^{|}~", c) >= 0 }

var symbolBytes = func() (t [256]bool) {
	for c := range t {
		t[c] = isSymbolByte(byte(c))
	}
	return t
}()

// masksGo is masksOf in plain Go: the reference of the other implementations.
func masksGo(text []byte, n int, out []masks) {
	for k := range out[:n] {
		m := masks{}
		for j, c := range text[64*k : 64*k+64] {
			bit := uint64(1) << j
			set := func(mask *uint64, on bool) {
				if on {
					*mask |= bit
				}
			}
			next, second := text[64*k+j+1], text[64*k+j+2]
			letter := c|0x20 >= 'a' && c|0x20 <= 'z'
			set(&m.letter, letter)
			set(&m.digit, c >= '0' && c <= '9')
			set(&m.blank, c <= ' ')
			set(&m.same, letter && c|0x20 == next|0x20)
			set(&m.high, c >= 0x80)
			set(&m.cyr, c&0xfe == 0xd0)
			set(&m.more, c&0xc0 == 0x80)
			set(&m.same2, c == second)
			set(&m.symbol, symbolBytes[c])
			set(&m.slash, c == '/')
			set(&m.at, c == '@')
			set(&m.under, c == '_')
			set(&m.hash, c == '#')
			set(&m.bang, c == '!')
		}
		out[k] = m
	}
}
