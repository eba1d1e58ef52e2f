package decode

import "encoding/binary"

// hint is what stood between two values of an object the last time: a comma, a
// key, its colon, and white space. Records of one origin mostly have their keys
// in the same order and layout, so that the same bytes come again: they are
// compared as they are, not scanned and looked up. What equals bytes that were
// valid is valid: a hint changes the time that decoding takes, never the result.
//
// An object has a hint for each state: 0 is its beginning, k is after the value
// of kid k-1, and the rest are shared by the keys that are not wanted.
type hint struct {
	room       int    // bytes that the comparison needs, max(size, 8); 0 for no hint
	head, tail uint64 // the first eight bytes and the last eight
	mask       uint64 // of both, if there are less than eight
	last       int    // where the last eight begin
	size       int
	text       [maxHint]byte

	// What the key leads to.
	kid  int // position plus one of the kid that it names; 0 for a stray key
	slot int // of a string, if it goes there and nowhere else; else -1
	next int // the state after the value
}

const (
	maxHint     = 40 // bytes; longer text is not remembered
	strayStates = 64 // for keys that are not wanted
)

// states returns how many hints the node has.
func (n *node) states() int { return len(n.kids) + 1 + strayStates }

// matches reports whether b begins with the hint's text.
func (h *hint) matches(b []byte) bool {
	if len(b) < h.room || h.room < 8 {
		return false
	}
	x := binary.LittleEndian.Uint64(b) ^ h.head
	y := binary.LittleEndian.Uint64(b[h.last:]) ^ h.tail
	return (x|y)&h.mask == 0 && (h.size <= 16 || h.matchesMiddle(b))
}

func (h *hint) matchesMiddle(b []byte) bool {
	return string(b[8:h.last]) == string(h.text[8:h.last])
}

// learn remembers the text.
func (h *hint) learn(text []byte) {
	h.room = 0
	if len(text) > maxHint {
		return
	}
	h.text = [maxHint]byte{}
	copy(h.text[:], text)
	h.size = len(text)
	h.room, h.last, h.mask = max(h.size, 8), max(h.size-8, 0), ^uint64(0)
	if h.size < 8 {
		h.mask = 1<<(8*h.size) - 1
	}
	h.head = binary.LittleEndian.Uint64(h.text[:])
	h.tail = binary.LittleEndian.Uint64(h.text[h.last:])
}
