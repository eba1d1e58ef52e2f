package disguise

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// slowMatch is a plain reference of what a hit claims: that the characters of s
// can be read as the term, in order or backwards. It tries all ways, one
// character after the other, and knows nothing of keys and runs.
func slowMatch(s []rune, term []rune, last rune, seen map[[2]int]bool, whole int) bool {
	at := [2]int{len(s), len(term)*2 + whole}
	if seen[at] {
		return false
	}
	seen[at] = true
	if len(s) == 0 {
		return len(term) == 0
	}
	for _, x := range readings(s[0]) {
		if len(term) > 0 && x == term[0] && slowMatch(s[1:], term[1:], x, seen, 1) {
			return true
		}
		if x == last && slowMatch(s[1:], term, last, seen, 1) { // a repeat
			return true
		}
	}
	// A mask for any letter, or something put between letters.
	if c := formOf(s[0], glyphOf(s[0])); c >= symbol {
		if c == mask && len(term) > 0 && slowMatch(s[1:], term[1:], term[0], seen, 1) {
			return true
		}
		return slowMatch(s[1:], term, last, seen, whole)
	}
	return false
}

// readings returns the letters that r may stand for, itself first.
func readings(r rune) []rune {
	out := []rune(string(fold.Append(nil, []byte(string(r)))))
	for _, c := range append([]rune{r}, out...) {
		g := glyphs[glyphOf(c)]
		for _, s := range letters[g.first : g.first+uint16(g.n)] {
			out = append(out, s.letter)
		}
	}
	if t := turn(r | 0x20); t != 0 {
		out = append(out, t)
	}
	return out
}

// plainRunes returns the characters of text that are not removed by folding,
// entities decoded.
func plainRunes(text []byte) (out []rune) {
	for len(text) > 0 {
		if text[0] == '&' {
			if r, n := entity(text); n > 0 {
				out, text = append(out, r), text[n:]
				continue
			}
		}
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if fateOf(r) == 0 {
			out = append(out, r)
		}
	}
	return out
}

func checkHits(t *testing.T, f *Finder, s *Set, terms []string, text []byte) {
	t.Helper()
	end := uint32(0)
	for _, h := range f.Find(s, text) {
		if h.Start >= h.End || int(h.End) > len(text) || !utf8.RuneStart(text[h.Start]) || int(h.End) < len(text) && !utf8.RuneStart(text[h.End]) {
			t.Fatalf("%q: span %d:%d", text, h.Start, h.End)
		}
		if h.Start < end && end == 0 {
			t.Fatalf("%q: hits are out of order", text)
		}
		if h.Kinds&^kind.Trivial == 0 {
			t.Fatalf("%q: a hit that the folded view shows: %+v", text, h)
		}
		term := []rune(strings.ReplaceAll(terms[h.Term], " ", ""))
		got := plainRunes(text[h.Start:h.End])
		back := slices.Clone(got)
		slices.Reverse(back)
		if !slowMatch(got, term, -1, map[[2]int]bool{}, 0) && !slowMatch(back, term, -1, map[[2]int]bool{}, 0) {
			t.Fatalf("%q: the bytes %q do not stand for %q (%s)", text, text[h.Start:h.End], terms[h.Term], h.Kinds)
		}
	}
}

// FuzzSpan checks that for any hit the original's bytes at the span can be read
// as the term, by a reference that is independent of the search.
func FuzzSpan(f *testing.F) {
	for _, s := range []string{
		"z0rv4th", "z o r v a t h", "🇿🇴🇷🇻🇦🇹🇭", "\u202ehtavroz", "z&#111;rvath", "kr3lling d4wn", "ɥʇɐʌɹoz", "g\u200boooo\u0301d", "zоrvаth",
		"z*rv*th a s s", "زورررفات", "з0рват", "cla$$", "_zorvath_ f.r.e.e.", "⒵⒪⒭⒱⒜⒯⒣", "ﬁ ﷺ \u0301", "a\u202ellik\u202c", "kkiillll",
	} {
		f.Add(s)
	}
	set := setOf(tableTerms...)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > 2000 {
			t.Skip()
		}
		var fd Finder
		checkHits(t, &fd, set, tableTerms, []byte(text))
		var v Viewer
		v.Read([]byte(text))
		for _, view := range [][]byte{v.AppendSkeleton(nil), v.AppendSqueezed(nil)} {
			if !utf8.Valid(view) {
				t.Fatalf("%q: a view is not UTF-8: %q", text, view)
			}
		}
	})
}

