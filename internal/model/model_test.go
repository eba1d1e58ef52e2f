package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/token"
)

// made returns a model of random weights, as a test of nothing but arithmetic.
func made(tb testing.TB, heads int, f Features) *Model {
	tb.Helper()
	r := rand.New(rand.NewPCG(uint64(heads), uint64(f.Bits)))
	card := Card{Name: "made", Version: 3, Features: f}
	var weights [][]int8
	var tables [][]float32
	for h := range heads {
		card.Heads = append(card.Heads, Head{
			Name: "head_" + string(rune('a'+h)), Bias: float32(r.NormFloat64()), Scale: 0.01, Low: -8, High: 8, Threshold: 0.5,
		})
		w := make([]int8, 1<<f.Bits)
		for i := range w {
			w[i] = int8(r.IntN(256) - 128)
		}
		table := make([]float32, TableSize)
		for i := range table {
			table[i] = float32(1 / (1 + math.Exp(-float64(i-128)/16)))
		}
		weights, tables = append(weights, w), append(tables, table)
	}
	m, err := New(card, weights, tables)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func features() Features {
	return Features{View: "folded", Words: 2, PieceMin: 3, PieceMax: 5, Bits: 12, Norm: "sqrt", Text: Probe()}
}

// logits returns a post's logits.
func logits(s *Scorer, p *Post) (z [MaxHeads]float32) {
	var q [MaxHeads]float32
	s.Score(p, &z, &q)
	return z
}

// postOf runs a text through the kernels.
func postOf(s string) *Post {
	folded := fold.Append(nil, []byte(s))
	folded = folded[:len(folded):len(folded)] // nothing may be read behind
	var t token.Tokens
	t.Append(folded, 0, len(folded))
	p := &Post{Buf: folded, Hash: t.Hash, Start: t.Start, End: t.End}
	for _, k := range t.Kind {
		p.Kind = append(p.Kind, uint8(k))
	}
	return p
}

var texts = []string{
	"", "a", "zorvath", "Zorvath rises with the Krelling dawn, ZORVATH!", "@someone look: https://x.example/y #RiseUp \U0001F525 $ZRV 12,345.67 me@mail.example",
	"ЗОРВАТ и зорва́т сегодня", "زُورفات في الأخبار", "今日は東京タワーへ", "हिन्दी में", "https://only.example/link", "\u0301\u202e",
	"exactlysixteench seventeencharsxx " + strings.Repeat("long", 40), strings.Repeat("zorvath krelling \U0001F525 ", 300), strings.Repeat("\U0001F525", 500),
	strings.Repeat("@a https://b.example ", 100), strings.Repeat("krelling dawn ", 700),
}

// TestSums holds the packed sums of all heads against a plain loop over the
// features that training sees.
func TestSums(t *testing.T) {
	for _, f := range []Features{
		features(),
		{View: "folded", Words: 1, Bits: 8, Norm: "sqrt", Text: Probe()},
		{View: "folded", Words: 3, PieceMin: 2, PieceMax: 6, Bits: 10, Norm: "sqrt", Text: Probe()},
	} {
		for _, heads := range []int{1, 2, 7, 8} {
			m := made(t, heads, f)
			s := NewScorer(m)
			for range 2 { // with the cache empty, and full
				for _, text := range texts {
					p := postOf(text)
					buckets, tokens := f.AppendBuckets(nil, p)
					var want [MaxHeads]int64
					for h := range heads {
						for _, b := range buckets {
							want[h] += int64(m.weight(h, b))
						}
					}
					var got [MaxHeads]int64
					n := s.Sums(p, &got)
					if got != want || n != tokens {
						t.Fatalf("%+v, %d heads, %q:\n%v of %d tokens, want\n%v of %d", f, heads, text, got, n, want, tokens)
					}
				}
			}
		}
	}
}

// columnsOf joins texts as a batch has them.
func columnsOf(texts []string) *Columns {
	c := &Columns{Text: []int32{0}, Tokens: []int32{0}}
	for _, text := range texts {
		p := postOf(text)
		c.Buf = append(c.Buf, p.Buf...)
		c.Hash, c.Start, c.End, c.Kind = append(c.Hash, p.Hash...), append(c.Start, p.Start...), append(c.End, p.End...), append(c.Kind, p.Kind...)
		c.Text, c.Tokens = append(c.Text, int32(len(c.Buf))), append(c.Tokens, int32(len(c.Hash)))
	}
	c.Buf = c.Buf[:len(c.Buf):len(c.Buf)] // nothing may be read behind
	return c
}

// blocks checks that many posts at once get what each gets alone: posts of many
// lengths, and of words that are new, known, long, and pushed out of the cache.
func blocks(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var in []string
	for range 40 {
		in = append(in, texts...)
		var b strings.Builder
		for range r.IntN(40) {
			b.WriteString(strings.Repeat(string([]rune("aeioбвгд東é\U0001F525")[r.IntN(11)]), 1+r.IntN(4)))
			b.WriteString([]string{" ", "", "", "zo", "рван", "#t"}[r.IntN(6)])
		}
		in = append(in, b.String())
	}
	for _, f := range []Features{
		features(),
		{View: "folded", Words: 1, Bits: 8, Norm: "sqrt", Text: Probe()},
		{View: "folded", Words: 2, PieceMin: 2, PieceMax: 4, Bits: 16, Norm: "sqrt", Text: Probe()},
		{View: "folded", Words: 3, PieceMin: 2, PieceMax: 6, Bits: 10, Norm: "sqrt", Text: Probe()},
	} {
		for _, heads := range []int{1, 8} {
			m := made(t, heads, f)
			many, one := NewScorer(m), NewScorer(m)
			for from, n := 0, 0; from < len(in); from += n {
				n = min(1+r.IntN(50), len(in)-from)
				c := columnsOf(in[from : from+n])
				out := make([][]float32, heads)
				for h := range out {
					out[h] = make([]float32, n)
				}
				least, reached := [MaxHeads]float32{0.5, 0.1, 0.9, 1, 0, 2, 0.3, 0.6}, make([]uint8, n)
				for h := heads; h < MaxHeads; h++ {
					least[h] = 2
				}
				many.Probabilities(c, out, &least, reached)
				for i := range n {
					p := c.Post(i)
					var z, want [MaxHeads]float32
					one.Score(&p, &z, &want)
					sums, buckets := [MaxHeads]int64{}, []uint32(nil)
					buckets, _ = f.AppendBuckets(nil, &p)
					for h := range heads {
						for _, b := range buckets {
							sums[h] += int64(m.weight(h, b))
						}
						plain := m.Probability(h, m.logit(h, float32(sums[h])*inverseRoot(len(p.Hash))))
						if (reached[i]>>h&1 == 1) != (plain >= least[h]) {
							t.Fatalf("%+v, head %d of %d, %q: %v reached %v: %08b", f, h, heads, in[from+i], plain, least[h], reached[i])
						}
						if out[h][i] != want[h] || out[h][i] != plain {
							t.Fatalf("%+v, head %d of %d, %q: %v, alone %v, by the plain loop %v", f, h, heads, in[from+i], out[h][i], want[h], plain)
						}
					}
				}
			}
		}
	}
}

func TestBlocks(t *testing.T) { blocks(t) }

// TestSameCache checks that no order of posts changes a score: the cache is a
// memory, not a state. Words whose hashes were made equal are told apart.
func TestSameCache(t *testing.T) {
	m := made(t, 8, features())
	one, two := postOf("zorvath"), postOf("krelling")
	two.Hash[0] = one.Hash[0]
	fresh := func(p *Post) [MaxHeads]float32 { return logits(NewScorer(m), p) }
	s := NewScorer(m)
	for _, p := range []*Post{one, two, one, two, two, one} {
		if got, want := logits(s, p), fresh(p); got != want {
			t.Fatalf("%q: %v, with a fresh scorer %v", p.Buf, got, want)
		}
	}
}

// TestFeatures pins what is a feature, and that mentions and links are not
// known by what they name.
func TestFeatures(t *testing.T) {
	f := features()
	for _, c := range []struct {
		text             string
		tokens, features int
	}{
		{"", 0, 0},
		{"ab", 1, 1 + (2 + 1) + 2},                 // word; ^ab, ab$, ^ab$; edge runs
		{"zorvath", 1, 1 + 7 + 6 + 5 + 2},          // 9 characters with the marks
		{"ab ab", 2, 2*(1+3) + 3},                  // runs: edge-ab, ab-ab, ab-edge
		{"@someone https://x.example/y", 2, 2 + 3}, // stand-ins have no pieces
		{strings.Repeat("x", 1000), 1, 1 + 24 + 23 + 22 + 2},
	} {
		b, n := f.AppendBuckets(nil, postOf(c.text))
		if n != c.tokens || len(b) != c.features {
			t.Errorf("%.20q: %d tokens, %d features; want %d, %d", c.text, n, len(b), c.tokens, c.features)
		}
	}
	a, _ := f.AppendBuckets(nil, postOf("hello @someone see https://x.example/y"))
	b, _ := f.AppendBuckets(nil, postOf("HELLO @other see http://z.example"))
	if !slices.Equal(a, b) {
		t.Error("posts that differ in whom they name have other features")
	}
}

// TestExplain checks that all reasons together with the bias are the logit, and
// that the first ones are the greatest.
func TestExplain(t *testing.T) {
	f := features()
	m := made(t, 3, f)
	s := NewScorer(m)
	for _, text := range texts {
		p := postOf(text)
		z := logits(s, p)
		for h := range 3 {
			up := m.Explain(nil, h, p, 1<<20)
			sum := float64(m.card.Heads[h].Bias)
			for _, r := range up {
				sum += float64(r.Weight)
			}
			sum -= down(m, h, p)
			if math.Abs(sum-float64(z[h])) > 1e-3*(1+math.Abs(sum)) {
				t.Errorf("%.40q head %d: reasons and bias give %v, the logit is %v", text, h, sum, z[h])
			}
			if !slices.IsSortedFunc(up, func(a, b Reason) int {
				if a.Weight > b.Weight {
					return -1
				} else if a.Weight < b.Weight {
					return 1
				}
				return 0
			}) {
				t.Errorf("%.40q: reasons are not in order: %v", text, up)
			}
			if top := m.Explain(nil, h, p, 3); !slices.Equal(top, up[:min(3, len(up))]) {
				t.Errorf("%.40q: the first 3 reasons are %v, of all %v", text, top, up[:min(3, len(up))])
			}
			for _, r := range up {
				if r.First < 0 || r.Last >= len(p.Hash) || r.First > r.Last || r.Weight <= 0 {
					t.Fatalf("%.40q: reason %+v of %d tokens", text, r, len(p.Hash))
				}
			}
		}
	}
}

// down returns the size of what Explain leaves out: runs that lower the logit.
func down(m *Model, h int, p *Post) float64 {
	f := &m.card.Features
	type place struct{ first, last int }
	sums := map[place]int64{}
	at := 0
	f.walk(p, func(first, last int, k kind, b uint32) {
		if k == isWord {
			at = first
		}
		if k != isRun || first < 0 || last >= len(p.Hash) {
			first, last = at, at
		}
		sums[place{first, last}] += int64(m.weight(h, b))
	})
	less := int64(0)
	for _, s := range sums {
		less -= min(s, 0)
	}
	return float64(less) * float64(m.card.Heads[h].Scale) * float64(inverseRoot(len(p.Hash)))
}

// TestProbability checks that probabilities rise with the logit, and the ends.
func TestProbability(t *testing.T) {
	m := made(t, 1, features())
	last := float32(-1)
	for z := float32(-20); z < 20; z += 0.01 {
		p := m.Probability(0, z)
		if p < last || p < 0 || p > 1 {
			t.Fatalf("at %v: %v after %v", z, p, last)
		}
		last = p
	}
	for _, z := range []float32{float32(math.NaN()), float32(math.Inf(-1)), -8} {
		if p := m.Probability(0, z); p != m.fast.table[0][0].p {
			t.Errorf("%v: %v, want the first entry %v", z, p, m.fast.table[0][0].p)
		}
	}
	if p := m.Probability(0, float32(math.Inf(1))); p != m.fast.table[0][TableSize-1].p {
		t.Errorf("beyond the end: %v", p)
	}
}

// TestRoundTrip checks that a model comes back from its file as it was, and
// that the same model gives the same bytes.
func TestRoundTrip(t *testing.T) {
	for _, heads := range []int{1, 3, 8} {
		m := made(t, heads, features())
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.table, m.table) || got.Sum() != m.Sum() || got.card.Heads[0].Bias != m.card.Heads[0].Bias {
			t.Errorf("%d heads: the model has changed", heads)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(b, again) {
			t.Errorf("%d heads: other bytes (%v)", heads, err)
		}
	}
}

// seal puts the right checksum behind a changed file.
func seal(b []byte) []byte {
	body := b[:len(b)-sha256.Size]
	sum := sha256.Sum256(body)
	return append(slices.Clone(body), sum[:]...)
}

// TestRefused checks that what is not a whole model of this build's is refused,
// and what the error says.
func TestRefused(t *testing.T) {
	good, err := made(t, 2, features()).Encode()
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the card has no %s", old)
		}
		b := bytes.Replace(good, []byte(old), []byte(new), 1)
		binary.LittleEndian.PutUint32(b[12:], binary.LittleEndian.Uint32(good[12:])+uint32(len(new)-len(old)))
		return seal(b)
	}
	flip := func(i int) []byte {
		b := slices.Clone(good)
		b[i] ^= 1
		return b
	}
	other := slices.Clone(good)
	other[8] = 2
	infinite := slices.Clone(good)
	binary.LittleEndian.PutUint32(infinite[16+int(binary.LittleEndian.Uint32(good[12:])):], math.Float32bits(float32(math.NaN())))
	for _, c := range []struct {
		name string
		data []byte
		want error
		says string
	}{
		{"empty", nil, ErrNotModel, "not a model file"},
		{"text", []byte(strings.Repeat("term,weight\n", 20)), ErrNotModel, "mark"},
		{"a later format", seal(other), ErrVersion, "2; this build reads 1"},
		{"a weight changed", flip(len(good) - 40), ErrChecksum, "fetch or train it again"},
		{"the checksum changed", flip(len(good) - 1), ErrChecksum, "checksum"},
		{"the card changed", flip(40), ErrChecksum, "checksum"},
		{"cut", good[:len(good)-1], ErrChecksum, "cut"},
		{"longer", append(slices.Clone(good), 0), ErrChecksum, "checksum"},
		{"too few weights", seal(append(slices.Clone(good[:len(good)-40]), make([]byte, 32)...)), ErrCard, "bytes of weights"},
		{"an unknown feature", replace(`"words":2`, `"words":2,"stems":1`), ErrCard, "stems"},
		{"an unknown view", replace(`"view":"folded"`, `"view":"squeezed"`), ErrFeatures, "squeezed"},
		{"an unknown norm", replace(`"norm":"sqrt"`, `"norm":"log"`), ErrFeatures, "norm"},
		{"other text kernels", replace(`"text":"`+Probe(), `"text":"0123`), ErrFeatures, "train it again"},
		{"too many buckets", replace(`"bits":12`, `"bits":60`), ErrFeatures, "bits"},
		{"buckets that are not there", replace(`"bits":12`, `"bits":13`), ErrCard, "bytes of weights"},
		{"a bad head", replace(`"name":"head_a"`, `"name":"Head A"`), ErrCard, "Head A"},
		{"two heads of a name", replace(`"name":"head_b"`, `"name":"head_a"`), ErrCard, "different names"},
		{"a threshold above 1", replace(`"threshold":0.5`, `"threshold":1.5`), ErrCard, "1.5"},
		{"a table of no numbers", seal(infinite), ErrCard, "NaN"},
		{"no version", replace(`"version":3`, `"version":0`), ErrCard, "version 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(c.data)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

// FuzzRead reads hostile files with a right checksum, and uses what is taken.
func FuzzRead(f *testing.F) {
	small := features()
	small.Bits = MinBits
	for heads := 1; heads <= MaxHeads; heads += 7 {
		b, err := made(f, heads, small).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= sha256.Size {
			data = seal(data)
		}
		m, err := Read(data)
		if err != nil {
			return
		}
		p := postOf("Zorvath rises \U0001F525 #RiseUp @someone")
		for h, z := range logits(NewScorer(m), p) {
			if h < len(m.card.Heads) {
				if q := m.Probability(h, z); !(q >= 0 && q <= 1) {
					t.Errorf("probability %v of logit %v", q, z)
				}
				m.Explain(nil, h, p, 5)
			}
		}
		if _, err := m.Encode(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzSums compares the packed sums with the plain loop.
func FuzzSums(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	feats := features()
	m := made(f, 8, feats)
	s := NewScorer(m)
	f.Fuzz(func(t *testing.T, text string) {
		p := postOf(strings.ToValidUTF8(text, "?"))
		buckets, _ := feats.AppendBuckets(nil, p)
		var want [MaxHeads]int64
		for h := range want {
			for _, b := range buckets {
				want[h] += int64(m.weight(h, b))
			}
		}
		var got [MaxHeads]int64
		if s.Sums(p, &got); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	})
}

// TestNoAllocation checks that scoring allocates nothing.
func TestNoAllocation(t *testing.T) {
	m := made(t, 8, features())
	s := NewScorer(m)
	p := postOf("Zorvath rises with the Krelling dawn and " + strings.Repeat("x", 50))
	if n := testing.AllocsPerRun(100, func() { logits(s, p) }); n != 0 {
		t.Errorf("%v allocations a post", n)
	}
}
