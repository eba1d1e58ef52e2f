package model

// prefetchBuckets asks for n elements of a table, n > 0, to be brought into the
// nearest cache. It changes nothing, whatever the indices are.
//
//go:noescape
func prefetchBuckets(table *uint64, buckets *uint32, n int)

// prefetchWords asks for the sets of n words, n > 0.
//
//go:noescape
func prefetchWords(cache *[2]cached, words *key, n int)
