package model

import "unsafe"

const (
	// blockTokens is how many tokens a block may have: what a kernel writes has
	// a fixed place. A post of more is added up by plain Go.
	blockTokens = 1024
	// room is behind what a kernel writes, 16 elements at a time; so much that
	// the parts of arrays that are used do not share sets of the nearest cache.
	room = 224
	// entries is the tokens and an edge for each post.
	entries = blockTokens + block
)

// parts is what the posts of a block are made of, and their sums. Its arrays
// begin at lines of 64 bytes, as it does, for it is large.
type parts struct {
	masks [18][2][2]uint64 // masks16 of the sizes of words, twice each
	// The sums of as many entries, words and long words as the index says.
	entrySums, wordSums, longSums [entries + room][MaxHeads]uint32 //nolint:unused // the kernels use it
	// By entry, a token or the edge behind a post's last: the buckets of the pair
	// and of the triple that end there, and of a token that is not a word with
	// pieces; or the bucket of no weights.
	runs, triples, alone [entries + room]uint32   //nolint:unused // the kernels use it
	words                spotted                  // of 1 to 16 bytes, with as many to read from their beginning on
	longs                spotted                  // the other words
	rows                 [block][MaxHeads]float32 // for finish
	ends                 [block]located
	missing              [2][entries + room]uint32 // the words and the long words that are not in the cache
}

func newParts() *parts {
	p := new(parts)
	for n := range 17 {
		p.masks[n] = [2][2]uint64{masks16[n], masks16[n]}
	}
	return p
}

// spotted is words.
type spotted struct {
	at   [entries + room]uint32 // in the buffer
	size [entries + room]uint32 // in bytes, at most sizeMax, << sizeShift, and the token of the block << tokenShift
	line [entries + room]uint32 // the place in the cache, in bytes
}

// The sizes of words: shifted, they are places in masks.
const (
	sizeShift  = 5
	sizeMax    = 1<<(tokenShift-sizeShift) - 1
	tokenShift = 16
)

// located is how many entries, words and long words there are up to a post's end.
type located struct {
	entries      uint32 //nolint:unused // the kernels use it
	words, longs uint32
	_            uint32
}

// request is posts for locateAVX512.
type request struct {
	tokens     *int32 // posts+1
	text       *int32
	posts      int // at least 1
	first      int // token
	hash       *uint64
	start, end *uint32
	kind       *uint8
	safe       uint32 // the last place of the texts' buffer that has 16 bytes
	none       uint32 // the bucket of no weights
	shift      uint
	longest    int // run of tokens
	out        *parts
}

// locateAVX512 finds what posts are made of.
//
//go:noescape
func locateAVX512(r *request)

// summing is a block for addAVX512.
type summing struct {
	table   *uint64
	cache   *set
	long    *cachedLong
	buf     *byte
	size    int // of the buffer
	longest int // run of tokens
	posts   int // at least 1
	parts   *parts
	sums    *[MaxHeads]int32
	missing [2]int // how many words and long words are not in the caches
}

// addAVX512 adds up what posts are made of, but for the words that are missing.
//
//go:noescape
func addAVX512(r *summing)

// prefetchT0 asks for n elements, n > 0, of a table to be brought into the
// nearest cache, by their places in bytes. It changes nothing, whatever they are.
//
//go:noescape
func prefetchT0(table unsafe.Pointer, at *uint32, n int)

// prefetchSets asks for the sets of n words, n > 0, by their hashes.
//
//go:noescape
func prefetchSets(cache *set, hash *uint64, n int)

// ask asks for what words are looked up in.
func (s *Scorer) ask(hash []uint64) {
	if len(hash) > 0 {
		prefetchSets(&s.cache[0], &hash[0], len(hash))
	}
}

// addUp adds up posts from one on and before another, at most a block, and
// returns up to which one.
func (s *Scorer) addUp(c *Columns, from, to int) int {
	if !hasKernels || !c.within(from, to) {
		return s.addUpPlain(c, from, to)
	}
	for int(c.Tokens[to]-c.Tokens[from]) > blockTokens {
		if to--; to == from {
			return s.addUpPlain(c, from, from+1)
		}
	}
	b, m := s.parts, s.m
	at := request{
		tokens: &c.Tokens[from], text: &c.Text[from], posts: to - from, first: int(c.Tokens[from]), hash: &c.Hash[0], start: &c.Start[0], end: &c.End[0], kind: &c.Kind[0],
		safe: uint32(len(c.Buf) - 16), none: uint32(len(m.table) - 1), shift: m.shift, longest: m.card.Features.Words, out: b,
	}
	locateAVX512(&at)
	last := &b.ends[to-from-1]
	if last.words > 0 {
		prefetchT0(unsafe.Pointer(s.cache), &b.words.line[0], int(last.words))
	}
	if last.longs > 0 {
		prefetchT0(unsafe.Pointer(s.long), &b.longs.line[0], int(last.longs))
	}
	r := summing{
		table: &m.table[0], cache: &s.cache[0], long: &s.long[0], buf: &c.Buf[0], size: len(c.Buf), longest: m.card.Features.Words,
		posts: to - from, parts: b, sums: &s.sum[0],
	}
	addAVX512(&r)
	s.addMissing(c, int(c.Tokens[from]), r.missing)
	return to
}

// addMissing adds words that were not in the caches, of a block that begins
// with a token.
func (s *Scorer) addMissing(c *Columns, first int, n [2]int) {
	b := s.parts
	post := 0
	for _, i := range b.missing[0][:n[0]] {
		for b.ends[post&(block-1)].words <= i {
			post++
		}
		t := first + int(b.words.size[i]>>tokenShift)
		at := b.words.at[i]
		s.short(c.Buf[at:at+16], uint(c.End[t]-c.Start[t]), c.Hash[t]).add(&s.sum[post&(block-1)])
	}
	post = 0
	for _, i := range b.missing[1][:n[1]] {
		for b.ends[post&(block-1)].longs <= i {
			post++
		}
		t := first + int(b.longs.size[i]>>tokenShift)
		at := int(b.longs.at[i])
		s.addLong(c.Buf[at:at+int(c.End[t]-c.Start[t])], c.Hash[t], &s.sum[post&(block-1)])
	}
}

// within reports whether posts are of tokens and texts that are there, some
// are, and the buffer has room for a word.
func (c *Columns) within(from, to int) bool {
	n := min(len(c.Hash), len(c.Start), len(c.End), len(c.Kind))
	ok := from < to && n > 0 && len(c.Buf) >= 16 && c.Tokens[from] >= 0 && int(c.Tokens[to]) <= n
	for i := from; i < to; i++ {
		ok = ok && c.Tokens[i] <= c.Tokens[i+1] && uint(c.Text[i]) <= uint(len(c.Buf))
	}
	return ok
}
