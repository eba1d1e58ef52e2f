package disguise

import (
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// The units of characters by themselves, made once: looking one up is two loads.

// cellLimit is the first rune beyond the table of units; what is beyond it are
// letters of Han and what nobody writes words with.
const cellLimit = 0x20000

// Pages of 64 runes that are their own folded form and stand for nothing else
// have no cells: those of letters, and those of what ends words.
const (
	allLetters = iota
	allHard
	pagesBefore
)

// cellTable is the units of the runes below cellLimit.
type cellTable struct {
	pages [cellLimit >> 6]uint16 // one of the pages above, or cells[64*(page-pagesBefore):] are its units
	cells []unit
	// many holds the units of the characters whose folded form is several runes.
	// Their cell has no form and no kind; start and count tell which they are.
	many []unit
}

// Cells of runes that folding removes have no form, and the kind of what is hidden.
var cells = func() (t cellTable) {
	var page [64]unit
	for p := range t.pages {
		simple := true
		for i := range page {
			r := rune(p<<6 | i)
			page[i] = t.cell(r)
			simple = simple && page[i] == simpleUnit(r, page[0].form)
		}
		switch {
		case simple && page[0].form == letter:
			t.pages[p] = allLetters
		case simple && page[0].form == hard:
			t.pages[p] = allHard
		default:
			t.pages[p] = uint16(pagesBefore + len(t.cells)/64)
			t.cells = append(t.cells, page[:]...)
		}
	}
	return t
}()

// low is the cells of the characters of one and two bytes.
var low = func() (t [0x800]unit) {
	for r := range t {
		var x unit
		t[r] = *cells.at(rune(r), &x)
	}
	return t
}()

// cell makes the unit of a rune, and puts what it needs into t.many.
func (t *cellTable) cell(r rune) unit {
	folded, fate := fold.Rune(r)
	switch fate {
	case fold.One:
		return push(nil, 0, unit{folded: folded, count: 1, kinds: widthOf(r, folded)}, r)[0]
	case fold.Mark, fold.Removed:
		return unit{kinds: hidden(fate)}
	}
	made := appendLong(nil, 0, r, unit{count: 1})
	x := unit{start: uint32(len(t.many)), count: uint32(len(made))}
	t.many = append(t.many, made...)
	return x
}

// simpleUnit returns the unit of a rune of one of the simple pages.
func simpleUnit(r rune, f form) unit {
	x := unit{folded: r, count: 1, form: f, r: r, key: r}
	if f == letter {
		x.traits = isLetter | loose | ofOther
	}
	return x
}

// at returns the cell of a rune below cellLimit, which may be made in x.
func (t *cellTable) at(r rune, x *unit) *unit {
	page := t.pages[r>>6]
	if page >= pagesBefore {
		return &t.cells[int(page-pagesBefore)<<6|int(r&63)]
	}
	if page == allLetters {
		*x = unit{folded: r, count: 1, form: letter, r: r, key: r, traits: isLetter | loose | ofOther}
	} else {
		*x = unit{folded: r, count: 1, form: hard, r: r, key: r}
	}
	return x
}

// unseenAt reports whether folding removes r.
func unseenAt(r rune) bool {
	if r >= cellLimit {
		return fateOf(r) != 0
	}
	var x unit
	c := cells.at(r, &x)
	return c.form == 0 && c.kinds != 0
}

// appendUnits puts the units of text[from:to], whole characters, behind u, and
// returns it. Characters that folding removes belong to the unit before them.
func appendUnits(u []unit, text []byte, from, to int) []unit {
	base := len(u)
	var made unit
	u = slices.Grow(u, max(to-from, 0))
	for i := from; i < to; {
		if c := text[i]; c < 0xE0 && c != '&' && i+1 < to {
			// Fast path: one or two bytes, for which there is room, long forms aside.
			r, size := int(c), 1
			if c >= utf8.RuneSelf {
				r, size = int(c&0x1f)<<6|int(text[i+1]&0x3f), 2
			}
			n, x := len(u), &low[r&0x7ff]
			if x.form != 0 && x.form != hard && n > base && u[n-1].folded == x.folded {
				u[n-1].count++
				u[n-1].kinds |= x.kinds
				i += size
				u[n-1].end = uint32(i)
				continue
			}
			if x.form != 0 && n < cap(u) {
				u = u[:n+1]
				last := &u[n]
				*last = *x
				last.start = uint32(i)
				i += size
				last.end = uint32(i)
				continue
			}
		}
		r, size := runeAt(text, i, to)
		var kinds kind.Set
		if r == '&' {
			if e, n := entity(text[i:to]); n > 0 {
				r, size, kinds = e, n, kind.Entity
			}
		}
		start, end := uint32(i), uint32(i+size)
		i += size
		if r >= cellLimit {
			u = appendRare(u, base, r, start, end, kinds)
			continue
		}
		x := cells.at(r, &made)
		switch {
		case x.form != 0:
			u = add(u, base, x, start, end, kinds)
		case x.kinds != 0:
			if n := len(u) - 1; n >= base {
				u[n].end = end
				u[n].kinds |= x.kinds | kinds
			}
		default:
			for j := range cells.many[x.start : x.start+x.count] {
				u = add(u, base, &cells.many[int(x.start)+j], start, end, kinds)
			}
		}
	}
	return u
}

// runeAt returns the character at text[i], and how many of the bytes before to it
// takes. The text is valid, but for a character that is cut off at to.
func runeAt(text []byte, i, to int) (r rune, size int) {
	switch c := rune(text[i]); {
	case c < utf8.RuneSelf:
		return c, 1
	case c < 0xE0 && i+2 <= to:
		return c&0x1f<<6 | rune(text[i+1]&0x3f), 2
	case c < 0xF0 && i+3 <= to:
		return c&0xf<<12 | rune(text[i+1]&0x3f)<<6 | rune(text[i+2]&0x3f), 3
	case i+4 <= to:
		return c&0x7<<18 | rune(text[i+1]&0x3f)<<12 | rune(text[i+2]&0x3f)<<6 | rune(text[i+3]&0x3f), 4
	}
	return utf8.DecodeRune(text[i:to])
}

// appendRare is appendUnits for a rune from cellLimit on.
func appendRare(u []unit, base int, r rune, start, end uint32, kinds kind.Set) []unit {
	folded, fate := fold.Rune(r)
	switch fate {
	case fold.Removed, fold.Mark:
		if n := len(u) - 1; n >= base {
			u[n].end = end
			u[n].kinds |= kinds | hidden(fate)
		}
		return u
	case fold.One:
		if folded == r && glyphOf(r) == 0 {
			return append(u, unit{folded: r, start: start, end: end, count: 1, form: hard, kinds: kinds, r: r, key: r}) // nearly always
		}
		return push(u, base, unit{folded: folded, start: start, end: end, count: 1, kinds: kinds | widthOf(r, folded)}, r)
	}
	return appendLong(u, base, r, unit{start: start, end: end, count: 1, kinds: kinds})
}

// add puts the unit x behind u, or adds it to the last one where that is the same
// letter.
func add(u []unit, base int, x *unit, start, end uint32, kinds kind.Set) []unit {
	if n := len(u) - 1; n >= base && u[n].folded == x.folded && x.form != hard {
		u[n].count += x.count
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

// appendLong puts the units of a rune whose folded form is several runes behind u.
// A letter in parentheses is that letter.
func appendLong(u []unit, base int, r rune, x unit) []unit {
	if g := glyphOf(r); g != 0 {
		x.folded = r
		return push(u, base, x, r)
	}
	var buf [64]byte
	for form := fold.AppendForm(buf[:0], r); len(form) > 0; {
		c, size := utf8.DecodeRune(form)
		form, x.folded = form[size:], c
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
	x.settle()
	if n := len(u) - 1; n >= base && u[n].folded == x.folded && x.form != hard {
		u[n].count++
		u[n].end = x.end
		u[n].kinds |= x.kinds
		return u
	}
	return append(u, x)
}
