// Package terms finds the terms of lists, words and phrases, in tokens. All
// lists together are one trie over token hashes, kept in one open-addressed
// table; a bitmap that stays in the cache sends away nearly all tokens that no
// term begins with. What a text costs depends on its tokens and its hits, not
// on how many terms there are (the point of FlashText: V. Singh, Replace or
// Retrieve Keywords In Documents At Scale, 2017).
//
// A hit is exact: each step compares the token's bytes, so that hashes which
// collide, by chance or by design, make no hit.
package terms

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token"
)

// Limits of a set.
const (
	MaxTerms  = 4 << 20 // terms of all lists
	MaxLength = 1 << 10 // bytes of a term, folded or not
	MaxTokens = 64      // tokens of a term: each may be walked at each place of a text
	MaxHits   = 1 << 12 // hits of a row that Find returns
	maxArena  = 1 << 31 // bytes of all distinct tokens
)

// kind is the class of tokens that one step of a term takes. Words, numbers,
// bigrams, hashtags and cashtags are alike to a term that is written without
// '#' and '$'.
type kind uint8

const (
	plain   kind = iota // a word, number, bigram, hashtag or cashtag
	tag                 // a hashtag only
	cash                // a cashtag only
	mention             // a mention only
	emoji
	url
	email
	whole // a value as a whole, not a token: see AddWhole
	// joined is added where the step overlaps the one before it, as the
	// bigrams of one run do.
	joined kind = 1 << 3
)

// kindOf maps a token's kind to what any term takes it for.
var kindOf = [kinds]kind{
	text.Word: plain, text.Number: plain, text.Hashtag: plain, text.Bigram: plain, text.Cashtag: plain,
	text.Mention: mention, text.Emoji: emoji, text.URL: url, text.Email: email,
}

// kinds is a power of two above all kinds of token, so that a mask bounds them.
const (
	kinds    = 16
	kindMask = kinds - 1
)

// tagOf maps a token's kind to what only a term with its sign takes it for: 0
// but for hashtags and cashtags.
var tagOf = [kinds]kind{text.Hashtag: tag, text.Cashtag: cash}

// salt keeps the kinds apart in the table; that of plain is 0.
func (k kind) salt() uint64 { return uint64(k) * 0x9fb21c651e98df25 }

// node is a state of the trie other than the root: the token that leads to it
// from its parent. Node 0 is the root.
type node struct {
	kids   uint64 // bit hash>>58 is set for each child
	parent uint32
	token  uint32 // offset into the arena
	length uint16
	kind   kind
}

// Set is an immutable set of terms.
type Set struct {
	nodes  []node
	arena  []byte   // the bytes of the tokens
	slots  []uint64 // open addressing, linear: tag<<32 | node; 0 is free
	shift  uint     // slot = key >> shift
	first  []uint32 // terms[first[n]:first[n+1]] end at node n
	terms  []uint32
	filter []uint64 // bitmap over the keys of the root's children
	fshift uint     // bit = key >> fshift
	tags   bool     // there are terms that begin with a hashtag or cashtag
}

// key returns the place of the child of parent by a token of this hash.
func key(parent uint32, k kind, hash uint64) uint64 {
	h := hash ^ k.salt()
	if parent == 0 {
		return h
	}
	return token.Mix(h^uint64(parent)*0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9)
}

// child returns the node to which the token leads from parent, or 0.
func (s *Set) child(parent uint32, k kind, hash uint64, tok []byte) uint32 {
	at := key(parent, k, hash)
	mask := uint64(len(s.slots) - 1)
	for i := at >> s.shift; ; i++ {
		slot := s.slots[i&mask]
		if slot == 0 {
			return 0
		}
		if slot>>32 != at&(1<<32-1) {
			continue
		}
		n := &s.nodes[uint32(slot)]
		if n.parent == parent && n.kind == k && bytes.Equal(s.arena[n.token:n.token+uint32(n.length)], tok) {
			return uint32(slot)
		}
	}
}

// Builder makes a Set.
type Builder struct {
	set  Set
	ends []end
}

type end struct{ node, term uint32 }

// NewBuilder returns a builder of an empty set.
func NewBuilder() *Builder {
	return &Builder{set: Set{nodes: make([]node, 1), slots: make([]uint64, 16), shift: 60}}
}

// Add adds the term with the caller's number id. Its tokens are toks, cut from
// buf; what is not a token is not compared. It returns the number of an equal
// term that was added before with an id of at least since (and adds nothing),
// or -1: with the id of a list's first term in since, it tells duplicates
// within the list.
func (b *Builder) Add(id, since uint32, toks *token.Tokens, buf []byte) (duplicate int, err error) {
	if toks.Len() == 0 {
		return -1, fmt.Errorf("no word, number, hashtag, cashtag, mention, URL, e-mail address or emoji in it; delete the line")
	}
	if toks.Len() > MaxTokens {
		return -1, fmt.Errorf("a phrase of %d words (or characters, in scripts without spaces); the longest has %d: cut it", toks.Len(), MaxTokens)
	}
	at := uint32(0)
	for i := range toks.Len() {
		k := kindOf[toks.Kind[i]&(kinds-1)]
		if sign := tagOf[toks.Kind[i]&(kinds-1)]; sign != 0 {
			k = sign
		}
		if i > 0 && toks.Start[i] < toks.End[i-1] {
			k |= joined
		}
		if at, err = b.step(at, k, toks.Hash[i], buf[toks.Start[i]:toks.End[i]]); err != nil {
			return -1, err
		}
	}
	return b.end(at, id, since)
}

