package disguise

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// squeeze is edit for a word that is written in ASCII, in Latin letters: its
// skeleton is what folding makes of it. It reports false where that is not
// independent of what stands around the word.
func (v *Viewer) squeeze(u []unit, s *look, start, end int) bool {
	if start > 0 && v.text[start-1] >= utf8.RuneSelf || end < len(v.text) && isKey(v.text[end]) {
		return false
	}
	number := s.letters < minLetters || amount(u, s)
	apart := s.inside && spelled(u)
	doubled := s.doubled && len(u) >= minLetters
	from, changed := len(v.buf), apart
	out := slices.Grow(v.buf, end-start)
	for i := range u {
		c := &u[i]
		r, n := byte(c.folded), c.count
		if c.traits&isLetter == 0 {
			if apart && i&1 == 1 {
				continue
			}
			if b := firstLetters[c.glyph][latin]; b != 0 && !number && (c.form == digit || c.form == symbol) && inside(u, i) {
				r, changed = byte(b), true
			}
		}
		if n >= 3 || n == 2 && doubled {
			n, changed = 1, true
		}
		for ; n > 0; n-- {
			out = append(out, r)
		}
	}
	if changed {
		v.buf = out
		v.edits = append(v.edits, edit{start, end, from, from, from, len(out), true})
	}
	return true
}

// isKey reports whether c, behind a word, may be of a keycap, or is not of ASCII.
func isKey(c byte) bool {
	return c >= '0' && c <= '9' || c == '#' || c == '*' || c >= utf8.RuneSelf
}

// edit notes what is written for a word whose letters are of the script to.
func (v *Viewer) edit(u []unit, s *look, whole kind.Set, to script, start, end int) {
	e := edit{start: start, end: end, from: len(v.buf)}
	changed := false
	if whole&kind.Spaced != 0 {
		v.buf = fold.Append(v.buf, v.text[start:end])
	} else {
		changed = v.skeleton(u, to)
	}
	e.middle = len(v.buf)
	doubled := s.doubled && len(u) >= minLetters
	if whole&kind.Spaced == 0 && s.traits&(isNumber|isBetween) == 0 && s.most < 3 && !doubled {
		e.second, e.to = e.from, e.middle // there is nothing to squeeze
		if !changed && whole == 0 && s.kinds&kind.Entity == 0 && !s.turned && separate(v.text[start:end]) {
			v.buf = v.buf[:e.from]
			return
		}
	} else {
		e.second = e.middle
		number := whole&kind.Spaced == 0 && (s.letters < minLetters || amount(u, s))
		apart := s.inside && spelled(u)
		for i := range u {
			if apart && i&1 == 1 {
				continue
			}
			r, n := u[i].reading(to, !number && inside(u, i)), u[i].count
			if n >= 3 || doubled {
				n = 1
			}
			v.put(r, n)
		}
		e.to = len(v.buf)
	}
	// Where a letter is written as another one, folding does not write that in its
	// place: the views differ, and need not be compared.
	if !changed {
		v.old = fold.Append(v.old[:0], v.text[start:end])
		if bytes.Equal(v.old, v.buf[e.from:e.middle]) && bytes.Equal(v.old, v.buf[e.second:e.to]) {
			v.buf = v.buf[:e.from]
			return
		}
	}
	v.edits = append(v.edits, e)
}

// skeleton writes units as letters of a script where they may be some, and reports
// whether one is written otherwise than folding does.
func (v *Viewer) skeleton(u []unit, to script) (changed bool) {
	out := slices.Grow(v.buf, utf8.UTFMax*len(u))
	for i := range u {
		c := &u[i]
		r := c.folded
		if c.glyph != 0 {
			r = c.reading(to, false)
			changed = changed || r != c.folded
		}
		switch {
		case c.count > 1:
			v.buf = out
			v.put(r, c.count)
			out = v.buf
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	v.buf = out
	return changed
}

// separate reports whether s is of characters of one or two bytes of which folding
// makes one rune or none, without a look at the others.
func separate(s []byte) bool {
	for i := 0; i < len(s); i++ {
		r := int(s[i])
		if r >= 0xDF {
			return false // from NKo on, whose marks are ordered
		}
		if r >= utf8.RuneSelf && i+1 < len(s) {
			i++
			r = r&0x1f<<6 | int(s[i]&0x3f)
		}
		if x := &low[r]; x.form == 0 && x.kinds == 0 {
			return false
		}
	}
	return true
}
