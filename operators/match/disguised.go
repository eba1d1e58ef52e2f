package match

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/disguise"
	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/terms"
	"github.com/sluicehq/sluice/internal/text/token"
)

// Lists of the views skeleton and squeezed are held against the folded text as
// those of the view folded are, and besides against what package disguise finds
// in the original text. What it finds is not in the folded view, so each
// occurrence is reported once, with the first view that shows it.

// disguises reports whether a view shows more than the folded one does.
func disguises(view string) bool { return view == viewSkeleton || view == viewSqueezed }

// disguised is the terms of these lists: by the number of the list, the kinds of
// disguise that its view undoes.
type disguised struct {
	builder *disguise.Builder
	set     *disguise.Set // nil where no list has such a view
	undoes  []kind.Set
}

// undone returns the kinds of disguise that a view undoes.
func undone(view string) kind.Set {
	switch view {
	case viewSkeleton:
		return ^kind.Squeezing
	case viewSqueezed:
		return ^kind.Set(0)
	}
	return 0
}

// add adds a term, whose folded tokens are toks. Only words can be disguised: a
// term with a number, a mention, a tag, an emoji or a URL is found as it is.
func (d *disguised) add(id uint32, toks *token.Tokens, buf []byte) {
	var words [][]byte
	for i, k := range toks.Kind {
		if k != text.Word {
			return
		}
		words = append(words, buf[toks.Start[i]:toks.End[i]])
	}
	if d.builder == nil {
		d.builder = disguise.NewBuilder()
	}
	d.builder.Add(id, words)
}

// build makes the set, once all terms are added.
func (d *disguised) build() {
	if d.builder != nil {
		d.set, d.builder = d.builder.Build(), nil
	}
}

// findDisguised finds the terms of the lists of the views skeleton and squeezed
// where they are in disguise. The hits in the folded view are known.
func (o *operator) findDisguised(rec arrow.Record) {
	texts := column.ViewStrings(rec.Column(o.text))
	known, next := len(o.hits), 0
	for row := range texts.Len() {
		for next < known && int(o.hits[next].Row) < row {
			next++
		}
		for _, h := range o.disguises.Find(o.disguised.set, texts.At(row)) {
			if h.Kinds&^o.undoes[o.owner[h.Term]] != 0 || o.overlaps(next, known, row, &h) {
				continue
			}
			o.hits = append(o.hits, hit{terms.Hit{Row: int32(row), Start: h.Start, End: h.End, Term: h.Term}, h.Kinds})
		}
	}
}

// overlaps reports whether one of the hits from..to in row is of the same term
// and shares bytes with h.
func (o *operator) overlaps(from, to, row int, h *disguise.Hit) bool {
	for _, k := range o.hits[from:to] {
		if int(k.Row) != row {
			break
		}
		if k.Term == h.Term && k.Start < h.End && h.Start < k.End {
			return true
		}
	}
	return false
}

// shownBy returns the view that shows a hit of a list of the view given.
func shownBy(view string, kinds kind.Set) string {
	switch {
	case view == viewRaw:
		return viewRaw
	case kinds == 0:
		return viewFolded
	case kinds&kind.Squeezing == 0:
		return viewSkeleton
	}
	return viewSqueezed
}
