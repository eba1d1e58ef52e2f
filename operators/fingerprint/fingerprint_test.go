package fingerprint

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/minhash"
	"github.com/sluicehq/sluice/internal/text/simhash"
	"github.com/sluicehq/sluice/internal/text/token"
	"github.com/sluicehq/sluice/pipeline"
)

func TestValidate(t *testing.T) {
	for path, c := range map[string]struct {
		at        func(*Config) *int
		low, high int
	}{
		"shingle":         {func(c *Config) *int { return &c.Shingle }, 1, 4},
		"minhash.bands":   {func(c *Config) *int { return &c.MinHash.Bands }, 0, 64},
		"minhash.rows":    {func(c *Config) *int { return &c.MinHash.Rows }, 1, 8},
		"minhash.shingle": {func(c *Config) *int { return &c.MinHash.Shingle }, 1, 4},
	} {
		for n := -1; n <= c.high+1; n++ {
			cfg := Factory().NewConfig().(*Config)
			*c.at(cfg) = n
			err := cfg.Validate()
			var fe *pipeline.FieldError
			if bad := n < c.low || n > c.high; bad != errors.As(err, &fe) || bad && fe.Path != path {
				t.Errorf("%s %d: %v", path, n, err)
			}
		}
	}
}

// TestPlan checks the columns that a step needs and adds.
func TestPlan(t *testing.T) {
	plan := func(bands int, in *arrow.Schema) (pipeline.Plan, error) {
		cfg := Factory().NewConfig().(*Config)
		cfg.MinHash.Bands = bands
		return Factory().PlanOperator(pipeline.BuildContext{Mem: memory.DefaultAllocator}, cfg, in)
	}
	if _, err := plan(0, pipeline.PostsSchema()); err == nil || !strings.Contains(err.Error(), "put a tokenize step before it") {
		t.Errorf("no tokens: %v", err)
	}
	tokens := pipeline.PostsSchema(
		arrow.Field{Name: pipeline.ColTokenHash, Type: pipeline.ListOf(arrow.PrimitiveTypes.Uint64)},
		arrow.Field{Name: pipeline.ColTokenKind, Type: pipeline.ListOf(arrow.PrimitiveTypes.Uint8)},
	)
	p, err := plan(0, tokens)
	if err != nil || p.Output().HasField(pipeline.ColMinHash) || !p.Output().HasField(pipeline.ColSimHash) {
		t.Errorf("without bands: %v, %v", p, err)
	}
	want := `fingerprint: minhash, for short posts: column "text_folded" does not reach this step: put a normalize step before it`
	if _, err := plan(16, tokens); err == nil || err.Error() != want {
		t.Errorf("no folded text: %v, want %s", err, want)
	}
}

// cut is a text cut into tokens.
type cut struct {
	post
	token.Tokens
}

func newCut(s string) *cut {
	p := &cut{}
	p.folded = fold.Append(nil, []byte(s))
	p.Append(p.folded, 0, len(p.folded))
	for _, k := range p.Kind {
		p.kind = append(p.kind, uint8(k))
	}
	p.start, p.end = p.Start, p.End
	return p
}

// prints returns the fingerprints of a text.
func (k *kernel) prints(s string, shingle int, c MinHash) (exact, sim uint64, bands []uint32) {
	p := newCut(s)
	k.tokens(p.Hash, p.kind)
	exact, sim = k.hashes(shingle)
	if k.n > 0 {
		bands = make([]uint32, c.Bands)
		k.bands(bands, &c, &p.post)
	}
	return exact, sim, bands
}

// TestKernel checks a row against the packages that it is made of, for each
// length of shingle, and that URLs, mentions and emoji are left out.
func TestKernel(t *testing.T) {
	var k kernel // the scratch memory is used again
	for _, s := range []string{
		"Zorvath rises http://x.example/a with 12 @user #tag 👍", "one", "", "#tag", "#tag #other one", "@user http://x.example",
		"the krelling dawn comes over nine tall hills of the zorvath", "東京都に行くという", "зорват встаёт",
	} {
		p := newCut(s)
		var kept []uint64
		for i, kind := range p.Kind {
			if kind == text.Word || kind == text.Number || kind == text.Hashtag || kind == text.Bigram {
				kept = append(kept, p.Hash[i])
			}
		}
		for shingle := 1; shingle <= maxShingle; shingle++ {
			for of := 1; of <= maxShingle; of++ {
				features := slices.Clone(kept)
				if shingle > 1 {
					features = simhash.Shingles(features, kept, shingle)
				}
				exact, sim, bands := k.prints(s, shingle, MinHash{16, 2, of})
				if exact != simhash.Exact(kept) || sim != simhash.Of(features) {
					t.Errorf("%q, shingle %d: %#x %#x, want %#x %#x", s, shingle, exact, sim, simhash.Exact(kept), simhash.Of(features))
				}
				if want := bandsOf(kept, p, of); !slices.Equal(bands, want) {
					t.Errorf("%q, shingle %d of %d: %x, want %x", s, of, shingle, bands, want)
				}
			}
		}
	}
}

