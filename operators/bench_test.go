//go:build unix

package operators_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/slab"
	"github.com/sluicehq/sluice/operators/fingerprint"
	"github.com/sluicehq/sluice/operators/language"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/score"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
)

const (
	benchPosts = 1 << 15
	benchBatch = 512
)

// realPosts returns real posts, every 7th of the file's first ones.
func realPosts(tb testing.TB) []post {
	tb.Helper()
	return realPostsOf(tb, 7, benchPosts)
}

// realPostsOf returns at most n real posts, one of each few of the file's first ones.
func realPostsOf(tb testing.TB, few, n int) []post {
	tb.Helper()
	var out []post
	for p := range realdata.EachPost(tb, realdata.Posts, few) {
		if len(out) == n {
			break
		}
		out = append(out, post{text: p.Text})
	}
	return out
}

// madePosts returns posts of made-up words.
func madePosts() []post {
	r := rand.New(rand.NewPCG(1, 2))
	vocabulary := make([]string, 20000)
	for i := range vocabulary {
		letters := "etaoinshrdlcumwfgypbvk"
		if i%4 == 0 {
			letters = "оеаинтсрвлкмдпу"
		}
		rs := []rune(letters)
		w := make([]rune, 2+r.IntN(8))
		for j := range w {
			w[j] = rs[r.IntN(len(rs))]
		}
		vocabulary[i] = string(w)
	}
	out := make([]post, benchPosts)
	for i := range out {
		for range 8 + r.IntN(14) {
			f := r.Float64()
			out[i].text += vocabulary[int(f*f*f*float64(len(vocabulary)))] + " "
		}
		if i%3 == 0 {
			out[i].text += fmt.Sprintf("#tag%d http://t.co/%x", i%50, r.Uint32())
		}
	}
	return out
}

// madeTerms returns a list of n terms: words, one in ten a phrase; one in 50 is
// of the posts' own words.
func madeTerms(n int) string {
	r := rand.New(rand.NewPCG(3, 4))
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "term%x", r.Uint64())
		if i%10 == 0 {
			b = fmt.Appendf(b, " second%x", r.Uint32())
		}
		b = append(b, '\n')
	}
	return string(b)
}

// madePatterns returns lists of the kinds of terms that are not whole words.
// Their beginnings are the first four letters of words of the posts, as often as
// they are there, so that the filters let through what real lists would; one
// in 50 is such a word, the others end as no word does.
func madePatterns(in []post) memFiles {
	r := rand.New(rand.NewPCG(5, 6))
	var running []string
	for _, p := range in {
		for w := range strings.FieldsSeq(strings.ToLower(p.text)) {
			if n := utf8.RuneCountInString(w); n >= 5 && n <= 20 && !strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) }) {
				running = append(running, w)
			}
		}
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(running)))
	word := func() string {
		if r.IntN(50) == 0 {
			return distinct[r.IntN(len(distinct))]
		}
		return string([]rune(running[r.IntN(len(running))])[:4]) + fmt.Sprintf("q%x", r.Uint32())
	}
	lines := func(n int, line func(w string) string) string {
		var b strings.Builder
		for range n {
			b.WriteString(line(word()) + "\n")
		}
		return b.String()
	}
	kinds := map[string]func(w string) string{
		"substrings-10k": func(w string) string { return "substring:" + w },
		"prefixes-10k":   func(w string) string { return w + "*" },
		"wildcards-10k":  func(w string) string { r := []rune(w); return string(r[:1]) + "?" + string(r[2:]) },
		"urls-10k":       func(w string) string { return "url:" + w + ".example/" + w },
		"regexes-1k":     func(w string) string { return `regex:\b` + w + `(?:s|ed|ing)?\s+\w+` },
	}
	out, mixed := memFiles{}, ""
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		n := 10_000
		if strings.HasSuffix(name, "-1k") {
			n = 1000
		}
		out[name+".txt"] = lines(n, kinds[name])
		mixed += lines(n/5, kinds[name])
	}
	out["mixed-10k.txt"] = mixed
	return out
}

// batches cuts posts into records.
func batches(mem memory.Allocator, in []post, size int) (out []arrow.Record) {
	for len(in) > 0 {
		n := min(size, len(in))
		out = append(out, posts(mem, in[:n]))
		in = in[n:]
	}
	return out
}

