package minhash

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

type shape struct{ bands, rows int }

var shapes = []shape{{1, 1}, {16, 1}, {16, 2}, {16, 3}, {16, 4}, {8, 8}, {5, 3}, {64, 1}, {64, 8}, {1, 8}}

// plain is the method step by step: a map of bins, and donors found by walking
// through an order.
func plain(shingles []uint64, sh shape) []uint32 {
	least := map[int]uint32{}
	for _, h := range shingles {
		bin := int(h >> 58)
		if v, ok := least[bin]; !ok || uint32(h) < v {
			least[bin] = uint32(h)
		}
	}
	var out []uint32
	for b := range sh.bands {
		var rows []uint64 // the first values in the band's order
		k := b % 4
		for t := range Bins {
			if v, ok := least[int(binAt[k][(b/4*37+t)%Bins])]; ok && len(rows) < sh.rows {
				rows = append(rows, uint64(v))
			}
		}
		for len(rows) < sh.rows {
			rows = append(rows, none)
		}
		h := rows[0]
		for _, v := range rows[1:] {
			h = (h<<32 + v) * mulBand / (1 << 32)
		}
		if sh.rows > 1 {
			h >>= 16
		}
		out = append(out, uint32(b)<<16|uint32(h&0xffff))
	}
	return out
}

// bands is the kernel's way of what plain gives, in two halves.
func bands(s *Set, sh shape) []uint32 {
	out := make([]uint32, sh.bands)
	s.Bands(out, sh.rows, 1, 2)
	s.Bands(out, sh.rows, 0, 2)
	return out
}

func random(r *rand.Rand, n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = r.Uint64()
	}
	return out
}

func TestEqualsPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Set
	for n := 1; n < 300; n++ {
		in := random(r, n)
		if n%5 == 0 { // few bins, equal values
			for i := range in {
				in[i] &= 3<<58 | 0xff
			}
		}
		s.Reset()
		s.Add(in[:n/2])
		s.Add(in[n/3:])
		s.Add(in[:1])
		for _, sh := range shapes {
			if got, want := bands(&s, sh), plain(in, sh); !slices.Equal(got, want) {
				t.Fatalf("%d shingles, %+v: %x, want %x", n, sh, got, want)
			}
		}
	}
	if s.Reset(); !s.Empty() {
		t.Error("not empty after Reset")
	}
	if s.AddChars(nil); !s.Empty() {
		t.Error("no text is a shingle")
	}
}

// TestOrders checks that the swaps are permutations: each order has each bin
// once, and a bitmap of several bins is put in order as each of them is.
func TestOrders(t *testing.T) {
	var place [4][Bins]int
	for k := range binAt {
		seen := map[uint8]bool{}
		for at, bin := range binAt[k][:Bins] {
			seen[bin], place[k][bin] = true, at
		}
		if len(seen) != Bins {
			t.Fatalf("order %d: %d bins", k, len(seen))
		}
	}
	first := map[uint8]bool{}
	for b := range 32 {
		first[binAt[b%4][begin(uint(b))]] = true
	}
	if len(first) != 32 {
		t.Errorf("32 bands begin at %d bins", len(first))
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		m := r.Uint64() & r.Uint64()
		var want [4]uint64
		for bin := range Bins {
			for k := range want {
				want[k] |= m >> bin & 1 << place[k][bin]
			}
		}
		if got := scramble(m); got != want {
			t.Fatalf("%x: %x, want %x", m, got, want)
		}
	}
}

// plainChars returns the text's runs of characters, by decoding.
func plainChars(text string) (out []string) {
	rs := []rune(text)
	if len(rs) < MaxChars && len(rs) > 0 {
		return []string{text}
	}
	for i := MaxChars; i <= len(rs); i++ {
		out = append(out, string(rs[i-MaxChars:i]))
	}
	return out
}

func checkChars(t *testing.T, text string) {
	t.Helper()
	var got, want Set
	got.Reset()
	want.Reset()
	got.AddChars([]byte(text))
	if !utf8.ValidString(text) {
		return // no fault: that is all
	}
	for _, c := range plainChars(text) {
		want.addOne(chars([]byte(c), 0, len(c)))
	}
	if got != want {
		t.Fatalf("%q: %v, want %v", text, got, want)
	}
}

func TestAddChars(t *testing.T) {
	for _, s := range []string{"", "a", "abc", "abcd", "abcde", strings.Repeat("word ", 40), "приветмир", "東京都", "a東b京c", "😀😀😀😀😀", "abcdefgé", "зорват zorvath"} {
		checkChars(t, s)
	}
	if plainChars("abcde")[1] != "bcde" {
		t.Error("the reference is wrong")
	}
}

func FuzzAddChars(f *testing.F) {
	f.Add("abcdé")
	f.Add("\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")
	f.Add("дом 東京都 😀😀")
	f.Fuzz(checkChars)
}

