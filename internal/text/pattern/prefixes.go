package pattern

// Prefixes is a set of strings that words begin with.
type Prefixes struct {
	starts *starts
	keys   bitmap
	lens   [len(keyLens)]bool // keys of this length are there
}

// NewPrefixes makes a set; Find reports strings by their place. None is empty.
func NewPrefixes(strings []string) *Prefixes {
	p := &Prefixes{starts: newStarts(strings), keys: newBitmap(len(strings))}
	for _, s := range strings {
		k := keyLen(len(s))
		p.lens[k] = true
		p.keys.set(keyOf(word8([]byte(s)), k))
	}
	return p
}

// Find calls hit with the place in the set and the length of each string that
// word begins with, the longest first, until it returns false.
func (p *Prefixes) Find(word []byte, hit func(id uint32, length int) bool) {
	if p.mayBegin(word) {
		p.starts.find(word, hit)
	}
}

// mayBegin reports whether one of the keys of word is in the set.
func (p *Prefixes) mayBegin(word []byte) bool {
	w := word8(word)
	for k, n := range keyLens {
		if p.lens[k] && n <= len(word) && p.keys.has(keyOf(w, k)) != 0 {
			return true
		}
	}
	return false
}
