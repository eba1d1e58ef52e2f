//go:build unix

package token

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// processorTime returns the processor time of the process so far, in nanoseconds.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// posts returns a batch of 512 posts of made-up words of letters, each of about
// size bytes, folded. A word has 2 to 9 letters.
func posts(letters string, size int) (buf []byte, offsets []int32) {
	r := rand.New(rand.NewPCG(1, 2))
	from := []rune(letters)
	offsets = append(offsets, 0)
	for range 512 {
		for start := len(buf); len(buf) < start+size; {
			for range 2 + r.IntN(8) {
				buf = utf8.AppendRune(buf, from[r.IntN(len(from))])
			}
			buf = append(buf, " ,. "[r.IntN(4)], ' ')
		}
		offsets = append(offsets, int32(len(buf)))
	}
	if folded := fold.Append(nil, buf); string(folded) != string(buf) {
		panic("the letters are not folded: " + letters)
	}
	return buf, offsets
}

// benchBatch measures AppendRows and reports the processor time of a byte.
func benchBatch(b *testing.B, buf []byte, offsets []int32) {
	b.Helper()
	var toks Tokens
	rows := make([]Row, len(offsets)-1)
	toks.AppendRows(rows, buf, offsets)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	for range b.N {
		toks.Reset()
		toks.AppendRows(rows, buf, offsets)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/float64(len(buf)), "cpu-ns/byte")
}

// BenchmarkScripts measures posts of 100 bytes in several scripts: those of
// Arabic and Cyrillic must cost at most 1.5 times what those of Latin do.
func BenchmarkScripts(b *testing.B) {
	for _, script := range []struct{ name, letters string }{
		{"latin", "etaoinshrdlcumwfgypbvk"},
		{"cyrillic", "оеаинтсрвлкмдпуяыьгзбчихжшюцщэф"},
		{"arabic", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"},
		{"greek", "αβγδεζηθικλμνξοπρστυφχψω"},
		{"hebrew", "אבגדהוזחטיכלמנסעפצקרשת"},
		{"devanagari", "कखगघचछजझटठडढतथदधनपफबभमयरलवशषसह"},
		{"hangul", "가나다라마바사아자차카타파하"},
		{"han", "天地玄黄宇宙洪荒日月盈昃辰宿列張"},
		{"thai", "กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวศษสหอฮ"},
	} {
		b.Run(script.name, func(b *testing.B) {
			buf, offsets := posts(script.letters, 100)
			benchBatch(b, buf, offsets)
		})
	}
}

// adversarial lists what texts of 1 MB are made of that reach for the slow paths.
var adversarial = []struct{ name, unit string }{
	{"hashes", "#"},
	{"ats", "@"},
	{"dollars", "$"},
	{"hashtags", "#a"},
	{"mentions", "@a"},
	{"cashtags", "$a "},
	{"emails", "a@b.co "},
	{"ats-and-letters", "a@b.c@"},
	{"local-part", "a.b+c-"},
	{"schemes", "http://"},
	{"urls", "http://a "},
	{"brackets", "http://a/)"},
	{"closing", ")"},
	{"dots", "a."},
	{"domains", "a.com "},
	{"countries", "a.de "},
	{"hyphens", "a-b.c "},
	{"www", "www."},
	{"digits", "1:2"},
	{"numbers", "1.2,"},
	{"apostrophes", "a'"},
	{"connectors", "_"},
	{"slashes", "/"},
	{"emoji", "👍"},
	{"joiners", "👩\u200d"},
	{"joiners-alone", "\u200d"},
	{"skin", "🏽"},
	{"flags", "🇩"},
	{"tags", "🏴\U000e0067"},
	{"keycaps", "1\u20e3"},
	{"marks", "a\u093f\u093f"},
	{"marks-alone", "\u093f"},
	{"kana", "カー"},
	{"mixed", "aж漢"},
	{"hangul-path", "a.com/가"},
}

// megabyte returns units, 1 MB of them.
func megabyte(unit string) []byte { return []byte(strings.Repeat(unit, 1<<20/len(unit))) }

// BenchmarkAdversarial measures texts of 1 MB that are made to be slow. Beside
// the time of a byte it reports how many times that of an ordinary post's byte it
// is, and that of a byte in texts of 64 KB (about 1 where time is linear).
func BenchmarkAdversarial(b *testing.B) {
	const parts = 16
	var toks Tokens
	ordinary, offsets := posts("etaoinshrdlcumwfgypbvk", 100)
	measure := func(b *testing.B, buf []byte, offsets []int32) float64 {
		rows := make([]Row, len(offsets)-1)
		before := processorTime(b)
		toks.Reset()
		toks.AppendRows(rows, buf, offsets)
		return float64(processorTime(b)-before) / float64(len(buf))
	}
	usual := measure(b, ordinary, offsets)
	for range 100 {
		usual = min(usual, measure(b, ordinary, offsets))
	}
	for _, a := range adversarial {
		b.Run(a.name, func(b *testing.B) {
			in := megabyte(a.unit)
			part := in[:len(in)/parts/len(a.unit)*len(a.unit)]
			whole, cut := 0.0, 0.0
			for range b.N {
				whole += measure(b, in, []int32{0, int32(len(in))})
				for range parts {
					cut += measure(b, part, []int32{0, int32(len(part))}) / parts
				}
			}
			b.ReportMetric(whole/float64(b.N), "cpu-ns/byte")
			b.ReportMetric(whole/float64(b.N)/usual, "x-ordinary")
			b.ReportMetric(whole/cut, "x-64KB")
		})
	}
}
