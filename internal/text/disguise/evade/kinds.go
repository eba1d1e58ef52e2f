package evade

import (
	"fmt"
	"slices"
	"strings"
)

var (
	digits  = table("a4", "e3", "i1", "o0", "s5", "t7", "b8", "g9", "l1", "z2", "а4", "о0", "з3", "ч4", "б6", "е3", "в8", "т7", "о0")
	symbols = table("a@", "s$", "i!", "l|", "t+", "e€", "c¢", "а@", "о°", "е€", "с¢", "т+")
	vowels  = table("a4", "e3", "i1", "o0", "а4", "о0", "е3")

	cyrillic = table("aа", "cс", "eе", "oо", "pр", "xх", "yу", "iі", "sѕ", "jј")
	latin    = table("аa", "сc", "еe", "оo", "рp", "хx", "уy", "кk", "мm", "тt", "вb", "нh")
	greek    = table("aα", "eε", "oο", "pρ", "vν", "iι", "nη", "uυ", "kκ", "xχ", "wω", "tτ", "аα", "оο", "рρ", "кκ", "тτ", "хχ", "еε")
	faux     = table("nИ", "rЯ", "wШ", "uЦ", "bЬ", "eЭ", "hН", "kК", "mМ", "tТ", "aД")
	mimic    = table("rг", "uи", "nп", "bв", "hн", "tт", "mм", "kк", "wш", "иu", "гr", "пn", "шw")
	rare     = table("aꓮ", "bᏏ", "cⲥ", "dꓒ", "eℯ", "gց", "hһ", "iꙇ", "jϳ", "kⲕ", "lⵏ", "oօ", "pⲣ", "rⲅ", "sꓢ", "tꓔ", "uս", "vⴸ", "wԝ", "xᕁ", "yү", "zꓜ", "оօ", "аꓮ", "сⲥ", "рⲣ", "кⲕ", "уү", "тⲧ", "мⲙ", "нⲏ", "вⲃ")
	stroked  = table("oø", "lł", "dđ", "hħ", "tŧ", "bƀ", "gǥ", "iɨ", "zƶ", "кқ", "нң", "гғ", "хҳ", "чҷ", "оө", "уұ", "зҙ", "сҫ")
	accented = table("aá", "cç", "eê", "gğ", "iï", "nñ", "oö", "sš", "uü", "yÿ", "zž", "её", "ий", "кќ", "гѓ", "иѝ", "аӓ", "оӧ")
	small    = table("aᴀ", "bʙ", "cᴄ", "dᴅ", "eᴇ", "fꜰ", "gɢ", "hʜ", "iɪ", "jᴊ", "kᴋ", "lʟ", "mᴍ", "nɴ", "oᴏ", "pᴘ", "qǫ", "rʀ", "sꜱ", "tᴛ", "uᴜ", "vᴠ", "wᴡ", "xx", "yʏ", "zᴢ")
	turned   = table("aɐ", "bq", "cɔ", "dp", "eǝ", "fɟ", "gƃ", "hɥ", "iᴉ", "jɾ", "kʞ", "ll", "mɯ", "nu", "oo", "pd", "qb", "rɹ", "ss", "tʇ", "un", "vʌ", "wʍ", "xx", "yʎ", "zz")
	spun     = table("aɐ", "cɔ", "eǝ", "fɟ", "hɥ", "kʞ", "mɯ", "rɹ", "tʇ", "vʌ", "wʍ", "yʎ")
	raised   = table("aᵃ", "bᵇ", "cᶜ", "dᵈ", "eᵉ", "fᶠ", "gᵍ", "hʰ", "iⁱ", "jʲ", "kᵏ", "lˡ", "mᵐ", "nⁿ", "oᵒ", "pᵖ", "rʳ", "sˢ", "tᵗ", "uᵘ", "vᵛ", "wʷ", "xˣ", "yʸ", "zᶻ")

	alefs   = table("اأ", "اإ", "اآ", "اٱ")
	yehs    = table("يی", "كک", "يى")
	dotless = table("بٮ", "تٮ", "ثٮ", "نں", "فڡ", "قٯ")
	persian = table("هہ", "كگ", "بپ", "فڤ", "جچ", "يے", "وۆ", "دڈ", "رڑ", "تٹ", "هە")
	arabizi = table("ع3", "ح7")
	shapes  = table("اﺎ", "بﺒ", "تﺘ", "ثﺜ", "جﺠ", "حﺤ", "خﺨ", "دﺪ", "ذﺬ", "رﺮ", "زﺰ", "سﺴ", "شﺸ", "صﺼ", "ضﻀ", "طﻄ", "عﻌ", "غﻐ", "فﻔ", "قﻘ", "كﻜ", "لﻠ", "مﻤ", "نﻨ", "هﻬ", "وﻮ", "يﻴ")
)

