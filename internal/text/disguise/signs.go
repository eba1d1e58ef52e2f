package disguise

import (
	"encoding/binary"
	"math"
	"unicode"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// What folding does to a character, in effects.
const (
	unseen   = 1 << iota // it is removed, and is not a combining mark
	replaced             // it becomes something else than itself in lower case
	joins                // it makes emoji where it stands behind one
)

// effects holds what folding does to the characters below tableLimit.
var effects = newByteTable(func(r rune) uint8 {
	e := effectOf(r)
	if r == 0x200D || r == 0xFE0E || r == 0xFE0F {
		e |= joins
	}
	return e
})

func effectOf(r rune) uint8 {
	f, fate := fold.Rune(r)
	switch {
	case fate == fold.One && f == r:
		return 0 // nearly always
	case fate == fold.Removed:
		return unseen | replaced
	case fate == fold.One && f == unicode.ToLower(r):
		return 0
	case fate == fold.Many && string(fold.Append(nil, []byte(string(r)))) == string(unicode.ToLower(r)):
		return 0
	}
	return replaced
}

// narrow is effects of the characters of one or two bytes.
var narrow = func() (t [0x800]uint8) {
	for r := range t {
		t[r] = effects.at(rune(r))
	}
	return t
}()

// effectBeyond is the effect of a rune from tableLimit on.
func effectBeyond(r rune) uint8 {
	if r >= 0xE0020 && r <= 0xE007F {
		return replaced | joins // tags
	}
	return effectOf(r)
}

// Hidden returns how many characters of text nobody sees (default ignorables,
// bidi controls and other controls, but for the joiners and selectors within
// emoji), and the share of characters that folding removes or replaces by
// something else than their lower case.
func Hidden(text []byte) (invisible int, distance float32) {
	total, changed := 0, 0
	emoji := false // the character before is part of an emoji
	for i := 0; i < len(text); total++ {
		if i+8 <= len(text) {
			x := binary.LittleEndian.Uint64(text[i:])
			if (x|(x-0x20*every)|(x+every))&highs == 0 {
				// Fast path: ASCII without controls, which folding does nothing to.
				i, total, emoji = i+8, total+7, false
				continue
			}
		}
		if c := text[i]; c < 0xE0 && i+1 < len(text) {
			// Fast path: a character of one or two bytes.
			wide := int(c >> 7)
			r := int(c) + -wide&((int(c&0x1f)<<6|int(text[i+1]&0x3f))-int(c))
			e := narrow[r&0x7ff]
			i, emoji = i+1+wide, false
			invisible += int(e & unseen)
			changed += int(e >> 1 & 1)
			continue
		}
		page, low, size := pageOf(wordAt(text, i))
		if text[i] < utf8.RuneSelf {
			page, low, size = uint64(text[i])>>6, uint64(text[i])&63, 1
		}
		i += size
		var e uint8
		if page < tableLimit>>6 {
			e = effects.inPage(page, low)
		} else {
			e = effectBeyond(rune(page<<6 | low))
		}
		if emoji && e&joins != 0 {
			continue
		}
		emoji = page >= 0x2100>>6 && e == 0
		invisible += int(e & unseen)
		changed += int(e >> 1 & 1)
	}
	if changed == 0 {
		return invisible, 0
	}
	return invisible, float32(changed) / float32(total)
}

// Entropy is the scratch memory of the entropy of texts, for one goroutine. The
// zero value is ready.
type Entropy struct{ counts [256]uint16 }

// maxEntropy is the longest text of which the entropy is taken as a whole: of
// longer ones, that of their first bytes is.
const maxEntropy = 1 << 14

// scale is the fixed point of steps.
const scale = 1 << 32

// steps[c] is (c+1)*log2(c+1) - c*log2(c): what one more of c equal bytes adds.
var steps = func() (t [maxEntropy]uint64) {
	xlog := func(c float64) float64 {
		if c == 0 {
			return 0
		}
		return c * math.Log2(c)
	}
	for c := range t {
		t[c] = uint64((xlog(float64(c)+1)-xlog(float64(c)))*scale + 0.5)
	}
	return t
}()

// Of returns the Shannon entropy of the text's bytes, in bits: 0 to 8.
func (e *Entropy) Of(text []byte) float32 {
	if len(text) > maxEntropy {
		text = text[:maxEntropy]
	}
	n := uint64(len(text))
	if n < 2 {
		return 0
	}
	e.counts = [256]uint16{}
	sum := uint64(0) // of c*log2(c) over the counts c
	for _, b := range text {
		c := e.counts[b]
		sum += steps[c&(maxEntropy-1)]
		e.counts[b] = c + 1
	}
	return float32(max(0, logs(n)-float64(sum)/scale/float64(n)))
}

// logTable holds log2 of the lengths that posts have.
var logTable = func() (t [1024]float64) {
	for n := 1; n < len(t); n++ {
		t[n] = math.Log2(float64(n))
	}
	return t
}()

// logs returns log2(n).
func logs(n uint64) float64 {
	if n < uint64(len(logTable)) {
		return logTable[n]
	}
	return math.Log2(float64(n))
}
