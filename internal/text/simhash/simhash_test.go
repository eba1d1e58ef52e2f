package simhash

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/sluicehq/sluice/internal/text/token"
)

// plain is Charikar's definition, bit by bit.
func plain(features []uint64) uint64 {
	var count [64]int
	for _, f := range features {
		for b := range count {
			if f>>b&1 == 1 {
				count[b]++
			} else {
				count[b]--
			}
		}
	}
	var h uint64
	for b, c := range count {
		if c > 0 {
			h |= 1 << b
		}
	}
	return h
}

func TestOfEqualsPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		for _, bias := range []uint64{0, ^uint64(0), 0xff00ff} {
			f := make([]uint64, n)
			for i := range f {
				if f[i] = r.Uint64(); r.IntN(3) == 0 {
					f[i] = bias
				}
			}
			if got, want := Of(f), plain(f); got != want {
				t.Fatalf("%d features, bias %#x: %#x, want %#x", n, bias, got, want)
			}
		}
	}
	for _, n := range []int{1, 2, 3, 255, 256, 257, 1 << 16} {
		f := make([]uint64, n)
		for i := range f {
			f[i] = ^uint64(0)
		}
		if got := Of(f); got != ^uint64(0) {
			t.Errorf("%d features of ones: %#x", n, got)
		}
	}
}

func TestShinglesAndExact(t *testing.T) {
	a, b, c := token.Hash([]byte("a")), token.Hash([]byte("b")), token.Hash([]byte("c"))
	for k, want := range map[int]int{2: 2, 3: 1, 4: 0} {
		if got := Shingles(nil, []uint64{a, b, c}, k); len(got) != want {
			t.Errorf("%d shingles of %d tokens, want %d", len(got), k, want)
		}
	}
	if Shingles(nil, []uint64{a, b}, 2)[0] == Shingles(nil, []uint64{b, a}, 2)[0] {
		t.Error("a shingle does not depend on the order")
	}
	if Exact(nil) != 0 || Exact([]uint64{a, b}) == Exact([]uint64{b, a}) || Exact([]uint64{a}) == Exact([]uint64{a, a}) {
		t.Error("Exact does not tell sequences apart")
	}
}

// TestNear checks what SimHash is for: a changed word of twenty moves few bits,
// another text about half of them.
func TestNear(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	near, far := 0, 0
	const rounds = 200
	for range rounds {
		a, b := make([]uint64, 20), make([]uint64, 20)
		for i := range a {
			a[i], b[i] = r.Uint64(), r.Uint64()
		}
		c := append([]uint64(nil), a...)
		c[r.IntN(20)] = r.Uint64()
		near += bits.OnesCount64(Of(a) ^ Of(c))
		far += bits.OnesCount64(Of(a) ^ Of(b))
	}
	if near > 8*rounds || far < 28*rounds {
		t.Errorf("mean distance %d/%d near, %d/%d far", near, rounds, far, rounds)
	}
}

func BenchmarkOf(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	f := make([]uint64, 27)
	for i := range f {
		f[i] = r.Uint64()
	}
	for b.Loop() {
		f[0] = Of(f)
	}
}