// chain tries tables one after the other.
func chain(fs ...func(rune) string) func(rune) string {
	return func(r rune) string {
		for _, f := range fs {
			if s := f(r); s != "" {
				return s
			}
		}
		return ""
	}
}

// Kinds returns all kinds of disguise, in order.
func Kinds() []Kind {
	var out []Kind
	add := func(name string, f func(word) string) { out = append(out, Kind{Name: name, make: f}) }
	hard := func(name string, f func(word) string) { out = append(out, Kind{Name: name, Hard: true, make: f}) }
	one := func(name string, f func(rune) string) { add(name, func(w word) string { return w.one(f) }) }
	per := func(name string, f func(rune) string) { add(name, func(w word) string { return w.per(f) }) }
	all := func(name string, f func(rune) string) { add(name, func(w word) string { return w.all(f) }) }
	joined := func(name, s string) { add(name, func(w word) string { return w.join(s) }) }
	inner := func(name, s string) { add(name, func(w word) string { return w.inner(s) }) }

	one("leet one", digits)
	per("leet vowels", vowels)
	hard("leet all", func(w word) string { return w.per(digits) })
	one("leet symbol", symbols)
	hard("leet symbols", func(w word) string { return w.per(symbols) })
	hard("leet mixed", func(w word) string { return w.per(chain(symbols, digits)) })
	one("look-alike one", chain(cyrillic, latin))
	per("look-alike all that are", chain(cyrillic, latin))
	all("look-alike whole word", chain(cyrillic, latin))
	one("greek one", greek)
	per("greek all that are", greek)
	one("faux cyrillic", faux)
	one("mimic one", mimic)
	one("rare script one", rare)
	one("stroke one", stroked)
	per("stroke all that can", stroked)
	one("accent one", accented)
	per("accent all that can", accented)
	for _, f := range []struct {
		name  string
		first rune
	}{
		{"full width", 0xFF41},
		{"bold", 0x1D41A},
		{"bold italic", 0x1D482},
		{"bold script", 0x1D4EA},
		{"bold fraktur", 0x1D586},
		{"double-struck", 0x1D552},
		{"sans", 0x1D5BA},
		{"sans bold", 0x1D5EE},
		{"monospace", 0x1D68A},
		{"circled", 0x24D0},
		{"negative circled", 0x1F150},
		{"squared", 0x1F130},
		{"negative squared", 0x1F170},
		{"parenthesized", 0x249C},
		{"regional", 0x1F1E6},
	} {
		all(f.name, from(f.first))
	}
	one("bold one", from(0x1D41A))
	all("raised", raised)
	all("small capitals", small)
	one("small capital one", small)
	add("upside down", func(w word) string {
		if !w.in(Latin) {
			return string(w.letters)
		}
		slices.Reverse(w.letters)
		return w.all(turned)
	})
	one("turned one", spun)
	add("right-to-left override", func(w word) string {
		slices.Reverse(w.letters)
		if w.in(Arabic) {
			return "\u202d" + string(w.letters) + "\u202c"
		}
		return "\u202e" + string(w.letters) + "\u202c"
	})
	invisibles(add, inner, joined)
	marks(add, per)
	entities(add)
	separators(joined, inner)
	repeats(add)
	masks(add)
	both(add)
	add("upper case", func(w word) string { return w.per(upper) })
	add("alternating case", func(w word) string {
		for i := range w.letters {
			if i%2 == w.n%2 {
				w.letters[i] = []rune(upper(w.letters[i]))[0]
			}
		}
		return string(w.letters)
	})
	arabicOnly := func(name string, f func(rune) string) {
		add(name, func(w word) string {
			if !w.in(Arabic) {
				return string(w.letters)
			}
			return w.per(f)
		})
	}
	arabicOnly("tatweel", behind("\u0640"))
	add("tatweel one long", func(w word) string {
		if !w.in(Arabic) {
			return string(w.letters)
		}
		return w.inner(strings.Repeat("\u0640", 6))
	})
	arabicOnly("harakat", behind("\u064e"))
	arabicOnly("shadda and harakat", behind("\u0651\u064f"))
	arabicOnly("alef variants", alefs)
	arabicOnly("yeh and kaf variants", yehs)
	arabicOnly("presentation forms", shapes)
	arabicOnly("without dots", dotless)
	one("without dots one", dotless)
	one("persian and urdu one", persian)
	hard("persian and urdu", func(w word) string { return w.per(persian) })
	one("arabizi", arabizi)
	return out
}

