package disguise

import "github.com/sluicehq/sluice/internal/text/disguise/kind"

// traits is what follows of a unit's other fields but its count and kinds, one
// bit each: words are looked at by them.
type traits uint16

const (
	ofOther traits = 1 << iota // a letter by script, in the order of the scripts
	ofLatin
	ofCyrillic
	ofGreek
	ofArabic
	isLetter    // its form is letter
	isEnclosed  // a letter in a square, a circle or a flag, which is no letter to Unicode
	isNumber    // its form is digit
	isBetween   // its form is mask, or it is a symbol that is not enclosed
	isMasking   // its form is mask
	isTurned    // it is a letter that is turned by half a circle
	loose       // a letter that is not written as one of another script
	outstanding // something can be hidden in a word with it

	ofScript = ofOther | ofLatin | ofCyrillic | ofGreek | ofArabic
)

// settle sets the traits, the other fields being set.
func (u *unit) settle() {
	u.traits = 0
	g := &glyphs[u.glyph]
	if u.glyph != 0 && g.n > 0 && letters[g.first].kind == kind.UpsideDown {
		u.traits |= isTurned
	}
	switch u.form {
	case letter:
		u.traits |= isLetter | ofOther<<scriptOf(u.folded)
		if !strict(u.r) {
			u.traits |= loose
		}
		if g.n > 0 && (u.folded >= 0x80 && u.folded < 0x370 || u.folded >= 0x460) {
			u.traits |= outstanding
		}
	case digit:
		u.traits |= isNumber | outstanding
	case mask:
		u.traits |= isMasking | isBetween | outstanding
	case symbol:
		if u.folded >= 0x2100 && letters[g.first].kind == kind.Enclosed {
			u.traits |= isEnclosed | outstanding
		} else {
			u.traits |= isBetween | outstanding
		}
	}
}

// enclosed reports whether the unit is a letter in a square, a circle or a flag,
// which is no letter to Unicode.
func (u *unit) enclosed() bool { return u.traits&isEnclosed != 0 }

// writes reports whether the unit is of a word by itself.
func (u *unit) writes() bool { return u.traits&(isLetter|isNumber|isEnclosed) != 0 }
