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
	turned     bool     // it is a letter that is turned by half a circle
	kinds      kind.Set // of the character by itself
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

// plain holds the units of the characters of one and two bytes that folding makes
// one rune of, but for '&', which may begin an entity. Those that it removes have
// no form, and the kind of what is hidden; others neither.
var plain = func() (t [0x800]unit) {
	for r := range rune(len(t)) {
		folded, fate := fold.Rune(r)
		switch {
		case r == '&':
		case fate == fold.One:
			t[r] = push(nil, 0, unit{folded: folded, count: 1, kinds: widthOf(r, folded)}, r)[0]
		case fate == fold.Mark, fate == fold.Removed:
			t[r].kinds = hidden(fate)
		}
	}
	return t
}()

// appendUnits puts the units of text[from:to] behind u, and returns it. Characters
// that folding removes belong to the unit before them.
func appendUnits(u []unit, text []byte, from, to int) []unit {
	base := len(u)
	for i := from; i < to; {
		r, size := rune(text[i]), 1
		if r >= 0xC2 && r < 0xE0 && i+1 < to {
			r, size = r&0x1f<<6|rune(text[i+1]&0x3f), 2
		}
		if r < utf8.RuneSelf || size == 2 {
			// Fast path: characters of one and two bytes.
			x := &plain[r&0x7ff]
			if x.form != 0 {
				u = add(u, base, x, uint32(i), uint32(i+size), 0)
				i += size
				continue
			}
			if x.kinds != 0 {
				if n := len(u) - 1; n >= base {
					u[n].end = uint32(i + size)
					u[n].kinds |= x.kinds
				}
				i += size
				continue
			}
		}
		var kinds kind.Set
		switch {
		case r == '&':
			if e, n := entity(text[i:to]); n > 0 {
				r, size, kinds = e, n, kind.Entity
			}
		case r >= utf8.RuneSelf && size == 1:
			r, size = utf8.DecodeRune(text[i:to])
		}
		start, end := uint32(i), uint32(i+size)
		i += size
		folded, fate := fold.Rune(r)
		switch fate {
		case fold.Removed, fold.Mark:
			if len(u) > base {
				last := &u[len(u)-1]
				last.end = end
				last.kinds |= kinds | hidden(fate)
			}
		case fold.One:
			u = push(u, base, unit{folded: folded, start: start, end: end, count: 1, kinds: kinds | widthOf(r, folded)}, r)
		default:
			u = appendLong(u, base, r, unit{start: start, end: end, count: 1, kinds: kinds})
		}
	}
	return u
}

// add puts the unit x, one of plain, behind u, or adds it to the last one where
// that is the same letter: what push does.
func add(u []unit, base int, x *unit, start, end uint32, kinds kind.Set) []unit {
	if n := len(u) - 1; n >= base && u[n].folded == x.folded && x.form != hard {
		u[n].count++
		u[n].end = end
		u[n].kinds |= x.kinds | kinds
		return u
	}
	u = append(u, *x)
	c := &u[len(u)-1]
	c.start, c.end = start, end
	c.kinds |= kinds
	return u
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

// appendLong puts the units of a rune whose folded form is several runes. A
// letter in parentheses is that letter.
func appendLong(u []unit, base int, r rune, x unit) []unit {
	if g := glyphOf(r); g != 0 {
		x.folded = r
		return push(u, base, x, r)
	}
	var buf [64]byte
	for form := fold.AppendForm(buf[:0], r); len(form) > 0; {
		c, size := utf8.DecodeRune(form)
		form = form[size:]
		if p := &plain[c&0x7ff]; c < rune(len(plain)) && p.form != 0 && p.folded == c {
			u = add(u, base, p, x.start, x.end, x.kinds)
			continue
		}
		x.folded = c
		u = push(u, base, x, c)
	}
	return u
}

// push puts x, a unit of the original character r, behind u, or adds it to the
// last one where that is the same letter.
func push(u []unit, base int, x unit, r rune) []unit {
	g := glyphOf(r)
	if g == 0 && r != x.folded {
		g = glyphOf(x.folded)
	}
	x.setGlyph(g)
	x.r = r
	x.form = formOf(x.folded, x.glyph)
	if n := len(u) - 1; n >= base && u[n].folded == x.folded && x.form != hard {
		u[n].count++
		u[n].end = x.end
		u[n].kinds |= x.kinds
		return u
	}
	return append(u, x)
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

// setGlyph sets the glyph of a unit whose folded rune is set, and what follows of
// it.
func (u *unit) setGlyph(n uint16) {
	u.glyph, u.key = n, u.folded
	if g := &glyphs[n]; n != 0 {
		u.key, u.turned = g.key, g.n > 0 && letters[g.first].kind == kind.UpsideDown
	}
}

// enclosed reports whether the unit is a letter in a square, a circle or a flag,
// which is no letter to Unicode.
func (u *unit) enclosed() bool {
	return u.form == symbol && u.folded >= 0x2100 && letters[glyphs[u.glyph].first].kind == kind.Enclosed
}

// writes reports whether the unit is of a word by itself.
func (u *unit) writes() bool { return u.form <= digit || u.enclosed() }

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
