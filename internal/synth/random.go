package synth

import "math/bits"

// rng is wyrand (Wang Yi, wyhash final 4): a counter and one wide multiply,
// good enough for text and free of state worth the name.
type rng struct{ s uint64 }

func (r *rng) next() uint64 {
	r.s += 0xa0761d6478bd642f
	hi, lo := bits.Mul64(r.s, r.s^0xe7037ed1a0b428db)
	return hi ^ lo
}

// below returns a number in [0, n), n > 0 (Lemire's multiply, its bias of
// n/2^64 accepted).
func (r *rng) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// percent is true p times in a hundred.
func (r *rng) percent(p int) bool { return r.below(100) < p }

// mix is splitmix64's finalizer over two words.
func mix(a, b uint64) uint64 {
	z := a + b*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Streams of random numbers that must not run into one another.
const (
	saltHead uint64 = iota + 1
	saltText
	saltAuthor
	saltCampaign
	saltBlock
	saltBurst
)

const (
	blockBits = 12
	blockRows = 1 << blockBits
	blockMask = blockRows - 1
)

// block says which rows of a block are planted as what.
type block struct {
	number     int64
	mul1, mul2 uint32
	add        uint32
	ends       [plantedKind]uint32 // running sums of the quotas
	first      [plantedKind]int64  // ordinal of the block's first row of a kind
}

// block returns the plan of block b, from a small cache, since reposts and
// replies look back a few blocks.
func (g *Generator) block(b int64) *block {
	p := &g.blocks[b&(int64(len(g.blocks))-1)]
	if p.number == b {
		return p
	}
	h := mix(g.seeds[saltBlock], uint64(b))
	p.number = b
	p.mul1, p.mul2, p.add = uint32(h)|1, uint32(h>>20)|1, uint32(h>>40)
	end := uint32(0)
	for k, ppm := range g.ppm {
		p.first[k] = b * blockRows * ppm / 1e6
		end += uint32((b+1)*blockRows*ppm/1e6 - p.first[k])
		p.ends[k] = end
	}
	return p
}

// classify returns the kind of row i and its ordinal among the rows of that
// kind; the ordinal of organic rows is 0.
func (g *Generator) classify(i int64) (Kind, int64) {
	p := g.block(i >> blockBits)
	// A bijection of 12 bits: odd factors and xor shifts.
	x := (uint32(i)&blockMask*p.mul1 + p.add) & blockMask
	x ^= x >> 7
	x = x * p.mul2 & blockMask
	x ^= x >> 5
	if x >= p.ends[plantedKind-1] {
		return Organic, 0
	}
	start := uint32(0)
	for k, end := range p.ends {
		if x < end {
			return Kind(k), p.first[k] + int64(x-start)
		}
		start = end
	}
	return Organic, 0
}

// Kind returns what row i is planted as.
func (g *Generator) Kind(i int64) Kind {
	k, _ := g.classify(i)
	return k
}