// pair returns two sets of n shingles each, of which c are common: their
// similarity is c/(2n-c).
func pair(r *rand.Rand, n, c int) (a, b []uint64) {
	a, b = random(r, n), random(r, n)
	copy(b, a[:c])
	return a, b
}

// TestJaccard holds the values that agree against the true similarity: the mean
// must be it, and the deviation at most 1.2 times that of optimal densification
// with an order of its own for each bin, which is simulated beside.
func TestJaccard(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const rounds, width = 6000, 16
	sh := shape{width, 1}
	perms := make([][]int, width)
	for i := range perms {
		perms[i] = r.Perm(Bins)
	}
	for _, c := range []struct{ n, common int }{{3, 1}, {4, 3}, {9, 6}, {20, 5}, {20, 15}, {200, 100}} {
		want := float64(c.common) / float64(2*c.n-c.common)
		var sum, square, osum, osquare float64
		var s Set
		for range rounds {
			a, b := pair(r, c.n, c.common)
			s.Reset()
			s.Add(a)
			x := bands(&s, sh)
			s.Reset()
			s.Add(b)
			d := agree(x, bands(&s, sh)) - want
			sum, square = sum+d, square+d*d
			d = agree(independent(a, perms), independent(b, perms)) - want
			osum, osquare = osum+d, osquare+d*d
		}
		bias, spread, optimal := sum/rounds, math.Sqrt(square/rounds), math.Sqrt(osquare/rounds)
		t.Logf("%3d shingles, similarity %.3f: bias %+.4f, deviation %.4f; independent orders %+.4f, %.4f", c.n, want, bias, spread, osum/rounds, optimal)
		if math.Abs(bias) > 5*spread/math.Sqrt(rounds)+1e-3 || spread > 1.2*optimal {
			t.Errorf("%d shingles, similarity %.3f: bias %.4f, deviation %.4f, of independent orders %.4f", c.n, want, bias, spread, optimal)
		}
	}
}

func agree(a, b []uint32) float64 {
	n := 0
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return float64(n) / float64(len(a))
}

// independent is the method with a random order for each bin.
func independent(shingles []uint64, perms [][]int) []uint32 {
	var s Set
	s.Reset()
	s.Add(shingles)
	out := make([]uint32, len(perms))
	for bin := range out {
		at := bin
		for i := 0; s.occupied>>at&1 == 0; i++ {
			at = perms[bin][i]
		}
		out[bin] = s.least[at] & 0xffff
	}
	return out
}

// TestShared holds how often pairs share a band against 1-(1-j^r)^b.
func TestShared(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const rounds = 4000
	for _, sh := range []shape{{16, 1}, {16, 2}, {16, 3}, {8, 2}} {
		for _, c := range []struct{ n, common int }{{10, 0}, {10, 1}, {10, 4}, {10, 7}, {10, 10}, {40, 20}} {
			j := float64(c.common) / float64(2*c.n-c.common)
			want, shared := 1-math.Pow(1-math.Pow(j, float64(sh.rows)), float64(sh.bands)), 0
			var s Set
			for range rounds {
				a, b := pair(r, c.n, c.common)
				s.Reset()
				s.Add(a)
				x := bands(&s, sh)
				s.Reset()
				s.Add(b)
				if agree(x, bands(&s, sh)) > 0 {
					shared++
				}
			}
			got := float64(shared) / rounds
			t.Logf("%+v, %d shingles, similarity %.3f: shared %.4f, by the formula %.4f", sh, c.n, j, got, want)
			// Bands of few shingles have donors in common, so they are not
			// independent, and fewer pairs share one than the formula says.
			if got > want+0.05 || got < want-0.2 || c.common == 0 && got > 0.003 || c.common == c.n && got < 1 {
				t.Errorf("%+v, %d shingles, similarity %.3f: %.4f share a band, by the formula %.4f", sh, c.n, j, got, want)
			}
		}
	}
}

// BenchmarkBands is one post of n shingles, 16 bands of 2 rows.
func BenchmarkBands(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, n := range []int{4, 12, 30} {
		in := make([][]uint64, 256)
		for i := range in {
			in[i] = random(r, n)
		}
		b.Run(map[int]string{4: "4", 12: "12", 30: "30"}[n], func(b *testing.B) {
			b.ReportAllocs()
			var s Set
			var out [16]uint32
			for i := 0; b.Loop(); i++ {
				s.Reset()
				s.Add(in[i&255])
				s.Bands(out[:], 2, 0, 1)
			}
		})
	}
}

// BenchmarkChars is the shingles of a short post's characters.
func BenchmarkChars(b *testing.B) {
	for name, text := range map[string]string{"ascii": "see the zorvath rise over hills", "cyrillic": "зорват встаёт над холмами"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var s Set
			in := []byte(text)
			for b.Loop() {
				s.Reset()
				s.AddChars(in)
			}
		})
	}
}