// TestSpans is FuzzSpan on texts that are made of the terms' own pieces, so that
// many of them have hits.
func TestSpans(t *testing.T) {
	set := setOf(tableTerms...)
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{" ", " ", " ", "0", "1", "4", "3", "$", "!", "*", ".", "-", "_", "\u200b", "\u0301", "о", "а", "е", "&#111;", "\u202e", "ᴏ", "ɐ", "🇴", "oo", "aaa", "@", "\n"}
	var f Finder
	hits := 0
	for range 30_000 {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			for _, c := range tableTerms[r.IntN(len(tableTerms))] {
				switch r.IntN(6) {
				case 0:
					b.WriteString(pieces[r.IntN(len(pieces))])
				case 1:
					b.WriteRune(c)
					b.WriteString(pieces[r.IntN(len(pieces))])
				default:
					b.WriteRune(c)
				}
			}
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		text := []byte(b.String())
		checkHits(t, &f, set, tableTerms, text)
		hits += len(f.hits)
	}
	if hits < 1000 {
		t.Errorf("only %d hits: the texts show nothing", hits)
	}
}

// TestBorders checks that no hit is made across the borders of words: texts of
// whole words of two letters and more, with ordinary separators, of which
// neighbours join to terms.
func TestBorders(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	words := []string{"at", "tack", "att", "ack", "kil", "ill", "lo", "ok", "fr", "ee", "cl", "ass", "go", "od", "oood", "zor", "vath", "zorv", "ath", "зор", "ват", "за", "рват", "زور", "فات", "be", "it", "to"}
	seps := []string{" ", " ", " ", "  ", ", ", ". ", "-", ".", "/", "\n", " - ", "! ", "? ", ": ", "…", " — "}
	set := setOf("attack", "killill", "look", "free", "class", "good", "zorvath", "зорват", "زورفات", "beat", "toit")
	var f Finder
	for range 50_000 {
		var b strings.Builder
		for range 2 + r.IntN(8) {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteString(seps[r.IntN(len(seps))])
		}
		text := b.String()
		for _, h := range f.Find(set, []byte(text)) {
			if strings.ContainsFunc(text[h.Start:h.End], func(r rune) bool { return !unicode.IsLetter(r) }) {
				t.Fatalf("%q: hit across a border: %q", text, text[h.Start:h.End])
			}
		}
	}
	// Words of one letter do not join words.
	for _, text := range []string{"I a m free at o n ce", "o ur a t tack", "f re e", "at ta ck", "a b attack", "с о рват", "go o d", "fr e e"} {
		if hits := f.Find(set, []byte(text)); len(hits) > 0 {
			t.Errorf("%q: %+v", text, hits)
		}
	}
}

// TestHostile checks that hostile texts cost a bounded number of steps a byte,
// whatever their length, and that a set of words with one key does not change
// that.
func TestHostile(t *testing.T) {
	terms := append(manyTerms(10_000), tableTerms...)
	for i := range 10_000 { // of one key: i and l are taken for one another
		w := []byte("zxvilililililililili")
		for j := range 14 {
			if i>>j&1 == 1 {
				w[3+j] ^= 'i' ^ 'l'
			}
		}
		terms = append(terms, string(w))
	}
	set := setOf(terms...)
	var f Finder
	steps := func(text string) float64 {
		f.Find(set, []byte(text))
		return float64(f.steps) / float64(len(text))
	}
	small, large := hostile(1<<14), hostile(1<<20)
	for name := range small {
		a, b := steps(small[name]), steps(large[name])
		t.Logf("%-14s %5.2f steps a byte, in 1 MB %5.2f", name, a, b)
		if b > 1.1*a+0.1 {
			t.Errorf("%s: %.2f steps a byte in a long text, %.2f in a short one", name, b, a)
		}
		if b > 20 {
			t.Errorf("%s: %.2f steps a byte, want at most 20", name, b)
		}
	}
	if got := steps(strings.Repeat("zxv111111111111111l ", 1000)); got > 2*maxCandidates {
		t.Errorf("words of one key: %.2f steps a byte, want at most %d", got, 2*maxCandidates)
	}
}

