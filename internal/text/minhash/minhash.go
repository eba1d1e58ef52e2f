// Package minhash makes MinHash signatures of sets of shingles, cut into bands:
// two texts share a band with a probability that grows steeply with the Jaccard
// similarity of their sets.
//
// Method: one-permutation hashing (P. Li, A. Owen, C.-H. Zhang, One Permutation
// Hashing, NIPS 2012): a shingle's hash names one of 64 bins by its high bits,
// and each bin keeps the least of the low 32 bits that fell into it. A post has
// fewer shingles than bins, so most bins stay empty, and a value must come from
// a donor: the first bin that has one, in an order of the bins that is the
// value's own (A. Shrivastava, Optimal Densification for Fast and Accurate
// Minwise Hashing, ICML 2017). Where two sets agree, they agree on the donors as
// well.
//
// We depart from the papers twice. Each band has an order, and its rows are the
// first bins of it that have a value: so they are bins apart. With a donor in
// common, a band of two rows would be shared as readily as one of one row, and
// in short posts many would be. And an order is one of four fixed permutations
// of the bins, begun at a place of its own: so donors are found by a rotation of
// the occupied bins' bitmap and a count of zeros, without a walk, in the same
// time for 1 shingle and for 10,000. A test holds the deviation against that of
// independent orders.
//
// Of the values of a band's rows 16 bits are kept (b-bit minwise hashing: P. Li,
// A. König, b-Bit Minwise Hashing, WWW 2010), so a band of unlike texts is equal
// once in 65,536.
package minhash

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/token"
)

// Bins is the number of bins.
const Bins = 64

// Limits of a signature.
const (
	MaxBands = Bins
	MaxRows  = 8 // of a band
)

// MaxChars is the length of the shingles that [Set.AddChars] makes: 4 characters
// of at most 4 bytes fill two words.
const MaxChars = 4

// Set collects the shingles of one text. The zero value is an empty set. It is
// for one goroutine, and is used again after Reset.
type Set struct {
	least    [Bins]uint32 // by bin, where occupied says so
	occupied uint64       // bit i is set when bin i has a value
}

// Reset empties the set.
func (s *Set) Reset() {
	s.least, s.occupied = nothing, 0
}

// Empty reports whether nothing was added.
func (s *Set) Empty() bool { return s.occupied == 0 }

// Add adds shingles by their hashes, of which all bits must be well mixed. The
// set must have been Reset. To add one twice changes nothing.
func (s *Set) Add(shingles []uint64) {
	occupied := s.occupied
	for _, h := range shingles {
		bin := h >> 58
		occupied |= 1 << bin
		s.least[bin] = min(s.least[bin], uint32(h))
	}
	s.occupied = occupied
}

const (
	mulLow  = 0xe95ab0b7c2f3a1d5
	mulHigh = 0x9b6d3c41f7e2a48b
	mulBand = 0xd1342543de82ef95
)

// AddChars adds each run of MaxChars characters of text, which is UTF-8; a
// shorter text is one shingle as it is, an empty one none. Characters are not
// told from bytes of text that is not UTF-8, which is safe and means nothing.
func (s *Set) AddChars(text []byte) {
	if i := ascii(text); i == len(text) && i >= MaxChars {
		s.addASCII(text)
		return
	}
	var starts [MaxChars]int // of the last characters, in a ring
	n := uint(0)
	for i, b := range text {
		if !utf8.RuneStart(b) {
			continue
		}
		if n >= MaxChars {
			s.addOne(chars(text, starts[n%MaxChars], i))
		}
		starts[n%MaxChars] = i
		n++
	}
	if n >= MaxChars {
		s.addOne(chars(text, starts[n%MaxChars], len(text)))
	} else if len(text) > 0 {
		s.addOne(chars(text, 0, len(text)))
	}
}

// addASCII is AddChars for at least MaxChars bytes of ASCII.
func (s *Set) addASCII(text []byte) {
	occupied := s.occupied
	for i := range len(text) - (MaxChars - 1) {
		h := token.Mix(uint64(binary.LittleEndian.Uint32(text[i:]))^mulLow, mulHigh)
		bin := h >> 58
		occupied |= 1 << bin
		s.least[bin] = min(s.least[bin], uint32(h))
	}
	s.occupied = occupied
}

func (s *Set) addOne(h uint64) {
	bin := h >> 58
	s.occupied |= 1 << bin
	s.least[bin] = min(s.least[bin], uint32(h))
}

