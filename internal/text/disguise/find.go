package disguise

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
)

// Hit is a term that was found in disguise: bytes Start to End of the text.
type Hit struct {
	Start, End uint32
	Term       uint32 // the number that it was added with
	Kinds      kind.Set
}

// maxCandidates bounds the words of one key that are tried at one place. Lists
// have more only where somebody has made them so.
const maxCandidates = 64

// Finder finds the terms of a set. It is the scratch memory for one goroutine;
// the zero value is ready.
type Finder struct {
	reader
	aligner
	set    *Set
	hits   []Hit
	turned []unit
	beside []unit
	joined []unit

	suffice func(hits []Hit) bool // nil where all hits are asked for
	ask     int                   // len(hits) at which suffice is asked next
}

// Find returns the terms of s that stand in text in disguise, ordered by place:
// those that the folded view shows are not among them. The text is the original
// one, valid UTF-8. The result is valid until the next call.
func (f *Finder) Find(s *Set, text []byte) []Hit { return f.FindUntil(s, text, 0, nil) }

// FindUntil is Find for a caller that needs the first hits only: what stands
// behind those that suffice says are enough may be missing. It is asked where
// there are n hits, and sometimes again.
func (f *Finder) FindUntil(s *Set, text []byte, n int, suffice func(hits []Hit) bool) []Hit {
	f.set, f.hits, f.suffice, f.ask = s, f.hits[:0], suffice, n
	f.read(text, f)
	f.order()
	return f.hits
}

// order puts the hits in order, each once.
func (f *Finder) order() {
	if len(f.hits) > 1 {
		slices.SortFunc(f.hits, func(a, b Hit) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Term, b.Term), cmp.Compare(a.Kinds, b.Kinds))
		})
		f.hits = slices.CompactFunc(f.hits, func(a, b Hit) bool { return a.Start == b.Start && a.End == b.End && a.Term == b.Term })
	}
}

// enough implements visitor. Words that are still to come begin behind done, or
// before it by the marks that a letter is read back over: these do not reach over
// a byte of ASCII. Their phrases begin maxWords windows before them at most.
func (f *Finder) enough(done int) bool {
	if f.suffice == nil || len(f.hits) < f.ask {
		return false
	}
	safe := done - (maxWords+1)*window
	if safe <= 0 || !bytes.ContainsFunc(f.text[done-window:done], func(r rune) bool { return r < utf8.RuneSelf }) {
		return false
	}
	f.order()
	n, _ := slices.BinarySearchFunc(f.hits, uint32(safe), func(h Hit, at uint32) int { return cmp.Compare(h.Start, at) })
	f.ask = len(f.hits) + len(f.hits)/4 + 1
	return f.suffice(f.hits[:n])
}

// word implements visitor.
func (f *Finder) word(u []unit, whole kind.Set, edges bool) {
	if short(u) {
		return
	}
	s := survey(u)
	if s.plain && whole == 0 {
		return
	}
	if g := f.glimpse(u, whole, &s); g.candidates {
		f.try(u, whole, &s, &g)
	}
	if s.turned {
		f.upsideDown(u, whole)
	}
	if !s.inside || edges || whole&kind.Spaced != 0 {
		return // with edges, the parts are those of the word without
	}
	// The parts between symbols, by themselves.
	for from := 0; from < len(u); from++ {
		if !u[from].writes() {
			continue
		}
		to := from
		for to < len(u) && u[to].writes() {
			to++
		}
		f.part(u[from:to], whole)
		from = to
	}
}

// part looks a part of a word up.
func (f *Finder) part(u []unit, whole kind.Set) {
	if short(u) {
		return
	}
	s := survey(u)
	if s.plain {
		return
	}
	if g := f.glimpse(u, whole, &s); g.candidates {
		f.try(u, whole, &s, &g)
	}
}

// short reports whether the units are of fewer characters than any word that is
// looked for: a character stands for one letter at most.
func short(u []unit) bool {
	if len(u) >= minLetters {
		return false
	}
	n := uint32(0)
	for i := range u {
		n += u[i].count
	}
	return n < minLetters
}

// try verifies the words that may be u, and the hits in which its letters are what
// they seem.
func (f *Finder) try(u []unit, whole kind.Set, s *look, g *glimpse) {
	if s.letters == 0 || whole&kind.Spaced == 0 && amount(u, s) || whole&kind.Spaced != 0 && s.digits > s.letters {
		return
	}
	if whole&kind.Spaced != 0 {
		f.joined = join(f.joined[:0], u)
		u = f.joined
	}
	f.candidates(u, whole, s, g.with)
	if g.without != 0 {
		f.candidates(u, whole, s, g.without)
	}
	if g.masked != 0 {
		f.masked(u, whole, g.masked)
	}
}

