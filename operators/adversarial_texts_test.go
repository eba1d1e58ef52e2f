package operators_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// adversary is a text that is made to be slow.
type adversary struct {
	name string
	// fill returns the text, of at most size bytes and not much less, valid UTF-8.
	fill func(size int) string
}

// repeated is texts of one unit over and over: those that the linear-time tests
// of the kernels have, and more.
var repeated = []struct{ name, unit string }{
	// Signs, links and numbers: what the tokenizer looks at twice.
	{"hashes", "#"},
	{"ats", "@"},
	{"dollars", "$"},
	{"hashtags", "#a"},
	{"hashtags, apart", "#a "},
	{"hashtags, long", "#abcdefghijkl"},
	{"mentions", "@a"},
	{"mentions, apart", "@a "},
	{"mentions, hosts", "@a.b-c@d"},
	{"reposts", "RT @a "},
	{"cashtags", "$a "},
	{"e-mails", "a@b.co "},
	{"ats and letters", "a@b.c@"},
	{"local part", "a.b+c-"},
	{"schemes", "http://"},
	{"URLs", "http://a "},
	{"URLs, nearly", "http:/ "},
	{"brackets", "http://a/)"},
	{"closing", ")"},
	{"dots", "a."},
	{"dots of four", "abcd."},
	{"labels", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z."},
	{"domains", "a.com "},
	{"domains, without blanks", "a.com,"},
	{"countries", "a.de "},
	{"hyphens", "a-b.c "},
	{"www", "www."},
	{"punycode", "xn--a.com "},
	{"digits", "1:2"},
	{"numbers", "1.2,"},
	{"apostrophes", "a'"},
	{"connectors", "_"},
	{"slashes", "/"},
	{"URL of many labels", "http://a" + strings.Repeat(".a", 120) + "/" + strings.Repeat("a/", 300) + " "},
	{"path", "a.com/" + strings.Repeat("x", 60) + " "},
	{"Hangul behind a path", "a.com/가"},
	// Emoji and what makes them.
	{"emoji", "👍"},
	{"joiners", "👩\u200d"},
	{"joiners alone", "\u200d"},
	{"families", "👩\u200d👩\u200d👧\u200d👦 "},
	{"one family", "👩\u200d👩\u200d"},
	{"skin", "🏽"},
	{"skin tones", "👍🏽"},
	{"flags", "🇩"},
	{"flags in letters", "🇿🇴🇷🇻🇦🇹🇭"},
	{"tags", "🏴\U000e0067"},
	{"flag of tags", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"},
	{"keycaps", "1\u20e3"},
	{"selectors", "\u2764\ufe0f"},
	// Marks, invisible characters, scripts.
	{"marks", "a\u093f\u093f"},
	{"marks alone", "\u093f"},
	{"viramas", "\u0915\u094d"},
	{"zalgo", "z\u0301\u0302\u0303\u0316\u0317\u0334\u0489a\u0300\u030a\u0323"},
	{"marks removed", "z\u0301\u0302\u0303"},
	{"marks of one letter", "\u0301"},
	{"invisible", "z\u200bo\u200cr\u00ad"},
	{"invisible alone", "\u200b"},
	{"bidi controls", "\u202ea\u202cb\u2066c\u2069"},
	{"overrides", "\u202ehtavroz "},
	{"override without end", "\u202e"},
	{"kana", "カー"},
	{"half-width kana", "ｶﾞｷﾞ"},
	{"Han", "東京"},
	{"Han apart", "東 京 "},
	{"Thai", "ภาษาไทย"},
	{"Hangul of jamo", "\u1112\u1161\u11ab"},
	{"Arabic marks", "زُورفَات "},
	{"long forms", "\ufdfa"},
	{"wide letters", "ｚｏｒｖａｔｈ "},
	{"ligatures", "ﬃ"},
	{"mixed", "aж漢"},
	{"alternating scripts", "aжbщcю"},
	{"alternating words", "abж вгd "},
	// What may be a disguise.
	{"mixed script", "zоrvаth krеlling "},
	{"leet", "z0rv4th k1ll3d m4ny p30pl3 "},
	{"leet soup", "z0rv4th-"},
	{"digits and letters", "a1"},
	{"digits and letters, words", "ab1cd "},
	{"spaced", "z o r v a t h "},
	{"spaced, endless", "a b c d e f g h i j k l m n o p q r s t u v w x y z "},
	{"spaced by dots", "z.o.r.v.a.t.h "},
	{"spaced, mixed", "a b-c.d e-f.g "},
	{"words of one letter", "a b "},
	{"words of two letters", "ab "},
	{"symbols", "a*b$c|d!e+"},
	{"masked", "z*r**th "},
	{"masks", "*"},
	{"masks and letters", "a*"},
	{"turned", "ɥʇɐʌɹoz "},
	{"small capitals", "ᴢᴏʀᴠᴀᴛʜ "},
	{"squares", "🆉🅾🆁🆅🅰🆃🅷 "},
	{"parentheses", "⒵⒪⒭⒱⒜⒯⒣ "},
	{"entities", "&#122;&#111;"},
	{"entities of entities", "&amp;amp;amp;lt;"},
	{"entities, invisible", "a&zwnj;b&shy;"},
	{"entities, nearly", "&aaaaaaaaaaa"},
	{"ampersands", "&"},
	{"doubled", "zzoorrvvaatthh "},
	{"tripled", "zzzooorrr"},
	{"stretched", "zooooooorvaaaaath "},
	{"underscores", "_a_b_"},
	{"pipes", "|a|b"},
	// Plain ones.
	{"one letter", "a"},
	{"blanks", " "},
	{"line ends", "\n"},
	{"punctuation", ".,;:!?"},
	{"equal words", "word "},
	{"a sentence", "The quick brown fox jumps over the lazy dog and then goes home again. "},
	{"upper case", "ABCDEFGH IJK "},
	{"accents", "éàüñ "},
}

// adversaries returns all texts that are made to be slow. Some are made of the
// words of a list.
func adversaries(words []string) []adversary {
	var out []adversary
	for _, c := range repeated {
		out = append(out, adversary{c.name, func(size int) string { return strings.Repeat(c.unit, size/len(c.unit)) }})
	}
	drawn := func(name string, piece func(r *rand.Rand, b []byte) []byte) {
		out = append(out, adversary{name, func(size int) string {
			r := rand.New(rand.NewPCG(7, 8))
			b := make([]byte, 0, size)
			for {
				n := len(b)
				if b = piece(r, b); len(b) > size {
					return string(b[:n])
				}
			}
		}})
	}
	runes := func(name string, from ...[2]rune) {
		drawn(name, func(r *rand.Rand, b []byte) []byte {
			f := from[r.IntN(len(from))]
			return utf8.AppendRune(b, f[0]+rune(r.IntN(int(f[1]-f[0])+1)))
		})
	}
	runes("random Han", [2]rune{0x4e00, 0x9fff})
	runes("random Hangul", [2]rune{0xac00, 0xd7a3})
	runes("random marks", [2]rune{'a', 'z'}, [2]rune{0x300, 0x36f}, [2]rune{0x300, 0x36f}, [2]rune{0x300, 0x36f})
	runes("random Indic", [2]rune{0x900, 0xd7f})
	runes("random emoji", [2]rune{0x1f300, 0x1f64f}, [2]rune{0x200d, 0x200d})
	runes("random ASCII", [2]rune{' ', '~'})
	runes("random symbols", [2]rune{'!', '/'}, [2]rune{'a', 'e'}, [2]rune{'0', '2'})
	runes("random Latin and Cyrillic", [2]rune{'a', 'z'}, [2]rune{'а', 'я'})
	runes("random of two bytes", [2]rune{0x80, 0x7ff})
	runes("random of three bytes", [2]rune{0x800, 0xd7ff}, [2]rune{0xe000, 0xffff})
	runes("random of four bytes", [2]rune{0x10000, 0x1ffff})
	runes("random characters", [2]rune{0, 0x7f}, [2]rune{0x80, 0x7ff}, [2]rune{0x800, 0xd7ff}, [2]rune{0x10000, 0x10ffff})
	// Bytes that are no UTF-8 reach the steps as what the decoder makes of them.
	drawn("random bytes, as decoded", func(r *rand.Rand, b []byte) []byte {
		if c := byte(r.IntN(256)); c < utf8.RuneSelf {
			return append(b, c)
		}
		return append(b, "\ufffd"...)
	})
	drawn("invalid UTF-8, as decoded", func(_ *rand.Rand, b []byte) []byte { return append(b, "a\ufffd\ufffd"...) })
	letters := func(r *rand.Rand, b []byte, n int) []byte {
		for range n {
			b = append(b, "etaoinshrdlcumwfgypbvk"[r.IntN(22)])
		}
		return b
	}
	drawn("words of 100 kB", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 100_000), ' ') })
	drawn("words of 300 bytes", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 300), ' ') })
	drawn("words of 40 bytes", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 40), ' ') })
	drawn("words of 20 bytes", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 20), ' ') })
	drawn("distinct words", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 4+r.IntN(5)), ' ') })
	drawn("distinct words of 3 letters", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 3), ' ') })
	drawn("distinct letters", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 1), ' ') })
	drawn("distinct domains", func(r *rand.Rand, b []byte) []byte { return append(letters(r, b, 5), ".com "...) })
	drawn("distinct URLs", func(r *rand.Rand, b []byte) []byte { return append(letters(r, append(b, "http://"...), 4), ".eu "...) })
	drawn("distinct hosts of no suffix", func(r *rand.Rand, b []byte) []byte {
		return append(letters(r, append(letters(r, b, 4), '.'), 4), ' ')
	})
	drawn("distinct names in Punycode", func(r *rand.Rand, b []byte) []byte { return append(letters(r, append(b, "xn--"...), 4), ".com "...) })
	drawn("distinct hashtags", func(r *rand.Rand, b []byte) []byte { return append(letters(r, append(b, '#'), 4), ' ') })
	drawn("distinct mentions", func(r *rand.Rand, b []byte) []byte { return append(letters(r, append(b, '@'), 4), ' ') })
	drawn("distinct e-mails", func(r *rand.Rand, b []byte) []byte {
		return append(letters(r, append(letters(r, b, 2), '@'), 4), ".com "...)
	})
	drawn("distinct numbers", func(r *rand.Rand, b []byte) []byte { return fmt.Appendf(b, "%d ", r.IntN(100_000)) })
	// Of the list's own words.
	of := func(name string, write func(r *rand.Rand, b []byte, word string) []byte) {
		drawn(name, func(r *rand.Rand, b []byte) []byte { return write(r, b, words[r.IntN(len(words))]) })
	}
	leet := strings.NewReplacer("o", "0", "i", "1", "e", "3", "a", "4", "s", "5", "t", "7")
	of("the list's words", func(_ *rand.Rand, b []byte, w string) []byte { return append(append(b, w...), ' ') })
	of("the list's words, nearly", func(_ *rand.Rand, b []byte, w string) []byte { return append(append(b, w[:len(w)-1]...), ' ') })
	of("the list's words, and more", func(_ *rand.Rand, b []byte, w string) []byte { return append(append(b, w...), "q "...) })
	of("the list's words in leet", func(_ *rand.Rand, b []byte, w string) []byte { return append(append(b, leet.Replace(w)...), ' ') })
	of("the list's words in leet, nearly", func(_ *rand.Rand, b []byte, w string) []byte {
		return append(append(b, leet.Replace(w[:len(w)-1])...), "q "...)
	})
	of("the list's words, spaced", func(_ *rand.Rand, b []byte, w string) []byte {
		return append(append(b, strings.Join(strings.Split(w, ""), ".")...), ' ')
	})
	of("the list's words, masked", func(_ *rand.Rand, b []byte, w string) []byte {
		return append(append(append(append(b, w[0]), strings.Repeat("*", len(w)/2-1)...), w[len(w)/2:]...), ' ')
	})
	of("the list's words, stretched", func(r *rand.Rand, b []byte, w string) []byte {
		at := 1 + r.IntN(len(w)-1)
		return append(append(append(append(b, w[:at]...), strings.Repeat(w[at:at+1], 4)...), w[at:]...), ' ')
	})
	of("the list's words in look-alikes", func(_ *rand.Rand, b []byte, w string) []byte {
		return append(append(b, strings.NewReplacer("o", "о", "a", "а", "e", "е", "p", "р").Replace(w)...), ' ')
	})
	return out
}

// madeWords returns n distinct made-up words of letters, 4 to 11.
func madeWords(n int) []string {
	r := rand.New(rand.NewPCG(9, 10))
	seen := map[string]bool{}
	out := make([]string, 0, n)
	for len(out) < n {
		w := make([]byte, 4+r.IntN(8))
		for i := range w {
			w[i] = [...]string{"bcdfghklmnprstvwz", "aeiou"}[i&1][r.IntN([...]int{17, 5}[i&1])]
		}
		if !seen[string(w)] {
			seen[string(w)], out = true, append(out, string(w))
		}
	}
	return out
}
