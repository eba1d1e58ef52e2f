package match

import "github.com/sluicehq/sluice/internal/text/pattern"

// maxRegexHits bounds the hits of one regular expression in one post.
const maxRegexHits = 16

// use is what a literal that was found stands for.
type use struct {
	kind  useKind
	index uint32 // term; place in globs; place in regexes
}

type useKind uint8

const (
	useTerm useKind = iota
	useGlob
	useRegex
)

// regexTerm is a regular expression.
type regexTerm struct {
	*pattern.Regex
	term uint32
}

// anywhereSearch is what is found by literals anywhere in a text: substrings,
// and the wildcards and expressions that have such a literal.
type anywhereSearch struct {
	from    int
	set     *pattern.Substrings
	uses    []use // by place in set
	globs   []globTerm
	regexes []regexTerm
	begins  beginnings // of regexes
}

func (s *anywhereSearch) finder() finder {
	return &anywhereFinder{anywhereSearch: s, word: make([]int32, len(s.globs)), text: make([]int32, len(s.regexes))}
}

type anywhereFinder struct {
	*anywhereSearch
	scanner pattern.Scanner
	word    []int32 // by wildcard: the last word that it was held against, and one
	text    []int32 // by expression: the last text that it was run on, and one
	places  places  // of the text that placed is the number of, and one
	placed  int
}

func (f *anywhereFinder) find(b *batch) {
	t := &b.texts[f.from]
	clear(f.word)
	clear(f.text)
	f.placed = 0
	last, tok := -1, int32(0) // the word at the place that the scanner is at
	f.scanner.Find(f.set, t.Bytes, t.Offsets, func(i int, start, end, id uint32) bool {
		switch u := f.uses[id]; u.kind {
		case useTerm:
			return t.add(b, int32(i), start, end, u.index)
		case useGlob:
			if i != last {
				last, tok = i, t.Rows[i]
			}
			for tok < t.Rows[i+1] && t.End[tok] <= start {
				tok++
			}
			return tok >= t.Rows[i+1] || t.Start[tok] > start || end > t.End[tok] || f.glob(b, t, u.index, i, tok)
		default:
			return f.regex(b, t, u.index, i)
		}
	})
}

// glob holds a wildcard against a word, unless it was before.
func (f *anywhereFinder) glob(b *batch, t *texts, k uint32, i int, tok int32) bool {
	g := &f.globs[k]
	if f.word[k] == tok+1 || !takes(&t.Text, tok, g.tag) {
		return true
	}
	f.word[k] = tok + 1
	return !g.Match(word(&t.Text, i, tok)) || t.add(b, int32(i), t.Start[tok], t.End[tok], g.term)
}

// regex runs an expression on a text, unless it was before.
func (f *anywhereFinder) regex(b *batch, t *texts, k uint32, i int) bool {
	if f.text[k] == int32(i)+1 {
		return true
	}
	f.text[k] = int32(i) + 1
	r, text := &f.regexes[k], t.at(i)
	if len(text) < longText || !r.HasBeginnings() {
		return runRegex(b, t, r, i)
	}
	if f.placed != i+1 {
		f.places.read(&f.begins, len(f.regexes), text)
		f.placed = i + 1
	}
	if !f.places.ok {
		return runRegex(b, t, r, i)
	}
	return addMatches(b, t, r, i, r.FindAt(text, f.places.of(k), maxRegexHits))
}

// runRegex adds the matches of an expression in text i that are not empty.
func runRegex(b *batch, t *texts, r *regexTerm, i int) bool {
	return addMatches(b, t, r, i, r.Find(t.at(i), maxRegexHits))
}

// addMatches adds the spans of matches in text i that are not empty.
func addMatches(b *batch, t *texts, r *regexTerm, i int, spans [][]int) bool {
	for _, at := range spans {
		if at[0] < at[1] && !t.add(b, int32(i), uint32(at[0]), uint32(at[1]), r.term) {
			return false
		}
	}
	return true
}

// regexSearch is the expressions without a literal: they are run on all texts.
type regexSearch struct {
	from    int
	regexes []regexTerm
}

func (s *regexSearch) finder() finder { return s }

func (s *regexSearch) find(b *batch) {
	t := &b.texts[s.from]
	for i := range len(t.Offsets) - 1 {
		for k := range s.regexes {
			if !runRegex(b, t, &s.regexes[k], i) {
				break
			}
		}
	}
}
