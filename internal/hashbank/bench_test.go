//go:build unix

package hashbank

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

// cpuTime returns the processor time of the process so far, in nanoseconds: the
// wall's is worthless on a shared machine.
func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkNearest looks values up in banks of random hashes; one in 16 values
// is near an entry.
func BenchmarkNearest(b *testing.B) {
	for _, c := range []struct{ words, n, k int }{
		{1, 10_000, 3},
		{1, 1_000_000, 3},
		{1, 1_000_000, 7},
		{4, 1000, 31},
		{4, 10_000, 31},
		{4, 100_000, 31},
		{4, 1_000_000, 31},
		{4, 1_000_000, 15},
	} {
		b.Run(fmt.Sprintf("bits=%d/entries=%d/distance=%d", 64*c.words, c.n, c.k), func(b *testing.B) {
			r := rand.New(rand.NewPCG(5, 6))
			x, err := build(random(r, c.n*c.words), slices.Repeat([]uint8{uint8(c.k)}, c.n), c.words, 31, dense)
			if err != nil {
				b.Fatal(err)
			}
			values := make([][]uint64, 1<<13)
			for i := range values {
				if values[i] = random(r, c.words); i%16 == 0 {
					values[i] = flip(r, x.hash(r.Uint32N(uint32(c.n))), r.IntN(c.k+1))
				}
			}
			var sc Scratch
			b.ReportAllocs()
			b.ResetTimer()
			start := cpuTime(b)
			for i := range b.N {
				x.Nearest(&sc, values[i&(len(values)-1)])
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkNew is the building of an index of a million entries.
func BenchmarkNew(b *testing.B) {
	for _, c := range []struct{ words, k int }{{1, 3}, {4, 31}} {
		b.Run(fmt.Sprintf("bits=%d", 64*c.words), func(b *testing.B) {
			const n = 1_000_000
			hashes, limits := random(rand.New(rand.NewPCG(9, 10)), n*c.words), slices.Repeat([]uint8{uint8(c.k)}, n)
			b.ReportAllocs()
			b.ResetTimer()
			start := cpuTime(b)
			for range b.N {
				if _, err := build(hashes, limits, c.words, 31, dense); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op")
		})
	}
}
