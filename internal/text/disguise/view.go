package disguise

import (
	"bytes"
	"encoding/binary"
	"math/bits"
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
// view and by buf[second:to] in the squeezed one. With same, the skeleton view has
// there what folding makes of the text, and folds it together with what is around.
type edit struct {
	start, end, from, middle, second, to int
	same                                 bool
}

// Read reads a text, valid UTF-8, and reports whether one of the views differs
// from the folded one.
func (v *Viewer) Read(text []byte) bool {
	v.edits, v.buf, v.mixed, v.count = v.edits[:0], v.buf[:0], 0, false
	v.text = text
	v.read(text, v)
	return len(v.edits) > 0
}

// SkeletonDiffers reports whether the skeleton view of the text that was read
// differs from the folded one.
func (v *Viewer) SkeletonDiffers() bool {
	for i := range v.edits {
		if !v.edits[i].same {
			return true
		}
	}
	return false
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
	for i := range v.edits {
		e := &v.edits[i]
		if e.same && !squeezed {
			continue
		}
		dst = appendFolded(dst, v.text[at:e.start])
		if squeezed {
			dst = append(dst, v.buf[e.second:e.to]...)
		} else {
			dst = append(dst, v.buf[e.from:e.middle]...)
		}
		at = e.end
	}
	return fold.Append(dst, v.text[at:])
}

// appendFolded is fold.Append for what stands between words: often a blank.
func appendFolded(dst, s []byte) []byte {
	if len(s) > 4 || !plainASCII(s) {
		return fold.Append(dst, s)
	}
	for _, c := range s {
		if c-'A' < 26 {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// plainASCII reports whether s is of ASCII without controls.
func plainASCII(s []byte) bool {
	i, seen := 0, uint64(0)
	for ; i+8 <= len(s); i += 8 {
		x := binary.LittleEndian.Uint64(s[i:])
		seen |= x | (x - 0x20*every) | (x + every)
	}
	for _, c := range s[i:] {
		seen |= uint64((c-' ')|(c+1)) | uint64(c)
	}
	return seen&highs == 0
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
	start, end := span(u, whole)
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
	to := v.majority(u, &s)
	if whole != 0 || s.kinds&kind.Entity != 0 || s.turned || to != latin || !plainASCII(v.text[start:end]) || !v.squeeze(u, &s, start, end) {
		v.edit(u, &s, whole, to, start, end)
	}
}

// span returns the bytes of the text that units are of.
func span(u []unit, whole kind.Set) (start, end int) {
	start, end = int(u[0].start), int(u[len(u)-1].end)
	if whole&(kind.Reversed|kind.UpsideDown) != 0 {
		for i := range u {
			start, end = min(start, int(u[i].start)), max(end, int(u[i].end))
		}
	}
	return start, end
}

// enough implements visitor.
func (v *Viewer) enough(int) bool { return false }

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

// majority returns the script that the word's letters are written in: that of
// most of them, and for a word that is written in letters of another script
// only, that of the text around.
func (v *Viewer) majority(u []unit, s *look) script {
	best := s.script
	if several := s.traits & ofScript; several&(several-1) != 0 || s.traits&isEnclosed != 0 {
		best = mostly(u)
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

// mostly returns the script that most letters are of; enclosed ones are Latin.
func mostly(u []unit) script {
	var packed uint64 // lanes of 12 bits, by script: a chunk has fewer letters
	enclosed := 0
	for i := range u {
		t := u[i].traits
		packed += uint64(u[i].count) << (laneBits * bits.TrailingZeros16(uint16(t&ofScript|isLetter)))
		if t&isEnclosed != 0 {
			enclosed += int(u[i].count)
		}
	}
	best, most := other, 0
	for sc := other; sc <= arabic; sc++ {
		n := int(packed >> (laneBits * sc) & (1<<laneBits - 1))
		if sc == latin {
			n += enclosed
		}
		if n > most {
			best, most = sc, n
		}
	}
	return best
}

// laneBits is how many bits hold the letters of a chunk, of which each byte of
// window to both sides is at most 6, in the longest form: U+FDFA.
const laneBits = 12

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

// put writes a rune n times.
func (v *Viewer) put(r rune, n uint32) {
	for ; n > 0; n-- {
		v.buf = utf8.AppendRune(v.buf, r)
	}
}

// reading returns what the unit is written as: a letter of a script where it may
// be one. With leet, digits and symbols are written as letters too.
func (c *unit) reading(to script, leet bool) rune {
	r := c.folded
	switch {
	case c.glyph == 0:
		return r
	case c.traits&isLetter != 0:
		if c.traits>>to&1 == 1 && (r < 0x250 || r >= 0x370 && r < 0x1D00 || letters[glyphs[c.glyph].first].kind == kind.Homoglyph) {
			return r // its own
		}
	case c.traits&isEnclosed == 0 && (!leet || c.form != digit && c.form != symbol):
		return r
	}
	if x := firstLetters[c.glyph][to]; x != 0 {
		return x
	}
	return r
}

// firstLetters holds the first letter of each script that a glyph may stand for, or 0.
var firstLetters = func() (t [len(glyphs)][arabic + 1]rune) {
	for n, g := range glyphs {
		for _, s := range slices.Backward(letters[g.first : g.first+uint16(g.n)]) {
			t[n][scriptOf(s.letter)] = s.letter
		}
	}
	return t
}()
