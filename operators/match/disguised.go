package match

import (
	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/disguise"
	"github.com/sluicehq/sluice/internal/text/disguise/kind"
)

// Terms of the views skeleton and squeezed are held against the folded text as
// those of the view folded are, and whole words and phrases besides against what
// package disguise finds in the original text. What it finds is not in the folded
// view, so each occurrence is reported once, with the first view that shows it.

// disguises reports whether a view shows more than the folded one does.
func disguises(v termlist.View) bool { return v == termlist.Skeleton || v == termlist.Squeezed }

// searched is the view of the text in which the terms of a view are looked for
// as they are.
func searched(v termlist.View) termlist.View {
	if disguises(v) {
		return termlist.Folded
	}
	return v
}

// undone returns the kinds of disguise that a view undoes.
func undone(v termlist.View) kind.Set {
	switch v {
	case termlist.Skeleton:
		return ^kind.Squeezing
	case termlist.Squeezed:
		return ^kind.Set(0)
	}
	return 0
}

// disguise adds a term of whole words, whose folded tokens are the compiler's.
// Only words can be disguised: a term with a number, a mention, a tag, an emoji
// or a URL is found as it is.
func (c *compiler) disguise(id uint32) {
	var words [][]byte
	for i, k := range c.tokens.Kind {
		if k != text.Word {
			return
		}
		words = append(words, c.scratch[c.tokens.Start[i]:c.tokens.End[i]])
	}
	if c.disguised == nil {
		c.disguised = disguise.NewBuilder()
	}
	c.disguised.Add(id, words)
}

// hidden makes the search of words in disguise, right behind that of the words
// of the folded view.
func (c *compiler) hidden(b *builder) {
	if c.disguised != nil && b.view == termlist.Folded {
		c.searches = append(c.searches, &disguiseSearch{c.disguised.Build()})
	}
}

// disguiseSearch is the terms of the text's views skeleton and squeezed.
type disguiseSearch struct{ set *disguise.Set }

func (s *disguiseSearch) finder() finder {
	f := &disguiseFinder{disguiseSearch: s}
	f.suffice = f.suffices
	return f
}

type disguiseFinder struct {
	*disguiseSearch
	words   disguise.Finder
	suffice func([]disguise.Hit) bool // suffices, bound once

	*batch
	row  int // the post that is looked at
	next int // the first of its hits in the folded view
}

// find adds the terms that are in disguise. The hits of the finder before it are
// those of the same words in the folded view.
func (f *disguiseFinder) find(b *batch) {
	f.batch, f.next = b, b.before
	for row := range b.text.Len() {
		for f.next < b.begun && int(b.hits[f.next].row) < row {
			f.next++
		}
		f.row = row
		f.take(f.words.FindUntil(f.set, b.text.At(row), maxHits, f.suffice), b.add)
	}
	f.batch = nil
}

// suffices reports whether hits, of which none before them is missing, are as many as a post may have.
func (f *disguiseFinder) suffices(hits []disguise.Hit) bool {
	n := 0
	f.take(hits, func(h hit) bool {
		if f.understood(&h) {
			n++
		}
		return n < maxHits
	})
	return n >= maxHits
}

// take calls add with the hits of the post that count, until it returns false.
func (f *disguiseFinder) take(hits []disguise.Hit, add func(hit) bool) {
	next := f.next
	for i := range hits {
		h := &hits[i]
		// Both are ordered by their start: what ends before h ends before all
		// further ones.
		for next < f.begun && int(f.hits[next].row) == f.row && f.hits[next].end <= h.Start {
			next++
		}
		if h.Kinds&^undone(f.terms[h.Term].view) != 0 || overlaps(f.hits[next:f.begun], f.row, h) {
			continue
		}
		if !add(hit{row: int32(f.row), start: h.Start, end: h.End, term: h.Term, view: shownBy(h.Kinds), disguise: h.Kinds.String()}) {
			return
		}
	}
}

// overlaps reports whether one of the hits of a post, with which they begin, is
// of the same term and shares bytes with h. Hits are ordered by their start.
func overlaps(hits []hit, row int, h *disguise.Hit) bool {
	for i := range hits {
		k := &hits[i]
		if int(k.row) != row || k.start >= h.End {
			break
		}
		if k.term == h.Term && h.Start < k.end {
			return true
		}
	}
	return false
}

// shownBy returns the first view that shows a word with such disguises.
func shownBy(kinds kind.Set) termlist.View {
	switch {
	case kinds == 0:
		return termlist.Folded
	case kinds&kind.Squeezing == 0:
		return termlist.Skeleton
	}
	return termlist.Squeezed
}
