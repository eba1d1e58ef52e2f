package terms

import (
	"github.com/sluicehq/sluice/internal/text/token"
)

// Text holds the tokens of a batch of texts as flat columns. Row r has the
// tokens Rows[r] to Rows[r+1]; they are cut from its text, which is
// Bytes[Offsets[r]:Offsets[r+1]], and their spans are relative to that.
type Text struct {
	Hash       []uint64
	Start, End []uint32
	Kind       []uint8
	Rows       []int32 // one more than rows
	Offsets    []int32 // of the texts in Bytes, one more than rows
	Bytes      []byte
}

// Hit is a term that was found: bytes Start to End of the text of Row.
type Hit struct {
	Row        int32
	Start, End uint32
	Term       uint32 // the id that it was added with
}

// Finder is the scratch memory of Find, for one goroutine. The zero value is
// ready.
type Finder struct {
	candidates []int32
	hits       []Hit
}

// Find returns the hits in the batch, ordered by row and by the token that they
// begin with: all terms, also those that overlap, but of one row the first
// MaxHits alone. The result is valid until the next call.
func (f *Finder) Find(s *Set, t *Text) []Hit {
	f.hits = f.hits[:0]
	if len(t.Rows) == 0 {
		return f.hits
	}
	lo, hi := int(t.Rows[0]), int(t.Rows[len(t.Rows)-1])
	w := walker{Set: s, Text: t, hits: f.hits, last: -1}
	row := int32(0)
	for _, j := range f.filter(s, t, lo, hi) {
		for t.Rows[row+1] <= j {
			row++
		}
		w.row, w.end, w.base = row, int(t.Rows[row+1]), t.Offsets[row]
		w.begin = t.Start[j]
		if row != w.last {
			w.last, w.limit = row, len(w.hits)+MaxHits
		}
		if len(w.hits) >= w.limit {
			continue
		}
		w.step(0, kindOf[t.Kind[j]&kindMask], int(j))
		if sign := tagOf[t.Kind[j]&kindMask]; s.tags && sign != 0 {
			w.step(0, sign, int(j))
		}
	}
	f.hits = w.hits
	return f.hits
}

// filter returns the tokens that a term may begin with. It does nothing else,
// so that its loads overlap, however large the set's bitmap is.
func (f *Finder) filter(s *Set, t *Text, lo, hi int) []int32 {
	if cap(f.candidates) < hi-lo {
		f.candidates = make([]int32, hi-lo)
	}
	out, n := f.candidates[:hi-lo], 0
	hash, kind := t.Hash[lo:hi], t.Kind[lo:hi]
	shift, bitmap := s.fshift&63, s.filter
	if len(kind) < len(hash) || len(bitmap) == 0 {
		return nil
	}
	var salts [kinds]uint64
	for k := range salts {
		salts[k] = kindOf[k].salt()
	}
	mask := uint64(len(bitmap) - 1)
	for i, h := range hash {
		at := h ^ salts[kind[i]&kindMask]
		bit := at >> shift
		word := bitmap[bit/64&mask]
		out[n] = int32(lo + i)
		n += int(word >> (bit % 64) & (word >> (at >> second % 64)) & 1)
	}
	if !s.tags {
		return s.prune(out[:n], t, &salts)
	}
	return f.withTags(s, t, lo, hi)
}

// prune drops the tokens whose place in the table is free, or is of another key
// with a free one behind. Like filter it does nothing else: a large table is not
// in the cache, and the loads of many tokens overlap.
func (s *Set) prune(tokens []int32, t *Text, salts *[kinds]uint64) []int32 {
	n, mask := 0, uint64(len(s.slots)-1)
	for _, j := range tokens {
		at := t.Hash[j] ^ salts[t.Kind[j]&kindMask]
		i := at >> (s.shift & 63)
		slot, next := s.slots[i&mask], s.slots[(i+1)&mask]
		other := slot>>32 ^ at&(1<<32-1)
		same := (other - 1) >> 63
		tokens[n] = j
		n += int(same | taken(slot)&taken(next))
	}
	return tokens[:n]
}

// taken returns 1 for a slot that is not free.
func taken(slot uint64) uint64 { return (slot | -slot) >> 63 }

// withTags is filter for sets of which some terms take hashtags or cashtags only.
func (f *Finder) withTags(s *Set, t *Text, lo, hi int) []int32 {
	out := f.candidates[:0]
	for j := lo; j < hi; j++ {
		h := t.Hash[j]
		hit := s.mayBegin(h ^ kindOf[t.Kind[j]&kindMask].salt())
		if sign := tagOf[t.Kind[j]&kindMask]; sign != 0 {
			hit = hit || s.mayBegin(h^sign.salt())
		}
		if hit {
			out = append(out, int32(j))
		}
	}
	return out
}

// mayBegin looks a key of the root up in the filter.
func (s *Set) mayBegin(at uint64) bool {
	bit := at >> s.fshift
	word := s.filter[bit/64]
	return word>>(bit%64)&(word>>(at>>second%64))&1 == 1
}

// walker follows the tokens of one row through the trie.
type walker struct {
	*Set
	*Text
	row   int32
	end   int    // the row's last token and one
	base  int32  // of the row's text in Bytes
	begin uint32 // start of the first token
	hits  []Hit
	last  int32 // row of the last candidate
	limit int   // len(hits) at which that row has enough
}

// step goes from parent by token j, taken as kind k, and on.
func (w *walker) step(parent uint32, k kind, j int) {
	from, to := w.Start[j], w.End[j]
	n := w.child(parent, k, w.Hash[j], w.Bytes[int(w.base)+int(from):int(w.base)+int(to)])
	if n == 0 {
		return
	}
	for _, term := range w.terms[w.first[n]:w.first[n+1]] {
		if len(w.hits) >= w.limit {
			return
		}
		w.hits = append(w.hits, Hit{Row: w.row, Start: w.begin, End: to, Term: term})
	}
	next := j + 1
	if next >= w.end || w.nodes[n].kids>>(w.Hash[next]>>58)&1 == 0 {
		return
	}
	over := kind(0)
	if w.Start[next] < to {
		over = joined
	}
	w.step(n, kindOf[w.Kind[next]&kindMask]|over, next)
	if sign := tagOf[w.Kind[next]&kindMask]; sign != 0 {
		w.step(n, sign|over, next)
	}
}

// FindWhole calls hit with the id of each term added by AddWhole that equals
// value.
func (s *Set) FindWhole(value []byte, hit func(term uint32)) {
	h := token.Hash(value)
	if !s.mayBegin(h ^ whole.salt()) {
		return
	}
	if n := s.child(0, whole, h, value); n != 0 {
		for _, term := range s.terms[s.first[n]:s.first[n+1]] {
			hit(term)
		}
	}
}
