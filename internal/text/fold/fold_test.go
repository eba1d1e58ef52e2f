package fold

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
)

// unescape lets the cases write invisible characters as \u escapes.
func unescape(t *testing.T, s string) []byte {
	t.Helper()
	out, err := strconv.Unquote(`"` + strings.NewReplacer(`"`, `\"`).Replace(s) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return []byte(out)
}

func TestFold(t *testing.T) {
	datadriven.RunTest(t, "testdata/fold.txt", func(t *testing.T, d *datadriven.TestData) string {
		in := unescape(t, d.Input)
		got := Append(nil, in)
		switch d.Cmd {
		case "fold":
			return fmt.Sprintf("%q\n", got)
		case "offsets":
			var o Offsets
			o.Build(in)
			var b strings.Builder
			for i := 0; i < len(got); {
				_, size := utf8.DecodeRune(got[i:])
				start, end := o.Span(uint32(i), uint32(i+size))
				fmt.Fprintf(&b, "%q <- %q at %d\n", got[i:i+size], in[start:end], start)
				i += size
			}
			return b.String()
		}
		d.Fatalf(t, "unknown command %q", d.Cmd)
		return ""
	})
}

// slow folds one character at a time.
func slow(src []byte) []byte {
	var dst []byte
	for i := 0; i < len(src); {
		dst, i = one(dst, 0, src, i)
	}
	return dst
}

// TestEveryRune folds each code point alone and among others, by the fast
// paths and the slow one.
func TestEveryRune(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		for _, in := range []string{
			string(r), "Abcdefgh" + string(r) + "Ijklmnopq", "Ж" + string(r) + "ЖЖЖЖ", string(r) + "漢字漢字",
		} {
			got, want := Append(nil, []byte(in)), slow([]byte(in))
			if !bytes.Equal(got, want) {
				t.Fatalf("Append(%+q) = %+q, one at a time %+q", in, got, want)
			}
			if !utf8.Valid(got) {
				t.Fatalf("Append(%+q) = %+q is not UTF-8", in, got)
			}
			if again := Append(nil, got); !bytes.Equal(again, got) {
				t.Fatalf("Append(%+q) = %+q, folded again %+q", in, got, again)
			}
		}
	}
}

// TestMixtures folds texts of characters that depend on what stands beside them, by
// the fast paths, with more room and less, and one at a time.
func TestMixtures(t *testing.T) {
	pieces := []string{
		"か", "ｶ", "ﾊ", "\u3099", "\u309a", "ﾞ", "ﾟ", "\u1112", "\u1161", "\u11ab", "한", "하", "\u0915", "\u094d", "\u093c", "\u0928",
		"\u0b47", "\u0b3e", "\u0e38", "\u0e48", "\u0f71", "\u0f72", "\U00011099", "\U000110ba", "\u200d", "👩", "❤", "\u2194", "\ufe0f", "\U0001f3f4",
		"\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\U000e0067", "\U000e007f", "1", "#", "a", "_", " ", "\u20e3", "ﷺ", "½", "㍍", "é",
		"\u0301", "ж", "漢", "𝐳", "\U00030000", "\u07eb", "\u07f2", "Ab cd Ef gh", "\u200b", "\x00",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		few := make([]string, 1+r.IntN(5))
		for i := range few {
			few[i] = pieces[r.IntN(len(pieces))]
		}
		var in []byte
		for range 1 + r.IntN(24) {
			in = append(in, few[r.IntN(len(few))]...)
		}
		want := slow(in)
		if got := Append(make([]byte, 3, 3+r.IntN(200)), in)[3:]; !bytes.Equal(got, want) {
			t.Fatalf("Append(%+q) = %+q, one at a time %+q", in, got, want)
		}
		checkOffsets(t, in, want)
	}
}

// TestLongForms checks that the longest form fits the room that is kept for one.
func TestLongForms(t *testing.T) {
	for _, form := range long {
		if 7*len(form)/3+32 > Room(7) {
			t.Errorf("the form %+q has %d bytes: more of it than Room may be written", form, len(form))
		}
	}
}

