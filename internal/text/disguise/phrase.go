package disguise

import (
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
)

// phrase extends a hit of one word of a phrase to the whole phrase, and reports
// whether the other words stand around it, as they are written or in disguise.
func (f *Finder) phrase(u use, hit *Hit) bool {
	words := f.set.phrases[u.phrase : u.phrase+uint32(u.words)]
	for i := int(u.place) - 1; i >= 0; i-- {
		from, to := f.wordBefore(int(hit.Start))
		if !f.standsFor(from, to, words[i], &hit.Kinds) && !f.lettersStandFor(f.groupBefore(hit.Start), words[i], &hit.Kinds) {
			return false
		}
		hit.Start = f.beside[0].start
	}
	for _, w := range words[u.place+1:] {
		from, to := f.wordBehind(int(hit.End))
		if !f.standsFor(from, to, w, &hit.Kinds) && !f.lettersStandFor(f.groupBehind(hit.End), w, &hit.Kinds) {
			return false
		}
		hit.End = f.beside[len(f.beside)-1].end
	}
	return true
}

// groupBehind returns the letters that stand apart, with one and the same thing
// between them, behind those that end at end; nil where none do.
func (f *Finder) groupBehind(end uint32) []unit {
	for i := range f.apartGaps() {
		if f.units[i].end != end {
			continue
		}
		from := i + 1
		to := from
		for to < len(f.units)-1 && f.sameGap(from, to) {
			to++
		}
		return f.units[from : to+1]
	}
	return nil
}

// apartGaps returns how many gaps are between the letters that are read, if
// these stand apart, else 0.
func (f *Finder) apartGaps() int {
	if !f.spacing {
		return 0
	}
	return min(len(f.gaps), len(f.units)-1)
}

// groupBefore is groupBehind for those that end before start.
func (f *Finder) groupBefore(start uint32) []unit {
	for i := range f.apartGaps() {
		if f.units[i+1].start != start {
			continue
		}
		from := i
		for from > 0 && f.sameGap(from-1, i-1) {
			from--
		}
		return f.units[from : i+1]
	}
	return nil
}

// lettersStandFor reports whether letters that stand apart are the word w, and
// leaves them in f.beside.
func (f *Finder) lettersStandFor(u []unit, w uint32, kinds *kind.Set) bool {
	if len(u) < 2 {
		return false
	}
	f.beside = join(f.beside[:0], u)
	if len(f.beside) > maxRuns {
		return false
	}
	s, word := survey(f.beside), f.set.letters(w)
	k, ok := f.verify(f.beside, word)
	if !ok || !f.honest(k|kind.Spaced, &s, word) {
		return false
	}
	*kinds |= k | kind.Spaced
	return true
}

// standsFor reports whether text[from:to] is the word w, and leaves its units in
// f.beside.
func (f *Finder) standsFor(from, to int, w uint32, kinds *kind.Set) bool {
	if from >= to {
		return false
	}
	f.beside = appendUnits(f.beside[:0], f.text, from, to)
	u := f.beside
	for len(u) > 0 && !u[0].writes() {
		u = u[1:]
	}
	for len(u) > 0 && !u[len(u)-1].writes() {
		u = u[:len(u)-1]
	}
	if len(u) == 0 || slices.ContainsFunc(u, func(c unit) bool { return c.form == hard }) {
		return false
	}
	f.beside = u
	s := survey(u)
	if len(u) > maxRuns || amount(u, &s) {
		return false
	}
	word := f.set.letters(w)
	k, ok := f.verify(u, word)
	if !ok && s.masked {
		k, ok = verifyMasked(u, word)
	}
	if !ok || k&^kind.Trivial != 0 && !f.honest(k, &s, word) {
		return false
	}
	*kinds |= k
	return true
}

// wordBehind returns the word that begins behind i: what it is between has no
// letters and digits.
func (f *Finder) wordBehind(i int) (from, to int) {
	end := min(len(f.text), i+window)
	for i < end && !startsWord(f.text[i:]) && !edgeSymbol(f.text, i) {
		i++
	}
	from = i
	for i < end && (startsWord(f.text[i:]) || !utf8.RuneStart(f.text[i]) || inner(f.text, i)) {
		i++
	}
	return from, i
}

// wordBefore returns the word that ends before i.
func (f *Finder) wordBefore(i int) (from, to int) {
	least := max(0, i-window)
	for i > least && !endsWord(f.text, i) {
		i--
	}
	to = i
	for i > least && (endsWord(f.text, i) || inner(f.text, i-1)) {
		i--
	}
	for i < to && !utf8.RuneStart(f.text[i]) {
		i++
	}
	return i, to
}

// endsWord reports whether the character that ends at i is of a word, or i is
// within a character of a word.
func endsWord(text []byte, i int) bool {
	j := i - 1
	for j > 0 && !utf8.RuneStart(text[j]) {
		j--
	}
	return startsWord(text[j:])
}

// inner reports whether the symbol at i stands between characters of a word.
func inner(text []byte, i int) bool {
	return i > 0 && i+1 < len(text) && text[i] < utf8.RuneSelf && forms[text[i]] != hard && wordByte(text[i-1]) && wordByte(text[i+1])
}

// edgeSymbol reports whether a symbol that may be a letter begins a word at i.
func edgeSymbol(text []byte, i int) bool {
	return i+1 < len(text) && text[i] == '$' && wordByte(text[i+1])
}
