package decode

import (
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/jsonscan"
	"github.com/sluicehq/sluice/pipeline"
)

// posts builds batches of posts. A column is touched only by rows that have a
// value for it: the rows before such a one are filled up then, those after the
// last one at the end. A column without any value costs nothing: it is a slice
// of a ready array.
type posts struct {
	p       *plan
	rows    int
	scalars []scalarBuilder
	texts   []*texts         // of the scalars that are strings and not constant
	numbers []*scalarBuilder // those that are no strings
	lists   []listBuilder
	offsets *column.Fixed[int64]

	origin  string
	sources arrow.Array // maxRows times origin
	columns []arrow.Array
	source  int // positions in the schema
	offset  int
}

// scalarBuilder builds a column of single values with the builder that fits
// its type.
type scalarBuilder struct {
	plan   *colPlan
	slot   int
	filled int // rows in the builder, but for texts
	texts  *texts
	ints   *column.Fixed[int64]
	floats *column.Fixed[float64]
	bools  *column.Bools
	none   arrow.Array // maxRows rows without a value, or of the constant
}

// listBuilder builds a column of lists of strings.
type listBuilder struct {
	plan   *colPlan
	filled int
	elems  *column.Strings
	rows   *column.Offsets
	none   arrow.Array
}

func (b *posts) init(p *plan) {
	b.p = p
	b.offsets = column.NewFixed[int64](p.mem)
	b.columns = make([]arrow.Array, p.schema.NumFields())
	b.source = p.schema.FieldIndices(pipeline.ColSource)[0]
	b.offset = p.schema.FieldIndices(pipeline.ColSourceOffset)[0]
	b.scalars = make([]scalarBuilder, len(p.scalars))
	for i := range p.scalars {
		s := &b.scalars[i]
		s.plan, s.slot = &p.scalars[i], i
		dt := s.plan.kind.arrow()
		switch s.plan.kind {
		case typeString:
			s.texts = &texts{mem: p.mem, slot: i}
			s.none = repeated(s.plan.constant)
			if !s.plan.isConst {
				b.texts = append(b.texts, s.texts)
			}
		case typeFloat:
			s.floats = column.NewFixed[float64](p.mem)
		case typeBool:
			s.bools = column.NewBools(p.mem)
		default:
			s.ints = column.NewFixed[int64](p.mem)
		}
		if s.none == nil {
			s.none = nulls(dt)
			b.numbers = append(b.numbers, s)
		}
	}
	for i := range p.lists {
		b.lists = append(b.lists, listBuilder{
			plan: &p.lists[i], elems: column.NewStrings(p.mem), rows: column.NewOffsets(p.mem), none: emptyLists(),
		})
	}
}

// repeated returns maxRows times s. It lives in the Go heap: it is kept and
// sliced as long as the decoder lives.
func repeated(s string) arrow.Array {
	b := array.NewStringBuilder(memory.NewGoAllocator())
	defer b.Release()
	b.Reserve(maxRows)
	b.ReserveData(maxRows * len(s))
	for range maxRows {
		b.Append(s)
	}
	return b.NewArray()
}

// nulls returns maxRows nulls in the Go heap.
func nulls(dt arrow.DataType) arrow.Array {
	b := array.NewBuilder(memory.NewGoAllocator(), dt)
	defer b.Release()
	b.AppendNulls(maxRows)
	return b.NewArray()
}

// emptyLists returns maxRows empty lists in the Go heap.
func emptyLists() arrow.Array {
	elems, rows := column.NewStrings(memory.NewGoAllocator()), column.NewOffsets(memory.NewGoAllocator())
	for range maxRows {
		rows.End(0)
	}
	return rows.NewLists(elems.NewArray(arrow.BinaryTypes.String))[0]
}

// append adds a row that was checked.
func (b *posts) append(r *row, offset int64) {
	b.offsets.Append(offset)
	slots := r.w.slots
	for _, t := range b.texts {
		v := &slots[t.slot]
		if v.kind == absent {
			continue
		}
		if t.rows < b.rows {
			t.fill(b.rows)
		}
		if v.kind == escaped || v.kind == made {
			r.put(t, *v)
		} else {
			t.put(r.w.buf, int(v.off), int(v.end))
		}
	}
	for _, s := range b.numbers {
		if slots[s.slot].kind != absent {
			s.append(b.rows, r.nums[s.slot])
		}
	}
	if slots[colKind].kind == absent && !b.scalars[colKind].plan.isConst {
		b.deriveKind(r)
	}
	if r.listed {
		b.appendLists(r)
	}
	b.rows++
}

