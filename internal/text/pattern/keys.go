package pattern

import "encoding/binary"

// keyLens are the lengths of what a string is first looked up by: the longest
// that it has. In scripts of two and three bytes a character, four bytes are in
// most texts, eight are not.
var keyLens = [...]int{8, 6, 4, 3, 2, 1}

// keyLen returns the index in keyLens for a string of n bytes, n > 0.
func keyLen(n int) int {
	for k, l := range keyLens {
		if n >= l {
			return k
		}
	}
	panic("pattern: an empty string")
}

// word8 returns the first 8 bytes of b, or what it has and zeros. It may read
// b's spare capacity.
func word8(b []byte) uint64 {
	if cap(b) >= 8 {
		w := binary.LittleEndian.Uint64(b[:8])
		if len(b) < 8 {
			w &= 1<<(8*len(b)) - 1
		}
		return w
	}
	w := uint64(0)
	for i, c := range b[:min(len(b), 8)] {
		w |= uint64(c) << (8 * i)
	}
	return w
}

// keyOf returns the place of the first keyLens[k] bytes of w in a bitmap.
func keyOf(w uint64, k int) uint64 {
	return (w<<(64-8*keyLens[k]) + uint64(k)) * 0x9fb21c651e98df25
}

// A bitmap has about filterLoad bits a key: 8 KiB stay in the first-level
// cache, 512 KiB in the second.
const (
	filterLoad    = 32
	minFilterBits = 16
	maxFilterBits = 22
)

// bitmap is a set of keys of 64 bits, whose first bits are the place.
type bitmap struct {
	bits  []uint64
	shift uint
}

func newBitmap(keys int) bitmap {
	size := uint(minFilterBits)
	for size < maxFilterBits && 1<<size < keys*filterLoad {
		size++
	}
	return bitmap{bits: make([]uint64, 1<<size/64), shift: 64 - size}
}

func (m *bitmap) set(key uint64) {
	bit := key >> m.shift
	m.bits[bit/64] |= 1 << (bit % 64)
}

// has returns 1 where the key may be in the set, else 0.
func (m *bitmap) has(key uint64) uint64 {
	bit := key >> (m.shift & 63)
	return m.bits[bit/64&uint64(len(m.bits)-1)] >> (bit % 64) & 1
}
