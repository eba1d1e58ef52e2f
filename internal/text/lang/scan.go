package lang

import (
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/lang/profile"
	"github.com/sluicehq/sluice/internal/text/lang/script"
)

// features are what a text is scored by.
type features struct {
	windows [MaxWindows + 1]uint16 // rows of the group's table
	marks   [maxMarks]uint8        // rows of the group's marks
	n, m    int
	foreign int // letters of other scripts
	digits  int // beside letters
}

// What a character is to a group: a symbol, 0 for the end of a word, or one of
// these.
const (
	other   = 64 + iota // a letter of another script
	special             // may begin what is left out
	slow                // look it up
)

// look holds what characters of one and two bytes are to a group: at its byte
// for one, at lookTwo of its bytes for two. Bytes that begin longer ones are slow.
type look [0xC0 + 64*64]uint8

func lookTwo(b, c byte) int { return 0xC0 + int(b&0x3f)<<6 | int(c&0x3f) }

func makeLook(chars *[profile.Chars + 1]profile.Char, number int) *look {
	l := &look{}
	for i := range l {
		l[i] = slow
	}
	for r := range rune(0x800) {
		at, c := int(r), chars[r]
		if r >= utf8.RuneSelf {
			b := utf8.AppendRune(nil, r)
			at = lookTwo(b[0], b[1])
		}
		switch {
		case c.Mark() != 0 || c.Symbol() == profile.Joiner || c.Symbol() == 0 && scriptOf(r) != script.None: // slow
		case c.Symbol() != 0 && c.Group() != number:
			l[at] = other
		default:
			l[at] = uint8(c.Symbol())
		}
	}
	for _, b := range []byte("@#:.&0123456789") {
		l[b] = special
	}
	return l
}

// scan reads the features of a text for a group. With pure set, it stops at the
// first letter of another script, whose place it returns.
func (t *tables) scan(f *features, text []byte, number int, pure bool) int {
	g := &t.groups[number]
	f.n, f.m, f.foreign, f.digits = 0, 0, 0, 0
	window := uint32(0) // 0 before a word
	i := start(text)
	for {
		i, f.n, window = run(g.look, text, i, &f.windows, f.n, window, g.bits)
		if i >= len(text) || f.n >= MaxWindows {
			break
		}
		// Slow path: what is not a letter of one or two bytes or the end of a word.
		sym, size := t.odd(f, text, i, number)
		switch {
		case pure && f.foreign > 0:
			return i
		case sym == profile.Joiner:
			i += size
			continue
		case size > 1 && (text[i] == ':' || text[i] == '.'): // the word was the URL's first
			f.n, window = max(0, f.n-lettersBefore(g.look, text, i)), 0
		}
		i += size
		if window = (window<<profile.SymbolBits | sym) & profile.Window; window != 0 {
			f.windows[f.n] = uint16(profile.Hash(window, g.bits))
			f.n++
		}
		if sym == 0 {
			window = 0
		}
	}
	if window != 0 {
		f.windows[f.n] = uint16(profile.Hash(window<<profile.SymbolBits&profile.Window, g.bits))
		f.n++
	}
	return i
}

// run reads the windows of characters that look has, from text[i] on, as long as
// there is room. It returns where it stopped, and n and window as they are then.
// It is apart from scan so that its variables stay in registers.
func run(look *look, text []byte, i int, windows *[MaxWindows + 1]uint16, n int, window uint32, bits uint8) (int, int, uint32) {
	shift := 32 - bits
	for n < MaxWindows && uint(i) < uint(len(text)) {
		b := text[i]
		at, size := int(b), 1
		if b >= 0xC0 && i+1 < len(text) {
			at, size = lookTwo(b, text[i+1]), 2
		}
		sym := uint32(look[at])
		if sym >= other {
			break
		}
		i += size
		// Without branches: the ends of words cannot be foretold.
		window = (window<<profile.SymbolBits | sym) & profile.Window
		windows[n] = uint16(window * profile.Multiplier >> (shift & 31))
		if window != 0 {
			n++
		}
		if sym == 0 {
			window = 0
		}
	}
	return i, n, window
}

