package hashbank

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/realdata"
)

func sorted(ms []Match) []Match {
	slices.SortFunc(ms, func(a, b Match) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Entry, b.Entry))
	})
	return ms
}

// plain compares a value with every entry, bit by bit.
func plain(hashes []uint64, words int, limits []uint8, h []uint64) (out []Match) {
	for i := range limits {
		e, d := hashes[i*words:], 0
		for b := range 64 * words {
			if h[b/64]>>(b%64)&1 != e[b/64]>>(b%64)&1 {
				d++
			}
		}
		if d <= int(limits[i]) {
			out = append(out, Match{uint32(i), uint8(d)})
		}
	}
	return sorted(out)
}

// checkFind holds one look-up against the plain one.
func checkFind(t *testing.T, x *Index, h []uint64) int {
	t.Helper()
	var sc Scratch
	want := plain(x.hashes, x.words, x.limits, h)
	if got := sorted(x.Append(nil, &sc, h)); !slices.Equal(got, want) {
		t.Fatalf("%d entries, %#x: %v, want %v", x.Len(), h, got, want)
	}
	best, ok := x.Nearest(&sc, h)
	if ok != (len(want) > 0) || ok && best != want[0] {
		t.Fatalf("%d entries, %#x: nearest %v %v, want the first of %v", x.Len(), h, best, ok, want)
	}
	return len(want)
}

// flip changes n different bits.
func flip(r *rand.Rand, h []uint64, n int) []uint64 {
	h = slices.Clone(h)
	for _, b := range r.Perm(64 * len(h))[:n] {
		h[b/64] ^= 1 << (b % 64)
	}
	return h
}

// clump changes n bits in a row, which lie in a few blocks.
func clump(r *rand.Rand, h []uint64, n int) []uint64 {
	h = slices.Clone(h)
	for i, b := 0, r.IntN(64*len(h)); i < n; i++ {
		at := (b + i) % (64 * len(h))
		h[at/64] ^= 1 << (at % 64)
	}
	return h
}

func random(r *rand.Rand, words int) []uint64 {
	h := make([]uint64, words)
	for i := range h {
		h[i] = r.Uint64()
	}
	return h
}

func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for words, distances := range map[int][]int{1: {0, 1, 2, 3, 4, 5, 6, 7}, 4: {0, 1, 2, 6, 7, 8, 9, 15, 16, 22, 23, 24, 30, 31}} {
		for _, k := range distances {
			for _, n := range []int{0, 1, 2, 70} {
				var hashes []uint64
				var limits []uint8
				for i := range n {
					h := random(r, words)
					if i%2 == 1 { // a long bucket
						h[0] &^= 0xffff
					}
					if i%3 == 1 { // near another one
						h = flip(r, hashes[(i-1)*words:i*words], r.IntN(2*k+2))
					}
					hashes, limits = append(hashes, h...), append(limits, uint8(k))
					if i%7 == 6 {
						limits[i] = uint8(r.IntN(k + 1))
					}
				}
				for _, dense := range []int{0, n + 1} {
					x, err := build(hashes, limits, words, 31, dense)
					if err != nil || x.Len() != n {
						t.Fatal(err, x.Len())
					}
					total := checkFind(t, x, random(r, words))
					for i := 0; i < n; i += 3 {
						for _, d := range []int{0, 1, k / 2, max(k-1, 0), k, k + 1, k + 2} {
							total += checkFind(t, x, flip(r, x.hash(uint32(i)), d))
							total += checkFind(t, x, clump(r, x.hash(uint32(i)), d))
						}
					}
					if total < n/2 {
						t.Errorf("distance %d, %d entries: %d matches in all", k, n, total)
					}
				}
			}
		}
	}
}

// TestFull looks into tables of which most buckets are filled, and into those
// that hold them in lines.
func TestFull(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{sparse + 1, dense} {
		hashes := random(r, n)
		for _, k := range []uint8{3, 6} {
			x, err := New64(hashes, slices.Repeat([]uint8{k}, len(hashes)))
			if err != nil || x.tables[0].filled != nil || x.dense != (n == dense) {
				t.Fatal(err, "not the tables for as many entries")
			}
			for range 2 {
				if n := checkFind(t, x, flip(r, x.hash(r.Uint32N(sparse)), r.IntN(int(k)+1))); n == 0 {
					t.Error("no match")
				}
			}
		}
	}
}

func TestLimits(t *testing.T) {
	if _, err := New64([]uint64{1, 2}, []uint8{3, 8}); err == nil || err.Error() != "hashbank: entry 1: a distance of 8 bits; the most is 7" {
		t.Error(err)
	}
	if _, err := New256(make([]uint64, 4), []uint8{32}); err == nil || err.Error() != "hashbank: entry 0: a distance of 32 bits; the most is 31" {
		t.Error(err)
	}
	if _, err := New64([]uint64{1, 2}, nil); err == nil {
		t.Error("no distances")
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("a bank of a few hashes, as long as it is"), uint8(3), uint64(1))
	f.Add([]byte(strings.Repeat("\x00\xff", 80)), uint8(31), uint64(1<<40))
	f.Fuzz(func(t *testing.T, data []byte, k uint8, flips uint64) {
		var hashes []uint64
		for ; len(data) >= 8 && len(hashes) < 256; data = data[8:] {
			hashes = append(hashes, binary.LittleEndian.Uint64(data))
		}
		for words, most := range map[int]uint8{1: MaxDistance64, 4: MaxDistance256} {
			hashes := hashes[:len(hashes)/words*words]
			limits := make([]uint8, len(hashes)/words)
			for i := range limits {
				limits[i] = k >> (i & 3) & most
			}
			x, err := build(hashes, limits, words, int(most), int(flips)&1*1000)
			if err != nil {
				t.Fatal(err)
			}
			for i := range limits {
				h := slices.Clone(x.hash(uint32(i)))
				h[i%words] ^= flips
				checkFind(t, x, h)
			}
		}
	})
}

// readPDQ returns the hashes of a file of the conformance data, or skips.
func readPDQ(t *testing.T, name string) (out []uint64) {
	t.Helper()
	for line := range strings.Lines(string(realdata.Read(t, "conformance", "pdq", name))) {
		raw, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil || len(raw) != 32 {
			t.Fatalf("%q: %v", line, err)
		}
		for ; len(raw) > 0; raw = raw[8:] {
			out = append(out, binary.BigEndian.Uint64(raw))
		}
	}
	return out
}

// TestPDQ holds the look-ups of real hashes of images against a scan.
func TestPDQ(t *testing.T) {
	needles, haystack := readPDQ(t, "needles.txt"), readPDQ(t, "haystack.txt")
	for _, k := range []uint8{31, 20, 10, 0} {
		x, err := New256(haystack, slices.Repeat([]uint8{k}, len(haystack)/4))
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for h := range slices.Chunk(needles, 4) {
			total += checkFind(t, x, h)
		}
		t.Logf("distance %2d: %d needles have %d matches in a haystack of %d", k, len(needles)/4, total, x.Len())
		if k == 31 && total < len(needles)/4 {
			t.Errorf("%d matches of %d needles", total, len(needles)/4)
		}
	}
}
