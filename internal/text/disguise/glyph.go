package disguise

import "github.com/sluicehq/sluice/internal/text/disguise/kind"

// glyph is a character that may stand for other letters than itself.
type glyph struct {
	key   rune   // the same for all letters that one character may stand for
	first uint16 // letters[first:first+n]: what it may stand for
	n     uint8
}

// stand is a letter, folded, and the kind of the disguise.
type stand struct {
	letter rune
	kind   kind.Set
}

// glyphOf returns the number of r's glyph, or 0.
func glyphOf(r rune) uint16 {
	if uint32(r) >= uint32(len(index))*64 {
		return 0
	}
	return numbers[int(index[r>>6])<<6|int(r&63)]
}

// keyOf returns the key of a folded letter.
func keyOf(r rune) rune {
	if g := glyphOf(r); g != 0 {
		return glyphs[g].key
	}
	return r
}

// Scripts that are told apart. All others are one.
type script uint8

const (
	other script = iota
	latin
	cyrillic
	greek
	arabic
)

// scriptOf returns the script of a letter.
func scriptOf(r rune) script {
	switch {
	case r < 0x370:
		return latin
	case r < 0x400:
		return greek
	case r < 0x530:
		return cyrillic
	case r >= 0x600 && r < 0x780:
		return arabic
	case r >= 0x1D00 && r < 0x1F00 || r >= 0xA720 && r < 0xA800:
		return latin
	case r >= 0xA640 && r < 0xA6A0:
		return cyrillic
	case r >= 0x1F00 && r < 0x2000:
		return greek
	}
	return other
}
