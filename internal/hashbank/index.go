package hashbank

import "math/bits"

// Index is an immutable index of hashes of one width, for any number of
// goroutines.
type Index struct {
	words  int      // of a hash: 1 or 4
	hashes []uint64 // entry e has hashes[e*words:(e+1)*words]
	limits []uint8
	most   int          // the greatest limit
	tables []blockTable // of the blocks that are looked at
	dense  bool         // the tables have lines
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
	lines       []line   // in a dense index: the buckets again
}

// line is the first partners of a bucket, and how many it has: one line of the
// processor's cache. Nearly all buckets of a dense index fit, so that a probe
// waits for memory once.
type line [1 + inLine]uint16

const inLine = 31

// New64 returns an index of 64-bit hashes. An entry is found by values that
// differ from it in at most its limit, 0 to MaxDistance64 bits. The slices are
// kept.
func New64(hashes []uint64, limits []uint8) (*Index, error) {
	return build(hashes, limits, 1, MaxDistance64, dense)
}

// New256 returns an index of 256-bit hashes, each of 4 words in a row. An entry
// is found by values that differ from it in at most its limit, 0 to
// MaxDistance256 bits. The slices are kept.
func New256(hashes []uint64, limits []uint8) (*Index, error) {
	return build(hashes, limits, 4, MaxDistance256, dense)
}

func build(hashes []uint64, limits []uint8, words, most, dense int) (*Index, error) {
	n := len(hashes) / words
	k, err := check(n, limits, most)
	if err != nil {
		return nil, err
	}
	x := &Index{words: words, hashes: hashes, limits: limits, most: k, dense: n >= dense}
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
	if x.dense {
		b.lines = make([]line, buckets)
		for k := range b.lines {
			all := b.partners[b.offsets[k]:b.offsets[k+1]]
			b.lines[k][0] = uint16(min(len(all), inLine+1))
			copy(b.lines[k][1:], all)
		}
	} else if n <= sparse {
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

// each gives each match of h to found, until that is false. It goes over the
// buckets several times: to see where they are, to touch them, and to search
// them. All but the last have no branch that waits for memory, so that the
// processor fetches many at a time: a large index is in no cache.
func (x *Index) each(sc *Scratch, h []uint64, found func(Match) bool) {
	probes := x.look(sc, h)
	if x.dense {
		x.searchLines(sc, probes, h, found)
		return
	}
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
		if !x.search(p, b.partners[p.from:p.to], blockOf(h, b.partner), h, found) {
			return
		}
	}
}

// searchLines is the rest of each in a dense index.
func (x *Index) searchLines(sc *Scratch, probes []probe, h []uint64, found func(Match) bool) {
	warm := uint16(0)
	for i := range probes {
		p := &probes[i]
		warm ^= x.tables[p.table].lines[p.key][0]
	}
	sc.warm = warm
	for i := range probes {
		p := &probes[i]
		b := &x.tables[p.table]
		l := &b.lines[p.key]
		partners := l[1:min(int(l[0])+1, len(l))]
		if l[0] > inLine { // Slow path: the bucket does not fit
			partners = b.partners[b.offsets[p.key]:b.offsets[int(p.key)+1]]
		}
		if !x.search(p, partners, blockOf(h, b.partner), h, found) {
			return
		}
	}
}

// search gives each match of h in a bucket to found, until that is false; it
// reports whether it was not.
func (x *Index) search(p *probe, partners []uint16, partner uint16, h []uint64, found func(Match) bool) bool {
	for j, other := range partners {
		if bits.OnesCount64(uint64(other^partner)) > int(p.near) {
			continue
		}
		b := &x.tables[p.table]
		e := b.entries[int(b.offsets[p.key])+j]
		if m, ok := x.compare(int(p.table), e, h); ok && !found(m) {
			return false
		}
	}
	return true
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
	if d > x.most || d > int(x.limits[e]) {
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
