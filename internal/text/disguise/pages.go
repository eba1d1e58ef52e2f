package disguise

import "encoding/binary"

// byteTable is a byte for each rune, in pages of 64 of which equal ones are kept
// once: a few KiB instead of 128.
type byteTable struct {
	pages [tableLimit >> 6]uint16
	bytes []uint8
}

// tableLimit is the first rune that byteTables do not hold.
const tableLimit = 0x20000

// newByteTable makes the table of f.
func newByteTable(f func(rune) uint8) *byteTable {
	t := &byteTable{}
	seen := map[[64]uint8]uint16{}
	for p := range t.pages {
		var page [64]uint8
		for i := range page {
			page[i] = f(rune(p<<6 | i))
		}
		at, ok := seen[page]
		if !ok {
			at = uint16(len(t.bytes) >> 6)
			seen[page] = at
			t.bytes = append(t.bytes, page[:]...)
		}
		t.pages[p] = at
	}
	return t
}

// at returns the byte of a rune below tableLimit.
func (t *byteTable) at(r rune) uint8 { return t.bytes[int(t.pages[r>>6])<<6|int(r&63)] }

// inPage returns the byte of rune 64*page+low.
func (t *byteTable) inPage(page, low uint64) uint8 {
	return t.bytes[int(t.pages[page&(tableLimit>>6-1)])<<6|int(low&63)]
}

// wordAt returns the first 8 bytes of text[i:], little-endian, and zeros behind the
// text's end.
func wordAt(text []byte, i int) uint64 {
	if i+8 <= len(text) {
		return binary.LittleEndian.Uint64(text[i:])
	}
	x := uint64(0)
	for j, c := range text[i:] {
		x |= uint64(c) << (8 * j & 63)
	}
	return x
}

// pageOf returns the page and the place in it of the character that x begins with,
// little-endian UTF-8 and not ASCII, and its length in bytes. Pages from
// tableLimit>>6 on are beyond the table.
func pageOf(x uint64) (page, low uint64, size int) {
	switch {
	case x&0xf0 == 0xe0:
		return x&0xf<<6 | x>>8&0x3f, x >> 16 & 0x3f, 3
	case x&0xe0 == 0xc0:
		return x & 0x1f, x >> 8 & 0x3f, 2
	}
	return x&7<<12 | x>>8&0x3f<<6 | x>>16&0x3f, x >> 24 & 0x3f, 4
}
