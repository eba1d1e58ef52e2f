package token

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

func TestTokens(t *testing.T) {
	datadriven.RunTest(t, "testdata/token.txt", func(t *testing.T, d *datadriven.TestData) string {
		var b strings.Builder
		switch d.Cmd {
		case "tokens":
			var toks Tokens
			in := []byte(d.Input)
			toks.Append(in, 0, len(in))
			checkLinks(t, in, &toks)
			for i := range toks.Len() {
				fmt.Fprintf(&b, "%-7s %s [%d:%d]\n", toks.Kind[i], in[toks.Start[i]:toks.End[i]], toks.Start[i], toks.End[i])
			}
		case "domains":
			var doms Domains
			for line := range strings.Lines(d.Input) {
				line = strings.TrimSuffix(line, "\n")
				fmt.Fprintf(&b, "%s -> %q\n", line, doms.Of([]byte(line)))
			}
		default:
			d.Fatalf(t, "unknown command %q", d.Cmd)
		}
		return b.String()
	})
}

// TestHash pins the hash function: hashes are stored.
func TestHash(t *testing.T) {
	long := strings.Repeat("0123456789", 5)
	want := []struct {
		n    int
		hash uint64
	}{{0, 0xe0cb0f324a5a71b7}, {1, 0x63610e31856bbaa8}, {7, 0x72f15a61cb28fde}, {8, 0xa326b9dc869769d8}, {9, 0x3ae504ee4f3aec4a}, {15, 0x7abd20823016e150}, {16, 0xa9cd31626496116}, {17, 0x774c4249d5b7c7c9}, {32, 0x3aa8824aa4883efd}, {33, 0xdfb8b298f62f3f82}, {50, 0xec40753feb60b6a}}
	for _, w := range want {
		if got := Hash([]byte(long[:w.n])); got != w.hash {
			t.Errorf("Hash of %d bytes = %#x, want %#x", w.n, got, w.hash)
		}
	}
}

// plain is the definition of the scan: character by character.
func plain(buf []byte) *Tokens {
	t := &Tokens{}
	s := newScanner(t, buf, len(buf))
	s.to = len(buf)
	for i := 0; i < s.to; {
		switch c, _ := s.at(i); c {
		case class.Hash, class.At, class.Dollar:
			i = s.sign(i)
		default:
			i = s.one(i)
		}
	}
	t.truncate(s.n)
	return t
}

// same checks that two scans gave the same tokens.
func same(t *testing.T, in []byte, got, want *Tokens) {
	t.Helper()
	if !slices.Equal(got.Start, want.Start) || !slices.Equal(got.End, want.End) || !slices.Equal(got.Kind, want.Kind) || !slices.Equal(got.Hash, want.Hash) {
		t.Fatalf("%+q:\n got %v %v %v\nwant %v %v %v", in, got.Start, got.End, got.Kind, want.Start, want.End, want.Kind)
	}
}

// TestEveryRune scans each code point among others by both ways.
func TestEveryRune(t *testing.T) {
	var toks Tokens
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) || r >= 0x30100 && r < 0xE0000 {
			continue
		}
		for _, in := range []string{"ab" + string(r) + "cd 1" + string(r) + "2", "жж" + string(r) + " ж" + string(r) + "жж" + string(r), string(r) + string(r)} {
			toks.Reset()
			toks.Append([]byte(in), 0, len(in))
			same(t, []byte(in), &toks, plain([]byte(in)))
		}
	}
}

