// Package hashbank finds the entries of a bank of hashes that are within a
// Hamming distance of a value: 64-bit SimHashes, and 256-bit hashes of images
// such as PDQ.
//
// Method: multi-index hashing (M. Norouzi, A. Punjani, D. Fleet, Fast Search in
// Hamming Space with Multi-Index Hashing, CVPR 2012, section 3), in two steps.
// If two hashes differ in at most k bits and are cut into parts, whose radii r
// are such that the sum of r+1 over the parts is k+1, then there is a part in
// which they differ in at most r bits. A part of radius -1 is not looked at.
// First a hash is cut into pairs of 32 bits, then each pair into two blocks of
// 16. Each block has a table of the entries by their bits there. So an entry of
// a bucket is compared with the value only if its other block, which the table
// holds beside it, is near enough too: of unlike hashes fewer than 1 in 100 are.
//
// The entries are found exactly: none is missed, and none is given twice. What a
// look-up costs grows with the bank and the radii; entries that have the bits of
// a block in common, as hashes of one image do, make longer buckets.
package hashbank

import (
	"fmt"
	"math"
)

// Limits of distances. With more, blocks of 16 bits had to be searched with a
// radius above 1, which is slower than to compare with every entry of most
// banks, and unlike texts and images are that near.
const (
	MaxDistance64  = 7
	MaxDistance256 = 31
)

// MaxEntries is the most entries of an index.
const MaxEntries = 4 << 20

const (
	block   = 16 // bits
	buckets = 1 << block
	// sparse is the most entries of a table that is worth a bitmap of the buckets
	// that are not empty.
	sparse = buckets
	// dense is the least entries of a table that holds its buckets in lines.
	dense = 4 * buckets
)

// Match is an entry near a value.
type Match struct {
	Entry    uint32 // its place in what the index was made of
	Distance uint8  // in bits, at most the entry's limit
}

// before reports whether m is nearer than n, or as near and an earlier entry.
func (m Match) before(n Match) bool {
	return m.Distance < n.Distance || m.Distance == n.Distance && m.Entry < n.Entry
}

// nobody is farther than any match.
var nobody = Match{Entry: math.MaxUint32, Distance: math.MaxUint8}

// check returns the greatest limit, after a look at the sizes. A limit is an
// entry's own distance.
func check(n int, limits []uint8, most int) (int, error) {
	if n != len(limits) {
		return 0, fmt.Errorf("hashbank: %d entries, but %d distances", n, len(limits))
	}
	if n > MaxEntries {
		return 0, fmt.Errorf("hashbank: %d entries; an index has at most %d", n, MaxEntries)
	}
	k := 0
	for i, l := range limits {
		if k = max(k, int(l)); k > most {
			return 0, fmt.Errorf("hashbank: entry %d: a distance of %d bits; the most is %d", i, l, most)
		}
	}
	return k, nil
}

// radii shares k+1 out among n blocks, and takes 1 of each share.
func radii(k, n int) []int {
	r := make([]int, n)
	for i := range r {
		r[i] = (k+1)/n - 1
		if i < (k+1)%n {
			r[i]++
		}
	}
	return r
}

// table returns the entries by a key of each: those of bucket b are
// order[offsets[b]:offsets[b+1]], in ascending order.
func table(n int, key func(i int) uint16) (offsets, order []uint32) {
	offsets, order = make([]uint32, buckets+1), make([]uint32, n)
	for i := range n {
		offsets[int(key(i))+1]++
	}
	for b := range buckets {
		offsets[b+1] += offsets[b]
	}
	next := make([]uint32, buckets)
	copy(next, offsets)
	for i := range n {
		b := key(i)
		order[next[b]] = uint32(i)
		next[b]++
	}
	return offsets, order
}

// flips are what a key of radius 1 is changed by: nothing, then each bit.
var flips = func() (f [block + 1]uint16) {
	for i := range block {
		f[i+1] = 1 << i
	}
	return f
}()

// probes returns the number of flips for a radius of -1, 0 or 1.
func probes(radius int) int { return [...]int{0, 1, block + 1}[radius+1] }
