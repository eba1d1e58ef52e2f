package fold

import (
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// Offsets maps the bytes of a folded text to the bytes of the original that
// they come from. It is made again for each text that is asked for, and keeps
// its memory between them. The zero value is ready.
type Offsets struct {
	folded     []byte
	start, end []uint32 // of the original characters, by folded byte
	marks      []uint32 // end of the removed marks that follow, or 0
}

// Build folds src, character by character, and maps the result.
func (o *Offsets) Build(src []byte) {
	o.folded, o.start, o.end, o.marks = o.folded[:0], o.start[:0], o.end[:0], o.marks[:0]
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		before := len(o.folded)
		var first int
		o.folded, first = o.step(src, i)
		next := uint32(i + size)
		if len(o.folded) == before && first == before {
			if e, identity := lookup(r); !identity && e&entry.IsMark != 0 && before > 0 {
				o.marks[before-1] = next
			}
		}
		o.cover(first, before, uint32(i), next)
		i += size
	}
}

// step folds the character at src[i] and returns the folded text and the first
// byte of it that has changed: composition rewrites what stands before.
func (o *Offsets) step(src []byte, i int) (folded []byte, first int) {
	before := len(o.folded)
	// What can be rewritten is the last starter and what follows it.
	tail := before
	for n := 0; tail > 0 && n <= maxMarks+1; n++ {
		r, size := utf8.DecodeLastRune(o.folded[:tail])
		tail -= size
		if combiningClass(r) == 0 {
			break
		}
	}
	var kept [4 * (maxMarks + 3)]byte
	old := append(kept[:0], o.folded[tail:]...)
	folded, _ = one(o.folded, 0, src, i)
	first = tail
	for first < len(folded) && first < before && folded[first] == old[first-tail] {
		first++
	}
	for first < before && first > tail && !utf8.RuneStart(folded[first]) {
		first--
	}
	return folded, first
}

// cover maps the folded bytes from first on to the original bytes from..next,
// together with what the bytes from first to before were mapped to.
func (o *Offsets) cover(first, before int, from, next uint32) {
	if first < before {
		from = slices.Min(o.start[first:before])
	}
	n := len(o.folded)
	o.start, o.end, o.marks = o.start[:first], o.end[:first], o.marks[:first]
	for range n - first {
		o.start = append(o.start, from)
		o.end = append(o.end, next)
		o.marks = append(o.marks, 0)
	}
}

// Folded returns the folded text, valid until the next Build.
func (o *Offsets) Folded() []byte { return o.folded }

// Span returns the original bytes start..end that the folded bytes from..to
// come from: whole characters, with the combining marks behind the last one.
// The folded form of that span is the folded bytes asked for, unless these
// begin or end within the expansion of one character, such as of a ligature:
// then it has them within it. An empty or impossible range gives 0, 0.
func (o *Offsets) Span(from, to uint32) (start, end uint32) {
	if from >= to || int(to) > len(o.folded) {
		return 0, 0
	}
	return o.start[from], max(o.end[to-1], o.marks[to-1])
}
