package model

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/sluicehq/sluice/internal/text"
)

// hasKernels reports whether the machine has the instructions of the kernels:
// AVX-512 with its parts VL, BW, DQ, VBMI and VBMI2. Without them plain Go gives the same.
var hasKernels = cpu.X86.HasAVX2 && cpu.X86.HasPOPCNT && cpu.X86.HasBMI2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VBMI2

// The kinds of tokens that locateAVX512 knows: what uses has, as numbers.
const (
	kindWord    = int(text.Word)    //nolint:unused // the kernel uses it
	kindHashtag = int(text.Hashtag) //nolint:unused // the kernel uses it
	kindMention = int(text.Mention) //nolint:unused // the kernel uses it
	kindURL     = int(text.URL)     //nolint:unused // the kernel uses it
	kindEmail   = int(text.Email)   //nolint:unused // the kernel uses it
)

// prefetchT0 asks for n elements of 1<<shift bytes of a table, n > 0, to be
// brought into the nearest cache. It changes nothing, whatever the indices are.
//
//go:noescape
func prefetchT0(table unsafe.Pointer, index *uint32, n int, shift uint)

// prefetch is prefetchT0 of any number.
func prefetch(table unsafe.Pointer, index []uint32, shift uint) {
	if len(index) > 0 {
		prefetchT0(table, &index[0], len(index), shift)
	}
}

// request is posts for locateAVX512, and where to write what they are made of.
type request struct {
	tokens     *int32 // posts+1
	text       *int32
	posts      int // at least 1
	hash       *uint64
	start, end *uint32
	kind       *uint8
	size       int // of the texts' buffer
	shift      uint
	// Where to write.
	buckets    *uint32
	spans      *uint64
	slots      *uint32
	wordTokens *uint32
	longSpans  *uint64
	longSlots  *uint32
	longTokens *uint32
	located    *located
}

// locateAVX512 does what locatePlain does for models of pairs. It writes up to
// 8 elements behind the last.
//
//go:noescape
func locateAVX512(r *request)

// locate finds what the posts from one on and before another are made of.
func (m *Model) locate(p *places, c *Columns, from, to int, ends *[block]located) {
	if !hasKernels || m.card.Features.Words != 2 || !c.within(from, to) {
		m.locatePlain(p, c, from, to, ends)
		return
	}
	r := request{
		tokens: &c.Tokens[from], text: &c.Text[from], posts: to - from, hash: &c.Hash[0], start: &c.Start[0], end: &c.End[0], kind: &c.Kind[0],
		size: len(c.Buf), shift: m.shift, buckets: &p.buckets[0],
		spans: &p.words.spans[0], slots: &p.words.slots[0], wordTokens: &p.words.tokens[0],
		longSpans: &p.longs.spans[0], longSlots: &p.longs.slots[0], longTokens: &p.longs.tokens[0],
		located: &ends[0],
	}
	locateAVX512(&r)
}

// within reports whether posts are of tokens and texts that are there, and some are.
func (c *Columns) within(from, to int) bool {
	n := min(len(c.Hash), len(c.Start), len(c.End), len(c.Kind))
	ok := from < to && n > 0 && len(c.Buf) > 0 && c.Tokens[from] >= 0 && int(c.Tokens[to]) <= n
	for i := from; i < to; i++ {
		ok = ok && c.Tokens[i] <= c.Tokens[i+1] && uint(c.Text[i]) <= uint(len(c.Buf))
	}
	return ok
}

// summing is posts for addAVX512, and where it is.
type summing struct {
	table      *uint64
	cache      *[2]cached
	buf        *byte
	buckets    *uint32
	spans      *uint64
	slots      *uint32
	located    *located
	sums       *[MaxHeads]int32
	posts      int // at least 1
	post, word int // the next ones
	bucket     int //nolint:unused // the kernel uses it: the next one
}

// addAVX512 adds buckets and words to the posts' sums. It reports whether a word
// is not in the cache: it goes on when it is called again.
//
//go:noescape
func addAVX512(r *summing) (missing bool)

// addLongAVX512 adds n long words to sums, n > 0, and returns how many: it stops
// before one that is not in the cache.
//
//go:noescape
func addLongAVX512(cache *cachedLong, buf *byte, spans *uint64, slots *uint32, n int, sums *[MaxHeads]int32) (found int)

// finishAVX2 makes n rows of sums into probabilities, n > 0.
//
//go:noescape
func finishAVX2(f *fast, sums *[MaxHeads]int32, inv *float32, n int, out *[MaxHeads]float32)

// addWords adds the buckets and the words of up to 16 bytes of n posts from one
// on, at least one, to the sums.
func (s *Scorer) addWords(c *Columns, from, n int) {
	if !hasKernels {
		s.addWordsPlain(c, from, n)
		return
	}
	p := &s.found
	r := summing{
		table: &s.m.table[0], cache: &s.cache[0], buf: unsafe.SliceData(c.Buf), buckets: &p.buckets[0], spans: &p.words.spans[0], slots: &p.words.slots[0],
		located: &s.posts[0], sums: &s.sum[0], posts: n,
	}
	for addAVX512(&r) {
		s.learn(p.words.at(c.Buf, r.word), c.Hash[c.Tokens[from+r.post]+int32(p.words.tokens[r.word])])
	}
}

// addLong adds long words, of which there is at least one, to sums, up to the
// first one that is not in the cache. It returns how many it added. The words are
// within buf: the kernel does not check.
func (s *Scorer) addLong(buf []byte, spans []uint64, slots []uint32, sums *[MaxHeads]int32) (found int) {
	if !hasKernels {
		return s.addLongPlain(buf, spans, slots, sums)
	}
	return addLongAVX512(&s.long[0], unsafe.SliceData(buf), &spans[0], &slots[:len(spans)][0], len(spans), sums)
}

// finish makes sums into probabilities, of the first n posts of a block.
func (m *Model) finish(sums *[block][MaxHeads]int32, inv *[block]float32, n int, out *[block][MaxHeads]float32) {
	if !hasKernels || n <= 0 {
		m.finishPlain(sums, inv, n, out)
		return
	}
	finishAVX2(&m.fast, &sums[0], &inv[0], n, &out[0])
}

// piecesAVX512 adds the weights of the pieces of a word of size bytes, 1 to
// longBytes, valid UTF-8, for pieces of at most 5 characters. It writes to at, and returns n = 0
// for a word that has more characters than are cut, or some of 4 bytes, for pieces
// are of at most 16.
//
//go:noescape
func piecesAVX512(table *uint64, word *byte, size int, at *[72]uint8, least, most int, shift uint) (even, odd, n uint64)

// pieces adds the packed weights of the pieces of a word.
func (s *Scorer) pieces(word []byte) (even, odd, n uint64) {
	f := &s.m.card.Features
	if hasKernels && len(word) > 0 && len(word) <= longBytes && f.PieceMax <= 5 {
		even, odd, n = piecesAVX512(&s.m.table[0], &word[0], len(word), &s.spelt.at, f.PieceMin, f.PieceMax, s.m.shift)
		if n > 0 {
			return even, odd, n
		}
	}
	return s.piecesPlain(word)
}
