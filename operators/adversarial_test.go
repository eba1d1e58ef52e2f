//go:build unix

package operators_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

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

// adversarialSize is the size of the posts of TestAdversarial, in bytes.
const adversarialSize = 1 << 20

// only narrows TestAdversarial down, for profiles.
var only = flag.String("adversary", "", "the texts of TestAdversarial whose names have this in them")

// costs is what a byte costs each step of a chain, in nanoseconds of processor
// time.
type costs []float64

func (c costs) sum() (all float64) {
	for _, x := range c {
		all += x
	}
	return all
}

// mostTimes is how many times what it costs for ordinary posts a chain may cost a
// byte of any text. It is wide, for machines that do other work; it tells work that
// grows faster than the text, which is hundreds of times at 1 MB.
const mostTimes = 60

// measured is a chain whose steps are measured one by one.
type measured struct {
	name  string
	mem   memory.Allocator
	steps []string
	chain *chain
}

// measuredChains are the chains: the one that a first pipeline has; one of all
// steps, with terms that are looked for in disguise; all views of the text, by
// themselves; and a list of all kinds of term that are not whole words.
func measuredChains(tb testing.TB, mem memory.Allocator, words []string) []measured {
	tb.Helper()
	files := memFiles{"model.slm": madeModel(8, 16, 3, 5), "terms.txt": phrased(words), "patterns.txt": patterned(words)}
	minhash := fingerprint.Factory().NewConfig().(*fingerprint.Config)
	minhash.MinHash.Bands = 16
	list := func(path, view string) step {
		return step{match.Factory(), &match.Config{Lists: map[string]match.List{"list": {Path: path, View: view}}}}
	}
	names := []string{"normalize", "tokenize", "fingerprint", "match"}
	usual := []step{{factory: normalize.Factory()}, {factory: tokenize.Factory()}, {factory: fingerprint.Factory()}, list("terms.txt", "folded")}
	all := []step{
		{factory: normalize.Factory()},
		{factory: tokenize.Factory()},
		{factory: language.Factory()},
		{fingerprint.Factory(), minhash},
		{match.Factory(), &match.Config{Lists: map[string]match.List{
			"folded": {Path: "terms.txt"}, "squeezed": {Path: "terms.txt", View: "squeezed"},
		}}},
		{score.Factory(), &score.Config{Model: "model.slm", Mode: "live", Explain: 8}},
	}
	patterns := append(usual[:3:3], list("patterns.txt", "folded"))
	var out []measured
	for _, m := range []struct {
		name  string
		names []string
		steps []step
	}{
		{"usual", names, usual},
		{"full", []string{"normalize", "tokenize", "language", "minhash", "match", "score"}, all},
		{"views", []string{"normalize"}, []step{{normalize.Factory(), &normalize.Config{Views: []string{normalize.Folded, normalize.Skeleton, normalize.Squeezed}, Evasion: true}}}},
		{"patterns", names, patterns},
	} {
		c, err := newChain(mem, files, m.steps...)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, measured{m.name, mem, m.names, c})
	}
	return out
}

