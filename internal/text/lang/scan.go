package lang

import (
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/lang/profile"
)

// features are what a text is scored by.
type features struct {
	windows [MaxWindows]uint16 // rows of the group's table
	marks   [maxMarks]uint8    // rows of the group's marks
	n, m    int
	own     int // letters of the group
	foreign int // letters of other scripts
}

// scan reads the features of a text for a group.
func (t *tables) scan(f *features, text []byte, number int) {
	bits := t.groups[number].bits
	window := uint32(0)   // 0 before a word
	word, foreign := 0, 0 // f.n and f.foreign before the word
	for i := start(text); i < len(text) && f.n < MaxWindows-1; {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = decode(text, i)
		}
		c := t.chars[profile.Index(r)]
		sym := c.Symbol()
		if sym != 0 && (c.Group() == number || sym == profile.Joiner) {
			i += size
			if sym == profile.Joiner || window&0xfff == sym<<profile.SymbolBits|sym {
				continue // a third letter of one kind, too: sooo
			}
			window = (window<<profile.SymbolBits | sym) & profile.Window
			f.windows[f.n] = uint16(profile.Hash(window, bits))
			f.n++
			f.own++
			if m := c.Mark(); m != 0 && f.m < maxMarks {
				f.marks[f.m] = m
				f.m++
			}
			continue
		}
		if sym != 0 || r >= profile.Low && size > 1 && scriptOf(r) != 0 {
			f.foreign++
		} else if skip := after(text, i); skip > 0 {
			if text[i] == ':' || text[i] == '.' {
				f.n, f.foreign, window = word, foreign, 0 // the word was the URL's first
			}
			size = skip
		}
		if window != 0 {
			window = window << profile.SymbolBits & profile.Window
			f.windows[f.n] = uint16(profile.Hash(window, bits))
			f.n++
			window = 0
		}
		if sym == 0 {
			word, foreign = f.n, f.foreign
		}
		i += size
	}
	if window != 0 && f.n < MaxWindows {
		f.windows[f.n] = uint16(profile.Hash(window<<profile.SymbolBits&profile.Window, bits))
		f.n++
	}
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
