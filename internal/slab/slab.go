// Package slab recycles the memory of Arrow buffers. A batch's columns are
// written into slabs, shared by reference counting while sinks need them, and
// given back here when the last reader releases them, so that a pipeline in
// its steady state allocates next to nothing.
package slab

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

const (
	minShift = 6  // 64 B: Arrow's recommended alignment and padding
	maxShift = 27 // 128 MiB: larger slabs go back to the garbage collector
)

// Pool is a memory.Allocator with free lists by size class (powers of two).
// It is safe for concurrent use. Unlike the Go allocator it does not zero what
// it hands out: whoever allocates writes every byte that is read later.
type Pool struct {
	classes [maxShift + 1]class
	limit   int64        // bytes kept in free lists at the most
	kept    atomic.Int64 // bytes in free lists
	inUse   atomic.Int64 // bytes handed out
}

type class struct {
	mu   sync.Mutex
	free [][]byte
}

var _ memory.Allocator = (*Pool)(nil)

// New returns a pool that keeps at most limit bytes for reuse.
func New(limit int64) *Pool { return &Pool{limit: limit} }

// InUse returns the bytes that are handed out and not freed yet.
func (p *Pool) InUse() int64 { return p.inUse.Load() }

// classOf returns the smallest class whose slabs hold size bytes.
func classOf(size int) int {
	if size <= 1<<minShift {
		return minShift
	}
	return bits.Len(uint(size - 1))
}

// Allocate returns size bytes of undefined content.
func (p *Pool) Allocate(size int) []byte {
	k := classOf(size)
	if k > maxShift {
		p.inUse.Add(int64(size))
		return make([]byte, size)
	}
	p.inUse.Add(1 << k)
	c := &p.classes[k]
	c.mu.Lock()
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free[n-1] = nil
		c.free = c.free[:n-1]
		c.mu.Unlock()
		p.kept.Add(-1 << k)
		return b[:size]
	}
	c.mu.Unlock()
	return make([]byte, size, 1<<k)
}

// Reallocate returns size bytes that begin with the contents of b, which must
// not be used any more.
func (p *Pool) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	n := p.Allocate(size)
	copy(n, b)
	p.Free(b)
	return n
}

// Free takes b back. Slabs that are not of a size class, and those above the
// limit, are left to the garbage collector.
func (p *Pool) Free(b []byte) {
	n := cap(b)
	if n == 0 {
		return
	}
	p.inUse.Add(-int64(n))
	k := classOf(n)
	if n != 1<<k || k > maxShift || p.kept.Load()+int64(n) > p.limit {
		return
	}
	p.kept.Add(int64(n))
	c := &p.classes[k]
	c.mu.Lock()
	c.free = append(c.free, b[:n])
	c.mu.Unlock()
}
