package token

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"
)

// withoutKernels runs f as on a machine without them.
func withoutKernels(f func()) {
	have := hasKernels
	hasKernels = false
	defer func() { hasKernels = have }()
	f()
}

// sameRuns checks that the kernels and plain Go find the same in texts that
// together are buf.
func sameRuns(t *testing.T, buf []byte, offsets []int32) {
	t.Helper()
	var a, b bitmaps
	fill := func(m *bitmaps) {
		m.classify(buf, len(buf))
		m.cut(offsets, len(buf))
		m.look(buf)
	}
	fill(&a)
	withoutKernels(func() { fill(&b) })
	if !slices.Equal(a.words, b.words) || a.marked != b.marked || a.marked && !slices.Equal(a.special, b.special) {
		t.Fatalf("%+q: the bitmaps differ:\n%x %x\n%x %x", buf, a.words, a.special, b.words, b.special)
	}
	if !slices.Equal(a.begins, b.begins) || !slices.Equal(a.ends, b.ends) || !slices.Equal(a.hash, b.hash) {
		t.Fatalf("%+q: the runs differ:\n%v %v\n%v %v", buf, a.begins, a.ends, b.begins, b.ends)
	}
	for i := range a.odd {
		if (a.odd[i] != 0) != (b.odd[i] != 0) {
			t.Fatalf("%+q: run %d at %d..%d is odd by %d and %d", buf, i, a.begins[i], a.ends[i], a.odd[i], b.odd[i])
		}
	}
}

// TestKernels holds the kernels against plain Go: each code point at each place
// of a block, in texts of many scripts.
func TestKernels(t *testing.T) {
	if !hasKernels {
		t.Skip("this machine has no kernels: AVX-512 with VBMI2")
	}
	r := rand.New(rand.NewPCG(1, 2))
	frames := []string{"ab. #", "жй ", "ك م", "漢字", " ", "हि", "한국어", "カーな", "👍"}
	var buf []byte
	offsets := []int32{0}
	for c := rune(0); c <= utf8.MaxRune; c++ {
		if !utf8.ValidRune(c) || c >= 0x30100 && c < 0xE0000 || c > 0xE1000 {
			continue
		}
		for range 1 + r.IntN(3) {
			buf = append(buf, frames[r.IntN(len(frames))]...)
			buf = utf8.AppendRune(buf, c)
		}
		if r.IntN(10) == 0 {
			offsets = append(offsets, int32(len(buf)))
		}
		if len(buf) > 4000 {
			sameRuns(t, buf, append(offsets, int32(len(buf))))
			buf, offsets = buf[:0], []int32{0}
		}
	}
}

// FuzzKernels does so for any text, in texts of a letter each, too.
func FuzzKernels(f *testing.F) {
	for _, s := range []string{"plain words, and #tags @names $abc 12:30", "привет мир ж", "كلمة عربية ۱۲", "東京都 ไทย 👍🏽", "한국어 ퟿ カタカナ゠・"} {
		f.Add([]byte(s), uint8(3), uint8(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, times, step uint8) {
		if !hasKernels || !utf8.Valid(in) || len(in) > 1<<10 {
			return
		}
		var buf []byte
		for range times%16 + 1 {
			buf = append(buf, in...)
		}
		offsets := []int32{0}
		for i := range buf {
			if utf8.RuneStart(buf[i]) && i%(int(step)+1) == 0 {
				offsets = append(offsets, int32(i))
			}
		}
		sameRuns(t, buf, append(offsets, int32(len(buf))))
	})
}
