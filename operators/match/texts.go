package match

import (
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/terms"
	"github.com/sluicehq/sluice/internal/text/token"
	"github.com/sluicehq/sluice/pipeline"
)

// target is what terms are held against: a column, in a view.
type target struct {
	on   string
	view termlist.View
}

// from is a target as the schema has it.
type from struct {
	target
	column int  // position of the column
	list   bool // it is a list of strings
	tokens bool // its tokens are asked for
}

// texts is what finders look at: the texts of one target in one batch. Those of
// another column than text are its values, each of one token, a word.
type texts struct {
	from
	terms.Text
	posts []int32 // the post that a text is of; nil: text i is of post i

	toks    token.Tokens
	rows    []token.Row
	offsets []int32
	starts  []int32
	kinds   []uint8
	zeros   []uint32
	ends    []uint32
	buf     []byte
}

// load takes the texts of a batch.
func (t *texts) load(b *batch) {
	switch {
	case t.on != pipeline.ColText:
		t.loadValues(b)
	case t.view == termlist.Raw:
		t.Bytes, t.Offsets = b.text.Data, b.text.Offsets
		if t.tokens {
			t.tokenize()
		}
	default:
		folded := column.ViewStrings(b.rec.Column(b.plan.folded))
		rows, hashes := column.ViewList(b.rec.Column(b.plan.hash))
		_, starts := column.ViewList(b.rec.Column(b.plan.start))
		_, ends := column.ViewList(b.rec.Column(b.plan.end))
		_, kinds := column.ViewList(b.rec.Column(b.plan.kind))
		t.Text = terms.Text{
			Hash: hashes.(*array.Uint64).Uint64Values(), Kind: kinds.(*array.Uint8).Uint8Values(),
			Start: starts.(*array.Uint32).Uint32Values(), End: ends.(*array.Uint32).Uint32Values(),
			Rows: rows, Offsets: folded.Offsets, Bytes: folded.Data,
		}
	}
}

// tokenize makes the tokens of the texts.
func (t *texts) tokenize() {
	t.toks.Reset()
	n := len(t.Offsets) - 1
	if cap(t.rows) < n {
		t.rows = make([]token.Row, n)
	}
	t.toks.AppendRows(t.rows[:n], t.Bytes, t.Offsets)
	t.starts, t.kinds = append(t.starts[:0], 0), t.kinds[:0]
	for _, r := range t.rows[:n] {
		t.starts = append(t.starts, r.End)
	}
	for _, k := range t.toks.Kind {
		t.kinds = append(t.kinds, uint8(k))
	}
	t.Rows, t.Hash, t.Start, t.End, t.Kind = t.starts, t.toks.Hash, t.toks.Start, t.toks.End, t.kinds
}

// loadValues takes the values of another column.
func (t *texts) loadValues(b *batch) {
	col := b.rec.Column(t.column)
	t.posts = t.posts[:0]
	var vals column.StringView
	if t.list {
		rows, child := column.ViewList(col)
		vals = column.ViewStrings(child)
		vals.Offsets = vals.Offsets[rows[0] : rows[len(rows)-1]+1]
		for i := range len(rows) - 1 {
			for range rows[i+1] - rows[i] {
				t.posts = append(t.posts, int32(i))
			}
		}
	} else {
		vals = column.ViewStrings(col)
		for i := range vals.Len() {
			t.posts = append(t.posts, int32(i))
		}
	}
	t.Bytes, t.Offsets = vals.Data, vals.Offsets
	if t.view != termlist.Raw {
		t.buf, t.offsets = t.buf[:0], append(t.offsets[:0], 0)
		for i := range vals.Len() {
			t.buf = fold.Append(t.buf, vals.At(i))
			t.offsets = append(t.offsets, int32(len(t.buf)))
		}
		t.Bytes, t.Offsets = t.buf, t.offsets
	}
	if t.tokens {
		t.wholes()
	}
}

// wholes makes one token of each text.
func (t *texts) wholes() {
	t.starts, t.kinds, t.zeros, t.ends = append(t.starts[:0], 0), t.kinds[:0], t.zeros[:0], t.ends[:0]
	for i := range len(t.Offsets) - 1 {
		t.kinds, t.zeros = append(t.kinds, uint8(text.Word)), append(t.zeros, 0)
		t.ends = append(t.ends, uint32(t.Offsets[i+1]-t.Offsets[i]))
		t.starts = append(t.starts, int32(i)+1)
	}
	t.Rows, t.Start, t.End, t.Kind = t.starts, t.zeros, t.ends, t.kinds
}

// at returns text i.
func (t *texts) at(i int) []byte { return t.Bytes[t.Offsets[i]:t.Offsets[i+1]] }

// add adds the hit of a term at bytes from..to of text i.
func (t *texts) add(b *batch, i int32, from, to, term uint32) bool {
	h := hit{row: i, term: term, view: t.view}
	switch {
	case t.on != pipeline.ColText:
		h.row = t.posts[i]
	case t.view == termlist.Raw:
		h.start, h.end = from, to
	default:
		h.start, h.end = b.original(i, from, to)
	}
	return b.add(h)
}