// phrased returns a list of words of which one in ten has another behind it.
func phrased(words []string) string {
	var b strings.Builder
	for i, w := range words {
		b.WriteString(w)
		if i%10 == 0 {
			b.WriteString(" " + words[(i+1)%len(words)])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// patterned returns a list of all kinds of term that are not whole words: 4,000
// of each but for expressions, of which there are 500.
func patterned(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i%20 == 0:
			fmt.Fprintf(&b, "regex:\\b%s(?:s|ed|ing)?\\s+\\w+\n", w)
		case i%4 == 0:
			b.WriteString("substring:" + w + "\n")
		case i%4 == 1:
			b.WriteString(w + "*\n")
		case i%4 == 2:
			b.WriteString(w[:1] + "?" + w[2:] + "\n")
		default:
			b.WriteString("url:" + w + ".example/" + w + "\n")
		}
	}
	return b.String()
}

// cost returns what each step costs for the byte of posts, the least of runs
// runs.
func (m *measured) cost(tb testing.TB, in []post, runs int) costs {
	tb.Helper()
	size := 0
	for _, p := range in {
		size += len(p.text)
	}
	recs := batches(memory.DefaultAllocator, in, benchBatch)
	defer func() {
		for _, r := range recs {
			r.Release()
		}
	}()
	out := make(costs, len(m.steps))
	for run := range runs {
		spent := make([]int64, len(m.steps))
		for _, rec := range recs {
			m.run(tb, rec, spent)
		}
		for i, ns := range spent {
			if x := float64(ns) / float64(size); run == 0 || x < out[i] {
				out[i] = x
			}
		}
	}
	return out
}

// run gives a record to the steps, one after the other, and adds the time that
// each takes.
func (m *measured) run(tb testing.TB, rec arrow.Record, spent []int64) {
	in := pipeline.Batch{Record: rec}
	rec.Retain()
	for i := range m.steps {
		var next pipeline.Batch
		one := &chain{m.chain.plans[i : i+1], m.chain.ops[i : i+1]}
		before := cpuTime(tb)
		err := one.run(0, in, func(b pipeline.Batch) error {
			next = b
			return nil
		})
		spent[i] += cpuTime(tb) - before
		if err != nil {
			tb.Fatal(err)
		}
		in.Record.Release()
		in = next
	}
	in.Record.Release()
}

// ordinaryPosts returns about size bytes of ordinary posts: real ones where the
// test data is there, else of made-up words.
func ordinaryPosts(tb testing.TB, size int) []post {
	tb.Helper()
	in := madePosts()
	if _, err := realdata.Root(); err == nil {
		in = realPosts(tb)
	} else {
		tb.Logf("ordinary posts are of made-up words: %v", err)
	}
	for i, n := 0, 0; i < len(in); i++ {
		if n += len(in[i].text); n >= size {
			return in[:i+1]
		}
	}
	return in
}

// TestAdversarial holds what 1 MB of text that is made to be slow costs, in one
// post, against as many bytes of ordinary posts: for each step and for the chain.
// An ordinary post's fixed costs are in its bytes.
func TestAdversarial(t *testing.T) {
	if testing.Short() {
		t.Skip("measures processor time")
	}
	words := madeWords(10_000)
	ordinary := ordinaryPosts(t, adversarialSize)
	for _, m := range measuredChains(t, slab.New(1<<30), words) {
		t.Run(m.name, func(t *testing.T) {
			usual := m.cost(t, ordinary, 5)
			rows := map[string]costs{}
			for _, a := range adversaries(words) {
				if !strings.Contains(a.name, *only) {
					continue
				}
				rows[a.name] = m.cost(t, []post{{text: a.fill(adversarialSize)}}, 2)
			}
			names := slices.SortedFunc(maps.Keys(rows), func(a, b string) int {
				return -int(1e3*rows[a].sum()) + int(1e3*rows[b].sum())
			})
			var b strings.Builder
			line := func(name string, c costs) {
				fmt.Fprintf(&b, "%-34s", name)
				for _, x := range append(c[:len(c):len(c)], c.sum()) {
					fmt.Fprintf(&b, " %14.2f", x)
				}
				fmt.Fprintf(&b, " %7.2f\n", c.sum()/usual.sum())
			}
			fmt.Fprintf(&b, "\n%-34s", "cpu-ns a byte")
			for _, s := range append(m.steps[:len(m.steps):len(m.steps)], "chain") {
				fmt.Fprintf(&b, " %14s", s)
			}
			fmt.Fprintf(&b, " %7s\n", "times")
			line("ORDINARY POSTS", usual)
			for _, n := range names {
				line(n, rows[n])
				if times := rows[n].sum() / usual.sum(); times > mostTimes {
					t.Errorf("1 MB of %s costs %.0f times what ordinary posts do for the byte", n, times)
				}
			}
			t.Log(b.String())
		})
	}
}
