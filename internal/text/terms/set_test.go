package terms

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/token"
)

// build makes a set of terms with their positions as ids.
func build(t testing.TB, terms []string) *Set {
	t.Helper()
	b := NewBuilder()
	var toks token.Tokens
	for i, s := range terms {
		in := fold.Append(nil, []byte(s))
		toks.Reset()
		toks.Append(in, 0, len(in))
		if _, err := b.Add(uint32(i), 0, &toks, in); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	}
	return b.Build()
}

// tokenize makes a batch of folded texts.
func tokenize(texts []string) *Text {
	t := &Text{Rows: []int32{0}, Offsets: []int32{0}}
	for _, s := range texts {
		t.Bytes = fold.Append(t.Bytes, []byte(s))
		t.Offsets = append(t.Offsets, int32(len(t.Bytes)))
	}
	var toks token.Tokens
	for i := range texts {
		toks.Append(t.Bytes, int(t.Offsets[i]), int(t.Offsets[i+1]))
		t.Rows = append(t.Rows, int32(toks.Len()))
	}
	t.Hash, t.Start, t.End = toks.Hash, toks.Start, toks.End
	for _, k := range toks.Kind {
		t.Kind = append(t.Kind, uint8(k))
	}
	return t
}

// naive is the definition: each term against each place, by bytes.
func naive(terms []string, t *Text) (out []Hit) {
	seen := map[string]bool{}
	for id, s := range terms {
		in := fold.Append(nil, []byte(s))
		var term token.Tokens
		term.Append(in, 0, len(in))
		if key := fmt.Sprint(term.Kind, split(&term, in)); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		for row := range len(t.Rows) - 1 {
			for j := int(t.Rows[row]); j+term.Len() <= int(t.Rows[row+1]); j++ {
				if matches(&term, in, t, row, j) {
					out = append(out, Hit{Row: int32(row), Start: t.Start[j], End: t.End[j+term.Len()-1], Term: uint32(id)})
				}
			}
		}
	}
	return out
}

func split(toks *token.Tokens, in []byte) (out []string) {
	for i := range toks.Len() {
		over := i > 0 && toks.Start[i] < toks.End[i-1]
		out = append(out, fmt.Sprint(string(in[toks.Start[i]:toks.End[i]]), over))
	}
	return out
}

func matches(term *token.Tokens, in []byte, t *Text, row, j int) bool {
	base := t.Offsets[row]
	for i := range term.Len() {
		want, got := term.Kind[i], text.Kind(t.Kind[j+i])
		if !alike(want, got) {
			return false
		}
		if string(in[term.Start[i]:term.End[i]]) != string(t.Bytes[base+int32(t.Start[j+i]):base+int32(t.End[j+i])]) {
			return false
		}
		if i > 0 && (term.Start[i] < term.End[i-1]) != (t.Start[j+i] < t.End[j+i-1]) {
			return false
		}
	}
	return true
}

// alike reports whether a term's token takes a text's token.
func alike(want, got text.Kind) bool {
	if want == text.Hashtag || want == text.Cashtag || got == text.Mention || got == text.URL || got == text.Emoji || got == text.Email {
		return want == got
	}
	return want == text.Word || want == text.Number || want == text.Bigram
}

func sorted(h []Hit) []Hit {
	out := slices.Clone(h)
	slices.SortFunc(out, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Term, b.Term))
	})
	return out
}

func compare(t *testing.T, terms, texts []string) {
	t.Helper()
	set, in := build(t, terms), tokenize(texts)
	var f Finder
	got, want := sorted(f.Find(set, in)), sorted(naive(terms, in))
	checkSpans(t, texts, in, got)
	if !slices.Equal(got, want) {
		t.Fatalf("terms %q\ntexts %q\n got %v\nwant %v", terms, texts, got, want)
	}
}

// checkSpans checks that the original bytes of each hit fold to the bytes that
// were found; where the hit begins or ends within the expansion of a character,
// that they have them within.
func checkSpans(t *testing.T, texts []string, in *Text, hits []Hit) {
	t.Helper()
	var o fold.Offsets
	for _, h := range hits {
		src := []byte(texts[h.Row])
		o.Build(src)
		start, end := o.Span(h.Start, h.End)
		part := fold.Append(nil, src[start:end])
		base := uint32(in.Offsets[h.Row])
		found, all := in.Bytes[base+h.Start:base+h.End], o.Folded()
		shared := false
		if h.Start > 0 {
			_, e := o.Span(h.Start-1, h.Start)
			shared = e > start
		}
		if int(h.End) < len(all) {
			s, _ := o.Span(h.End, h.End+1)
			shared = shared || s < end
		}
		if !bytes.Contains(part, found) || !shared && !bytes.Equal(part, found) {
			t.Fatalf("%+q: the hit %+q is at %d..%d, %+q, which folds to %+q", src, found, start, end, src[start:end], part)
		}
	}
}

