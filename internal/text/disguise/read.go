package disguise

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
)

// window bounds how far the reader looks to both sides of a suspicious place, in
// bytes: what a place costs is bounded.
const window = 256

// visitor is given the suspicious words of a text, in order.
type visitor interface {
	// word gets the units of a word, which are valid during the call, and the
	// kinds of disguise that it is in as a whole. With edges, it is a word that
	// was given before, with the symbols around it that may be letters.
	word(u []unit, whole kind.Set, edges bool)
	// enough reports whether the text need not be read from done on.
	enough(done int) bool
}

// reader finds suspicious words in texts. It has the scratch memory for one
// goroutine; the zero value is ready.
type reader struct {
	scanner
	text  []byte
	units []unit
	gaps  []gap // of apart: gaps[i] is behind units[i]
	// spacing tells that the words given are of letters that stand apart, and
	// that units and gaps are all of these.
	spacing bool
	steps   int // units read and compared, for tests of what texts cost
}

// read gives v the suspicious words of text.
func (r *reader) read(text []byte, v visitor) {
	if !r.scan(text) {
		return
	}
	r.text, r.steps = text, 0
	done, apart := 0, 0
	for _, p := range r.places {
		for m := p.bits; m != 0; m &= m - 1 {
			i := p.at + bits.TrailingZeros64(m)
			for ; apart < len(r.spaced) && r.spaced[apart] <= i; apart++ {
				if r.spaced[apart] >= done {
					done = max(done, r.apart(r.spaced[apart], v))
				}
			}
			if i >= done {
				if done = r.chunk(done, i, v); v.enough(done) {
					return
				}
			}
		}
	}
	for ; apart < len(r.spaced); apart++ {
		if r.spaced[apart] >= done {
			done = max(done, r.apart(r.spaced[apart], v))
		}
	}
}

// chunk reads what stands between the blanks around the suspicious place i, but
// not before done, and returns where it ends.
func (r *reader) chunk(done, i int, v visitor) int {
	if r.text[i] == overriding[0] && (bytes.HasPrefix(r.text[i:], []byte(overriding)) || bytes.HasPrefix(r.text[i:], []byte("\u202d"))) {
		return r.override(i, v)
	}
	start := r.blankBefore(i, max(done, i-window))
	end := r.blankBehind(i, min(len(r.text), i+window))
	for start < i && !utf8.RuneStart(r.text[start]) {
		start++
	}
	for end > i && end < len(r.text) && !utf8.RuneStart(r.text[end]) {
		end--
	}
	if end <= i {
		return i + 1
	}
	if end-start < minLetters && plainASCII(r.text[start:end]) {
		return end // too short for any word, and for letters to be stretched
	}
	if end = max(end, i+1); r.mayBeAddress(start, end) && isAddress(r.text[start:end]) {
		return end
	}
	r.units = appendUnits(r.units[:0], r.text, start, end)
	r.steps += len(r.units)
	words(r.units, 0, v)
	return end
}

// overriding begins text that is written from right to left.
const overriding = "\u202e"

// words cuts units at what is not of a word and gives v the words.
func words(u []unit, whole kind.Set, v visitor) {
	for from := 0; from < len(u); {
		if u[from].form == hard {
			from++
			continue
		}
		if to := apart(u, from); to > from {
			v.word(u[from:to], whole|kind.Spaced, false)
			from = to
			continue
		}
		to := from
		for to < len(u) && u[to].form != hard {
			to++
		}
		trim(u[from:to], whole, v)
		from = to
	}
}

// apart returns the end of a run of three or more single letters from u[from] on
// with one and the same blank between them, or from. In texts, such runs are
// found by reader.apart; these are the ones behind entities and overrides.
func apart(u []unit, from int) int {
	to := from
	for to+2 < len(u) && u[to].writes() && u[to].count == 1 && u[to+1].form == hard && u[to+1].folded == u[from+1].folded && u[to+2].writes() {
		to += 2
	}
	if to-from < 2*(minLetters-1) || to+1 < len(u) && u[to+1].writes() || from > 0 && u[from-1].writes() {
		return from
	}
	return to + 1
}

// trim gives v a word without the symbols around it, and with them where they
// may be letters.
func trim(u []unit, whole kind.Set, v visitor) {
	lo, hi := 0, len(u)
	for lo < hi && !u[lo].writes() {
		lo++
	}
	for lo < hi && !u[hi-1].writes() {
		hi--
	}
	if lo == hi {
		return
	}
	kinds := whole
	if lo > 0 && u[lo-1].folded == '_' || hi < len(u) && u[hi].folded == '_' {
		kinds |= kind.Spaced
	}
	v.word(u[lo:hi], kinds, false)
	from, to := lo, hi
	for from > 0 && lo-from < maxEdge && edge(&u[from-1], true) {
		from--
	}
	for to < len(u) && to-hi < maxEdge && edge(&u[to], false) {
		to++
	}
	if from < lo || to > hi {
		v.word(u[from:to], kinds, true)
	}
}

// maxEdge is how many symbols at an end of a word are taken for letters.
const maxEdge = 3