func invisibles(add func(string, func(word) string), inner, joined func(string, string)) {
	for _, c := range []struct{ name, s string }{
		{"zero width space", "\u200b"},
		{"zero width non-joiner", "\u200c"},
		{"zero width joiner", "\u200d"},
		{"word joiner", "\u2060"},
		{"soft hyphen", "\u00ad"},
		{"byte order mark", "\ufeff"},
		{"variation selector", "\ufe0f"},
		{"tag", "\U000e0061"},
		{"left-to-right mark", "\u200e"},
		{"grapheme joiner", "\u034f"},
		{"hangul filler", "\u3164"},
		{"invisible times", "\u2062"},
	} {
		inner(c.name, c.s)
	}
	joined("zero width space all", "\u200b")
	joined("non-joiner all", "\u200c")
}

func marks(add func(string, func(word) string), per func(string, func(rune) string)) {
	for _, c := range []struct{ name, s string }{
		{"acute", "\u0301"}, {"underline", "\u0332"}, {"strike through", "\u0336"}, {"slash through", "\u0338"}, {"circle around", "\u20dd"}, {"zalgo", "\u0300\u0316\u0334\u0363\u0489"},
	} {
		per(c.name, behind(c.s))
	}
}

func entities(add func(string, func(word) string)) {
	add("entity one", func(w word) string {
		return w.one(func(r rune) string { return fmt.Sprintf("&#%d;", r) })
	})
	add("entity all", func(w word) string {
		return w.per(func(r rune) string { return fmt.Sprintf("&#x%x;", r) })
	})
	add("entity joiner", func(w word) string { return w.inner("&zwnj;") })
	add("entity soft hyphen", func(w word) string { return w.inner("&shy;") })
}

func separators(joined, inner func(string, string)) {
	for _, c := range []struct{ name, s string }{
		{"spaced", " "},
		{"spaced twice", "  "},
		{"dotted", "."},
		{"dashed", "-"},
		{"underscored", "_"},
		{"starred", "*"},
		{"slashed", "/"},
		{"middle dots", "·"},
		{"bullets", " • "},
		{"emoji between", "👏"},
		{"thin spaces", "\u2009"},
		{"no-break spaces", "\u00a0"},
		{"lines", "\n"},
		{"commas", ","},
		{"dashes and spaces", " - "},
		{"tildes", "~"},
		{"em dashes", "—"},
		{"ideographic spaces", "\u3000"},
		{"entity spaces", "&nbsp;"},
	} {
		joined(c.name, c.s)
	}
	for _, c := range []struct{ name, s string }{{"tilde inside", "~"}, {"underscore inside", "_"}, {"star inside", "*"}, {"caret inside", "^"}, {"middle dot inside", "·"}} {
		inner(c.name, c.s)
	}
}

