package rule

// bitset is a set of rows, or of elements, of one batch.
type bitset []uint64

func words(n int) int { return (n + 63) / 64 }

// fill sets the first n bits and clears the rest.
func (b bitset) fill(n int) {
	for i := range b {
		b[i] = ^uint64(0)
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
}

func (b bitset) clear() { clear(b) }

func (b bitset) set(i int) { b[i>>6] |= 1 << (i & 63) }

func (b bitset) has(i int) bool { return b[i>>6]>>(i&63)&1 != 0 }

func (b bitset) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

// setRange sets the bits [from, to).
func (b bitset) setRange(from, to int) {
	if from >= to {
		return
	}
	first, last := from>>6, (to-1)>>6
	lo, hi := ^uint64(0)<<(from&63), ^uint64(0)>>(63-(to-1)&63)
	if first == last {
		b[first] |= lo & hi
		return
	}
	b[first] |= lo
	for i := first + 1; i < last; i++ {
		b[i] = ^uint64(0)
	}
	b[last] |= hi
}

// or adds o's bits.
func (b bitset) or(o bitset) {
	for i, w := range o {
		b[i] |= w
	}
}