// odd is for the characters that look does not have: it returns the symbol of
// the one at i, and how far to go on.
func (t *tables) odd(f *features, text []byte, i, number int) (sym uint32, size int) {
	r, size := rune(text[i]), 1
	if r >= utf8.RuneSelf {
		r, size = decode(text, i)
	}
	c := t.chars[profile.Index(r)]
	switch sym = c.Symbol(); {
	case sym == profile.Joiner:
	case sym == 0:
		if scriptOf(r) != script.None {
			f.foreign++
		} else if r >= '0' && r <= '9' {
			if i+1 < len(text) && (text[i+1]|0x20)-'a' < 26 {
				f.digits++
			}
		} else if skip := after(text, i); skip > 0 {
			size = skip
		}
	case c.Group() != number:
		f.foreign++
		sym = 0
	case c.Mark() != 0 && f.m < maxMarks:
		f.marks[f.m] = c.Mark()
		f.m++
	}
	return sym, size
}

// lettersBefore returns how many letters of ASCII stand before i.
func lettersBefore(l *look, text []byte, i int) (n int) {
	for n < i && text[i-n-1] < utf8.RuneSelf && l[text[i-n-1]]-1 < profile.Letters {
		n++
	}
	return n
}

// start returns where the text begins: behind the RT of a repost.
func start(text []byte) int {
	if len(text) > 3 && text[0]|0x20 == 'r' && text[1]|0x20 == 't' && text[2] == ' ' && text[3] == '@' {
		return 3
	}
	return 0
}

// after returns how much is to be left out from i on, where text[i] begins a
// mention, a hashtag or an entity, or is in a URL or a domain; else 0.
func after(text []byte, i int) int {
	switch text[i] {
	case '@', '#':
	case ':':
		if i+2 >= len(text) || text[i+1] != '/' || text[i+2] != '/' {
			return 0
		}
	case '.':
		if i == 0 || i+1 >= len(text) || !isAlnum(text[i-1]) || !isAlnum(text[i+1]) {
			return 0
		}
	case '&':
		for n := 1; n < 8 && i+n < len(text); n++ {
			switch b := text[i+n]; {
			case b == ';':
				return n + 1
			case !isAlnum(b) && b != '#':
				return 0
			}
		}
		return 0
	default:
		return 0
	}
	end := i + 1
	for end < len(text) && text[end] > ' ' {
		end++
	}
	return end - i
}

func isAlnum(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' }

// decode returns the character at i, of two bytes at least, and its size.
func decode(text []byte, i int) (rune, int) {
	if b := text[i]; b < 0xE0 && b >= 0xC2 && i+1 < len(text) {
		return rune(b&0x1f)<<6 | rune(text[i+1]&0x3f), 2
	}
	return utf8.DecodeRune(text[i:])
}

const lows = 0x00ff00ff00ff00ff

// sum adds the costs of windows and marks to s.
func (g *group) sum(s *sums, windows []uint16, marks []uint8) {
	switch {
	case g.rows5 != nil:
		sum5(s, g.rows5, windows)
		sum5(s, g.marks5, marks)
	case g.rows2 != nil:
		sum2(s, g.rows2, windows)
		sum2(s, g.marks2, marks)
	default:
		sum1(s, g.rows1, windows)
		sum1(s, g.marks1, marks)
	}
}

// batch is how many costs a byte takes.
const batch = 255 / profile.MaxCost

func sum5[I uint8 | uint16](s *sums, rows [][5]uint64, at []I) {
	for len(at) > 0 {
		n := min(batch, len(at))
		var a, b, c, d, e uint64
		for _, i := range at[:n] {
			r := &rows[i]
			a += r[0]
			b += r[1]
			c += r[2]
			d += r[3]
			e += r[4]
		}
		at = at[n:]
		s[0] += a & lows
		s[1] += a >> 8 & lows
		s[2] += b & lows
		s[3] += b >> 8 & lows
		s[4] += c & lows
		s[5] += c >> 8 & lows
		s[6] += d & lows
		s[7] += d >> 8 & lows
		s[8] += e & lows
		s[9] += e >> 8 & lows
	}
}

func sum2[I uint8 | uint16](s *sums, rows [][2]uint64, at []I) {
	for len(at) > 0 {
		n := min(batch, len(at))
		var a, b uint64
		for _, i := range at[:n] {
			r := &rows[i]
			a += r[0]
			b += r[1]
		}
		at = at[n:]
		s[0] += a & lows
		s[1] += a >> 8 & lows
		s[2] += b & lows
		s[3] += b >> 8 & lows
	}
}

func sum1[I uint8 | uint16](s *sums, rows [][1]uint64, at []I) {
	for len(at) > 0 {
		n := min(batch, len(at))
		var a uint64
		for _, i := range at[:n] {
			a += rows[i][0]
		}
		at = at[n:]
		s[0] += a & lows
		s[1] += a >> 8 & lows
	}
}