// join appends units of letters that are spaced apart: equal neighbours become
// one, as they are in words.
func join(dst, u []unit) []unit {
	for _, c := range u {
		if n := len(dst) - 1; n >= 0 && dst[n].folded == c.folded {
			dst[n].count += c.count
			dst[n].end = c.end
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// glimpse is what is seen of a word at first: for most words there is nothing that
// it may be.
type glimpse struct {
	candidates    bool
	with, without uint32 // the words whose key is that of the letters, with and without symbols; or 0
	masked        uint32 // those that its ends and length fit, where it is masked
}

// glimpse looks a word up by the keys of its letters.
func (f *Finder) glimpse(u []unit, whole kind.Set, s *look) (g glimpse) {
	if len(u) > maxRuns {
		return g
	}
	if whole&kind.Spaced != 0 {
		f.joined = join(f.joined[:0], u)
		u = f.joined
	} else if s.masked {
		g.masked = f.maskedChain(u)
	}
	with, without, differ := keys(u)
	if g.with = f.set.chain(with); differ {
		g.without = f.set.chain(without)
	}
	g.candidates = g.with|g.without|g.masked != 0
	return g
}

// keys returns the key of the letters that the units may stand for, with and
// without symbols.
func keys(u []unit) (with, without uint64, differ bool) {
	with = seedWhole
	last, lastBare := rune(-1), rune(-1)
	for i := range u {
		c := &u[i]
		if c.form > symbol || c.form == symbol && glyphs[c.glyph].n == 0 {
			continue
		}
		k := c.key
		if c.form == symbol && !c.enclosed() {
			if !differ {
				// Until here both are the same.
				without, lastBare, differ = with, last, true
			}
		} else if differ && k != lastBare {
			without, lastBare = mixRune(without, k), k
		}
		if k != last {
			with, last = mixRune(with, k), k
		}
	}
	return with, without, differ
}

// candidates verifies the words of a chain.
func (f *Finder) candidates(u []unit, whole kind.Set, s *look, w uint32) {
	for n := 0; w != 0 && n < maxCandidates; n++ {
		word := f.set.letters(w)
		f.steps += len(u)
		if kinds, ok := f.verify(u, word); ok && f.honest(kinds|whole, s, word) {
			f.emit(w, u, kinds|whole)
		}
		w = f.set.words[w].next
	}
}

// honest reports whether a word that was found in disguise is one: it is not
// the word as it is written, and not an honest word of another script.
func (f *Finder) honest(kinds kind.Set, s *look, word []rune) bool {
	if kinds&^kind.Trivial == 0 {
		return false
	}
	if kinds&kind.Homoglyph == 0 || s.mixed || s.letters == 0 {
		return true
	}
	if scriptOf(word[0]) == s.script {
		return len(word) > 3 // letters of the same script with strokes, hooks, other dots
	}
	// All letters are of another script than the term's. The text around must
	// be of the term's.
	if !s.strict {
		return false
	}
	here, there := f.latin-s.letters, f.cyr/2
	if s.script == cyrillic {
		here, there = f.cyr/2-s.letters, f.latin
	}
	return there > 2*here
}

// maskedChain returns the first word of which the ends and the length fit.
func (f *Finder) maskedChain(u []unit) uint32 {
	first, last := &u[0], &u[len(u)-1]
	if first.form == mask || last.form == mask {
		return 0
	}
	n := 0
	for i := range u {
		n += int(u[i].count)
	}
	return f.set.chain(endsKey(seedEnds, n, first.key, last.key))
}

// masked verifies the words of a chain of maskedChain. Most fall at the letter
// before the last one, where that is not masked.
func (f *Finder) masked(u []unit, whole kind.Set, w uint32) {
	want, n := uint8(0), len(u)
	if n > 1 && u[n-1].count == 1 && u[n-2].form != mask {
		want = mark(u[n-2].key)
	} else if u[n-1].count > 1 {
		want = mark(u[n-1].key)
	}
	for tries := 0; w != 0 && tries < maxCandidates; tries++ {
		e := &f.set.words[w]
		if want == 0 || want == e.beside {
			f.steps += len(u)
			if kinds, ok := verifyMasked(u, f.set.letters(w)); ok {
				f.emit(w, u, kinds|whole)
			}
		}
		w = e.masked
	}
}

// upsideDown tries a word turned by half a circle: backwards, each letter
// turned.
func (f *Finder) upsideDown(u []unit, whole kind.Set) {
	f.turned = append(f.turned[:0], u...)
	slices.Reverse(f.turned)
	for i := range f.turned {
		c := &f.turned[i]
		if t := turn(c.folded); t != 0 {
			c.folded, c.r, c.form = t, t, letter
			c.setGlyph(glyphOf(t))
			c.settle()
			c.kinds |= kind.UpsideDown
		}
	}
	s := survey(f.turned)
	if g := f.glimpse(f.turned, whole, &s); g.candidates {
		f.try(f.turned, whole|kind.UpsideDown, &s, &g)
	}
}

// turn returns the letter that a letter of ASCII looks like when it is turned.
func turn(r rune) rune {
	switch r {
	case 'n':
		return 'u'
	case 'u':
		return 'n'
	case 'b':
		return 'q'
	case 'q':
		return 'b'
	case 'd':
		return 'p'
	case 'p':
		return 'd'
	case 'm':
		return 'w'
	case 'w':
		return 'm'
	}
	return 0
}

// emit appends the hits of the terms that word w is in.
func (f *Finder) emit(w uint32, u []unit, kinds kind.Set) {
	start, end := span(u, kinds)
	for _, use := range f.set.uses[f.set.first[w]:f.set.first[w+1]] {
		if use.spaced && kinds&kind.Spaced == 0 {
			continue
		}
		hit := Hit{Start: uint32(start), End: uint32(end), Term: use.term, Kinds: kinds}
		if use.words == 1 || f.phrase(use, &hit) {
			f.hits = append(f.hits, hit)
		}
	}
}