// AddWhole adds a term that is compared as a whole by FindWhole. It returns
// what Add does.
func (b *Builder) AddWhole(id, since uint32, term []byte) (duplicate int, err error) {
	at, err := b.step(0, whole, token.Hash(term), term)
	if err != nil {
		return -1, err
	}
	return b.end(at, id, since)
}

// step returns the child of parent by the token, new where there is none.
func (b *Builder) step(parent uint32, k kind, hash uint64, tok []byte) (uint32, error) {
	s := &b.set
	if n := s.child(parent, k, hash, tok); n != 0 {
		return n, nil
	}
	if len(tok) > MaxLength || len(s.arena)+len(tok) > maxArena {
		return 0, fmt.Errorf("too long: a term has at most %d bytes, a set %d", MaxLength, maxArena)
	}
	n := uint32(len(s.nodes))
	s.nodes = append(s.nodes, node{parent: parent, kind: k, token: uint32(len(s.arena)), length: uint16(len(tok))})
	s.arena = append(s.arena, tok...)
	s.nodes[parent].kids |= 1 << (hash >> 58)
	if (k == tag || k == cash) && parent == 0 {
		s.tags = true
	}
	if 2*len(s.nodes) > len(s.slots) {
		s.resize()
	} else {
		s.place(key(parent, k, hash), n)
	}
	return n, nil
}

// place puts node n into the first free slot for its key.
func (s *Set) place(at uint64, n uint32) {
	mask := uint64(len(s.slots) - 1)
	i := at >> s.shift
	for s.slots[i&mask] != 0 {
		i++
	}
	s.slots[i&mask] = at<<32 | uint64(n)
}

// resize doubles the table.
func (s *Set) resize() {
	s.slots = make([]uint64, 2*len(s.slots))
	s.shift--
	for n := uint32(1); int(n) < len(s.nodes); n++ {
		s.place(s.keyOf(n), n)
	}
}

// keyOf returns the key of a node.
func (s *Set) keyOf(n uint32) uint64 {
	e := &s.nodes[n]
	return key(e.parent, e.kind, token.Hash(s.arena[e.token:e.token+uint32(e.length)]))
}

// end notes that the term id ends at node n.
func (b *Builder) end(n, id, since uint32) (duplicate int, err error) {
	if len(b.ends) >= MaxTerms {
		return -1, fmt.Errorf("too many terms: all lists together have at most %d", MaxTerms)
	}
	s := &b.set
	if int(n) >= len(s.first) {
		s.first = append(s.first, make([]uint32, int(n)+1-len(s.first))...)
	}
	// While building, first holds the last end of the node, counted from 1.
	if last := s.first[n]; last != 0 && b.ends[last-1].term >= since {
		return int(b.ends[last-1].term), nil
	}
	b.ends = append(b.ends, end{n, id})
	s.first[n] = uint32(len(b.ends))
	return -1, nil
}

// Build returns the set. The builder must not be used afterwards.
func (b *Builder) Build() *Set {
	s := &b.set
	slices.SortStableFunc(b.ends, func(x, y end) int { return int(x.node) - int(y.node) })
	s.first = make([]uint32, len(s.nodes)+1)
	s.terms = make([]uint32, len(b.ends))
	for i, e := range b.ends {
		s.terms[i] = e.term
		s.first[e.node+1]++
	}
	for n := range s.nodes {
		s.first[n+1] += s.first[n]
	}
	b.ends = nil
	s.buildFilter()
	return s
}

// The filter has about filterLoad bits a term, within limits: 8 KiB stay in the
// first-level cache, 1 MiB in the second.
const (
	filterLoad    = 16
	minFilterBits = 16
	maxFilterBits = 23

	// second is the first bit of a hash that tells the second bit of a token in
	// the word of the first one: two bits of one word let half as much through.
	second = 24
)

func (s *Set) buildFilter() {
	roots := 0
	for _, n := range s.nodes[1:] {
		if n.parent == 0 {
			roots++
		}
	}
	size := min(max(bits.Len(uint(roots*filterLoad)), minFilterBits), maxFilterBits)
	s.filter = make([]uint64, 1<<size/64)
	s.fshift = uint(64 - size)
	for n := uint32(1); int(n) < len(s.nodes); n++ {
		if s.nodes[n].parent == 0 {
			at := s.keyOf(n)
			bit := at >> s.fshift
			s.filter[bit/64] |= 1<<(bit%64) | 1<<(at>>second%64)
		}
	}
}

// Len returns the number of terms.
func (s *Set) Len() int { return len(s.terms) }
