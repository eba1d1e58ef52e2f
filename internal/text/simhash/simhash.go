// Package simhash makes fingerprints of token hashes: Charikar's SimHash, under
// which texts that share most of their features differ in few bits, and an
// exact hash of the sequence.
//
// Method: M. Charikar, Similarity Estimation Techniques from Rounding
// Algorithms, STOC 2002, section 3; bit i of the result is the majority of bit
// i over the features' hashes. The counts are kept bit-sliced: plane p holds
// bit p of all 64 counts, and eight features at a time go through a tree of
// carry-save adders (Harley and Seal; H. Warren, Hacker's Delight, 2nd ed.,
// section 5-1), so nothing loops over bits.
package simhash

import (
	"math/bits"

	"github.com/sluicehq/sluice/internal/text/token"
)

// maxPlanes is the number of planes: up to 2^31 features are counted.
const maxPlanes = 32

// Of returns the SimHash of the features: bit i is set when more than half of
// them have it set. It is 0 when there are none.
func Of(features []uint64) uint64 {
	if len(features) == 0 {
		return 0
	}
	var planes [maxPlanes]uint64
	var ones, twos, fours uint64
	i := 0
	for ; i+8 <= len(features); i += 8 {
		f := features[i : i+8 : i+8]
		s0, c0 := add(ones, f[0], f[1])
		s1, c1 := add(s0, f[2], f[3])
		s2, c2 := add(s1, f[4], f[5])
		s3, c3 := add(s2, f[6], f[7])
		t0, d0 := add(twos, c0, c1)
		t1, d1 := add(t0, c2, c3)
		u, eights := add(fours, d0, d1)
		ones, twos, fours = s3, t1, u
		ripple(&planes, 3, eights)
	}
	planes[0], planes[1], planes[2] = ones, twos, fours
	for ; i+2 <= len(features); i += 2 {
		var carry uint64
		planes[0], carry = add(planes[0], features[i], features[i+1])
		ripple(&planes, 1, carry)
	}
	if i < len(features) {
		ripple(&planes, 0, features[i])
	}
	return atLeast(&planes, uint(len(features)/2+1))
}

// add is a carry-save adder: 64 full adders side by side.
func add(a, b, c uint64) (sum, carry uint64) {
	u := a ^ b
	return u ^ c, a&b | u&c
}

// ripple adds carry, of weight 2^p, to the counts.
func ripple(planes *[maxPlanes]uint64, p int, carry uint64) {
	for ; carry != 0 && p < maxPlanes; p++ {
		planes[p], carry = planes[p]^carry, planes[p]&carry
	}
}

// atLeast returns the bits whose count is n or more. It compares from the
// lowest plane up: a higher plane that differs decides.
func atLeast(planes *[maxPlanes]uint64, n uint) uint64 {
	ge := ^uint64(0)
	for p := range bits.Len(n) {
		if n>>p&1 == 1 {
			ge &= planes[p]
		} else {
			ge |= planes[p]
		}
	}
	for p := bits.Len(n); p < maxPlanes && p < bits.Len(2*n); p++ {
		ge |= planes[p]
	}
	return ge
}

const (
	mulFirst = 0x8ebc6af09c88c6e3
	mulNext  = 0x589965cc75374cc3
	mulText  = 0x1d8e4e27c47d124f
	seedText = 0xa0b428db7bd5d9c1
	stepText = 0xc2b2ae3d27d4eb4f
)

// Shingles appends a hash for each run of k >= 2 tokens in a row: their hashes
// chained by multiplication, so that the order counts. Fewer than k tokens have
// no shingle.
func Shingles(dst, tokens []uint64, k int) []uint64 {
	if k == 2 { // the usual case, without the inner loop
		for i := 1; i < len(tokens); i++ {
			dst = append(dst, token.Mix(tokens[i-1]^mulFirst, tokens[i]^mulNext))
		}
		return dst
	}
	for i := k; i <= len(tokens); i++ {
		h := tokens[i-k]
		for _, t := range tokens[i-k+1 : i] {
			h = token.Mix(h^mulFirst, t^mulNext)
		}
		dst = append(dst, h)
	}
	return dst
}

// Exact returns a hash of the sequence of tokens, 0 for none and for no others.
// Each token is mixed with its place, and the results are added: no step waits
// for the one before it.
func Exact(tokens []uint64) uint64 {
	if len(tokens) == 0 {
		return 0
	}
	h, place := uint64(len(tokens)), uint64(seedText)
	for _, t := range tokens {
		h += token.Mix(t^place, mulText)
		place += stepText
	}
	h = token.Mix(h^seedText, mulNext)
	return max(h, 1)
}
