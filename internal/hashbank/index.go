package hashbank

import "math/bits"

// Index is an immutable index of hashes of one width, for any number of
// goroutines.
type Index struct {
	words  int      // of a hash: 1 or 4
	hashes []uint64 // entry e has hashes[e*words:(e+1)*words]
	limits []uint8
	tables []blockTable // of the blocks that are looked at
}

// blockTable is the table of one block.
type blockTable struct {
	at, partner int // numbers of the block, and of the other of its pair
	radius      int
	pair        int // radius of the pair
	offsets     []uint32
	partners    []uint16 // bits of the other block
	entries     []uint32
	filled      []uint64 // bitmap of the buckets that are not empty; nil where most are not
}

// New64 returns an index of 64-bit hashes. An entry is found by values that
// differ from it in at most its limit, 0 to MaxDistance64 bits. The slices are
// kept.
func New64(hashes []uint64, limits []uint8) (*Index, error) {
	return build(hashes, limits, 1, MaxDistance64)
}

// New256 returns an index of 256-bit hashes, each of 4 words in a row. An entry
// is found by values that differ from it in at most its limit, 0 to
// MaxDistance256 bits. The slices are kept.
func New256(hashes []uint64, limits []uint8) (*Index, error) {
	return build(hashes, limits, 4, MaxDistance256)
}

func build(hashes []uint64, limits []uint8, words, most int) (*Index, error) {
	n := len(hashes) / words
	k, err := check(n, limits, most)
	if err != nil {
		return nil, err
	}
	x := &Index{words: words, hashes: hashes, limits: limits}
	for pair, r := range radii(k, words*64/block/2) {
		for half, own := range radii(r, 2) {
			if r >= 0 && own >= 0 && n > 0 {
				x.add(blockTable{at: 2*pair + half, partner: 2*pair + 1 - half, radius: own, pair: r})
			}
		}
	}
	return x, nil
}

// add fills the table of a block.
func (x *Index) add(b blockTable) {
	n := len(x.limits)
	b.offsets, b.entries = table(n, func(i int) uint16 { return blockOf(x.hash(uint32(i)), b.at) })
	b.partners = make([]uint16, n+1) // an empty bucket may be at the end
	for at, e := range b.entries {
		b.partners[at] = blockOf(x.hash(e), b.partner)
	}
	if n <= sparse {
		b.filled = make([]uint64, buckets/64)
		for i := range n {
			key := blockOf(x.hash(uint32(i)), b.at)
			b.filled[key>>6] |= 1 << (key & 63)
		}
	}
	x.tables = append(x.tables, b)
}

// hash returns an entry's words.
func (x *Index) hash(e uint32) []uint64 { return x.hashes[int(e)*x.words:][:x.words] }

// blockOf returns the bits of a block.
func blockOf(h []uint64, n int) uint16 { return uint16(h[n>>2] >> (n & 3 * block)) }

// Len returns the number of entries.
func (x *Index) Len() int { return len(x.limits) }

// Scratch is the memory of look-ups, for one goroutine. The zero value is ready.
type Scratch struct {
	probes [16*(block+1) + 1]probe
	warm   uint16
}

// probe is a bucket to be searched.
type probe struct {
	from, to uint32
	key      uint16
	table    uint8
	near     uint8 // bits in which the other block may differ
}

// Append appends all matches of h, which is of the index's width, to dst, in no
// order that means anything but is always the same.
func (x *Index) Append(dst []Match, sc *Scratch, h []uint64) []Match {
	x.each(sc, h, func(m Match) bool {
		dst = append(dst, m)
		return true
	})
	return dst
}

// Nearest returns the nearest match of h, which is of the index's width: the
// earliest entry of several.
func (x *Index) Nearest(sc *Scratch, h []uint64) (best Match, ok bool) {
	best = nobody
	x.each(sc, h, func(m Match) bool {
		if m.before(best) {
			best = m
		}
		// Equal entries are in one bucket of the first table, in their order.
		return m.Distance > 0
	})
	return best, best != nobody
}

// each gives each match of h to found, until that is false. It goes over the buckets several times:
// to see where they are, to touch them, and to search them. All but the last
// have no branch that waits for memory, so that the processor fetches many at a
// time: a large index is in no cache.
func (x *Index) each(sc *Scratch, h []uint64, found func(Match) bool) {
	probes := x.look(sc, h)
	for i := range probes {
		p := &probes[i]
		b := &x.tables[p.table]
		p.from, p.to = b.offsets[p.key], b.offsets[int(p.key)+1]
	}
	warm := uint16(0)
	for i := range probes {
		p := &probes[i]
		b := &x.tables[p.table]
		warm ^= b.partners[p.from] ^ b.partners[p.to]
	}
	sc.warm = warm // or the loads would be for nothing, and left out
	for i := range probes {
		p := &probes[i]
		b := &x.tables[p.table]
		partner, near := blockOf(h, b.partner), int(p.near)
		for j, other := range b.partners[p.from:p.to] {
			if bits.OnesCount64(uint64(other^partner)) > near {
				continue
			}
			if m, ok := x.compare(int(p.table), b.entries[int(p.from)+j], h); ok && !found(m) {
				return
			}
		}
	}
}

// look returns the buckets that may have a match of h, without those that the
// bitmaps show to be empty.
func (x *Index) look(sc *Scratch, h []uint64) []probe {
	n := 0
	for i := range x.tables {
		b := &x.tables[i]
		key, near := blockOf(h, b.at), uint8(b.pair)
		for _, flip := range flips[:probes(b.radius)] {
			k := key ^ flip
			sc.probes[n] = probe{key: k, table: uint8(i), near: near}
			there := 1
			if b.filled != nil {
				there = int(b.filled[k>>6] >> (k & 63) & 1)
			}
			n += there
			near = uint8(b.pair - 1) // for all flips but the first, which is none
		}
	}
	return sc.probes[:n]
}

// compare returns the entry, which the i-th table has found, if it is a match
// and no table before has found it.
func (x *Index) compare(i int, e uint32, h []uint64) (m Match, ok bool) {
	other, d := x.hash(e), 0
	for w := range h {
		d += bits.OnesCount64(h[w] ^ other[w])
	}
	if d > int(x.limits[e]) {
		return Match{}, false
	}
	for j := range x.tables[:i] {
		b := &x.tables[j]
		own := bits.OnesCount16(blockOf(h, b.at) ^ blockOf(other, b.at))
		if own <= b.radius && own+bits.OnesCount16(blockOf(h, b.partner)^blockOf(other, b.partner)) <= b.pair {
			return Match{}, false
		}
	}
	return Match{Entry: e, Distance: uint8(d)}, true
}