// append adds the value of a row to a column that is not of strings.
func (s *scalarBuilder) append(row int, n int64) {
	if s.filled < row {
		s.fill(row)
	}
	s.filled++
	switch {
	case s.ints != nil:
		s.ints.Append(n)
	case s.floats != nil:
		s.floats.Append(math.Float64frombits(uint64(n)))
	default:
		s.bools.Append(n != 0)
	}
}

func (b *posts) appendLists(r *row) {
	for i, items := range r.lists {
		if len(items) == 0 {
			continue
		}
		l := &b.lists[i]
		for l.filled < b.rows {
			l.rows.End(l.elems.Len())
			l.filled++
		}
		for _, it := range items {
			l.elems.Append(r.text(it.value))
		}
		l.rows.End(l.elems.Len())
		l.filled++
	}
}

// deriveKind tells a post's kind by what it refers to. A post that replies and
// quotes is a reply.
func (b *posts) deriveKind(r *row) {
	kind := "post"
	switch s := r.w.slots; {
	case s[colRepostOf].off < s[colRepostOf].end:
		kind = "repost"
	case s[colReplyTo].off < s[colReplyTo].end:
		kind = "reply"
	case s[colQuoteOf].off < s[colQuoteOf].end:
		kind = "quote"
	}
	t := b.scalars[colKind].texts
	t.fill(b.rows)
	t.end(len(append(t.tail(len(kind)), kind...)))
}

// put adds a value that is not plain bytes of the record.
func (r *row) put(to *texts, v value) {
	if v.kind == made {
		to.put(r.scratch, int(v.off), int(v.end))
		return
	}
	tail := to.tail(int(v.end - v.off)) // text is never longer than its escaped form
	to.end(len(jsonscan.AppendUnescaped(tail, r.w.buf[v.off:v.end])))
}

// fill adds rows without a value until there are n.
func (s *scalarBuilder) fill(n int) {
	for ; s.filled < n; s.filled++ {
		switch {
		case s.ints != nil:
			s.ints.AppendNull()
		case s.floats != nil:
			s.floats.AppendNull()
		default:
			s.bools.AppendNull()
		}
	}
}

// array returns the column's n rows and empties the builder.
func (s *scalarBuilder) array(n int) arrow.Array {
	if s.filled == 0 && (s.texts == nil || s.texts.rows == 0) {
		return array.NewSlice(s.none, 0, int64(n))
	}
	if s.texts != nil {
		s.texts.fill(n)
		return s.texts.array()
	}
	s.fill(n)
	s.filled = 0
	switch {
	case s.ints != nil:
		return s.ints.NewArray(s.plan.kind.arrow())
	case s.floats != nil:
		return s.floats.NewArray(arrow.PrimitiveTypes.Float64)
	}
	return s.bools.NewArray()
}

func (l *listBuilder) array(n int) arrow.Array {
	if l.filled == 0 {
		return array.NewSlice(l.none, 0, int64(n))
	}
	for ; l.filled < n; l.filled++ {
		l.rows.End(l.elems.Len())
	}
	l.filled = 0
	return l.rows.NewLists(l.elems.NewArray(arrow.BinaryTypes.String))[0]
}

// record returns the batch and begins the next.
func (b *posts) record(origin string) arrow.Record {
	if b.sources == nil || b.origin != origin {
		b.origin, b.sources = origin, repeated(strings.ToValidUTF8(origin, "\uFFFD"))
	}
	n := b.rows
	b.rows = 0
	b.scalars[colLang].texts.lower()
	for i := range b.scalars {
		b.columns[b.scalars[i].plan.field] = b.scalars[i].array(n)
	}
	for i := range b.lists {
		b.columns[b.lists[i].plan.field] = b.lists[i].array(n)
	}
	b.columns[b.source] = array.NewSlice(b.sources, 0, int64(n))
	b.columns[b.offset] = b.offsets.NewArray(arrow.PrimitiveTypes.Int64)
	rec := array.NewRecord(b.p.schema, b.columns, int64(n))
	for i, c := range b.columns {
		c.Release()
		b.columns[i] = nil
	}
	return rec
}

// drop gives up the rows that were not emitted.
func (b *posts) drop() {
	b.rows = 0
	b.offsets.Release()
	for i := range b.scalars {
		s := &b.scalars[i]
		s.filled = 0
		switch {
		case s.texts != nil:
			s.texts.release()
		case s.ints != nil:
			s.ints.Release()
		case s.floats != nil:
			s.floats.Release()
		default:
			s.bools.Release()
		}
	}
	for i := range b.lists {
		b.lists[i].filled = 0
		b.lists[i].elems.Release()
		b.lists[i].rows.Release()
	}
}
