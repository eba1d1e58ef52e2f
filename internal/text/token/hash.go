package token

import (
	"encoding/binary"
	"math/bits"
)

// The constants of Hash: odd, of random digits. Hashes are stored (text_hash,
// simhash) and compared across versions, so they never change.
const (
	hashSeed = 0x9e3779b97f4a7c15
	hashMul  = 0xd6e8feb86659fd93
	hashLen  = 0xa0761d6478bd642f
	hashEnd  = 0xe7037ed1a0b428db
)

// Hash returns the 64-bit hash of a token's bytes. It follows wyhash: the bytes
// are read as little-endian words of 8, the last one padded by zeros, and each
// goes into a multiplication whose halves are folded (mum); the length goes
// into the seed. It is the same on all platforms. It is not keyed: whoever
// compares by it must verify the bytes where a collision would matter.
func Hash(b []byte) uint64 { return hashOf(b, 0, len(b)) }

// hashOf is Hash of buf[from:to]; it reads buf beyond to where it can.
func hashOf(buf []byte, from, to int) uint64 {
	n := to - from
	h := hashSeed ^ uint64(n)*hashLen
	for n > 8 {
		h = Mix(h^binary.LittleEndian.Uint64(buf[from:]), hashMul)
		from += 8
		n -= 8
	}
	h = Mix(h^word(buf, from, n), hashEnd)
	return (h ^ h>>32) * hashMul
}

// word returns the n <= 8 bytes at buf[from:] as a little-endian word.
func word(buf []byte, from, n int) uint64 {
	if from+8 <= len(buf) {
		return binary.LittleEndian.Uint64(buf[from:]) & (1<<(8*uint(n)) - 1)
	}
	var w uint64
	for i, b := range buf[from : from+n] {
		w |= uint64(b) << (8 * i)
	}
	return w
}

// Mix returns the two halves of a*b, folded together.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
