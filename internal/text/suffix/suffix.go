// Package suffix finds the public suffix of a host name, by the Public Suffix
// List (https://publicsuffix.org) as golang.org/x/net/publicsuffix carries it: it
// gives the same as that package, for names that are in Unicode, at about a
// tenth of the time and without an allocation.
package suffix

import (
	"encoding/binary"
	"math/bits"
)

//go:generate go run ../gensuffixes

const (
	every = 0x0101010101010101
	highs = 0x8080808080808080
)

// List is the list as a tree of labels, those on the right first. It is
// immutable.
type List struct {
	labels string // the text of all labels
	nodes  []node // the first is the root

	// slots find the nodes by a hash of their parent and their label: open
	// addressing, of a power of two. A slot is the number of the node and above it
	// 16 bits of the hash, so that hardly anything is compared in vain; 0 is free.
	slots []uint32
}

// node is a label below that of its parent.
type node struct {
	tail   uint64 // see label
	label  uint32 // where it begins in labels
	parent uint16
	length uint8
	flags  uint8
}

// What is known of a node.
const (
	normal    = 1 << iota // is a suffix
	exception             // is none, though the rule of its parent says so
	wildcard              // all labels below are suffixes
	icann                 // its rules are of the list's first part
	inner                 // has children
)

// Suffix is the public suffix of a name.
type Suffix struct {
	At     int  // where it begins
	Before int  // where the label before it begins; At where there is none
	Dotted bool // it has more than one label
	ICANN  bool // it is in the list, in the part of the registries
	// Encoded is that a label was looked at that is Punycode: the name has to be
	// decoded first.
	Encoded bool
}

// Find returns the public suffix of the host name buf[from:to], which is in lower
// case and in Unicode, and not empty. Of a name that no rule is about it is the
// last label. It may read buf before from.
func (l *List) Find(buf []byte, from, to int) Suffix {
	found := Suffix{At: to}
	at, flags, above := uint32(0), l.nodes[0].flags, false
	start, last := 0, 0 // of the label that is looked at, and of the last of the name
	end := to
	for {
		var h, tail uint64
		start, h, tail = label(buf, from, end, at)
		if end == to {
			last = start
		}
		if flags&wildcard != 0 {
			found.ICANN, found.At = above, start
		}
		if flags&inner == 0 {
			break
		}
		if IsEncoded(buf[start:end]) {
			found.Encoded = true
			break
		}
		if at = l.child(at, h, tail, buf[start:end]); at == 0 {
			break
		}
		flags = l.nodes[at].flags
		above = flags&icann != 0
		if flags&normal != 0 {
			found.At = start
		} else if flags&exception != 0 {
			found.At = end + 1
			break
		}
		if flags&wildcard == 0 {
			found.ICANN = above
		}
		if start == from {
			break
		}
		end = start - 1
	}
	if found.At == to {
		found.At = last
	}
	found.Dotted = found.At < last
	if found.Before = start; found.At == from {
		found.Before = from
	} else if found.At != end+1 {
		found.Before, _, _ = label(buf, from, found.At-1, 0)
	}
	return found
}

// IsEncoded reports whether a label is Punycode (RFC 5890, section 2.3.2.1).
func IsEncoded(label []byte) bool {
	return len(label) >= 4 && binary.LittleEndian.Uint32(label) == 'x'|'n'<<8|'-'<<16|'-'<<24
}

// label returns where the label begins that ends at end, in the name that begins
// at from, and its hash below a parent. The tail is its first bytes, less than 8,
// up to a multiple of 8 from its end, and on top how many these are: all there is
// of a short label.
func label(buf []byte, from, end int, parent uint32) (start int, hash, tail uint64) {
	h := uint64(parent) * 0x9e3779b97f4a7c15
	for {
		var x uint64 // the 8 bytes before end, the last on top
		if end >= 8 {
			x = binary.LittleEndian.Uint64(buf[end-8:])
		} else {
			for i := range end {
				x |= uint64(buf[i]) << (8 * (8 - end + i))
			}
		}
		y := x ^ '.'*every
		dots := ^((y&^highs + 0x7f*every) | y) & highs
		n := min(bits.LeadingZeros64(dots)/8, end-from)
		if n < 8 {
			tail = x>>(64-8*n) ^ uint64(n)<<56
			return end - n, mix(h ^ tail), tail
		}
		h = mix(h ^ x)
		end -= 8
	}
}

// mix is a step of wyhash.
func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	return hi ^ lo
}

// child returns the number of the child of parent whose label has the hash h and
// the tail, 0 where there is none.
func (l *List) child(parent uint32, h, tail uint64, label []byte) uint32 {
	mask := uint64(len(l.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		slot := l.slots[i]
		if slot == 0 {
			return 0
		}
		if slot>>16 != uint32(h>>48) {
			continue
		}
		n := &l.nodes[slot&0xffff]
		if n.tail == tail && uint32(n.parent) == parent && int(n.length) == len(label) &&
			(len(label) < 8 || l.labels[n.label:n.label+uint32(n.length)] == string(label)) {
			return slot & 0xffff
		}
	}
}