// check checks what holds for the tokens of any text.
func check(t *testing.T, in []byte, toks *Tokens) {
	t.Helper()
	n := toks.Len()
	if len(toks.Start) != n || len(toks.End) != n || len(toks.Kind) != n {
		t.Fatalf("%+q: lengths %d, %d, %d, %d", in, n, len(toks.Start), len(toks.End), len(toks.Kind))
	}
	for i := range n {
		s, e := toks.Start[i], toks.End[i]
		if s >= e || int(e) > len(in) {
			t.Fatalf("%+q: token %d is %d..%d", in, i, s, e)
		}
		if toks.Kind[i] == 0 || toks.Kind[i] > text.Email {
			t.Fatalf("%+q: token %d is of kind %d", in, i, toks.Kind[i])
		}
		if got := Hash(bytes.Clone(in[s:e])); got != toks.Hash[i] {
			t.Fatalf("%+q: token %q has hash %#x, want %#x", in, in[s:e], toks.Hash[i], got)
		}
		if i > 0 && (s <= toks.Start[i-1] || s < toks.End[i-1] && (toks.Kind[i] != text.Bigram || toks.Kind[i-1] != text.Bigram)) {
			t.Fatalf("%+q: token %d at %d..%d overlaps %d..%d", in, i, s, e, toks.Start[i-1], toks.End[i-1])
		}
		if utf8.Valid(in) && !(utf8.RuneStart(in[s]) && (int(e) == len(in) || utf8.RuneStart(in[e]))) {
			t.Fatalf("%+q: token %d at %d..%d splits a character", in, i, s, e)
		}
	}
}

// checkRows cuts in into texts at two places and checks that they have the same
// tokens in a batch as each by itself.
func checkRows(t *testing.T, in []byte, i, j int) {
	t.Helper()
	i, j = i%(len(in)+1), j%(len(in)+1)
	for i > 0 && i < len(in) && !utf8.RuneStart(in[i]) {
		i--
	}
	for j > 0 && j < len(in) && !utf8.RuneStart(in[j]) {
		j--
	}
	offsets := []int32{int32(min(i, j)), int32(min(i, j)), int32(max(i, j)), int32(len(in))}
	var toks Tokens
	rows := make([]Row, 3)
	toks.AppendRows(rows, in, offsets)
	first := 0
	for r, row := range rows {
		part := in[offsets[r]:offsets[r+1]]
		want, end := plain(part), int(row.End)
		got := &Tokens{Hash: toks.Hash[first:end], Start: toks.Start[first:end], End: toks.End[first:end], Kind: toks.Kind[first:end]}
		same(t, part, got, want)
		first = end
	}
}

// checkLinks holds the domains of Links against what Domains gives.
func checkLinks(t *testing.T, in []byte, toks *Tokens) {
	t.Helper()
	var doms Domains
	for _, l := range toks.Links() {
		if toks.Kind[l.Token] != text.URL {
			t.Fatalf("%+q: link %d is of kind %d", in, l.Token, toks.Kind[l.Token])
		}
		if got, want := toks.Domain(l), doms.OfFolded(in, int(toks.Start[l.Token]), int(toks.End[l.Token])); string(got) != string(want) {
			t.Fatalf("%+q: link %d has domain %q, want %q", in, l.Token, got, want)
		}
	}
}

// TestRows cuts texts in two at each character.
func TestRows(t *testing.T) {
	for _, s := range []string{
		"it's don't #tag @name, @a.b x@y 12 3,4 http://t.co/a www.x.org t.me/abc end", "привет, мир: об'єкт 12:30 e\u0301\u0301 a\u0301b 東京都 x 👍🏽 ไทย",
		strings.Repeat("longword", 20) + "'s " + strings.Repeat("длинный", 12) + "#ab",
	} {
		for i := range s {
			checkRows(t, []byte(s), i, min(i+7, len(s)))
			checkRows(t, []byte(s), i, len(s))
		}
	}
}