// BenchmarkSteps measures each step on what the step before it leaves, and the
// four together. One operation is one post.
func BenchmarkSteps(b *testing.B) {
	for _, data := range []struct {
		name string
		make func() []post
	}{{"real", func() []post { return realPosts(b) }}, {"made", madePosts}} {
		b.Run(data.name, func(b *testing.B) {
			in := data.make()
			size := 0
			for _, p := range in {
				size += len(p.text)
			}
			mem := slab.New(1 << 30)
			recs := batches(mem, in, benchBatch)
			files := memFiles{"small.txt": madeTerms(10_000), "large.txt": madeTerms(1_000_000)}
			steps := []step{{factory: normalize.Factory()}, {factory: tokenize.Factory()}, {factory: fingerprint.Factory()}}
			list := func(path string) step {
				return step{match.Factory(), &match.Config{Lists: map[string]match.List{"list": {Path: path}}}}
			}
			maps.Copy(files, madePatterns(in))
			for i, name := range []string{"normalize", "tokenize", "fingerprint"} {
				b.Run(name, func(b *testing.B) { benchStep(b, mem, files, steps[:i+1], recs, size/len(in)) })
			}
			b.Run("language", func(b *testing.B) {
				benchStep(b, mem, files, []step{steps[0], {factory: language.Factory()}}, recs, size/len(in))
			})
			b.Run("fingerprint-minhash", func(b *testing.B) {
				cfg := fingerprint.Factory().NewConfig().(*fingerprint.Config)
				cfg.MinHash.Bands = 16
				benchStep(b, mem, files, append(steps[:2:2], step{fingerprint.Factory(), cfg}), recs, size/len(in))
			})
			for _, c := range []normalize.Config{
				{Views: []string{normalize.Folded}},
				{Views: []string{normalize.Folded}, Evasion: true},
				{Views: []string{normalize.Folded, normalize.Skeleton, normalize.Squeezed}},
				{Views: []string{normalize.Folded, normalize.Skeleton, normalize.Squeezed}, Evasion: true},
			} {
				b.Run(fmt.Sprintf("normalize-%d-views-evasion-%v", len(c.Views), c.Evasion), func(b *testing.B) {
					benchStep(b, mem, files, []step{{normalize.Factory(), &c}}, recs, size/len(in))
				})
			}
			b.Run("match-10k-squeezed", func(b *testing.B) {
				squeezed := step{match.Factory(), &match.Config{Lists: map[string]match.List{"list": {Path: "small.txt", View: "squeezed"}}}}
				benchStep(b, mem, files, append(steps[:3:3], squeezed), recs, size/len(in))
			})
			b.Run("match-10k", func(b *testing.B) {
				benchStep(b, mem, files, append(steps[:3:3], list("small.txt")), recs, size/len(in))
			})
			b.Run("match-1M", func(b *testing.B) {
				benchStep(b, mem, files, append(steps[:3:3], list("large.txt")), recs, size/len(in))
			})
			for _, kind := range []string{"substrings-10k", "regexes-1k", "prefixes-10k", "wildcards-10k", "urls-10k", "mixed-10k"} {
				b.Run("match-"+kind, func(b *testing.B) {
					benchStep(b, mem, files, append(steps[:3:3], list(kind+".txt")), recs, size/len(in))
				})
			}
			// A model as `sluice train` makes it, then with fewer features or more
			// buckets, to tell what costs.
			for _, m := range []struct {
				name              string
				bits, least, most int
			}{{"score-8-heads", 16, 3, 5}, {"score-8-heads-4-chars", 16, 4, 4}, {"score-8-heads-no-chars", 16, 0, 0}, {"score-8-heads-18-bits", 18, 3, 5}} {
				files[m.name] = madeModel(8, m.bits, m.least, m.most)
				b.Run(m.name, func(b *testing.B) {
					benchStep(b, mem, files, append(steps[:3:3], step{score.Factory(), &score.Config{Model: m.name, Mode: "live", Explain: 8}}), recs, size/len(in))
				})
			}
			b.Run("all-10k", func(b *testing.B) {
				benchAll(b, mem, files, append(steps[:3:3], list("small.txt")), recs, size/len(in))
			})
		})
	}
}

// cpuTime returns the processor time of the process so far, in nanoseconds. It
// is steadier than the wall's on shared machines.
func cpuTime(b testing.TB) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// benchStep measures the last step of a chain.
func benchStep(b *testing.B, mem memory.Allocator, files memFiles, steps []step, recs []arrow.Record, size int) {
	c, err := newChain(mem, files, steps...)
	if err != nil {
		b.Fatal(err)
	}
	last := len(steps) - 1
	before := &chain{c.plans[:last], c.ops[:last]}
	var in []arrow.Record
	for _, r := range recs {
		err := before.run(0, pipeline.Batch{Record: r}, func(p pipeline.Batch) error {
			in = append(in, p.Record)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	benchAll(b, mem, nil, nil, in, size, &chain{c.plans[last:], c.ops[last:]})
	for _, r := range in {
		r.Release()
	}
}

// benchAll measures a chain, made of steps where it is not given.
func benchAll(b *testing.B, mem memory.Allocator, files memFiles, steps []step, recs []arrow.Record, size int, given ...*chain) {
	c, err := newChain(mem, files, steps...)
	if err != nil {
		b.Fatal(err)
	}
	if len(given) > 0 {
		c = given[0]
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	defer func() { b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") }()
	for n := 0; n < b.N; {
		for _, r := range recs {
			if n >= b.N {
				break
			}
			n += int(r.NumRows())
			err := c.run(0, pipeline.Batch{Record: r}, func(p pipeline.Batch) error {
				p.Record.Release()
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
