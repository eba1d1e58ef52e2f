package model

// places is what posts are made of.
type places struct {
	buckets []uint32 // of what is not a word with pieces
	words   spotted  // of 1 to 16 bytes, with as many to read from their beginning on
	longs   spotted  // the other words
}

// spotted is words.
type spotted struct {
	spans  []uint64 // in the buffer: the beginning, and the length << 32
	slots  []uint32 // the place in the cache
	tokens []uint32 // the token of the post
}

// located is where in places a post's end.
type located struct{ buckets, words, others int }

// locateRoom is how many elements a kernel may write behind the last.
const locateRoom = 16

// grow makes room for n tokens of a block.
func (p *places) grow(n int) {
	if len(p.words.spans) >= n+locateRoom {
		return
	}
	n = 2*n + locateRoom
	p.buckets = make([]uint32, 3*n+block)
	for _, w := range []*spotted{&p.words, &p.longs} {
		*w = spotted{make([]uint64, n), make([]uint32, n), make([]uint32, n)}
	}
}

// put writes word i: a token of hash h.
func (w *spotted) put(i, at, size int, slot uint64, token int) {
	w.spans[i], w.slots[i], w.tokens[i] = uint64(at)|uint64(size)<<32, uint32(slot), uint32(token)
}

// at returns word i.
func (w *spotted) at(buf []byte, i int) []byte {
	from := w.spans[i] & (1<<32 - 1)
	return buf[from : from+w.spans[i]>>32]
}

// locatePlain is locate without instructions of a kind of processor.
func (m *Model) locatePlain(p *places, c *Columns, from, to int, ends *[block]located) {
	var end located
	for i := from; i < to; i++ {
		m.locatePost(p, c, i, &end)
		ends[i-from] = end
	}
}

// locatePost appends what post i is made of to p, behind end.
func (m *Model) locatePost(p *places, c *Columns, i int, end *located) {
	shift, longest := m.shift, m.card.Features.Words
	first, last := int(c.Tokens[i]), int(c.Tokens[i+1])
	hash := c.Hash[first:last]
	kinds, starts, ends := c.Kind[first:last], c.Start[first:last], c.End[first:last]
	from := int(c.Text[i])
	text := c.Buf[from:]
	two, one := uint64(0), uint64(edgeToken)
	for j, h := range hash {
		u := &uses[kinds[j]]
		h = h&u.keep | u.instead
		if longest > 1 {
			p.buckets[end.buckets] = bucket(runHash(one, h), shift)
			end.buckets++
			if longest > 2 && j > 0 {
				p.buckets[end.buckets] = bucket(runHash(runHash(two, one), h), shift)
				end.buckets++
			}
		}
		two, one = one, h
		at, size := int(starts[j]), int(ends[j]-starts[j])
		switch {
		case !u.cut:
			p.buckets[end.buckets] = bucket(h, shift)
			end.buckets++
		case size > 0 && size <= 16 && at+16 <= len(text):
			p.words.put(end.words, from+at, size, h>>(64-cacheBits), j)
			end.words++
		default:
			p.longs.put(end.others, from+at, size, h>>(64-longBits), j)
			end.others++
		}
	}
	if longest > 1 && len(hash) > 0 {
		p.buckets[end.buckets] = bucket(runHash(one, edgeToken), shift)
		end.buckets++
	}
}
