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
		if !f.standsFor(from, to, words[i], &hit.Kinds) {
			return false
		}
		hit.Start = f.beside[0].start
	}
	for _, w := range words[u.place+1:] {
		from, to := f.wordBehind(int(hit.End))
		if !f.standsFor(from, to, w, &hit.Kinds) {
			return false
		}
		hit.End = f.beside[len(f.beside)-1].end
	}
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
	k, ok := verify(u, word)
	if !ok && s.masks > 0 {
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
