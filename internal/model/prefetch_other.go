//go:build !amd64

package model

// Without an instruction for it, nothing is asked for.
func prefetchBuckets(*uint64, *uint32, int) {}
func prefetchWords(*[2]cached, *key, int)   {}