// TestFindEqualsNaive draws terms and texts from a few pieces, so that they
// overlap, repeat and share beginnings.
func TestFindEqualsNaive(t *testing.T) {
	pieces := []string{
		"a", "b", "c", "1", "#a", "#b", "@a", "@b", "🙂", "東", "東京", "東京都", "京都", "http://a.com", "ab", "é",
		"$a", "$b", "x@a.com", "👩\u200d💻", "👩",
	}
	r := rand.New(rand.NewPCG(5, 6))
	draw := func(n int) string {
		var s []string
		for range 1 + r.IntN(n) {
			s = append(s, pieces[r.IntN(len(pieces))])
		}
		return strings.Join(s, " ")
	}
	for range 500 {
		var terms, texts []string
		for range 1 + r.IntN(20) {
			terms = append(terms, draw(3))
		}
		for range r.IntN(6) {
			texts = append(texts, draw(12))
		}
		compare(t, terms, append(texts, "", "..."))
	}
}

// TestCollision gives tokens the hash of a term: only the bytes decide.
func TestCollision(t *testing.T) {
	set, in := build(t, []string{"word", "word next"}), tokenize([]string{"else next", "word next"})
	in.Hash[0] = token.Hash([]byte("word"))
	var f Finder
	want := []Hit{{1, 0, 4, 0}, {1, 0, 9, 1}}
	if got := sorted(f.Find(set, in)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestDuplicates checks what Add and AddWhole say of equal terms.
func TestDuplicates(t *testing.T) {
	b := NewBuilder()
	in := []byte("x")
	var toks token.Tokens
	toks.Append(in, 0, 1)
	for id, want := range []int{-1, 0, 0} {
		if got, err := b.Add(uint32(id), 0, &toks, in); got != want || err != nil {
			t.Errorf("Add %d: %d, %v, want %d", id, got, err, want)
		}
	}
	if got, err := b.Add(3, 3, &toks, in); got != -1 || err != nil {
		t.Errorf("the same in another list: %d, %v", got, err)
	}
	if got, err := b.AddWhole(4, 0, in); got != -1 || err != nil {
		t.Errorf("a whole value: %d, %v", got, err)
	}
	if _, err := b.Add(5, 5, &token.Tokens{}, nil); err == nil {
		t.Error("a term without tokens was taken")
	}
	long := []byte(strings.Repeat("x ", MaxTokens+1))
	toks.Reset()
	toks.Append(long, 0, len(long))
	if _, err := b.Add(5, 5, &toks, long); err == nil || !strings.Contains(err.Error(), "a phrase of 65 words") {
		t.Errorf("a phrase that is too long: %v", err)
	}
	s := b.Build()
	if s.Len() != 3 {
		t.Errorf("%d terms, want 3", s.Len())
	}
	var got []uint32
	s.FindWhole(in, func(id uint32) { got = append(got, id) })
	if !slices.Equal(got, []uint32{4}) {
		t.Errorf("FindWhole: %v", got)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("a b\na\n#a", "a b a\n#a b")
	f.Add("cafe\nfi\n1", "Cafe\u0301 \u200bﬁ½ C\u00adAFÉ\u0300")
	f.Add("東京都\n東京\nhttp://x.com", "大東京都 http://x.com 東京 都")
	f.Fuzz(func(t *testing.T, list, posts string) {
		var terms []string
		for s := range strings.SplitSeq(strings.ToValidUTF8(list, "?"), "\n") {
			var toks token.Tokens
			in := fold.Append(nil, []byte(s))
			if toks.Append(in, 0, len(in)); toks.Len() > 0 && toks.Len() <= MaxTokens && len(in) <= MaxLength {
				terms = append(terms, s)
			}
		}
		compare(t, terms, strings.Split(strings.ToValidUTF8(posts, "?"), "\n"))
	})
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			terms := make([]string, n)
			for i := range terms {
				terms[i] = fmt.Sprintf("t%x", r.Uint64())
			}
			texts := make([]string, 512)
			for i := range texts {
				for range 14 {
					texts[i] += fmt.Sprintf("w%x ", r.Uint32()>>r.IntN(32))
				}
			}
			set, in := build(b, terms), tokenize(texts)
			var f Finder
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Find(set, in)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(texts)), "ns/post")
		})
	}
}

// TestSigns checks what terms with and without a sign take.
func TestSigns(t *testing.T) {
	text := "abc #abc $abc @abc abc@example.com"
	for term, want := range map[string]int{
		"abc": 3, "#abc": 1, "$abc": 1, "@abc": 1, "abc@example.com": 1, "example.com": 0,
		"abc abc": 2, "#abc $abc": 1, "abc $abc": 1, "$abc #abc": 0,
	} {
		var f Finder
		if got := f.Find(build(t, []string{term}), tokenize([]string{text})); len(got) != want {
			t.Errorf("%q is found %d times in %q, want %d: %v", term, len(got), text, want, got)
		}
	}
}
