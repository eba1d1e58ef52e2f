package model

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// hasKernels reports whether the machine has the instructions of the kernels:
// AVX-512 with its parts F, VL, BW and DQ. Without them plain Go gives the same.
var hasKernels = cpu.X86.HasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ

// prefetchBuckets asks for n elements of a table, n > 0, to be brought into the
// nearest cache. It changes nothing, whatever the indices are.
//
//go:noescape
func prefetchBuckets(table *uint64, buckets *uint32, n int)

// prefetchWords asks for the sets of n words, n > 0.
//
//go:noescape
func prefetchWords(cache *[2]cached, words *key, n int)

// addAVX512 adds buckets and words to sums, and returns before which word it
// stopped, the first that is not in the cache, or nw.
//
//go:noescape
func addAVX512(table *uint64, buckets *uint32, nb int, cache *[2]cached, words *key, nw int, sums *[MaxHeads]int32) (found int)

// finishAVX2 makes n rows of sums into probabilities, n > 0.
//
//go:noescape
func finishAVX2(f *fast, sums *[MaxHeads]int32, inv *float32, n int, out *[MaxHeads]float32)

// add adds the weights of buckets and of words to sums, up to the first word
// that is not in the cache. It returns how many words it added; a call that is to
// go on from there gives no buckets.
func (m *Model) add(cache *[1 << cacheBits][2]cached, buckets []uint32, words []key, sums *[MaxHeads]int32) (found int) {
	if !hasKernels {
		return m.addPlain(cache, buckets, words, sums)
	}
	return addAVX512(&m.table[0], unsafe.SliceData(buckets), len(buckets), &cache[0], unsafe.SliceData(words), len(words), sums)
}

// finish makes sums into probabilities, of the first n posts of a block.
func (m *Model) finish(sums *[block][MaxHeads]int32, inv *[block]float32, n int, out *[block][MaxHeads]float32) {
	if !hasKernels || n <= 0 {
		m.finishPlain(sums, inv, n, out)
		return
	}
	finishAVX2(&m.fast, &sums[0], &inv[0], n, &out[0])
}
