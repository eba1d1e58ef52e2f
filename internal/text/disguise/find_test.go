package disguise

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// setOf makes a set of terms, whose numbers are their places.
func setOf(terms ...string) *Set {
	b := NewBuilder()
	for i, t := range terms {
		var words [][]byte
		for w := range strings.FieldsSeq(t) {
			words = append(words, fold.Append(nil, []byte(w)))
		}
		b.Add(uint32(i), words)
	}
	return b.Build()
}

// show prints hits as "text=term:kinds".
func show(text string, terms []string, hits []Hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%s=%s:%s", text[h.Start:h.End], terms[h.Term], h.Kinds))
	}
	return strings.Join(out, " ")
}

var tableTerms = []string{
	"zorvath", "good", "god", "krelling dawn", "зорват", "попса", "زورفات", "attack", "kill", "look", "ass", "free", "class", "alpha wolf", "босс",
}

func TestFind(t *testing.T) {
	s := setOf(tableTerms...)
	var f Finder
	for _, c := range []struct{ text, want string }{
		{"plain zorvath and good krelling dawn", ""},
		{"the z0rvath, z0rv4th!", "z0rvath=zorvath:leet z0rv4th=zorvath:leet"},
		{"k1ll k!ll k1l1", "k1ll=kill:leet k!ll=kill:leet k1l1=kill:leet"},
		{"goood goooood gooddd", "goood=good:repeated goood=god:repeated goooood=good:repeated goooood=god:repeated gooddd=good:repeated"},
		{"ggoodd as asss", "ggoodd=god:repeated asss=ass:repeated"},
		{"zzoorrvvaatthh", "zzoorrvvaatthh=zorvath:repeated"},
		{"z o r v a t h", "z o r v a t h=zorvath:spaced"},
		{"this is a f r e e gift", "f r e e=free:spaced"},
		{"k r e l l i n g   d a w n now", "k r e l l i n g   d a w n=krelling dawn:spaced"},
		{"see k.r.e.l.l.i.n.g d.a.w.n now", "k.r.e.l.l.i.n.g d.a.w.n=krelling dawn:spaced"},
		{"see k r e l l i n g d a w n now", "k r e l l i n g d a w n=krelling dawn:spaced"},
		{"K-R-3-L-L-1-N-G-D-A-W-N", "K-R-3-L-L-1-N-G-D-A-W-N=krelling dawn:leet+spaced"},
		{"kr3llingdawn k r e l l i n g d a w", ""},
		{"it's z.o.r.v.a.t.h. here", "z.o.r.v.a.t.h=zorvath:spaced"},
		{"z-0-r-v-a-t-h", "z-0-r-v-a-t-h=zorvath:leet+spaced"},
		{"z*o*r*v*a*t*h z_o_r_v_a_t_h", "z*o*r*v*a*t*h=zorvath:spaced z_o_r_v_a_t_h=zorvath:spaced"},
		{"_zorvath_", "zorvath=zorvath:spaced"},
		{"zorv*th z*rvath z**vath k*ll", "zorv*th=zorvath:masked z*rvath=zorvath:masked z**vath=zorvath:masked k*ll=kill:masked"},
		{"z\u043erv\u0430th", "z\u043erv\u0430th=zorvath:homoglyph"},
		{"ᴢᴏʀᴠᴀᴛʜ", "ᴢᴏʀᴠᴀᴛʜ=zorvath:small_caps"},
		{"ɥʇɐʌɹoz", "ɥʇɐʌɹoz=zorvath:upside_down"},
		{"🇿🇴🇷🇻🇦🇹🇭", "🇿🇴🇷🇻🇦🇹🇭=zorvath:enclosed"},
		{"🆉🅾🆁🆅🅰🆃🅷", "🆉🅾🆁🆅🅰🆃🅷=zorvath:enclosed"},
		{"⒵⒪⒭⒱⒜⒯⒣", "⒵⒪⒭⒱⒜⒯⒣=zorvath:enclosed"},
		{"z&#111;rvath &#x7a;orvath z&zwnj;orvath", "z&#111;rvath=zorvath:entity &#x7a;orvath=zorvath:entity z&zwnj;orvath=zorvath:invisible+entity"},
		{"see \u202ehtavroz\u202c now", "htavroz=zorvath:reversed"},
		{"kr3lling dawn", "kr3lling dawn=krelling dawn:leet"},
		{"krelling, d4wn krelling day", "krelling, d4wn=krelling dawn:leet"},
		{"krelling d4y", ""},
		{"alph4 w0lf", "alph4 w0lf=alpha wolf:leet"},
		{"з о р в а т", "з о р в а т=зорват:spaced"},
		{"з0рват и зоооорват", "з0рват=зорват:leet зоооорват=зорват:repeated"},
		{"зopвaт 3орват", "зopвaт=зорват:homoglyph 3орват=зорват:leet"},
		{"ز و ر ف ا ت", "ز و ر ف ا ت=زورفات:spaced"},
		{"زورررفات", "زورررفات=زورفات:repeated"},
		{"زورڡات", "زورڡات=زورفات:homoglyph"},
		{"visit http://t.co/z0rvath or z0rvath@example.com @z0rvath", ""},
		{"100k 600d 4th 2nd b2b covid19 10s", ""},
		{"cla$$ #z0rvath", "cla$$=class:leet z0rvath=zorvath:leet"},
		{"z👏o👏r👏v👏a👏t👏h", "z👏o👏r👏v👏a👏t👏h=zorvath:spaced"},
		{"z o r v a t h   k i l l", "z o r v a t h=zorvath:spaced k i l l=kill:spaced"},
	} {
		hits := f.Find(s, []byte(c.text))
		if got := show(c.text, tableTerms, hits); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
		// The same at other places of the scan's blocks.
		for pad := range 70 {
			text := strings.Repeat("-", pad) + " " + c.text
			// As in a column: other texts are behind it.
			column := []byte(text + "zo0ooо" + strings.Repeat("а1!", 50))
			if got := show(text, tableTerms, f.Find(s, column[:len(text)])); got != c.want {
				t.Errorf("%d before %q:\n got %s\nwant %s", pad+1, c.text, got, c.want)
				break
			}
		}
	}
}

// TestFindUntil checks that the hits that suffice are those that Find gives first.
func TestFindUntil(t *testing.T) {
	s := setOf(tableTerms...)
	r := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"z0rvath ", "k r e l l i n g ", "d4wn", " ", "krelling ", "d@wn ", "a\u0301\u0301\u0301 ", "\u0301", "cla$$ ", "goood", "б0сс ", "alph4 w o l f ", "\u202ehtavroz ", "plain words stand here "}
	var f, g Finder
	cut := 0
	for range 300 {
		var b strings.Builder
		for b.Len() < 20_000 {
			b.WriteString(strings.Repeat(pieces[r.IntN(len(pieces))], 1+r.IntN(40)*r.IntN(2)))
		}
		text := []byte(b.String())
		want, most := g.Find(s, text), 1+r.IntN(200)
		got := f.FindUntil(s, text, most, func(hits []Hit) bool { return len(hits) >= most })
		if len(got) < len(want) {
			cut++
		}
		if n := min(most, len(want)); len(got) < n || !slices.Equal(got[:n], want[:n]) {
			t.Fatalf("the first %d hits in %q differ", n, text)
		}
	}
	if cut == 0 {
		t.Error("no text was left: the test shows nothing")
	}
}
