package match

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/terms"
)

// maxHits bounds the hits of one post: those of one finder, and those that are
// written. A post that reaches it may have more.
const maxHits = terms.MaxHits

// search is the terms of one kind against one target, compiled: immutable, and
// shared by all workers. The plan has a table of them; it is filled by compiler.
type search interface {
	// finder makes the finder of one worker.
	finder() finder
}

// finder finds the terms of a search, for one goroutine.
type finder interface {
	// find adds the hits in the batch by batch.add, posts in ascending order.
	// Finders run in the order of the plan's searches, and may look at the hits
	// of those before them.
	find(b *batch)
}

// hit is one piece of evidence.
type hit struct {
	row        int32
	start, end uint32 // bytes of the post's text as it was written; 0, 0 in another column
	term       uint32 // place in plan.terms
	view       termlist.View
	disguise   string // see pipeline.ColHitDisguise
}

// batch is what finders work on: one batch of posts.
type batch struct {
	*plan
	rec   arrow.Record
	texts []texts // by plan.sources
	hits  []hit

	text, language column.StringView
	offsets        fold.Offsets // of the folded view of post mapped
	mapped         int32
	row            int32 // of the last hit, and how many the running finder has there
	inRow          int
	before, begun  int // where the hits of the finder before the running one begin, and those of this
}

// begin takes the next batch.
func (b *batch) begin(rec arrow.Record) {
	b.rec, b.hits, b.mapped, b.begun = rec, b.hits[:0], -1, 0
	if b.plan.text >= 0 {
		b.text = column.ViewStrings(rec.Column(b.plan.text))
	}
	if b.plan.language >= 0 {
		b.language = column.ViewStrings(rec.Column(b.plan.language))
	}
	for i := range b.texts {
		b.texts[i].load(b)
	}
}

// run runs one finder.
func (b *batch) run(f finder) {
	b.row, b.inRow = -1, 0
	b.before, b.begun = b.begun, len(b.hits)
	f.find(b)
}

// add adds a hit, unless its term is of another language than the post. It
// reports whether the post takes more from the running finder.
func (b *batch) add(h hit) bool {
	if h.row != b.row {
		b.row, b.inRow = h.row, 0
	}
	if b.inRow >= maxHits {
		return false
	}
	if !b.understood(&h) {
		return true
	}
	b.hits = append(b.hits, h)
	b.inRow++
	return b.inRow < maxHits
}

// understood reports whether a hit's term is of the language of the post, or of
// all languages.
func (b *batch) understood(h *hit) bool {
	l := b.terms[h.term].language
	return l == 0 || speaks(b.language.At(int(h.row)), b.languages[l])
}

// original returns the bytes of a post's text that bytes from..to of its folded
// view come from.
func (b *batch) original(row int32, from, to uint32) (start, end uint32) {
	if row != b.mapped {
		b.offsets.Build(b.text.At(int(row)))
		b.mapped = row
	}
	return b.offsets.Span(from, to)
}

// finish orders the hits, and drops those of a post beyond the first maxHits.
func (b *batch) finish() {
	slices.SortFunc(b.hits, func(x, y hit) int {
		// Terms are in the order of the lists, then of the terms in a list.
		return cmp.Or(cmp.Compare(x.row, y.row), cmp.Compare(x.start, y.start), cmp.Compare(x.end, y.end),
			cmp.Compare(x.term, y.term), cmp.Compare(x.view, y.view))
	})
	row, n, kept := int32(-1), 0, b.hits[:0]
	for _, h := range b.hits {
		if h.row != row {
			row, n = h.row, 0
		}
		if n++; n <= maxHits {
			kept = append(kept, h)
		}
	}
	b.hits = kept
}

// speaks reports whether a post of a language is in the language that a term is
// of, which includes its varieties, or may be: where its language is not known.
func speaks(post []byte, want string) bool {
	if len(post) >= 2 && (len(post) == 2 || post[2] == '-') {
		// The codes that termlist.Language replaces in lists.
		var now string
		switch string(post[:2]) {
		case "iw":
			now = "he"
		case "in":
			now = "id"
		case "ji":
			now = "yi"
		}
		if now != "" {
			return len(want) >= 2 && want[:2] == now && (len(want) == 2 || string(post[2:]) == want[2:])
		}
	}
	if len(post) == 0 || string(post) == "und" {
		return true
	}
	return bytes.HasPrefix(post, []byte(want)) && (len(post) == len(want) || post[len(want)] == '-')
}
