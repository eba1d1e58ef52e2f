package fold

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// Offsets maps the bytes of a folded text to the bytes of the original that
// they come from. It is made again for each text that is asked for, and keeps
// its memory between them. The zero value is ready.
//
// A long text is mapped piece by piece, as it is asked for: texts are cut before
// blanks, since nothing is composed with a blank, nor makes a sequence over one.
type Offsets struct {
	src    []byte
	same   bool    // each byte comes from the one at its place: no table
	pieces []piece // those up to what was asked for, and where the next one begins
	loaded int     // the piece that folded and places are of, or -1
	folded []byte
	places []place // by byte of folded
}

// pieceSize is the least size of a piece that is not the last, in bytes.
const pieceSize = 1 << 10

// piece is where a piece begins.
type piece struct{ src, folded uint32 }

// place is where a folded byte comes from, in its piece.
type place struct {
	start, end uint32 // of the original characters
	marks      uint32 // end of the removed marks that follow, or 0
}

// Build takes a text, which must not change until the next Build.
func (o *Offsets) Build(src []byte) {
	o.src, o.same = src, isASCII(src)
	o.pieces, o.loaded = append(o.pieces[:0], piece{}), -1
}

// Span returns the original bytes start..end that the folded bytes from..to
// come from: whole characters, with the combining marks behind the last one.
// The folded form of that span is the folded bytes asked for, unless these
// begin or end within the expansion of one character, such as of a ligature:
// then it has them within it, or within an emoji sequence. An empty or impossible range gives 0, 0.
func (o *Offsets) Span(from, to uint32) (start, end uint32) {
	switch {
	case from >= to:
		return 0, 0
	case o.same && int(to) > len(o.src):
		return 0, 0
	case o.same:
		return from, to
	}
	k := o.find(to - 1)
	if k < 0 {
		return 0, 0
	}
	first, p := o.place(o.find(from), from)
	last, q := o.place(k, to-1)
	return p.src + first.start, q.src + max(last.end, last.marks)
}

// find returns the piece that has a byte of the folded text; -1 for none.
func (o *Offsets) find(i uint32) int {
	for i >= o.pieces[len(o.pieces)-1].folded {
		if !o.next(i) {
			return -1
		}
	}
	// The last piece that begins at i or before; one that is empty is not it.
	k, _ := slices.BinarySearchFunc(o.pieces, i, func(p piece, i uint32) int {
		if p.folded <= i {
			return -1
		}
		return 1
	})
	return k - 1
}

// next adds a piece, on the way to byte i of the folded text, and reports whether
// there was one.
func (o *Offsets) next(i uint32) bool {
	last := o.pieces[len(o.pieces)-1]
	rest := o.src[last.src:]
	if len(rest) == 0 {
		return false
	}
	end := len(rest)
	if end > pieceSize {
		if n := bytes.IndexByte(rest[pieceSize:], ' '); n >= 0 {
			end = pieceSize + n
		}
	}
	o.pieces = append(o.pieces, piece{src: last.src + uint32(end)})
	if k := len(o.pieces) - 2; end == len(rest) || i-last.folded < pieceSize/2 {
		o.load(k) // it is likely the one that is looked for
	} else {
		o.folded, o.loaded = Append(o.folded[:0], rest[:end]), -1
	}
	o.pieces[len(o.pieces)-1].folded = last.folded + uint32(len(o.folded))
	return true
}

// place returns where a byte of the folded text comes from, in its piece k.
func (o *Offsets) place(k int, i uint32) (place, piece) {
	if o.loaded != k {
		o.load(k)
	}
	return o.places[i-o.pieces[k].folded], o.pieces[k]
}

// load folds piece k, character by character, and maps the result.
func (o *Offsets) load(k int) {
	src := o.src[o.pieces[k].src:o.pieces[k+1].src]
	o.loaded = k
	o.folded = slices.Grow(o.folded[:0], Room(len(src)))
	o.places = slices.Grow(o.places[:0], Room(len(src)))
	for i := 0; i < len(src); {
		e, size := lookupAt(src, i)
		before, first := len(o.folded), len(o.folded)
		next := uint32(i + size)
		switch p := (place{start: uint32(i), end: next}); {
		case e == 0:
			// Fast path: its own form.
			o.folded = append(o.folded, src[i:next]...)
			o.places = append(o.places, p, p, p, p)[:len(o.folded)]
			i += size
			continue
		case e < entry.IsLong && entry.Length(e) > 0:
			// Fast path: a short form.
			o.folded = append(o.folded, byte(e), byte(e>>8), byte(e>>16))[:before+entry.Length(e)]
			o.places = append(o.places, p, p, p)[:len(o.folded)]
			i += size
			continue
		case e < entry.IsLong || e&entry.IsComposing == 0:
			// What is there already does not change.
			o.folded, _ = one(o.folded, 0, src, i)
		default:
			o.folded, first = o.step(src, i)
		}
		if len(o.folded) == before && first == before {
			if e&entry.IsMark != 0 && before > 0 {
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

// lookupAt returns the entry of the character at src[i], and its length.
func lookupAt(src []byte, i int) (e uint32, size int) {
	if b := src[i]; b < utf8.RuneSelf {
		return low[b], 1
	}
	if i+4 <= len(src) {
		return lookupWord(binary.LittleEndian.Uint32(src[i:]))
	}
	r, size := utf8.DecodeRune(src[i:])
	e, _ = lookup(r)
	return e, size
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

// Folded returns the folded text, made anew by each call.
func (o *Offsets) Folded() []byte { return Append(nil, o.src) }
