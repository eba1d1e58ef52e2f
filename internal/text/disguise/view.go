package disguise

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// Viewer makes the views skeleton and squeezed of texts: what a reader makes of
// disguised words. Where a character may stand for several letters the first is
// taken, of the script that most letters of the word are of; the search for
// terms does not depend on it. The zero value is ready; it is for one goroutine.
type Viewer struct {
	reader
	edits []edit
	buf   []byte // what is written in place of the disguised words
	old   []byte
	turns []unit
	mixed int
	count bool // words are only counted
}

// edit is that text[start:end] is replaced by buf[from:middle] in the skeleton
// view and by buf[middle:to] in the squeezed one.
type edit struct{ start, end, from, middle, to int }

// Read reads a text, valid UTF-8, and reports whether one of the views differs
// from the folded one.
func (v *Viewer) Read(text []byte) bool {
	v.edits, v.buf, v.mixed, v.count = v.edits[:0], v.buf[:0], 0, false
	v.text = text
	v.read(text, v)
	return len(v.edits) > 0
}

// Count reads a text, valid UTF-8, for its MixedWords only: the views are then
// those of a text without disguises.
func (v *Viewer) Count(text []byte) int {
	v.edits, v.mixed, v.count = v.edits[:0], 0, true
	v.text = text
	v.read(text, v)
	return v.mixed
}

// MixedWords returns how many words of the text that was read have letters of
// more than one of the scripts that have look-alikes: Latin, Cyrillic, Greek and
// Arabic, or one of these and another.
func (v *Viewer) MixedWords() int { return v.mixed }

// AppendSkeleton appends the skeleton view of the text that was read.
func (v *Viewer) AppendSkeleton(dst []byte) []byte { return v.write(dst, false) }

// AppendSqueezed appends the squeezed view of the text that was read.
func (v *Viewer) AppendSqueezed(dst []byte) []byte { return v.write(dst, true) }

func (v *Viewer) write(dst []byte, squeezed bool) []byte {
	at := 0
	for _, e := range v.edits {
		dst = fold.Append(dst, v.text[at:e.start])
		if squeezed {
			dst = append(dst, v.buf[e.middle:e.to]...)
		} else {
			dst = append(dst, v.buf[e.from:e.middle]...)
		}
		at = e.end
	}
	return fold.Append(dst, v.text[at:])
}

// word implements visitor.
func (v *Viewer) word(u []unit, whole kind.Set, edges bool) {
	if edges {
		return
	}
	s := survey(u)
	if s.mixed && whole == 0 {
		v.mixed++
	}
	if v.count || s.plain && whole == 0 || s.letters == 0 || len(u) > 4*maxRuns {
		return
	}
	start, end := int(u[0].start), int(u[0].end)
	for i := range u {
		start, end = min(start, int(u[i].start)), max(end, int(u[i].end))
	}
	if n := len(v.edits); n > 0 && start < v.edits[n-1].end {
		return
	}
	if s.turned {
		v.turns = append(v.turns[:0], u...)
		slices.Reverse(v.turns)
		for i := range v.turns {
			if t := turn(v.turns[i].folded); t != 0 {
				v.turns[i].folded, v.turns[i].glyph = t, glyphOf(t)
			}
		}
		u = v.turns
	}
	v.edit(u, &s, whole, start, end)
}

// enough implements visitor.
func (v *Viewer) enough(int) bool { return false }

// edit notes what is written for a word.
func (v *Viewer) edit(u []unit, s *look, whole kind.Set, start, end int) {
	to := v.majority(u, s)
	e := edit{start: start, end: end, from: len(v.buf)}
	v.old = fold.Append(v.old[:0], v.text[start:end])
	if whole&kind.Spaced != 0 {
		v.buf = append(v.buf, v.old...)
	} else {
		for i := range u {
			v.put(&u[i], to, false, false)
		}
	}
	e.middle = len(v.buf)
	doubled := len(u) >= minLetters && !slices.ContainsFunc(u, func(c unit) bool { return c.count != 2 })
	number := whole&kind.Spaced == 0 && (s.letters < minLetters || amount(u, s))
	apart := s.inside && spelled(u)
	for i := range u {
		if apart && i&1 == 1 {
			continue
		}
		v.put(&u[i], to, !number && inside(u, i), u[i].count >= 3 || doubled)
	}
	e.to = len(v.buf)
	if bytes.Equal(v.old, v.buf[e.from:e.middle]) && bytes.Equal(v.old, v.buf[e.middle:e.to]) {
		v.buf = v.buf[:e.from]
		return
	}
	v.edits = append(v.edits, e)
}

// majority returns the script that the word's letters are written in: that of
// most of them, and for a word that is written in letters of another script
// only, that of the text around.
func (v *Viewer) majority(u []unit, s *look) script {
	var count [arabic + 1]int
	for i := range u {
		if u[i].form == letter {
			count[scriptOf(u[i].folded)] += int(u[i].count)
		} else if u[i].enclosed() {
			count[latin] += int(u[i].count)
		}
	}
	best := other
	for sc := latin; sc <= arabic; sc++ {
		if count[sc] > count[best] {
			best = sc
		}
	}
	if s.strict && !s.mixed && s.letters >= minLetters {
		switch {
		case best == latin && v.cyr/2 > 2*(v.latin-s.letters):
			return cyrillic
		case best == cyrillic && v.latin > 2*(v.cyr/2-s.letters):
			return latin
		}
	}
	return best
}

// spelled reports whether the word is single letters with symbols between them.
func spelled(u []unit) bool {
	if len(u) < 2*minLetters-1 || len(u)&1 == 0 {
		return false
	}
	for i := range u {
		if i&1 == 0 && !u[i].writes() || i&1 == 1 && u[i].form != mask && u[i].form != symbol {
			return false
		}
	}
	return true
}

// inside reports whether there are letters on both sides of unit i, or it is a
// digit at an end of a word.
func inside(u []unit, i int) bool {
	return u[i].form == digit || i > 0 && i+1 < len(u) && u[i-1].writes() && u[i+1].writes()
}

// put writes a unit, as a letter of a script where it may be one. With leet,
// digits and symbols are written as letters too; with once, several equal
// characters as one.
func (v *Viewer) put(c *unit, to script, leet, once bool) {
	r := c.folded
	if g := &glyphs[c.glyph]; g.n > 0 {
		first := letters[g.first]
		own := c.form == letter && scriptOf(r) == to && (r < 0x250 || r >= 0x370 && r < 0x1D00 || first.kind == kind.Homoglyph)
		if c.form == letter && !own || c.enclosed() || leet && (c.form == digit || c.form == symbol) {
			for _, s := range letters[g.first : g.first+uint16(g.n)] {
				if scriptOf(s.letter) == to {
					r = s.letter
					break
				}
			}
		}
	}
	n := int(c.count)
	if once {
		n = 1
	}
	for range n {
		v.buf = utf8.AppendRune(v.buf, r)
	}
}