// bandsOf returns 16 bands of 2 rows.
func bandsOf(tokens []uint64, p *cut, of int) []uint32 {
	if len(tokens) == 0 {
		return nil
	}
	var set minhash.Set
	set.Reset()
	if of = min(of, len(tokens)); of == 1 {
		set.Add(tokens)
	} else {
		set.Add(simhash.Shingles(nil, tokens, of))
	}
	out := make([]uint32, 16)
	set.Bands(out, 2, 0, 1)
	if len(tokens) < 7 {
		var words [][]byte
		for i, k := range p.Kind {
			if k.Content() && k != text.Hashtag {
				words = append(words, p.folded[p.Start[i]:p.End[i]])
			}
		}
		all := bytes.Join(words, []byte(" "))
		if len(p.Kind) > 0 && p.Kind[0] == text.Bigram { // one run of them: its text
			all = p.folded
		}
		if len(all) > 0 {
			set.Reset()
			set.AddChars(all)
			set.Bands(out, 2, 1, 2)
		}
	}
	return out
}

// TestRepost checks that the marks of a repost are left out, and nothing else
// of that look.
func TestRepost(t *testing.T) {
	var k kernel
	c := MinHash{16, 2, 2}
	const original = "Zorvath rises with @someone over nine tall hills of dawn"
	exact, sim, bands := k.prints(original, 2, c)
	for s, same := range map[string]bool{
		"RT @user: " + original: true, "rt @user " + original: true, "RT @a: RT @b: " + original: true,
		"RT " + original: false, "RT: " + original: false, "so RT @user " + original: false, "@user RT " + original: false, "#rt @user " + original: false,
	} {
		e, h, b := k.prints(s, 2, c)
		if (e == exact) != same || (h == sim) != same || slices.Equal(b, bands) != same {
			t.Errorf("%q: %#x %#x %x; the original %#x %#x %x", s, e, h, b, exact, sim, bands)
		}
	}
	for _, s := range []string{"RT @user", "RT @user: RT @other"} {
		if e, h, b := k.prints(s, 2, c); e != 0 || h != 0 || b != nil {
			t.Errorf("%q: %#x %#x %x", s, e, h, b)
		}
	}
}

// TestShort measures how often a short post of made-up words shares a band
// with a copy in which a word is another, or a letter is.
func TestShort(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		w := make([]byte, 3+r.IntN(6))
		for i := range w {
			w[i] = "etaoinshrdlcumwfgypbvk"[r.IntN(22)]
		}
		return string(w)
	}
	words := func(n int) (out []string) {
		for range n {
			out = append(out, word())
		}
		return out
	}
	var k kernel
	shares := func(rows int, a, b []string) int {
		_, _, x := k.prints(strings.Join(a, " "), 2, MinHash{16, rows, 2})
		_, _, y := k.prints(strings.Join(b, " "), 2, MinHash{16, rows, 2})
		for i := range x {
			if x[i] == y[i] {
				return 1
			}
		}
		return 0
	}
	const rounds = 2000
	for _, c := range []struct{ rows, n, word, letter, cut int }{ // least shares, in percent
		{2, 4, 85, 98, 99},
		{2, 6, 98, 99, 99},
		{2, 7, 95, 93, 99},
		{2, 8, 98, 98, 99},
		{2, 10, 99, 99, 99},
		{1, 4, 99, 99, 99},
		{3, 7, 60, 50, 98},
		{3, 10, 90, 90, 99},
		{4, 7, 0, 0, 90},
		{4, 10, 0, 0, 99},
	} {
		var word, letter, cut, other int
		for range rounds {
			a := words(c.n)
			b := slices.Clone(a)
			b[r.IntN(c.n)] = words(1)[0]
			word += shares(c.rows, a, b)
			b = slices.Clone(a)
			at := []byte(b[1])
			at[r.IntN(len(at))] = 'z'
			b[1] = string(at)
			letter += shares(c.rows, a, b)
			cut += shares(c.rows, a, a[:c.n-1])
			other += shares(c.rows, a, words(c.n))
		}
		pc := func(n int) float64 { return 100 * float64(n) / rounds }
		t.Logf("%d rows, %2d words: share a band with another word %.1f %%, another letter %.1f %%, without the last word %.1f %%; unlike posts %.2f %%", c.rows, c.n, pc(word), pc(letter), pc(cut), pc(other))
		if pc(word) < float64(c.word) || pc(letter) < float64(c.letter) || pc(cut) < float64(c.cut) || pc(other) > 1 {
			t.Errorf("%d rows, %d words: below the mark", c.rows, c.n)
		}
	}
}