// edge reports whether a symbol at the beginning or the end of a word may be one
// of its letters.
func edge(u *unit, first bool) bool {
	switch u.folded {
	case '$', '|':
		return u.count <= 2
	case '@', '+':
		return !first && u.count == 1
	case '!':
		return first && u.count == 1
	}
	return u.folded >= 0x80 && u.form == symbol
}

// override reads the text behind a right-to-left or left-to-right override at i
// backwards, up to the character that ends it or the line's end, and returns
// where that is.
func (r *reader) override(i int, v visitor) int {
	start := i + len("\u202e")
	end := start
	for end < min(len(r.text), start+window) && r.text[end] != '\n' && (r.text[end] != overriding[0] || !bytes.HasPrefix(r.text[end:], []byte("\u202c"))) {
		end++
	}
	for end > start && end < len(r.text) && !utf8.RuneStart(r.text[end]) {
		end--
	}
	r.units = appendUnits(r.units[:0], r.text, start, end)
	slices.Reverse(r.units)
	r.steps += len(r.units)
	words(r.units, kind.Reversed, v)
	return end
}

// gap is what stands between two letters that stand alone.
type gap struct{ from, to int }

// apart reads letters that stand alone from i on, and gives v the runs of them
// with one and the same thing between them. It returns where the last run ends,
// or 0.
func (r *reader) apart(i int, v visitor) int {
	for i > 0 && (!utf8.RuneStart(r.text[i]) || markAt(r.text[i:])) {
		i--
	}
	r.units, r.gaps = r.units[:0], r.gaps[:0]
	done := 0
	for i < len(r.text) {
		next := alone(r.text, i)
		if next == i {
			break
		}
		r.units = appendSingle(r.units, r.text, i, next)
		if i = next; len(r.units) > maxRuns*4 {
			break
		}
		end := next
		for i < len(r.text) && i < end+maxGap && !startsWord(r.text[i:]) {
			i++
		}
		if i == end+maxGap || i == len(r.text) || i == end {
			break
		}
		r.gaps = append(r.gaps, gap{end, i})
	}
	n := len(r.units)
	r.steps += n
	r.spacing = true
	defer func() { r.spacing = false }()
	for from := 0; from < n-2; {
		to := from + 1
		for to < n-1 && r.sameGap(from, to) {
			to++
		}
		if to-from >= 2 {
			r.group(from, to+1, v)
			done = int(r.units[to].end)
		}
		from = max(to, from+1)
	}
	return done
}

// maxGap is how many bytes may be between two letters that are spaced apart.
const maxGap = 16

// alone returns the end of the character at i with its marks, or i where it is
// not alone or not of a word.
func alone(text []byte, i int) int {
	if !startsWord(text[i:]) {
		return i
	}
	_, size := utf8.DecodeRune(text[i:])
	end := i + size
	for end < len(text) && text[end] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(text[end:])
		if !unseenAt(r) {
			break
		}
		end += size
	}
	if end < len(text) && startsWord(text[end:]) {
		return i
	}
	return end
}

// markAt reports whether text begins with a mark.
func markAt(text []byte) bool {
	if text[0] < utf8.RuneSelf {
		return false
	}
	c, _ := utf8.DecodeRune(text)
	return classOf(c)&isMark != 0
}

// startsWord reports whether text begins with a character of a word.
func startsWord(text []byte) bool {
	if c := text[0]; c < utf8.RuneSelf {
		return c != '_' && wordByte(c)
	}
	if !utf8.RuneStart(text[0]) {
		return false
	}
	r, _ := utf8.DecodeRune(text)
	return classOf(r)&inWord != 0
}

// sameGap reports whether the gap behind letter i is the same as that behind j.
func (r *reader) sameGap(i, j int) bool {
	a, b := r.gaps[i], r.gaps[j]
	return bytes.Equal(r.text[a.from:a.to], r.text[b.from:b.to])
}

// group gives v the letters from..to. A word of one letter beside them is not
// one of them, where blanks stand between: "it is a f r e e gift".
func (r *reader) group(from, to int, v visitor) {
	blanks := len(bytes.TrimSpace(r.text[r.gaps[from].from:r.gaps[from].to])) == 0
	give := func(from, to int, again bool) {
		if to-from >= minLetters {
			v.word(r.units[from:to], kind.Spaced, again)
		}
	}
	give(from, to, false)
	if !blanks {
		return
	}
	first, last := ownWord(r.units[from].folded), ownWord(r.units[to-1].folded)
	if first {
		give(from+1, to, true)
	}
	if last {
		give(from, to-1, true)
	}
	if first && last {
		give(from+1, to-1, true)
	}
}

// ownWord reports whether r is a word by itself in a language of its script.
func ownWord(r rune) bool {
	switch r {
	case 'a', 'e', 'i', 'o', 'u', 'y', 'à', 'а', 'б', 'в', 'ж', 'и', 'к', 'о', 'с', 'у', 'я', 'є', 'і', 'з', 'й', 'و', '&':
		return true
	}
	return false
}
