package disguise

import (
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// form is what a unit looks like.
type form uint8

const (
	letter form = iota + 1 // a letter by itself
	digit
	symbol // may stand for a letter, or be put between letters
	mask   // may stand for any letter, or be put between letters
	quote  // an apostrophe: passed over
	hard   // ends a word: blanks, punctuation, whatever else
)

// unit is a character of the original text, or several equal ones in a row,
// with the marks and invisible characters behind it.
type unit struct {
	folded     rune
	start, end uint32
	count      uint32 // equal characters in a row
	glyph      uint16
	form       form
	kinds      kind.Set // of the character by itself
	traits     traits   // see settle
	r          rune     // as it is written; the first of several
	key        rune     // of the letters that it may stand for
}

// forms holds the form of ASCII characters and those of Latin-1.
var forms = func() (f [256]form) {
	for i := range f {
		f[i] = hard
	}
	for b := 'a'; b <= 'z'; b++ {
		f[b] = letter
	}
	for b := '0'; b <= '9'; b++ {
		f[b] = digit
	}
	for _, r := range "$@!|+(<^~_\u00a2\u00a3\u00a5\u00a7\u00a9\u00ae\u00b0\u00d7\u00a1\u00a6\u00ac\u00b7=\\{}[]%&" {
		f[r] = symbol
	}
	for _, r := range "*#" {
		f[r] = mask
	}
	for r := 0xC0; r < 0x100; r++ {
		if r != 0xD7 && r != 0xF7 {
			f[r] = letter
		}
	}
	f['\''], f['`'] = quote, quote
	return f
}()

// formOf returns the form of a folded rune.
func formOf(r rune, glyph uint16) form {
	if r < 0x100 {
		return forms[r]
	}
	switch {
	case r >= 0x660 && r <= 0x669 || r >= 0x6F0 && r <= 0x6F9:
		return digit
	case r == 0x2022 || r == 0x25CF || r == 0x2588 || r == 0x25A0: // bullets and blocks
		return mask
	case r == 0x060C || r == 0x061B || r == 0x061F || r == 0x06D4 || r == 0x0964 || r == 0x0965: // Arabic and Indic punctuation
		return hard
	case r < 0x2000, r >= 0x2C00 && r < 0x2E00, r >= 0x3041 && r < 0xD7FC, r >= 0xF900 && r < 0xFE10:
		return letter
	case glyph != 0 && glyphs[glyph].n > 0:
		return symbol
	}
	return hard
}

func hidden(f fold.Fate) kind.Set {
	if f == fold.Mark {
		return kind.Combining
	}
	return kind.Invisible
}

// widthOf returns the kind of a compatibility form of an ASCII letter.
func widthOf(r, folded rune) kind.Set {
	switch {
	case folded >= 0x80 || r < 0x2000:
		return 0
	case r >= 0x249C && r <= 0x24E9 || r >= 0x1F110 && r <= 0x1F149:
		return kind.Enclosed
	}
	return kind.Width
}

// stands returns whether the unit may stand for the folded letter x, and the
// kinds of disguise that this takes.
func (u *unit) stands(x rune) (kind.Set, bool) {
	if u.folded == x {
		return u.kinds, true
	}
	g := &glyphs[u.glyph]
	for _, s := range letters[g.first : g.first+uint16(g.n)] {
		if s.letter == x {
			return u.kinds | s.kind, true
		}
	}
	return 0, false
}

// setGlyph sets the glyph of a unit whose folded rune is set, and its key.
func (u *unit) setGlyph(n uint16) {
	if u.glyph, u.key = n, u.folded; n != 0 {
		u.key = glyphs[n].key
	}
}

// maxEntity is how long an HTML entity may be: &#x10ffff; with leading zeros.
const maxEntity = 12

// entity reads the HTML entity that s begins with: a number, or one of those
// names that stand for invisible characters. It returns its length, 0 for none.
func entity(s []byte) (rune, int) {
	end := 0
	for end < len(s) && end < maxEntity && s[end] != ';' {
		end++
	}
	if end == len(s) || end == maxEntity || end < 3 {
		return 0, 0
	}
	name := s[1:end]
	if name[0] != '#' {
		for _, n := range entities {
			if n.name == string(name) {
				return n.r, end + 1
			}
		}
		return 0, 0
	}
	base, name := rune(10), name[1:]
	if name[0]|0x20 == 'x' {
		base, name = 16, name[1:]
	}
	var r rune
	for _, b := range name {
		var d rune
		switch {
		case b >= '0' && b <= '9':
			d = rune(b - '0')
		case base == 16 && b|0x20 >= 'a' && b|0x20 <= 'f':
			d = rune(b|0x20-'a') + 10
		default:
			return 0, 0
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, 0
		}
	}
	if len(name) == 0 || r < ' ' || !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, end + 1
}

// entities are the named ones that hide letters or stand between them.
var entities = [...]struct {
	name string
	r    rune
}{
	{"shy", 0xAD},
	{"zwj", 0x200D},
	{"zwnj", 0x200C},
	{"lrm", 0x200E},
	{"rlm", 0x200F},
	{"nbsp", ' '},
	{"ensp", ' '},
	{"emsp", ' '},
	{"thinsp", ' '},
	{"middot", 0xB7},
	{"bull", 0x2022},
}

// appendSingle puts one unit for the character at text[from:to], which is one
// character with its marks. It is not added to the unit before it.
func appendSingle(u []unit, text []byte, from, to int) []unit {
	n := len(u)
	u = appendUnits(u, text, from, to)
	if len(u) == n {
		return append(u, unit{form: hard, start: uint32(from), end: uint32(to), count: 1})
	}
	return u[:n+1]
}

// fateOf returns what folding does to r: 0 where it leaves something.
func fateOf(r rune) fold.Fate {
	if _, f := fold.Rune(r); f == fold.Removed || f == fold.Mark {
		return f
	}
	return 0
}
