package fold

import (
	"slices"
	"unicode/utf8"
)

// The characters that make emoji sequences, and are removed elsewhere.
const (
	joiner   = 0x200D // zero-width joiner
	keycap   = 0x20E3
	tags     = 0xE0000 // behind it, ASCII as tags
	firstTag = 0xE0020
	lastTag  = 0xE007F // cancel tag: ends a sequence of tags
	flag     = 0x1F3F4 // black flag, the base of flags that are spelt by tags
)

// tagged lists the flags that are spelt by tags, all that Unicode recommends.
var tagged = [...]string{"gbeng", "gbsct", "gbwls"}

// inSequence reports whether r, one of the characters above, makes an emoji
// sequence where it stands: between before, folded already, and after, which is
// not. Between and behind letters it never does, so that it hides no word.
//
//   - A joiner does between two emoji.
//   - Tags do behind a black flag, where they spell a flag in tagged.
//   - A keycap does behind one of 0-9, # and *, alone: the keys of a longer
//     number or word are its digits.
//
// Variation selectors never stay: emoji are the same with and without them.
func inSequence(before, after []byte, r rune) bool {
	last, size := utf8.DecodeLastRune(before)
	next, _ := utf8.DecodeRune(after)
	switch {
	case r == joiner:
		return isPictograph(last) && isPictograph(next)
	case r != keycap:
		return spellsFlag(before, after, r)
	case last >= '0' && last <= '9' || last == '#' || last == '*':
		last, _ = utf8.DecodeLastRune(before[:len(before)-size])
		return (len(before) == size || last == keycap || bounds(last)) && (len(after) == 0 || bounds(next))
	}
	return false
}

// bounds reports whether r stands between words, and does so when folded.
func bounds(r rune) bool {
	switch {
	case r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' || r == '_':
		return false
	case r < 0x7F:
		return r >= ' ' || r >= '\t' && r <= '\r'
	}
	return isPictograph(r)
}

// spellsFlag reports whether r is one of the tags of a flag.
func spellsFlag(before, after []byte, r rune) bool {
	var spelt [8]byte
	n := len(spelt)
	for c := r; c != flag; {
		if c < firstTag || c > lastTag || n == 0 {
			return false
		}
		n--
		spelt[n] = byte(c - tags)
		var size int
		c, size = utf8.DecodeLastRune(before)
		before = before[:len(before)-size]
	}
	n = copy(spelt[:], spelt[n:])
	for spelt[n-1] != lastTag-tags {
		c, size := utf8.DecodeRune(after)
		if c < firstTag || c > lastTag || n == len(spelt) {
			return false
		}
		spelt[n] = byte(c - tags)
		n++
		after = after[size:]
	}
	return slices.Contains(tagged[:], string(spelt[:n-1]))
}

// isPictograph reports whether r is an emoji that is its own folded form.
func isPictograph(r rune) bool {
	return uint32(r) < pictureLimit && pictures[r>>6]>>(r&63)&1 == 1
}

// pictures is pictographs, one bit a rune.
var pictures = func() (t [pictureLimit / 64]uint64) {
	for _, p := range pictographs {
		for r := p[0]; r <= p[1]; r++ {
			t[r>>6] |= 1 << (r & 63)
		}
	}
	return t
}()

// pictureLimit is the first rune behind the plane that all emoji are in.
const pictureLimit = 0x20000
