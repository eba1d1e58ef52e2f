package fold

import (
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// Fate is what folding does to a rune by itself.
type Fate uint8

// The fates.
const (
	One     Fate = iota // the folded form is one rune
	Removed             // nothing is left; it is not a mark
	Mark                // nothing is left of the combining mark
	Many                // the folded form is several runes, or depends on what stands before
)

// Rune returns the folded form of r by itself, where that is one rune, and what
// becomes of it otherwise.
func Rune(r rune) (rune, Fate) {
	e, identity := lookup(r)
	switch {
	case identity:
		return r, One
	case e >= entry.IsLong:
		return 0, Many
	case e&entry.IsMark != 0:
		return 0, Mark
	}
	switch b := rune(e); entry.Length(e) {
	case 0:
		return 0, Removed
	case 1:
		return b & 0x7f, One
	case 2:
		if e&0xe0 == 0xc0 {
			return b&0x1f<<6 | b>>8&0x3f, One
		}
	default:
		if e&0xf0 == 0xe0 {
			return b&0xf<<12 | b>>8&0x3f<<6 | b>>16&0x3f, One
		}
	}
	return 0, Many
}

// Form returns the folded form of r by itself, which [Rune] says is of several
// runes: "" for what emoji sequences are made with. It is not ok where the form is
// made by composition.
func Form(r rune) (form string, ok bool) {
	e, identity := lookup(r)
	switch {
	case identity || e < entry.IsLong:
		return "", false
	case e&entry.IsSequence != 0:
		return "", true
	}
	form = long[e&entry.LongMask]
	if e&entry.IsComposing == 0 {
		return form, true
	}
	_, size := utf8.DecodeRuneInString(form)
	return form, size == len(form) // there is nothing to compose one rune with
}
