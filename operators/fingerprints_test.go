//go:build unix

package operators_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/operators/fingerprint"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
)

// print is the fingerprints of a text.
type print struct {
	exact, sim uint64
	bands      []uint32
	tokens     []uint64 // the words, numbers, hashtags and bigrams, sorted, each once
}

// shares reports whether two posts have a band in common.
func (p *print) shares(q *print) bool {
	for i := range p.bands {
		if i < len(q.bands) && p.bands[i] == q.bands[i] {
			return true
		}
	}
	return false
}

func (p *print) near(q *print) bool {
	return p.exact != 0 && q.exact != 0 && bits.OnesCount64(p.sim^q.sim) <= 3
}

// prints runs texts through the steps up to fingerprint.
func prints(t *testing.T, texts []string, c fingerprint.MinHash) []print {
	t.Helper()
	cfg := fingerprint.Factory().NewConfig().(*fingerprint.Config)
	cfg.MinHash = c
	ch, err := newChain(memory.DefaultAllocator, nil, step{factory: normalize.Factory()}, step{factory: tokenize.Factory()}, step{fingerprint.Factory(), cfg})
	if err != nil {
		t.Fatal(err)
	}
	in := make([]post, len(texts))
	for i, s := range texts {
		in[i].text = s
	}
	var out []print
	for _, rec := range batches(memory.DefaultAllocator, in, benchBatch) {
		err := ch.run(0, pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
			defer b.Record.Release()
			at := func(name string) int { return b.Record.Schema().FieldIndices(name)[0] }
			exact := b.Record.Column(at(pipeline.ColTextHash)).(*array.Uint64).Uint64Values()
			sim := b.Record.Column(at(pipeline.ColSimHash)).(*array.Uint64).Uint64Values()
			tokenRows, child := column.ViewList(b.Record.Column(at(pipeline.ColTokenHash)))
			tokens := child.(*array.Uint64).Uint64Values()
			_, child = column.ViewList(b.Record.Column(at(pipeline.ColTokenKind)))
			kinds := child.(*array.Uint8).Uint8Values()
			rows, child := column.ViewList(b.Record.Column(at(pipeline.ColMinHash)))
			bands := child.(*array.Uint32).Uint32Values()
			for i := range exact {
				p := print{exact: exact[i], sim: sim[i], bands: slices.Clone(bands[rows[i]:rows[i+1]])}
				for j := tokenRows[i]; j < tokenRows[i+1]; j++ {
					if text.Kind(kinds[j]).Content() {
						p.tokens = append(p.tokens, tokens[j])
					}
				}
				slices.Sort(p.tokens)
				p.tokens = slices.Compact(p.tokens)
				out = append(out, p)
			}
			return nil
		})
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// pair is two texts by their numbers.
type pair struct{ a, b int }

// retweets is the truth of the platform: posts and what they repost.
type retweets struct {
	texts            []string
	lang             []string
	exact, truncated []pair
	originals        []int // one text for each post that is no repost, or was reposted
}

// readRetweets reads the truth, or skips.
func readRetweets(t *testing.T) *retweets {
	t.Helper()
	truth := realdata.Read(t, "posts", "twitter_v11_retweets.tsv")
	kind := map[string]string{}
	for line := range strings.Lines(string(truth)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 5 {
			kind[f[1]] = f[4]
		}
	}
	r, number := &retweets{}, map[string]int{}
	add := func(id, text, lang string, original bool) int {
		n, ok := number[id]
		if !ok {
			n = len(r.texts)
			number[id], r.texts, r.lang = n, append(r.texts, text), append(r.lang, lang)
			if original {
				r.originals = append(r.originals, n)
			}
		}
		return n
	}
	for _, name := range []string{"twitter_v11_train.jsonl.zst", "twitter_v11_test.jsonl.zst"} {
		for line := range realdata.Lines(t, name) {
			type tweet struct {
				ID   string `json:"id_str"`
				Text string `json:"text"`
				Lang string `json:"lang"`
			}
			var p struct {
				tweet
				Parent *tweet `json:"retweeted_status"`
			}
			if err := json.Unmarshal(line, &p); err != nil {
				t.Fatal(err)
			}
			if p.Parent == nil {
				add(p.ID, p.Text, p.Lang, true)
				continue
			}
			of := pair{add(p.ID, p.Text, p.Lang, false), add(p.Parent.ID, p.Parent.Text, p.Parent.Lang, true)}
			switch kind[p.ID] {
			case "exact":
				r.exact = append(r.exact, of)
			case "truncated":
				r.truncated = append(r.truncated, of)
			}
		}
	}
	return r
}

// random returns n pairs of different originals, of the same language where that
// is asked.
func (r *retweets) random(rnd *rand.Rand, n int, sameLang bool) (out []pair) {
	byLang := map[string][]int{}
	for _, o := range r.originals {
		byLang[r.lang[o]] = append(byLang[r.lang[o]], o)
	}
	for len(out) < n {
		p := pair{r.originals[rnd.IntN(len(r.originals))], 0}
		from := r.originals
		if sameLang {
			from = byLang[r.lang[p.a]]
		}
		if p.b = from[rnd.IntN(len(from))]; p.a != p.b {
			out = append(out, p)
		}
	}
	return out
}

// found counts pairs by each fingerprint and by all together. Unlike is those of
// a shared band whose sets of tokens have a similarity below a quarter.
type found struct{ n, exact, sim, bands, any, unlike int }

func count(p []print, pairs []pair) (f found) {
	for _, x := range pairs {
		a, b := &p[x.a], &p[x.b]
		one := func(n *int, yes bool) bool {
			if yes {
				*n++
			}
			return yes
		}
		e := one(&f.exact, a.exact != 0 && a.exact == b.exact)
		s := one(&f.sim, a.near(b))
		m := one(&f.bands, a.shares(b))
		one(&f.any, e || s || m)
		one(&f.unlike, m && jaccard(a.tokens, b.tokens) < 0.25)
		f.n++
	}
	return f
}

// percent is n of f's pairs.
func (f *found) percent(n int) float64 { return 100 * float64(n) / float64(f.n) }

func (f *found) String() string {
	return fmt.Sprintf("%6d pairs: text_hash %8.4f %%, simhash within 3 %8.4f %%, a minhash band %8.4f %%, any of them %8.4f %%; unlike with a band %.4f %%",
		f.n, f.percent(f.exact), f.percent(f.sim), f.percent(f.bands), f.percent(f.any), f.percent(f.unlike))
}

// jaccard is the similarity of two sets, sorted.
func jaccard(a, b []uint64) float64 {
	common := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common, i, j = common+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return float64(common) / float64(max(1, len(a)+len(b)-common))
}

// TestFingerprints measures the fingerprints on the platform's own truth: posts
// against the posts that they repost, whole and cut, and against random pairs of
// originals, which are of few topics and so harder than those of a firehose.
// Some of these are copies of each other all the same: users post a text again.
// The cut copies without a band are of one post: two hashtags, one of them cut.
func TestFingerprints(t *testing.T) {
	r := readRetweets(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	others, sameLang := r.random(rnd, 300_000, false), r.random(rnd, 300_000, true)
	p := prints(t, r.texts, fingerprint.MinHash{Bands: 16, Rows: 2, Shingle: 2})
	whole, cut, random, lang := count(p, r.exact), count(p, r.truncated), count(p, others), count(p, sameLang)
	t.Logf("%d texts, %d originals\nwhole copies   %v\ncut copies     %v\nrandom         %v\nsame language  %v\n"+
		"precision where there are as many pairs that are no copies as copies: %.2f %%, of the same language %.2f %%",
		len(r.texts), len(r.originals), &whole, &cut, &random, &lang,
		100/(1+random.percent(random.any)/100), 100/(1+lang.percent(lang.any)/100))
	for _, c := range []struct {
		what      string
		got       float64
		low, high float64
	}{
		{"whole copies by text_hash", whole.percent(whole.exact), 99.99, 100},
		{"whole copies by a band", whole.percent(whole.bands), 99.99, 100},
		{"cut copies by text_hash", cut.percent(cut.exact), 40, 100},
		{"cut copies by simhash", cut.percent(cut.sim), 50, 100},
		{"cut copies by a band", cut.percent(cut.bands), 99.9, 100},
		{"random pairs by simhash", random.percent(random.sim), 0, 0.06},
		{"random pairs by a band", random.percent(random.bands), 0, 0.3},
		{"unlike random pairs by a band", random.percent(random.unlike), 0, 0.05},
		{"pairs of a language by a band", lang.percent(lang.bands), 0, 0.9},
		{"unlike pairs of a language by a band", lang.percent(lang.unlike), 0, 0.1},
	} {
		if c.got < c.low || c.got > c.high {
			t.Errorf("%s: %.4f %%, want %v to %v", c.what, c.got, c.low, c.high)
		}
	}
}

// TestShapes prints what the choice of bands, rows and shingles does: the
// defaults stand where cut copies are all found and unlike pairs are not.
func TestShapes(t *testing.T) {
	if testing.Short() {
		t.Skip("a table for people; not with -short")
	}
	r := readRetweets(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	others := r.random(rnd, 200_000, true)
	for _, c := range []fingerprint.MinHash{
		{Bands: 16, Rows: 1, Shingle: 1},
		{Bands: 16, Rows: 1, Shingle: 2},
		{Bands: 16, Rows: 1, Shingle: 3},
		{Bands: 16, Rows: 2, Shingle: 1},
		{Bands: 8, Rows: 2, Shingle: 2},
		{Bands: 16, Rows: 2, Shingle: 2},
		{Bands: 32, Rows: 2, Shingle: 2},
		{Bands: 16, Rows: 2, Shingle: 3},
		{Bands: 16, Rows: 3, Shingle: 2},
		{Bands: 16, Rows: 4, Shingle: 2},
	} {
		p := prints(t, r.texts, c)
		whole, cut, lang := count(p, r.exact), count(p, r.truncated), count(p, others)
		t.Logf("%2d bands of %d, shingle %d: whole copies %.3f %%, cut %.3f %%; pairs of a language %.4f %%, of these unlike %.4f %%",
			c.Bands, c.Rows, c.Shingle, whole.percent(whole.bands), cut.percent(cut.bands), lang.percent(lang.bands), lang.percent(lang.unlike))
		if whole.percent(whole.bands) < 99.9 {
			t.Errorf("%+v: whole copies are missed", c)
		}
	}
}

// TestFingerprintLinear holds the cost of a post of 1 MB against that of as many bytes of
// ordinary posts, in processor time.
func TestFingerprintLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("times are of the plain build: left out with -short, as under the race detector")
	}
	const size = 1 << 20
	var ordinary []post
	for n := 0; n < size; {
		for _, p := range madePosts()[:4096] {
			ordinary, n = append(ordinary, p), n+len(p.text)
		}
	}
	cfg := fingerprint.Factory().NewConfig().(*fingerprint.Config)
	cfg.MinHash.Bands = 16
	cost := func(in []post) float64 {
		before, err := newChain(memory.DefaultAllocator, nil, step{factory: normalize.Factory()}, step{factory: tokenize.Factory()}, step{fingerprint.Factory(), cfg})
		if err != nil {
			t.Fatal(err)
		}
		last := &chain{before.plans[2:], before.ops[2:]}
		before.plans, before.ops = before.plans[:2], before.ops[:2]
		bytes, least := 0, int64(math.MaxInt64)
		for _, p := range in {
			bytes += len(p.text)
		}
		discard := func(b pipeline.Batch) error {
			b.Record.Release()
			return nil
		}
		for range 5 {
			spent := int64(0)
			for _, rec := range batches(memory.DefaultAllocator, in, benchBatch) {
				err := before.run(0, pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
					start := cpuTime(t)
					err := last.run(0, b, discard)
					spent += cpuTime(t) - start
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			least = min(least, spent)
		}
		return float64(least) / float64(bytes)
	}
	want := cost(ordinary)
	t.Logf("ordinary posts: %.2f ns a byte", want)
	for name, unit := range map[string]string{
		"words of one letter": "a b ", "marks of reposts": "RT @a ", "hashtags": "#a ", "one word": "x", "Han": "\u6771\u4eac", "equal words": "word ", "emoji": "\U0001f44d",
	} {
		got := cost([]post{{text: strings.Repeat(unit, size/len(unit))}})
		t.Logf("%s: %.2f ns a byte", name, got)
		if got > 1.5*want+0.5 {
			t.Errorf("1 MB of %s: %.2f ns a byte, ordinary posts %.2f", name, got, want)
		}
	}
}
