package pattern

import "slices"

// Prefixes is a set of strings that words begin with.
type Prefixes struct {
	starts *starts
	keys   bitmap
	lens   []int // the places in keyLens of the lengths that are there
	least  int   // bytes of the shortest
}

// NewPrefixes makes a set; Find reports strings by their place. None is empty.
func NewPrefixes(strings []string) *Prefixes {
	p := &Prefixes{starts: newStarts(strings), keys: newBitmap(len(strings))}
	for i, s := range strings {
		if i == 0 || len(s) < p.least {
			p.least = len(s)
		}
		k := keyLen(len(s))
		if !slices.Contains(p.lens, k) {
			p.lens = append(p.lens, k)
		}
		p.keys.set(keyOf(word8([]byte(s)), k))
	}
	return p
}

// Find calls hit with the place in the set and the length of each string that
// word begins with, the longest first, until it returns false.
func (p *Prefixes) Find(word []byte, hit func(id uint32, length int) bool) {
	if len(word) >= p.least && p.mayBegin(word) {
		p.starts.find(word, hit)
	}
}

// mayBegin reports whether one of the keys of word is in the set.
func (p *Prefixes) mayBegin(word []byte) bool {
	w := word8(word)
	has := uint64(0)
	for _, k := range p.lens {
		has |= p.keys.has(keyOf(w, k)) // of a shorter word it is zero behind
	}
	return has != 0
}
