package disguise

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
