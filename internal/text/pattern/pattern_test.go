package pattern

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// place is a hit, for comparison.
type place struct {
	text       int
	start, end uint32
	id         uint32
}

func order(a, b place) int {
	return slices.Compare([]int{a.text, int(a.start), int(a.end), int(a.id)}, []int{b.text, int(b.start), int(b.end), int(b.id)})
}

// join makes the columns of texts.
func join(texts []string) (data []byte, offsets []int32) {
	data, offsets = []byte("before"), []int32{6}
	for _, t := range texts {
		data = append(data, t...)
		offsets = append(offsets, int32(len(data)))
	}
	return data, offsets
}

// compareSubstrings holds Find against the definition.
func compareSubstrings(t *testing.T, subs, texts []string) {
	t.Helper()
	data, offsets := join(texts)
	data = append(data, "behind"...)
	var got, want []place
	var c Scanner
	c.Find(NewSubstrings(subs), data, offsets, func(i int, start, end, id uint32) bool {
		got = append(got, place{i, start, end, id})
		return true
	})
	if !slices.IsSortedFunc(got, func(a, b place) int { return slices.Compare([]int{a.text, int(a.start)}, []int{b.text, int(b.start)}) }) {
		t.Fatalf("%q in %q: not ordered by text and start: %v", subs, texts, got)
	}
	for i, text := range texts {
		for id, s := range subs {
			for at := 0; at+len(s) <= len(text); at++ {
				if text[at:at+len(s)] == s {
					want = append(want, place{i, uint32(at), uint32(at + len(s)), uint32(id)})
				}
			}
		}
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		t.Fatalf("%q in %q:\n got %v\nwant %v", subs, texts, got, want)
	}
}

// draw returns n strings of few letters, so that they overlap and nest.
func draw(r *rand.Rand, n, least, most int) []string {
	out := make([]string, n)
	for i := range out {
		b := make([]byte, least+r.IntN(most-least+1))
		for j := range b {
			b[j] = "aaabc"[r.IntN(5)]
		}
		out[i] = string(b)
	}
	return out
}

func TestSubstrings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		compareSubstrings(t, draw(r, 1+r.IntN(30), MinSubstring, 9), append(draw(r, r.IntN(5), 0, 40), "", "ab"))
	}
	// Texts longer than the block that the filter goes through at once.
	compareSubstrings(t, []string{"abc", "bcab", "cabcabcab"}, []string{"x", strings.Repeat("abc", block), "y"})
	compareSubstrings(t, []string{"東京", "京都", "東"}, []string{"東京都は東京", "京"})
}

// TestSkip checks that a text is left where hit says so, and only that one.
func TestSkip(t *testing.T) {
	data, offsets := join([]string{"abcabcabc", "xabc", strings.Repeat("abc", block)})
	var got []int
	var c Scanner
	c.Find(NewSubstrings([]string{"abc", "abcabc"}), data, offsets, func(i int, _, _, _ uint32) bool {
		got = append(got, i)
		return i == 1
	})
	if want := []int{0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("hits in the texts %v, want %v", got, want)
	}
}

func FuzzSubstrings(f *testing.F) {
	f.Add("abc\nabcd\nbcd", "abcd\nxbcdabc")
	f.Add("aaa\naaaa\naaaaaaaa", "aaaaaaaaaaaa\naa")
	f.Add("京都\n東", "東京都\n")
	f.Fuzz(func(t *testing.T, list, texts string) {
		var subs []string
		for s := range strings.SplitSeq(list, "\n") {
			if len(s) >= MinSubstring {
				subs = append(subs, s)
			}
		}
		compareSubstrings(t, subs, strings.Split(texts, "\n"))
	})
}

func TestPrefixes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		set := draw(r, 1+r.IntN(40), 1, 8)
		p := NewPrefixes(set)
		for _, w := range append(draw(r, 20, 0, 12), set...) {
			var got, want []place
			last := len(w) + 1
			p.Find([]byte(w), func(id uint32, length int) bool {
				if length > last {
					t.Fatalf("%q in %q: %d bytes after %d", set, w, length, last)
				}
				last = length
				got = append(got, place{end: uint32(length), id: id})
				return true
			})
			for id, s := range set {
				if strings.HasPrefix(w, s) {
					want = append(want, place{end: uint32(len(s)), id: uint32(id)})
				}
			}
			slices.SortFunc(got, order)
			slices.SortFunc(want, order)
			if !slices.Equal(got, want) {
				t.Fatalf("%q in %q:\n got %v\nwant %v", set, w, got, want)
			}
		}
	}
}

