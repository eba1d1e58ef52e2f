package pattern

// Prefixes is a set of strings that words begin with.
type Prefixes struct {
	starts *starts
	filter []uint64 // bitmap over the heads
	shift  uint
}

// NewPrefixes makes a set; Find reports strings by their place. None is empty.
func NewPrefixes(strings []string) *Prefixes {
	p := &Prefixes{starts: newStarts(strings)}
	size := uint(minFilterBits)
	for size < maxFilterBits && 1<<size < len(strings)*filterLoad {
		size++
	}
	p.filter, p.shift = make([]uint64, 1<<size/64), 64-size
	for i := range p.starts.len() {
		b := p.starts.at(i)
		n := min(len(b), headLen)
		bit := mixHead(headOf(n, load(b, n))) >> p.shift
		p.filter[bit/64] |= 1 << (bit % 64)
	}
	return p
}

// Find calls hit with the place in the set and the length of each string that
// word begins with, the longest first, until it returns false.
func (p *Prefixes) Find(word []byte, hit func(id uint32, length int) bool) {
	for n := min(len(word), headLen); n > 0; n-- {
		if !p.starts.lens[n] {
			continue
		}
		bit := mixHead(headOf(n, load(word, n))) >> p.shift
		if p.filter[bit/64]>>(bit%64)&1 != 0 {
			p.starts.find(word, hit)
			return
		}
	}
}
