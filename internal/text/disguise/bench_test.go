package disguise

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/realdata"
)

// posts returns the texts of every n-th post of a file, at most so many.
func posts(tb testing.TB, file string, n, most int) (out []string) {
	tb.Helper()
	for p := range realdata.EachPost(tb, file, n) {
		if len(out) == most {
			break
		}
		out = append(out, p.Text)
	}
	return out
}

// manyTerms returns n made-up words.
func manyTerms(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]string, n)
	for i := range out {
		w := make([]byte, 4+r.IntN(8))
		for j := range w {
			w[j] = "etaoinshrdlcumwfgypbvk"[r.IntN(22)]
		}
		out[i] = string(w)
	}
	return out
}

// BenchmarkReal measures the scan by itself, and with the search of 10,000
// terms, on real posts. One operation is one post.
func BenchmarkReal(b *testing.B) {
	texts := posts(b, realdata.Posts, 7, 1<<15)
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	rows := make([][]byte, len(texts))
	all := []byte(strings.Join(texts, "")) // as in a column
	for i, t := range texts {
		rows[i], all = all[:len(t)], all[len(t):]
	}
	b.Run("scan", func(b *testing.B) {
		var s scanner
		suspicious := 0
		b.SetBytes(int64(size / len(texts)))
		b.ReportAllocs()
		cpuTime(b, func() {
			for i := range b.N {
				if s.scan(rows[i&(1<<15-1)]) {
					suspicious++
				}
			}
		})
		b.ReportMetric(float64(suspicious)/float64(b.N), "suspicious/op")
	})
	set := setOf(manyTerms(10_000)...)
	b.Run("find", func(b *testing.B) {
		var f Finder
		b.SetBytes(int64(size / len(texts)))
		b.ReportAllocs()
		cpuTime(b, func() {
			for i := range b.N {
				f.Find(set, rows[i&(1<<15-1)])
			}
		})
	})
}

// hostile returns texts of one kind each, of about size bytes.
func hostile(size int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	return map[string]string{
		"ordinary":     fill("The quick brown fox jumps over the lazy dog and then goes home again. "),
		"leet":         fill("z0rv4th k1ll3d m4ny p30pl3 "),
		"spaced":       fill("z o r v a t h "),
		"spaced-mixed": fill("a b-c.d e-f.g "),
		"one letter":   fill("a"),
		"mixed script": fill("zоrvаth кrеlling "),
		"symbols":      fill("a*b$c|d!e+"),
		"digits":       fill("a1"),
		"no blanks":    fill("z0rv4th-"),
		"masked":       fill("z*r**th "),
		"overrides":    fill("\u202ehtavroz "),
		"entities":     fill("&#122;&#111;"),
		"turned":       fill("ɥʇɐʌɹoz "),
		"flags":        fill("🇿🇴🇷🇻🇦🇹🇭"),
		"marks":        fill("z\u0301\u0302\u0303"),
	}
}

// BenchmarkHostile measures what a byte of hostile text costs.
func BenchmarkHostile(b *testing.B) {
	set := setOf(append(manyTerms(10_000), tableTerms...)...)
	for name, text := range hostile(1 << 20) {
		b.Run(fmt.Sprintf("%q", name), func(b *testing.B) {
			var f Finder
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				f.Find(set, []byte(text))
			}
		})
	}
}

// BenchmarkBuild measures the making of a set of a million words: its time, and
// the memory that it keeps.
func BenchmarkBuild(b *testing.B) {
	terms := make([][]byte, 1_000_000)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range terms {
		terms[i] = fmt.Appendf(nil, "%s%s", manyTerms(1)[0][:3], letterNumber(r.Uint64()))
	}
	b.ReportAllocs()
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		builder := NewBuilder()
		for i, t := range terms {
			builder.Add(uint32(i), [][]byte{t})
		}
		set := builder.Build()
		builder = nil
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		runtime.KeepAlive(set)
	}
}

// letterNumber writes a number in letters.
func letterNumber(n uint64) string {
	var out []byte
	for n >>= 24; n > 0; n /= 20 {
		out = append(out, "bcdfghjklmnpqrstvwxz"[n%20])
	}
	return string(out)
}