func repeats(add func(string, func(word) string)) {
	times := func(w word, i, n int) string {
		return string(w.letters[:i]) + strings.Repeat(string(w.letters[i]), n) + string(w.letters[i+1:])
	}
	add("one letter three times", func(w word) string { return times(w, w.n%len(w.letters), 3) })
	add("one letter ten times", func(w word) string { return times(w, w.n%len(w.letters), 10) })
	add("last letter stretched", func(w word) string { return times(w, len(w.letters)-1, 5) })
	add("all doubled", func(w word) string {
		return w.per(func(r rune) string { return strings.Repeat(string(r), 2) })
	})
	add("all tripled", func(w word) string {
		return w.per(func(r rune) string { return strings.Repeat(string(r), 3) })
	})
	add("vowels stretched", func(w word) string {
		return w.per(func(r rune) string {
			if isVowel(r) {
				return strings.Repeat(string(r), 4)
			}
			return ""
		})
	})
}

func masks(add func(string, func(word) string)) {
	vowel := func(w word, mask string) string {
		for i := 1; i+1 < len(w.letters); i++ {
			if isVowel(w.letters[i]) {
				return string(w.letters[:i]) + mask + string(w.letters[i+1:])
			}
		}
		return string(w.letters)
	}
	add("vowel starred", func(w word) string { return vowel(w, "*") })
	add("vowel hashed", func(w word) string { return vowel(w, "#") })
	add("vowel bulleted", func(w word) string { return vowel(w, "•") })
	add("one letter starred", func(w word) string {
		if len(w.letters) < 3 {
			return string(w.letters)
		}
		i := 1 + w.n%(len(w.letters)-2)
		return string(w.letters[:i]) + "*" + string(w.letters[i+1:])
	})
	add("two letters starred", func(w word) string {
		if len(w.letters) < 4 {
			return string(w.letters)
		}
		i := 1 + w.n%(len(w.letters)-3)
		return string(w.letters[:i]) + "**" + string(w.letters[i+2:])
	})
	add("in underscores", func(w word) string { return "_" + string(w.letters) + "_" })
	add("in stars", func(w word) string { return "*" + string(w.letters) + "*" })
	add("as a hashtag", func(w word) string { return "#" + string(w.letters) })
}

func both(add func(string, func(word) string)) {
	look := chain(cyrillic, latin)
	add("leet spaced", func(w word) string { return w.both(vowels, " ") })
	add("leet dotted", func(w word) string { return w.both(vowels, ".") })
	add("leet as a hashtag", func(w word) string {
		if s := w.per(vowels); s != string(w.letters) {
			return "#" + s
		}
		return string(w.letters)
	})
	add("leet and look-alike", func(w word) string {
		return w.per(func(r rune) string {
			if w.n%2 == 0 && isVowel(r) {
				return vowels(r)
			}
			return look(r)
		})
	})
	add("leet and stretched", func(w word) string {
		s := word{letters: []rune(w.one(vowels)), n: w.n}
		if string(s.letters) == string(w.letters) {
			return string(w.letters)
		}
		return string(s.letters) + strings.Repeat(string(s.letters[len(s.letters)-1]), 3)
	})
	add("look-alike spaced", func(w word) string { return w.both(look, " ") })
	add("look-alike stretched", func(w word) string {
		return w.one(func(r rune) string { return strings.Repeat(look(r), 4) })
	})
	add("zero width and leet", func(w word) string {
		s := word{letters: []rune(w.one(vowels)), n: w.n}
		return s.inner("\u200b")
	})
	add("zero width spaced", func(w word) string { return w.join(" \u200b") })
	add("accents spaced", func(w word) string { return w.both(behind("\u0301"), " ") })
	add("upper case spaced", func(w word) string { return w.both(upper, " ") })
	add("full width spaced", func(w word) string { return w.both(from(0xFF41), " ") })
	add("small capitals spaced", func(w word) string { return w.both(small, " ") })
	add("doubled and zero width", func(w word) string {
		return w.per(func(r rune) string { return string(r) + "\u200c" + string(r) })
	})
}