// TestAppendKeepsPrefix checks that what dst holds neither changes nor is
// composed with.
func TestAppendKeepsPrefix(t *testing.T) {
	for _, spare := range []int{0, 1, 7, 100} {
		dst := append(make([]byte, 0, 3+spare), "か"...)
		if got := Append(dst, []byte("\u3099A")); string(got) != "か\u3099a" {
			t.Errorf("spare %d: %q", spare, got)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{
		"", "Hello, World", "Привет, МИР! é", "\u1112\u1161\u11ab", "か\u3099ﾊﾟ", "\u0938\u094d\u093c\u0e38\u0e48\u0e38",
		"ﷺ½™", "\U000e0041\U0001f469\u200d\U0001f4bb", "\xff\xc3A\xe0\x80", "abcdefg\nABCDEFGH\x00", "\u0344\u03b1\u0345",
		"1\ufe0f\u20e3 2\u20e33\u20e3\x01a", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f\u200d\u2620",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got := Append(nil, in)
		if !utf8.Valid(in) {
			return // no fault is all that is promised
		}
		if !utf8.Valid(got) {
			t.Fatalf("Append(%+q) = %+q is not UTF-8", in, got)
		}
		if want := slow(in); !bytes.Equal(got, want) {
			t.Fatalf("Append(%+q) = %+q, one at a time %+q", in, got, want)
		}
		if again := Append(nil, got); !bytes.Equal(again, got) {
			t.Fatalf("Append(%+q) = %+q, folded again %+q", in, got, again)
		}
		checkOffsets(t, in, got)
	})
}

// checkOffsets checks that the map covers every byte, in order, by whole
// characters, and that a character alone folds to what is mapped to it.
func checkOffsets(t *testing.T, in, folded []byte) {
	t.Helper()
	var o Offsets
	o.Build(in)
	if start, end := o.Span(0, uint32(len(folded))+1); start != 0 || end != 0 {
		t.Fatalf("%+q: bytes behind the folded text %+q map to %d..%d", in, folded, start, end)
	}
	last := uint32(0)
	for i := range folded {
		start, end := o.Span(uint32(i), uint32(i+1))
		if start < last || end <= start || int(end) > len(in) {
			t.Fatalf("%+q: byte %d of %+q maps to %d..%d after %d", in, i, folded, start, end, last)
		}
		if !utf8.RuneStart(in[start]) || int(end) < len(in) && !utf8.RuneStart(in[end]) {
			t.Fatalf("%+q: byte %d maps to a part of a character, %d..%d", in, i, start, end)
		}
		if r, _ := utf8.DecodeRune(in[start:end]); r == joiner || r == keycap || r >= firstTag && r <= lastTag {
			continue // what makes a sequence is removed alone
		}
		if part := Append(nil, in[start:end]); !bytes.Contains(part, folded[i:i+1]) {
			t.Fatalf("%+q: byte %d maps to %+q, which folds to %+q", in, i, in[start:end], part)
		}
		last = start
	}
}

// TestPieces holds the map of a text that is cut into pieces against that of the
// whole.
func TestPieces(t *testing.T) {
	pieces := []string{
		" ", "  ", "word ", "é", "ﷺ", "ﾊﾟ", "\u3099", " \u0301", "か\u3099 ", "1\u20e3", " \u20e3", "👩\u200d ", "👩\u200d👩", "\u00a0", "\u200b", "\u0e38\u0e48\u0e38 ", "\u094d",
		"\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "漢字 ",
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var in []byte
		for few, n := 1+r.IntN(len(pieces)), 1+r.IntN(6000); len(in) < n; {
			in = append(in, pieces[r.IntN(few)]...)
		}
		var whole, cut Offsets
		whole.Build(in)
		whole.pieces = append(whole.pieces, piece{src: uint32(len(in))})
		whole.load(0)
		whole.pieces[1].folded = uint32(len(whole.folded))
		cut.Build(in)
		folded := Append(nil, in)
		if !bytes.Equal(folded, whole.folded) {
			t.Fatalf("%+q: folded as a whole %+q, want %+q", in, whole.folded, folded)
		}
		for range 300 {
			from := uint32(r.IntN(len(folded) + 1))
			to := from + uint32(r.IntN(20))
			if r.IntN(10) == 0 {
				to = from + uint32(r.IntN(len(folded)))
			}
			a, b := cut.Span(from, to)
			if c, d := whole.Span(from, to); a != c || b != d {
				t.Fatalf("%+q: bytes %d..%d map to %d..%d, as a whole to %d..%d", in, from, to, a, b, c, d)
			}
		}
	}
}

// TestAppendForm holds the forms of single runes against Append.
func TestAppendForm(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if _, fate := Rune(r); fate != Many || !utf8.ValidRune(r) {
			continue
		}
		if got, want := string(AppendForm(nil, r)), string(Append(nil, []byte(string(r)))); got != want {
			t.Errorf("%U: form %q, want %q", r, got, want)
		}
	}
}
