package fold

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// Offsets maps the bytes of a folded text to the bytes of the original that
// they come from. It is made again for each text that is asked for, and keeps
// its memory between them. The zero value is ready.
type Offsets struct {
	same   bool // each byte comes from the one at its place: no table
	folded []byte
	places []place // by folded byte
}

// place is where a folded byte comes from.
type place struct {
	start, end uint32 // of the original characters
	marks      uint32 // end of the removed marks that follow, or 0
}

// Build folds src, character by character, and maps the result.
func (o *Offsets) Build(src []byte) {
	o.folded, o.places = o.folded[:0], o.places[:0]
	if o.same = isASCII(src); o.same {
		o.folded = Append(o.folded, src)
		return
	}
	o.folded = slices.Grow(o.folded, Room(len(src)))
	o.places = slices.Grow(o.places, Room(len(src)))
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		before, first := len(o.folded), len(o.folded)
		next := uint32(i + size)
		e, identity := lookup(r)
		switch {
		case !identity && e < entry.IsLong && entry.Length(e) > 0:
			// Fast path: a short form.
			n := entry.Length(e)
			o.folded = append(o.folded, byte(e), byte(e>>8), byte(e>>16))[:before+n]
			p := place{start: uint32(i), end: next}
			o.places = append(o.places, p, p, p)[:before+n]
			i += size
			continue
		case identity || e < entry.IsLong || e&entry.IsComposing == 0:
			// What is there already does not change.
			o.folded, _ = one(o.folded, 0, src, i)
		default:
			o.folded, first = o.step(src, i)
		}
		if len(o.folded) == before && first == before {
			if !identity && e&entry.IsMark != 0 && before > 0 {
				o.places[before-1].marks = next
			}
		}
		o.cover(first, before, uint32(i), next)
		i += size
	}
}

// isASCII reports whether src is ASCII without controls, whose folded bytes are
// at the places of the original ones.
func isASCII(src []byte) bool {
	var seen uint64
	i := 0
	for ; i+8 <= len(src); i += 8 {
		x := binary.LittleEndian.Uint64(src[i:])
		seen |= x | controls(x)
	}
	for _, b := range src[i:] {
		seen |= uint64(b) | controls(uint64(b)|blanks)
	}
	return seen&highs == 0
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
	for _, p := range o.places[first:before] {
		from = min(from, p.start)
	}
	n := len(o.folded)
	o.places = o.places[:first]
	for range n - first {
		o.places = append(o.places, place{start: from, end: next})
	}
}

// Folded returns the folded text, valid until the next Build.
func (o *Offsets) Folded() []byte { return o.folded }

// Span returns the original bytes start..end that the folded bytes from..to
// come from: whole characters, with the combining marks behind the last one.
// The folded form of that span is the folded bytes asked for, unless these
// begin or end within the expansion of one character, such as of a ligature:
// then it has them within it, or within an emoji sequence. An empty or impossible range gives 0, 0.
func (o *Offsets) Span(from, to uint32) (start, end uint32) {
	if from >= to || int(to) > len(o.folded) {
		return 0, 0
	}
	if o.same {
		return from, to
	}
	last := &o.places[to-1]
	return o.places[from].start, max(last.end, last.marks)
}
