package fold

import "github.com/sluicehq/sluice/internal/text/fold/entry"

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

// AppendForm appends the folded form of r by itself, which [Rune] says is of
// several runes: nothing for what emoji sequences are made with.
func AppendForm(dst []byte, r rune) []byte {
	e, identity := lookup(r)
	switch {
	case identity || e >= entry.IsLong && e&entry.IsSequence != 0:
		return dst
	case e < entry.IsLong:
		return append(dst, byte(e), byte(e>>8), byte(e>>16))[:len(dst)+entry.Length(e)]
	case e&entry.IsComposing != 0:
		return append(dst, composedForms[e&entry.LongMask]...)
	}
	return append(dst, long[e&entry.LongMask]...)
}

// composedForms holds the long forms, composed.
var composedForms = func() (t [len(long)]string) {
	for i, form := range long {
		var b []byte
		for _, c := range form {
			b = appendComposed(b, 0, c)
		}
		t[i] = string(b)
	}
	return t
}()
