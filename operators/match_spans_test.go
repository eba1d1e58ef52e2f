package operators_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/pattern"
	"github.com/sluicehq/sluice/internal/text/token"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/pipeline"
)

// folded returns the folded view of s.
func folded(s string) string { return string(fold.Append(nil, []byte(s))) }

// words returns the tokens of a text.
func words(s string) (out []string) {
	var t token.Tokens
	t.Append([]byte(s), 0, len(s))
	for i := range t.Len() {
		out = append(out, s[t.Start[i]:t.End[i]])
	}
	return out
}

// contains reports whether part is within all, one element after the other.
func contains(all, part []string) bool {
	for i := 0; i+len(part) <= len(all); i++ {
		if slices.Equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return len(part) == 0
}

// expands reports whether the first or the last character of s folds to several
// ones, of which a hit may have a part.
func expands(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	s = strings.TrimRightFunc(s, func(r rune) bool { return folded(string(r)) == "" })
	last, _ := utf8.DecodeLastRuneInString(s)
	return utf8.RuneCountInString(folded(string(first))) > 1 || utf8.RuneCountInString(folded(string(last))) > 1
}

// spanProblem says what is wrong with the span of a hit in text; "" where it is
// as it should be. The list's name is the kind of match and the view.
func spanProblem(text string, h hit) string {
	if h.start >= h.end || int(h.end) > len(text) || !utf8.RuneStart(text[h.start]) || int(h.end) < len(text) && !utf8.RuneStart(text[h.end]) {
		return "no whole characters"
	}
	kind, view, _ := strings.Cut(h.list, "_")
	span, term := text[h.start:h.end], h.term
	if view != h.view {
		return "the wrong view"
	}
	equal := func(a, b string) bool { return a == b }
	if view == "folded" {
		if kind != "regex" && kind != "url" {
			term = folded(term)
		}
		if expands(span) {
			equal = strings.Contains
		}
		span = folded(span)
	}
	ok := false
	switch kind {
	case "whole":
		ok = contains(words(span), words(strings.TrimPrefix(term, "#"))) || equal(span, strings.TrimPrefix(term, "#"))
	case "substring":
		ok = equal(span, term)
	case "prefix":
		term = strings.TrimPrefix(term, "#")
		ok = slices.ContainsFunc(words(span), func(w string) bool { return strings.HasPrefix(w, term) }) || strings.HasPrefix(span, term)
	case "wildcard":
		g, err := pattern.NewGlob(strings.TrimPrefix(strings.TrimPrefix(term, `\`), "#"))
		ok = err == nil && (g.Match([]byte(span)) || slices.ContainsFunc(words(span), func(w string) bool { return g.Match([]byte(w)) }))
	case "regex":
		r, err := pattern.NewRegex(term, view == "folded")
		ok = err == nil && len(r.Find([]byte(span), 1)) == 1
	case "url":
		form := string(pattern.AppendURL(nil, []byte(term)))
		ok = strings.Contains(string(pattern.AppendURL(nil, []byte(span))), form) || strings.Contains(folded(span), folded(form))
	}
	if !ok {
		return fmt.Sprintf("the text there is %+q", span)
	}
	return ""
}

// kindLists are lists of the kinds of match in both views, of the terms that a
// kind takes.
func kindLists(t testing.TB, mem memory.Allocator, terms []string) map[string]match.List {
	lists := map[string]match.List{}
	for _, view := range []string{"raw", "folded"} {
		for _, kind := range []string{"whole", "prefix", "wildcard", "substring", "regex", "url"} {
			l := match.List{Match: kind, View: view}
			for _, term := range terms {
				l.Terms = append(l.Terms, term)
				if _, err := matchChain(mem, nil, map[string]match.List{"one": {Terms: []string{term}, Match: kind, View: view}}); err != nil {
					l.Terms = l.Terms[:len(l.Terms)-1]
				}
			}
			if len(l.Terms) > 0 {
				lists[kind+"_"+view] = l
			}
		}
	}
	return lists
}

// checkSpans holds lists of all kinds against texts and checks each hit; that
// substrings and expressions are all found is checked too. It returns the
// number of hits.
func checkSpans(t testing.TB, terms, texts []string) (hits int) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	lists := kindLists(t, mem, terms)
	if len(lists) == 0 {
		return 0
	}
	c, err := matchChain(mem, nil, lists)
	if err != nil {
		t.Fatal(err)
	}
	var in []post
	for _, s := range texts {
		in = append(in, post{text: s})
	}
	rec := posts(mem, in)
	defer rec.Release()
	err = c.run(0, pipeline.Batch{Record: rec}, func(out pipeline.Batch) error {
		defer out.Record.Release()
		for i, text := range texts {
			count := map[[2]string]int{}
			for _, h := range hitsOf(out.Record, i) {
				if p := spanProblem(text, h); p != "" {
					t.Fatalf("%+q: %s %q at %d..%d: %s", text, h.list, h.term, h.start, h.end, p)
				}
				count[[2]string{h.list, h.term}]++
				hits++
			}
			for _, view := range []string{"raw", "folded"} {
				seen := map[string]bool{}
				for _, term := range lists["substring_"+view].Terms {
					in, sub := text, term
					if view == "folded" {
						in, sub = folded(in), folded(sub)
					}
					n := len(regexp.MustCompile(regexp.QuoteMeta(sub)).FindAllStringIndex(in, -1)) // without overlaps
					if got := count[[2]string{"substring_" + view, term}]; got < n && !seen[sub] {
						t.Fatalf("%+q: %s %q was found %d times, and is there %d times", text, view, term, got, n)
					}
					seen[sub] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

// TestSpans checks hits in texts whose bytes are not those of their views.
func TestSpans(t *testing.T) {
	hits := checkSpans(t,
		[]string{"zorvath", "krelling dawn", "zor*th", "z?rvath", "recruit", "file", "東京", "स्ते", "straße", "example.com/A", "[k-l]r?e+ll", "#dawn", "شكل", "it's", "1⁄2"},
		[]string{
			"ZORVATH z\u00f6rvath zor\u200bvath Zo\u0301rvath ｚｏｒｖａｔｈ 𝐳𝐨𝐫𝐯𝐚𝐭𝐡", "Krelling\u202e  DAWN, krelling... dawn #Dawn", "ﬁles proﬁle", "東京都 ﾄｳｷｮｳ東\u200b京",
			"नमस्ते नमस्\u200dते", "STRASSE stra\u00dfe stra\u1e9ee", "http://www.Example.com/A/b example.com/a HTTPS://EXAMPLE.COM/A", "شَكْل شـكل", "it\u2019s It's", "½ \u00bdrecruits recruit\u0301\u0301s",
		})
	if hits < 60 {
		t.Errorf("%d hits, want at least 60", hits)
	}
}

// TestSpansDrawn draws terms and texts from pieces that fold in all ways.
func TestSpansDrawn(t *testing.T) {
	pieces := []string{"a", "b", "A", "\u00e9", "e\u0301", "\ufb01", "fi", "\u00bd", "1\u20442", "\u200b", "\u00ad", " ", " ", "#", ".", "\u0640", "ش", "か\u3099", "が", "\u1100\u1161\u11a8", "각", "ß", "ss", "東京", "ﾊﾟ", "パ", "'", "\u2019"}
	r := rand.New(rand.NewPCG(7, 8))
	draw := func(n int) string {
		var b strings.Builder
		for range 1 + r.IntN(n) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	hits := 0
	for range 60 {
		terms := []string{draw(2), draw(3), draw(4), draw(2) + "?" + draw(2), draw(2) + "*" + draw(1)}
		texts := []string{draw(30), draw(30), draw(30), strings.Join(terms, " "), draw(4) + strings.Join(terms, draw(1))}
		hits += checkSpans(t, terms, texts)
	}
	t.Logf("%d hits", hits)
	if hits < 1000 {
		t.Errorf("%d hits, want at least 1000", hits)
	}
}

func FuzzSpans(f *testing.F) {
	f.Add("zorvath\nkrelling dawn", "Zo\u0301rvath ｋrelling, DAWN")
	f.Add("file\n1⁄2\nffi", "pro\ufb01les \u00bd o\ufb03ce")
	f.Add("z?rv*\n東京\n#a\nhttp://a.com/b", "z\u00f6rv\u200b東京 #A http://www.a.com/b/c")
	f.Add("か\u3099\n각\nk[a-c]+", "が \u1100\u1161\u11a8 KABC")
	f.Fuzz(func(t *testing.T, terms, texts string) {
		if len(terms) > 100 || len(texts) > 500 || strings.Count(terms, "\n") > 5 {
			return
		}
		checkSpans(t, strings.Split(strings.ToValidUTF8(terms, "?"), "\n"), strings.Split(strings.ToValidUTF8(texts, "?"), "\n"))
	})
}