// regexOf is the definition of a wildcard.
func regexOf(glob string) *regexp.Regexp {
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '*':
			b.WriteString("(?s:.*)")
		case c == '?':
			b.WriteString("(?s:.)")
		case c == '\\' && i+1 < len(glob) && strings.IndexByte(`*?#\`, glob[i+1]) >= 0:
			i++
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			_, n := utf8.DecodeRuneInString(glob[i:])
			b.WriteString(regexp.QuoteMeta(glob[i : i+n]))
			i += n - 1
		}
	}
	return regexp.MustCompile("^(?:" + b.String() + ")$")
}

func compareGlob(t *testing.T, glob, word string) {
	t.Helper()
	g, err := NewGlob(glob)
	if err != nil || len(word) > MaxWord {
		return
	}
	if got, want := g.Match([]byte(word)), regexOf(glob).MatchString(word); got != want {
		t.Fatalf("%q on %q: %t, want %t", glob, word, got, want)
	}
	if l := g.Literal(); g.Match([]byte(word)) && !strings.Contains(word, l) {
		t.Fatalf("%q matches %q, which has no %q", glob, word, l)
	}
	if first, last := g.Ends(); word != "" && g.Match([]byte(word)) && (first >= 0 && byte(first) != word[0] || last >= 0 && byte(last) != word[len(word)-1]) {
		t.Fatalf("%q matches %q, but Ends are %d, %d", glob, word, first, last)
	}
	if least, most := g.Size(); g.Match([]byte(word)) && (len(word) < least || len(word) > most) {
		t.Fatalf("%q matches %q, but its Size is %d to %d", glob, word, least, most)
	}
}

func TestGlob(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pick := func(of []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(of[r.IntN(len(of))])
		}
		return b.String()
	}
	for range 50_000 {
		compareGlob(t, pick([]string{"a", "b", "é", "?", "*", `\*`, `\\`}, 1+r.IntN(7)), pick([]string{"a", "b", "é", "*", `\`}, r.IntN(9)))
	}
	for _, s := range []string{"", "*", "?*?", strings.Repeat("a", MaxGlob+1)} {
		if _, err := NewGlob(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a?c*", "abcd")
	f.Add(`*é\*?`, "xé*é")
	f.Fuzz(func(t *testing.T, glob, word string) {
		if utf8.ValidString(glob) && utf8.ValidString(word) {
			compareGlob(t, glob, word)
		}
	})
}

// TestLiterals checks which strings are taken for needed.
func TestLiterals(t *testing.T) {
	for _, c := range []struct {
		expr string
		want string
	}{
		{`recruit(s|ing)?\b`, "recruit"},
		{`Zorváth`, "zorvath"},
		{`kill|kiss`, "kill kiss"},
		{`joi?n [a-z]+ (army|legion)`, " army  legion"},
		{`[a-z]+`, ""},
		{`a.b.c.d`, ""},
		{`(abc|d)x*`, ""},
		{`(abc)+`, "abc"},
		{`(?:abc){2,5}`, "abcabc"},
		{`x{3}`, "xxx"},
		{`(abc)*def`, "def"},
		{`^https?://t\.me/\w+`, "http://t.me/ https://t.me/"},
		{`[ab][cd][ef]`, "ace acf ade adf bce bcf bde bdf"},
		{`東京|大阪`, "大阪 東京"},
	} {
		r, err := NewRegex(c.expr, true)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got := strings.Join(r.Literals(), " "); got != c.want {
			t.Errorf("%s needs %q, want %q", c.expr, got, c.want)
		}
	}
	for expr, want := range map[string]string{
		`a(`: "missing closing", `(?:(?:a{30}){30}){30}`: "repeat count", `(abc){900}`: "instructions", `a*`: "no character", `\b`: "no character", `(a)\1`: "escape",
	} {
		if _, err := NewRegex(expr, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", expr, err, want)
		}
	}
}

// FuzzLiterals checks that each match has one of the strings that are taken for
// needed, and that folding the literals of an expression does not break it.
func FuzzLiterals(f *testing.F) {
	f.Add(`recruit(s|ing)?`, "they recruit recruits")
	f.Add(`(?i)k[aeiou]ll|(foo|b[ao]r)+z`, "kill FOObarz")
	f.Add(`^x{2,3}(?:y|z*)$`, "xxy")
	f.Fuzz(func(t *testing.T, expr, in string) {
		if len(expr) > 64 || len(in) > 256 || !utf8.ValidString(in) {
			return
		}
		for _, folded := range []bool{false, true} {
			r, err := NewRegex(expr, folded)
			if err != nil {
				if _, perr := syntax.Parse(expr, syntax.Perl); perr == nil && strings.Contains(err.Error(), "error parsing") {
					t.Fatalf("%q: %v", expr, err)
				}
				continue
			}
			has := slices.ContainsFunc(r.Literals(), func(l string) bool { return strings.Contains(in, l) })
			if at := r.Find([]byte(in), 1); len(at) > 0 && at[0][0] < at[0][1] && len(r.Literals()) > 0 && !has {
				t.Fatalf("%q (folded %t) matches %q in %q, which has none of %q", expr, folded, in[at[0][0]:at[0][1]], in, r.Literals())
			}
		}
	})
}

