package pattern

import (
	"encoding/binary"
	"fmt"
)

// MinSubstring is the least length of a substring in bytes: three letters of
// ASCII, two of Arabic or Cyrillic, one character of Han.
const MinSubstring = 3

// Substrings is a set of strings that are found anywhere in a text.
type Substrings struct {
	starts *starts
	heads  []uint64 // bitmap over the words of 4 bytes that one of them begins with
	shift  uint
	keys   bitmap // over the first 8, 6 or 4 bytes, by length
}

// NewSubstrings makes a set; Find reports strings by their place. Each has at
// least MinSubstring bytes, or it panics.
func NewSubstrings(strings []string) *Substrings {
	n := 0
	for _, t := range strings {
		switch {
		case len(t) < MinSubstring:
			panic(fmt.Sprintf("pattern: a substring of %d bytes", len(t)))
		case len(t) == MinSubstring:
			n += 256
		default:
			n++
		}
	}
	s := &Substrings{starts: newStarts(strings), keys: newBitmap(n)}
	size := 64 - s.keys.shift
	s.heads, s.shift = make([]uint64, 1<<size/64), 32-size
	for _, t := range strings {
		w := word8([]byte(t))
		if len(t) > MinSubstring {
			s.set(uint32(w))
			s.keys.set(keyOf(w, keyLen(len(t))))
			continue
		}
		for b := range uint64(256) { // whatever stands behind the three
			s.set(uint32(w | b<<24))
			s.keys.set(keyOf(w|b<<24, keyLen(4)))
		}
	}
	return s
}

func hashWord(w uint32) uint32 { return w * 0x9e3779b1 }

func (s *Substrings) set(w uint32) {
	bit := hashWord(w) >> s.shift
	s.heads[bit/64] |= 1 << (bit % 64)
}

// Len returns the number of strings.
func (s *Substrings) Len() int { return len(s.starts.ids) }

// Scanner is the scratch memory of Find, for one goroutine. The zero value is
// ready.
type Scanner struct{ candidates []int32 }

// block is how many bytes the filter goes through before what it has left is
// looked up.
const block = 1 << 14

// Find calls hit for each place of each string in the texts
// data[offsets[i]:offsets[i+1]]: with the number of the text, the bytes within
// it and the string's place in the set, ordered by text and start. Where hit
// returns false, the rest of that text is passed over.
func (c *Scanner) Find(s *Substrings, data []byte, offsets []int32, hit func(text int, start, end uint32, id uint32) bool) {
	if len(offsets) < 2 || s.Len() == 0 {
		return
	}
	lo, hi := int(offsets[0]), int(offsets[len(offsets)-1])
	row, skip := 0, int32(-1) // skip: the texts up to and with that one
	for from := lo; from < hi; from += block {
		for _, at := range c.filter(s, data[:hi], from, min(from+block, hi)) {
			for offsets[row+1] <= at {
				row++
			}
			if int32(row) <= skip {
				continue
			}
			base := offsets[row]
			more := s.starts.find(data[at:offsets[row+1]], func(id uint32, length int) bool {
				return hit(row, uint32(at-base), uint32(at-base)+uint32(length), id)
			})
			if !more {
				skip = int32(row)
			}
		}
	}
}

// filter returns the places from..to of data at which a string may begin: by
// their first four bytes, and those that are left by eight, six or four again.
// It has no branch that depends on the text.
func (c *Scanner) filter(s *Substrings, data []byte, from, to int) []int32 {
	if c.candidates == nil {
		c.candidates = make([]int32, block)
	}
	out, n, i := c.candidates, 0, from
	heads, shift := s.heads, s.shift&31
	if len(heads) == 0 || len(out) < block {
		return nil
	}
	mask := uint32(len(heads) - 1)
	for ; i+4 <= to && i+8 <= len(data); i += 4 {
		x := binary.LittleEndian.Uint64(data[i:])
		for k := range 4 {
			bit := hashWord(uint32(x>>(8*k))) >> shift
			out[n&(block-1)] = int32(i + k)
			n += int(heads[bit/64&mask] >> (bit % 64) & 1)
		}
	}
	for ; i < to; i++ {
		bit := hashWord(uint32(word8(data[i:min(i+4, len(data))]))) >> shift
		out[n&(block-1)] = int32(i)
		n += int(heads[bit/64&mask] >> (bit % 64) & 1)
	}
	left := 0
	for _, at := range out[:n] {
		var w uint64
		if int(at)+8 <= len(data) {
			w = binary.LittleEndian.Uint64(data[at:])
		} else {
			w = word8(data[at:])
		}
		out[left] = at
		left += int(s.keys.has(keyOf(w, 0)) | s.keys.has(keyOf(w, 1)) | s.keys.has(keyOf(w, 2)))
	}
	return out[:left]
}
