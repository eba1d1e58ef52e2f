package fold

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// What one does for characters that depend on what stands beside them, by
// tables, and without copying what stands before them.

// special folds the character of entry e at src[i:next], whose form is long, to
// out[n:], which has room for it: out[base:n] is the text folded before. It returns
// where the folded text ends and what is taken of src then; -1 for what it does
// not know.
func special(out []byte, base, n int, src []byte, i, next int, e uint32) (end, taken int) {
	switch {
	case e&entry.IsSequence != 0:
		return sequence(out, base, n, src, i, next)
	case e&entry.IsComposing == 0:
		return n + copy(out[n:], long[e&entry.LongMask]), next
	}
	c := &composings[e&entry.LongMask]
	if c.size == 0 {
		return -1, next
	}
	if n > base {
		first, at := starterBefore(out, base, n)
		if at < 0 {
			return -1, next
		}
		if r := c.with(first); r != 0 {
			return at + utf8.EncodeRune(out[at:at+utf8.UTFMax], r), next
		}
	}
	binary.LittleEndian.PutUint32(out[n:], c.bytes)
	return n + int(c.size), next
}

// starterBefore returns the last character of out[base:n] and where it is, or -1
// where it is not of combining class 0.
func starterBefore(out []byte, base, n int) (r rune, at int) {
	if c := out[n-1]; c < utf8.RuneSelf {
		return rune(c), n - 1
	}
	at = n - 1
	for at > base && out[at]&0xc0 == 0x80 {
		at--
	}
	// The room behind n is read too, and not looked at.
	e, _ := lookupWord(binary.LittleEndian.Uint32(out[at:]))
	if e >= entry.IsLong && e&entry.IsSequence == 0 && e&entry.IsComposing != 0 && composings[e&entry.LongMask].class != 0 {
		return 0, -1
	}
	r, _ = utf8.DecodeRune(out[at:n])
	return r, at
}

// composing is a long form that must be composed with what stands before it, and
// is one rune.
type composing struct {
	bytes uint32 // its UTF-8, little-endian
	size  uint8  // of bytes; 0: it is several runes
	class uint8  // its combining class
	kind  jamo
	first rune   // composites[at+(r-first)] is what r and the rune make, for count runes
	count uint16 // of runes from first on
	at    uint16
}

// jamo tells the parts of Hangul syllables, which are composed by arithmetic.
type jamo uint8

const (
	vowel jamo = iota + 1
	trailing
)

// with returns the primary composite of the starter r and c, or 0.
func (c *composing) with(r rune) rune {
	if c.kind != 0 {
		return c.syllable(r)
	}
	if i := uint32(r - c.first); i < uint32(c.count) {
		return composites[uint32(c.at)+i]
	}
	return 0
}

// syllable is with for the parts of Hangul syllables, of which first is the
// number of the part.
func (c *composing) syllable(r rune) rune {
	if c.kind == vowel {
		if l := uint32(r - hangulL); l < countL {
			return hangulS + (rune(l)*countV+c.first)*countT
		}
		return 0
	}
	if s := uint32(r - hangulS); s < countL*countV*countT && s%countT == 0 {
		return r + c.first
	}
	return 0
}

// composings holds what is known of the long forms that compose; composites what
// they make.
var composings, composites = func() (t [len(long)]composing, made []rune) {
	for i, form := range long {
		r, size := utf8.DecodeRuneInString(form)
		if size != len(form) {
			continue
		}
		c := &t[i]
		var b [utf8.UTFMax]byte
		utf8.EncodeRune(b[:], r)
		*c = composing{bytes: binary.LittleEndian.Uint32(b[:]), size: uint8(size), class: combiningClass(r)}
		switch {
		case r >= hangulV && r < hangulV+countV:
			c.kind, c.first = vowel, r-hangulV
			continue
		case r > hangulT && r < hangulT+countT:
			c.kind, c.first = trailing, r-hangulT
			continue
		}
		var first, last rune
		for _, p := range pairs { // in the order of their first runes
			if p[1] == r {
				if first == 0 {
					first = p[0]
				}
				last = p[0]
			}
		}
		if first == 0 {
			continue
		}
		c.first, c.count, c.at = first, uint16(last-first+1), uint16(len(made))
		made = append(made, make([]rune, c.count)...)
		for _, p := range pairs {
			if p[1] == r {
				made[int(c.at)+int(p[0]-first)] = p[2]
			}
		}
	}
	return t, made
}()

// sequence folds what emoji sequences are made with at src[i:next], and returns
// where the folded text ends and what is taken of src then: see inSequence.
func sequence(out []byte, base, n int, src []byte, i, next int) (end, taken int) {
	c := src[i:next]
	if len(c) == utf8.UTFMax {
		// A tag. Those of a flag are taken together, so any other is removed.
		if n-base >= len(blackFlag) && string(out[n-len(blackFlag):n]) == blackFlag {
			for _, f := range flags {
				if bytes.HasPrefix(src[i:], f) {
					return n + copy(out[n:], f), i + len(f)
				}
			}
		}
		return n, next
	}
	if c[1] == zwj[1] {
		if isPictograph(wideBefore(out, base, n)) && isPictograph(wideAt(src, next)) {
			return n + copy(out[n:], zwj), next
		}
		return n, next
	}
	if next < len(src) && src[next] < utf8.RuneSelf && !bounds(rune(src[next])) {
		return n, next // a keycap, nearly always of a longer number
	}
	r, _ := utf8.DecodeRune(c)
	if !inSequence(out[base:n], src[next:], r) {
		return n, next
	}
	return n + copy(out[n:], c), next
}

// wideBefore returns the last character of out[base:n], where it is of three
// bytes or four.
func wideBefore(out []byte, base, n int) rune {
	switch {
	case n-base >= 4 && out[n-4] >= 0xf0:
		return wideAt(out[:n], n-4)
	case n-base >= 3:
		return wideAt(out[:n], n-3)
	}
	return 0
}

// wideAt returns the character at s[i], where it is of three bytes or four, else
// 0.
func wideAt(s []byte, i int) rune {
	if i+3 > len(s) || s[i] < 0xe0 {
		return 0
	}
	if r := rune(s[i])&0xf<<12 | rune(s[i+1])&0x3f<<6 | rune(s[i+2])&0x3f; s[i] < 0xf0 {
		return r
	} else if i+4 <= len(s) {
		return r&0x7fff<<6 | rune(s[i+3])&0x3f
	}
	return 0
}

// zwj is the joiner; of what makes sequences, its second byte is its own.
var zwj = string(rune(joiner))

// blackFlag begins the flags that are spelt by tags; flags holds what stands
// behind it, the cancel tag with it.
var (
	blackFlag = string(rune(flag))
	flags     = func() (t [len(tagged)][]byte) {
		for i, name := range tagged {
			for _, c := range name {
				t[i] = utf8.AppendRune(t[i], tags+c)
			}
			t[i] = utf8.AppendRune(t[i], lastTag)
		}
		return t
	}()
)