func TestView(t *testing.T) {
	var v Viewer
	for _, c := range []struct{ text, skeleton, squeezed string }{
		{"Plain TEXT, nothing to see", "plain text, nothing to see", "plain text, nothing to see"},
		{"the z0rv4th at 10am for $5", "the z0rv4th at 10am for $5", "the zorvath at 10am for $5"},
		{"z\u043erv\u0430th goood", "zorvath goood", "zorvath god"},
		{"it is z o r v a t h, yes", "it is z o r v a t h, yes", "it is zorvath, yes"},
		{"z*o*r*v", "z*o*r*v", "zorv"},
		{"ᴢᴏʀᴠᴀᴛʜ 🇿🇴🇷🇻🇦🇹🇭 🆉🅾🆁", "zorvath zorvath zor", "zorvath zorvath zor"},
		{"see \u202ehtavroz\u202c now", "see zorvath now", "see zorvath now"},
		{"ɥʇɐʌɹoz", "zorvath", "zorvath"},
		{"z&#111;rvath &amp; co", "zorvath &amp; co", "zorvath &amp; co"},
		{"з0рват и нога", "з0рват и нога", "зорват и нога"},
		{"http://t.co/a0b1c2 me@example0.com @us3r", "http://t.co/a0b1c2 me@example0.com @us3r", "http://t.co/a0b1c2 me@example0.com @us3r"},
		{"l'été déjà à Noël", "l'ete deja a noel", "l'ete deja a noel"},
		{"Привет, как дела? Ёлка", "привет, как дела? елка", "привет, как дела? елка"},
		{"مرحبا بالعالم", "مرحبا بالعالم", "مرحبا بالعالم"},
		{"हिन्दी में एक वाक्य", "हिन्दी में एक वाक्य", "हिन्दी में एक वाक्य"},
		{"covid19 4th 100k b2b", "covid19 4th 100k b2b", "covid19 4th 100k b2b"},
	} {
		v.Read([]byte(c.text))
		if got := string(v.AppendSkeleton(nil)); got != c.skeleton {
			t.Errorf("%q: skeleton %q, want %q", c.text, got, c.skeleton)
		}
		if got := string(v.AppendSqueezed(nil)); got != c.squeezed {
			t.Errorf("%q: squeezed %q, want %q", c.text, got, c.squeezed)
		}
	}
	v.Read([]byte("zоrvath кot plain слово"))
	if got := v.MixedWords(); got != 2 {
		t.Errorf("%d words of mixed script, want 2", got)
	}
}

func TestSigns(t *testing.T) {
	var e Entropy
	for _, c := range []struct {
		text      string
		invisible int
		distance  float32
		entropy   float32
	}{
		{"", 0, 0, 0},
		{"aaaa", 0, 0, 0},
		{"abab", 0, 0, 1},
		{"abcd", 0, 0, 2},
		{"ABcd", 0, 0, 2},
		{"a\u200bb\u00adc", 2, 0.4, -1},
		{"é", 0, 1, -1},
		{"❤\ufe0f👩\u200d👩", 0, 0, -1},
		{"жЖ", 0, 0, -1},
		{"a\x00b\u202e", 2, 0.5, -1},
	} {
		invisible, distance := Hidden([]byte(c.text))
		if invisible != c.invisible || distance != c.distance {
			t.Errorf("%q: %d invisible, distance %v; want %d, %v", c.text, invisible, distance, c.invisible, c.distance)
		}
		if got := e.Of([]byte(c.text)); c.entropy >= 0 && (got-c.entropy > 1e-6 || c.entropy-got > 1e-6) {
			t.Errorf("%q: entropy %v, want %v", c.text, got, c.entropy)
		}
	}
}