// chars returns the hash of text[from:to]. Of more than 16 bytes, which are no
// 4 characters of UTF-8, the first 16 count.
func chars(text []byte, from, to int) uint64 {
	var lo, hi uint64
	if n := min(uint(to-from), 16); from+16 <= len(text) {
		lo = binary.LittleEndian.Uint64(text[from:]) & (1<<(8*n) - 1) // a shift of 64 and more gives 0
		hi = binary.LittleEndian.Uint64(text[from+8:]) & (1<<(8*(max(n, 8)-8)) - 1)
	} else {
		for i, b := range text[from : from+int(n)] {
			if i < 8 {
				lo |= uint64(b) << (8 * i)
			} else {
				hi |= uint64(b) << (8 * (i - 8))
			}
		}
	}
	return token.Mix(lo^mulLow, hi^mulHigh)
}

// ascii returns how many bytes at the beginning of text are ASCII.
func ascii(text []byte) int {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		if binary.LittleEndian.Uint64(text[i:])&0x8080808080808080 != 0 {
			break
		}
	}
	for ; i < len(text) && text[i] < utf8.RuneSelf; i++ {
	}
	return i
}

// none is the value of a row for which no bin is left.
const none = 1<<32 - 1

// nothing is the values of an empty set.
var nothing = func() (v [Bins]uint32) {
	for i := range v {
		v[i] = none
	}
	return v
}()

// Bands writes the bands first, first+step, first+2*step and so on into dst,
// which has an element for each band, at most MaxBands: the band's number << 16
// | 16 bits of its rows, which are 1 to MaxRows. Two sets of similarity j share
// a band with a probability of about 1-(1-j^rows)^len(dst). The set must not be
// empty.
func (s *Set) Bands(dst []uint32, rows, first, step int) {
	orders := scramble(s.occupied)
	if rows == 2 {
		s.pairs(dst, &orders, uint(first), uint(step))
		return
	}
	for b := uint(first); b < uint(len(dst)); b += uint(step) {
		bins, p := &binAt[b&3], begin(b)
		left := bits.RotateLeft64(orders[b&3], -int(p)) // in the order of band b
		h := s.value(bins, p, left)
		for range rows - 1 {
			left &= left - 1
			h = (h<<32 | s.value(bins, p, left)) * mulBand >> 32
		}
		if rows > 1 {
			h >>= 16
		}
		dst[b] = uint32(b)<<16 | uint32(h&0xffff)
	}
}

// pairs is Bands for the usual case of two rows, without the inner loop.
func (s *Set) pairs(dst []uint32, orders *[4]uint64, b, step uint) {
	for ; b < uint(len(dst)); b += step {
		bins, p := &binAt[b&3], begin(b)
		left := bits.RotateLeft64(orders[b&3], -int(p))
		h, next := uint64(s.least[bins[(p+tail(left))&127]&63]), uint64(none)
		if left &= left - 1; left != 0 {
			next = uint64(s.least[bins[(p+tail(left))&127]&63])
		}
		dst[b] = uint32(b)<<16 | uint32((h<<32|next)*mulBand>>48)
	}
}

// value returns the value of the first bin of left, which is the rest of the
// order of bins from place p on.
func (s *Set) value(bins *[2 * Bins]uint8, p uint, left uint64) uint64 {
	if left == 0 {
		return none
	}
	return uint64(s.least[bins[(p+tail(left))&127]&63])
}

// tail returns the number of zeros below the lowest bit of x, which is not 0.
func tail(x uint64) uint { return uint(bits.TrailingZeros64(x)) & 63 }

// begin returns the place at which a band begins in its order. The bands of one
// order begin far from each other (37 is nearly the golden section of 64): those
// that begin between the same two values are alike.
func begin(band uint) uint { return band >> 2 * 37 & 63 }

// scramble returns a bitmap of bins in the four orders, three of which are made
// by swaps. The masks are random, without the bits that a swap moves to, and
// chosen so that the first 32 bands begin at 32 bins.
func scramble(m uint64) (orders [4]uint64) {
	orders[0] = m
	orders[1] = swap(swap(swap(m, 32, 0x000000006317be3b), 8, 0x00e3003b00970071), 2, 0x3233011022311130)
	orders[2] = swap(swap(swap(m, 16, 0x00002f370000fa1d), 4, 0x0e0d0e090002080f), 1, 0x0405450105505445)
	orders[3] = swap(swap(swap(m, 32, 0x00000000fad46d1a), 16, 0x000078980000c27b), 4, 0x0c0f0a03060e0804)
	return orders
}

// swap lets bits under the mask change places with those that are shift above
// them.
func swap(m uint64, shift uint, mask uint64) uint64 {
	t := (m ^ m>>shift) & mask
	return m ^ t ^ t<<shift
}

// binAt holds the bin at each place of the four orders, twice over: places go
// round.
var binAt = func() (b [4][2 * Bins]uint8) {
	for bin := range Bins {
		for k, m := range scramble(1 << bin) {
			at := bits.TrailingZeros64(m)
			b[k][at], b[k][at+Bins] = uint8(bin), uint8(bin)
		}
	}
	return b
}()
