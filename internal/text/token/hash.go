package token

import (
	"encoding/binary"
	"math/bits"
)

// The constants of Hash: odd, of random digits. Hashes are stored (text_hash,
// simhash) and compared across versions, so they never change.
const (
	hashSeed  = 0x9e3779b97f4a7c15
	hashLen   = 0xa0761d6478bd642f
	hashOther = 0xe7037ed1a0b428db
	hashEnd   = 0xd6e8feb86659fd93
)

// Hash returns the 64-bit hash of a token's bytes. It follows wyhash: 16 bytes
// at a time are read as two little-endian words, the last ones padded by zeros,
// and go into one multiplication, whose halves are folded; the length goes into
// the seed. Most words have at most 16 bytes, and these take no branch. It is
// the same on all platforms. It is not keyed: whoever compares by it must
// verify the bytes where a collision would matter.
func Hash(b []byte) uint64 { return hashOf(b, 0, len(b)) }

// hashOf is Hash of buf[from:to]; it reads buf beyond to where it can.
func hashOf(buf []byte, from, to int) uint64 {
	n := uint(to - from)
	h := hashSeed ^ uint64(n)*hashLen
	for n > 16 {
		h = Mix(h^binary.LittleEndian.Uint64(buf[from:]), hashOther^binary.LittleEndian.Uint64(buf[from+8:]))
		from += 16
		n -= 16
	}
	var lo, hi uint64
	if from+16 <= len(buf) {
		mask := &masks[n]
		lo = binary.LittleEndian.Uint64(buf[from:]) & mask[0]
		hi = binary.LittleEndian.Uint64(buf[from+8:]) & mask[1]
	} else {
		lo, hi = words(buf[from:to])
	}
	h = Mix(h^lo, hashOther^hi)
	return (h ^ h>>32) * hashEnd
}

// masks holds, for each length of up to 16 bytes, which bits of two words are
// of these.
var masks = func() (m [17][2]uint64) {
	for n := range m {
		m[n] = [2]uint64{1<<(8*min(n, 8)) - 1, 1<<(8*(max(n, 8)-8)) - 1}
	}
	return m
}()

// words returns at most 16 bytes as two little-endian words.
func words(b []byte) (lo, hi uint64) {
	n := len(b)
	switch {
	case n >= 8: // the last 8 bytes overlap the first ones
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:]) >> (8 * (16 - n))
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4)), 0
	}
	for i, c := range b {
		lo |= uint64(c) << (8 * i)
	}
	return lo, 0
}

// Mix returns the two halves of a*b, folded together.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
