package disguise

import (
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
func (u *unit) reading(to script, leet bool) rune {
	r := u.folded
	switch {
	case u.glyph == 0:
		return r
	case u.traits&isLetter != 0:
		if u.traits>>to&1 == 1 && (r < 0x250 || r >= 0x370 && r < 0x1D00 || letters[glyphs[u.glyph].first].kind == kind.Homoglyph) {
			return r // its own
		}
	case u.traits&isEnclosed == 0 && (!leet || u.form != digit && u.form != symbol):
		return r
	}
	if x := firstLetters[u.glyph][to]; x != 0 {
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
