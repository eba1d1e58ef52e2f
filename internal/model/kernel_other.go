//go:build !amd64

package model

const hasKernels = false

// Nothing is asked for: Go has no instruction for it.
func prefetchBuckets(*uint64, *uint32, int) {}
func prefetchWords(*[2]cached, *key, int)   {}

// add adds the weights of buckets and of words to sums, up to the first word
// that is not in the cache. It returns how many words it added; a call that is to
// go on from there gives no buckets.
func (m *Model) add(cache *[1 << cacheBits][2]cached, buckets []uint32, words []key, sums *[MaxHeads]int32) (found int) {
	return m.addPlain(cache, buckets, words, sums)
}

// finish makes sums into probabilities, of the first n posts of a block.
func (m *Model) finish(sums *[block][MaxHeads]int32, inv *[block]float32, n int, out *[block][MaxHeads]float32) {
	m.finishPlain(sums, inv, n, out)
}