// TestPieces holds texts that are drawn from all that the scan knows of against
// the definition.
func TestPieces(t *testing.T) {
	pieces := []string{
		"a", "b", "rt", "www", "http", "https", "com", "de", "co.uk", "xn--a", "t.co/", "1", "23", "_", "ж", "é", "م", "한", "द", "א",
		".", ",", "'", ":", "#", "@", "$", "-", "/", "//", "://", "+", "&", "~", "(", ")", "*", " ", " ", " ", "\n",
		"·", "٣", "\u093f", "\u05f4", "漢", "カ", "゛", "ไ", "ั", "・", "が", "👍", "🏽", "🇩", "\u200d", "\u20e3", "\ufe0f", "🏴", "\U000e0067", "‿", "–", "。",
	}
	r := rand.New(rand.NewPCG(25, 26))
	var toks Tokens
	var in []byte
	for range 200_000 {
		in = in[:0]
		for range 1 + r.IntN(14) {
			in = append(in, pieces[r.IntN(len(pieces))]...)
		}
		toks.Reset()
		toks.Append(in, 0, len(in))
		same(t, in, &toks, plain(in))
		checkLinks(t, in, &toks)
		// With room behind it for the kernels, and in texts.
		padded := append(bytes.Clone(in), make([]byte, 80)...)
		toks.Reset()
		toks.Append(padded, 0, len(in))
		same(t, in, &toks, plain(in))
		checkRows(t, padded[:len(in)+64], r.IntN(len(in)+1), r.IntN(len(in)+1))
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{
		"hello don't 3.14 https://example.com/x, t.me/a @u@h.x #tag_1 #", "東京都 ไทยน้ํา 👍🏽🇩🇪🇫", "привет end.it a-b.co.uk",
		"000@-0.ac a@.b.com", "lo'n·ж a'b·c 1'2·3 x'y漢 1.2\u20e3", "http://t.co/abcжж x http://a/b가 y www.c_d.e'f", "東a京1.ж2漢 1\u20e3 a👍b's 1.٣", "a.b@c.com d@e.f@g.co #h.i @j.k $l.m n-o.de/p",
		"www.x http://", "\xff\xc3\xe0\x80", "..a.b..com-.org", "́́", "_'_'a'1'b", "@a.b-", "&#x27;",
	} {
		f.Add([]byte(s), uint8(0), uint8(0))
	}
	f.Fuzz(func(t *testing.T, in []byte, before, after uint8) {
		var toks Tokens
		row := toks.Append(in, 0, len(in))
		check(t, in, &toks)
		n := map[text.Kind]int32{}
		for _, k := range toks.Kind {
			n[k]++
		}
		if want := (Row{int32(toks.Len()), n[text.URL], n[text.Emoji], n[text.Email]}); row != want {
			t.Fatalf("%+q: counts %+v, want %+v", in, row, want)
		}
		if !utf8.Valid(in) {
			return // no fault, and tokens within the text: that is all
		}
		same(t, in, &toks, plain(in))
		checkLinks(t, in, &toks)
		// The same within a larger buffer and behind other tokens.
		buf := bytes.Repeat([]byte("z"), int(before))
		from := len(buf)
		buf = append(append(buf, in...), bytes.Repeat([]byte("."), int(after))...)
		all := toks.Len()
		toks.Append(buf, from, from+len(in))
		if toks.Len() != 2*all {
			t.Fatalf("%+q: %d tokens, in a larger buffer %d", in, all, toks.Len()-all)
		}
		for i := range all {
			if toks.Hash[i] != toks.Hash[all+i] || toks.Start[i] != toks.Start[all+i] || toks.End[i] != toks.End[all+i] || toks.Kind[i] != toks.Kind[all+i] {
				t.Fatalf("%+q: token %d differs in a larger buffer", in, i)
			}
		}
		checkRows(t, in, int(before), int(after))
	})
}

// TestOfFolded checks that both ways to a URL's domain agree.
func TestOfFolded(t *testing.T) {
	var a, b Domains
	for _, url := range []string{
		"http://t.co/abc", "https://www.example.com", "https://user@example.com/x", "http://example.com:80/", "http://example.com./",
		"www.example.com/a", "example.co.uk", "http://[::1]/", "http://a..b/", "http://x", "http://", "https://1.2.3.4/", "abcd:80/a.com",
		"http://xn--e1afmkfd.com?x", "http://пример.рф/x", "http://-a.com", "http://a_b.com",
		"t.co/x://good.com", "t.co/a", "http://t.co/a", "bit.ly/a", "a@b.com/", "http:///x", "http://a.de:1/x",
	} {
		if got, want := b.OfFolded([]byte("pad "+url+" /more.org"), 4, 4+len(url)), a.Of([]byte(url)); string(got) != string(want) {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
