// Package pattern finds terms that are not whole words: what a word begins
// with, wildcards within a word, substrings, regular expressions and URLs. Its
// types are immutable once made and safe for concurrent use; scratch memory is
// with the scanners.
//
// All of it is linear in the text. Substrings are found by a bitmap over the
// first four bytes of all of them (in the manner of M. Rabin and R. Karp, 1987,
// with a multiplicative hash), which sends away nearly all places of a text;
// what is left is looked up in their sorted order. Regular expressions are run
// by package regexp where a literal that they need was found: where one is that
// their matches begin with, at that place.
package pattern

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// headLen is the number of bytes by which strings are looked up first.
const headLen = 4

// starts finds which strings of a set a text begins with.
//
// The strings are sorted. Of all that a text begins with, each is a beginning of
// the text's predecessor in that order; so they are on the chain of parents of
// the predecessor, where the parent of a string is the longest other one that
// it begins with.
type starts struct {
	bytes  []byte
	off    []uint32 // string i is bytes[off[i]:off[i+1]]
	parent []int32  // -1: none
	first  []uint32 // ids[first[i]:first[i+1]] are those of string i
	ids    []uint32
	slots  []slot // open addressing by head
	shift  uint
	lens   [headLen + 1]bool // heads of this length are there
}

// slot is the strings that share a head: lo to hi in their order.
type slot struct {
	key    uint64 // length<<32 | bytes of the head; 0 is free
	lo, hi uint32
}

// headOf returns the key of a head of n <= headLen bytes, given as a
// little-endian word of which the bytes behind are zero.
func headOf(n int, word uint32) uint64 { return uint64(n)<<32 | uint64(word) }

// mixHead spreads a key over 64 bits.
func mixHead(key uint64) uint64 { return key * 0x9fb21c651e98df25 }

// load returns the first n <= 4 bytes of b, which has them, as a word.
func load(b []byte, n int) uint32 {
	if len(b) >= 4 {
		return binary.LittleEndian.Uint32(b) & uint32(1<<(8*n)-1)
	}
	w := uint32(0)
	for i := range n {
		w |= uint32(b[i]) << (8 * i)
	}
	return w
}

// newStarts makes the set; id i is that of strings[i]. None is empty; equal
// ones share a place.
func newStarts(strings []string) *starts {
	order := sorted(strings)
	s := &starts{off: []uint32{0}, ids: order}
	for i, id := range order {
		if i > 0 && strings[id] == strings[order[i-1]] {
			continue
		}
		s.first = append(s.first, uint32(i))
		s.parent = append(s.parent, s.parentOf(strings[id]))
		s.bytes = append(s.bytes, strings[id]...)
		s.off = append(s.off, uint32(len(s.bytes)))
	}
	s.first = append(s.first, uint32(len(order)))
	s.buildHeads()
	return s
}

// sorted returns the places of strings in their order; equal ones as they are.
func sorted(strings []string) []uint32 {
	// Most differ in their first 8 bytes, which are compared as a number.
	type item struct {
		head uint64
		id   uint32
	}
	items := make([]item, len(strings))
	for i, s := range strings {
		items[i] = item{bits.ReverseBytes64(word8([]byte(s[:min(len(s), 8)]))), uint32(i)}
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return cmp.Or(cmp.Compare(strings[a.id], strings[b.id]), cmp.Compare(a.id, b.id))
	})
	out := make([]uint32, len(items))
	for i, it := range items {
		out[i] = it.id
	}
	return out
}

// parentOf returns the parent of next, which is behind all strings so far.
func (s *starts) parentOf(next string) int32 {
	for i := int32(s.len()) - 1; i >= 0; i = s.parent[i] {
		if at := s.at(int(i)); len(at) < len(next) && next[:len(at)] == string(at) {
			return i
		}
	}
	return -1
}

func (s *starts) len() int        { return len(s.off) - 1 }
func (s *starts) at(i int) []byte { return s.bytes[s.off[i]:s.off[i+1]] }

// buildHeads fills the table: strings of headLen bytes and more by these,
// shorter ones by themselves.
func (s *starts) buildHeads() {
	size := uint(4)
	for 1<<size < 2*s.len() {
		size++
	}
	s.slots, s.shift = make([]slot, 1<<size), 64-size
	for i := range s.len() {
		b := s.at(i)
		n := min(len(b), headLen)
		s.lens[n] = true
		at := s.slot(headOf(n, load(b, n)))
		if at.key == 0 {
			at.key, at.lo = headOf(n, load(b, n)), uint32(i)
		}
		// Longer ones with this head follow each other, but for none between.
		at.hi = uint32(i) + 1
	}
}

// slot returns the slot of a head, or the free one where it would be.
func (s *starts) slot(key uint64) *slot {
	mask := uint64(len(s.slots) - 1)
	for i := mixHead(key) >> s.shift; ; i++ {
		if at := &s.slots[i&mask]; at.key == key || at.key == 0 {
			return at
		}
	}
}

// find calls hit with the id of each string that text begins with, and its
// length, the longest first; it stops where hit returns false, and returns that.
func (s *starts) find(text []byte, hit func(id uint32, length int) bool) bool {
	for n := min(len(text), headLen); n > 0; n-- {
		if !s.lens[n] {
			continue
		}
		at := s.slot(headOf(n, load(text, n)))
		if at.key == 0 {
			continue
		}
		// The predecessor of text among these.
		lo, hi := int(at.lo), int(at.hi)
		i := lo + sort.Search(hi-lo, func(k int) bool { return bytes.Compare(s.at(lo+k), text) > 0 }) - 1
		if i < lo {
			continue
		}
		common := commonPrefix(s.at(i), text)
		for j := int32(i); j >= int32(lo); j = s.parent[j] {
			length := int(s.off[j+1] - s.off[j])
			if length > common {
				continue
			}
			for _, id := range s.ids[s.first[j]:s.first[j+1]] {
				if !hit(id, length) {
					return false
				}
			}
		}
	}
	return true
}

// commonPrefix returns the length of the longest common beginning.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