func TestURLs(t *testing.T) {
	set := []string{"example.com", "https://www.T.me/zorvath", "http://bücher.example/?id=7", "user@site.test:8080/a/", "[::1]/x", "xn--bcher-kva.example2"}
	var forms []string
	for _, s := range set {
		forms = append(forms, string(AppendURL(nil, []byte(s))))
	}
	if got, want := strings.Join(forms, " "), "example.com t.me/zorvath bucher.example/?id=7 site.test/a [::1]/x bucher.example2"; got != want {
		t.Errorf("forms %q, want %q", got, want)
	}
	u := NewURLs(forms)
	for url, want := range map[string]string{
		"http://example.com/":                     "0",
		"HTTPS://user:pw@a.B.Example.COM:443/x?y": "0",
		"example.com.":                            "0",
		"notexample.com":                          "",
		"example.community":                       "",
		"example.com.evil.test":                   "",
		"http://evil.test/example.com":            "",
		"http://t.me/zorvath":                     "1",
		"t.me/zorvath/12":                         "1",
		"t.me/zorvath?start=1":                    "1",
		"t.me/zorvathfans":                        "",
		"t.me/":                                   "",
		"http://xn--bcher-kva.example/?id=7&x=1":  "2",
		"http://xn--bcher-kva.example/?id=77":     "",
		"http://b\u00fccher.example2":             "5",
		"site.test/a":                             "3",
		"http://[::1]:80/x/y":                     "4",
		"mailto:":                                 "",
		"localhost/example.com":                   "",
		"www.com/x":                               "",
	} {
		var got []string
		u.Find(AppendURL(nil, []byte(url)), func(id uint32) bool {
			got = append(got, fmt.Sprint(id))
			return true
		})
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func FuzzURLs(f *testing.F) {
	f.Add("https://www.example.com/a?b#c", "example.com/a")
	f.Add("a.b.c.d", "c.d")
	f.Add("http://@:0/..//", "xn--")
	f.Fuzz(func(t *testing.T, url, term string) {
		form := AppendURL([]byte("kept"), []byte(term))
		if !bytes.HasPrefix(form, []byte("kept")) {
			t.Fatalf("%q overwrote what was there: %q", term, form)
		}
		if form = form[4:]; len(form) == 0 {
			return
		}
		u := NewURLs([]string{string(form)})
		found := 0
		u.Find(form, func(uint32) bool { found++; return true })
		if found == 0 {
			t.Fatalf("%q, as %q, is not found in itself", term, form)
		}
		u.Find(AppendURL(nil, []byte(url)), func(id uint32) bool { return id == 0 })
	})
}

// TestRegexFind holds what is found by the beginnings of matches against the
// expression's own search.
func TestRegexFind(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	byStarts, left := 0, 0
	for _, expr := range []string{
		`\bword(?:s|ed|ing)?\s+\w+`, `word\b`, `\Bord[ -z]`, `^word`, `(?m)^word$`, `word$`, `(?:wor|dwo)d?`, `word.*z`, `wor(?:d|)(?:wor|)`, `wordword|word`,
		`(wor)+d`, `(?:word){2,3}`, `wor[a-d]?x*`, `wor.?d`, `(?s)word.+?d`, `\bwor\b|ord w`, `(?:\b|w)ord`, `worж|wor[é-ë]`, `word+?`, `(?:worddr?)+`,
	} {
		re, err := NewRegex(expr, false)
		if err != nil {
			t.Fatal(expr, err)
		}
		if re.starts == nil {
			t.Logf("%s: its beginnings are not known", expr)
			continue
		}
		for range 3000 {
			var b []byte
			for range r.IntN(30) {
				b = append(b, []string{"word", "wor", "d", "w", " ", "s", "\n", "ж", "é", "words word ", "o", "rd w", "z"}[r.IntN(13)]...)
			}
			limit := 1 + r.IntN(4)
			want := re.re.FindAllIndex(b, limit)
			got, ok := re.starts.find(b, limit, re.starts.search(b))
			var places []uint32
			for i := range b {
				if slices.ContainsFunc(re.Beginnings(), func(s string) bool { return strings.HasPrefix(string(b[i:]), s) }) {
					places = append(places, uint32(i))
				}
			}
			if at := re.FindAt(b, places, limit); len(at) != len(want) || !slices.EqualFunc(at, want, slices.Equal[[]int]) {
				t.Fatalf("%s in %q at %v: %v, want %v", expr, b, places, at, want)
			}
			if ok && (len(got) != len(want) || !slices.EqualFunc(got, want, slices.Equal[[]int])) {
				t.Fatalf("%s in %q: %v, want %v", expr, b, got, want)
			}
			byStarts++
		}
		long := bytes.Repeat([]byte("word "), 10_000)
		if _, ok := re.starts.find(long, maxExact, re.starts.search(long)); !ok {
			left++
		}
	}
	if byStarts < 30_000 || left == 0 {
		t.Errorf("%d searches, %d left: the test shows nothing", byStarts, left)
	}
}
