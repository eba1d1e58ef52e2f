package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// stand is that a character may stand for a letter.
type stand struct {
	letter rune
	kind   kind.Set
}

// written is what writers use for letters beyond what confusables.txt says:
// each character, then the letters that it may stand for.
var written = []struct {
	kind  kind.Set
	pairs []string
}{
	{kind.Leet, []string{
		"0oоهσ", "1ilіا", "2z", "3eзعэе", "4aча", "5s", "6gbб", "7tтح", "8bв", "9gq", "@aа", "$s", "!ilі", "|ilіا", "+tт", "(cс", "<c", "€eеє",
		"£l", "¥y", "¢cс", "§s", "©cс", "®r", "×xх", "†tт", "¡iі", "₿b", "₳a", "₵c", "₦n", "₩w", "₱p", "₮t", "₭k", "₲g", "₴s", "₽p", "₫d", "^aл", "°oо", "٥ه", "•oо",
	}},
	{kind.Homoglyph, []string{
		// Cyrillic for Latin, in the shapes that are alike only by intent.
		"вb", "Вb", "нh", "Нh", "тt", "Тt", "кk", "Кk", "мm", "Мm", "гr", "Гr", "иnu", "Иn", "яr", "Яr", "Эe", "эe", "Шw", "шw", "Щw", "щw", "Цu", "цu", "пn", "Пn",
		"Дa", "Бb", "бb", "Ьb", "ьb", "Фo", "уy", "Уy", "хx", "Хx", "зe", "Зe", "Жx", "жx", "Юo", "йn", "Йn", "ґr", "єe", "Єe", "їi", "Їi", "іi", "Іi",
		// Latin for Cyrillic.
		"bвьб", "Bв", "hн", "Hн", "kк", "Kк", "mм", "Mм", "tт", "Tт", "rг", "uи", "nпи", "Nи", "Rя", "Wш", "wш", "iі", "Uи", "yу", "Yу", "xх", "Xх", "rя",
		// Greek for Latin and Cyrillic.
		"αaа", "βb", "εeе", "ηn", "ιi", "κkк", "νv", "οoо", "ρpр", "τtт", "υuи", "χxх", "ωwш", "σoо", "ςs", "γy", "μu", "πnп", "Πnп", "Λaл", "λл", "Σe", "Δaд", "δo", "Θo", "θo", "Ωo", "Ξe", "ξe", "ζz", "Γrг", "Φф", "φф",
		// Letters with strokes and hooks.
		"øo", "Øo", "łl", "Łl", "đd", "Đd", "ðd", "ħh", "Ħh", "ŧt", "Ŧt", "þp", "ıi", "ƒf", "ßb", "ɓb", "ƀb", "ƈc", "ɖd", "ɗd", "ɇe", "ɠg", "ǥg", "ɨi", "ɉj", "ƙk", "ɫl", "ƚl", "ɱm", "ɲn", "ŋn", "ɵo", "ƥp", "ɋq", "ɍr", "ʂs", "ƭt", "ʉu", "ʋv", "ⱳw", "ƴy", "ɏy", "əe", "ƶz", "ʐz", "ȥz", "ⱥa", "ȼc", "ꞓc",
		"ғг", "қк", "ҝк", "ӄк", "ңн", "ҥн", "ӈн", "өо", "ӨoО", "ҙз", "ҫс", "ҭт", "ұу", "ҳх", "ӽх", "ҷч", "ҹч", "җж", "ԁd", "ԍг", "ҽe", "ҿe", "һh", "ӏlі", "ԛq", "ԝw", "ѡwш", "ѵv", "ѕs", "јj", "ћh", "ђh", "џu", "љл", "њн", "ҏр", "ԉл", "ԋн", "ԏт", "ӡз", "ѳоo", "ѧа", "ӕа", "ѯз", "ԑзe", "ӎм", "ӆл", "ԅз", "ԇз", "ѓг", "ӷг", "ӻг", "ҕг",
		// Arabic: without dots, and Persian and Urdu letters of one shape.
		"ٮبتثني", "ڡفق", "ٯقف", "ںن", "ہه", "ەهة", "ھه", "ۀه", "ۃة", "ۂه", "پب", "ٻب", "ڀب", "چج", "ڇج", "ڃج", "ڄج", "ژز", "ڙز", "گك", "ڭك", "ڪك", "ګك", "ڤف", "ڦف", "ٹت", "ٺت", "ٽت", "ټت", "ٿث", "ڈد", "ډد", "ڊد", "ڌذ", "ڎذ", "ڑر", "ړر", "ڒر", "ڔر", "ڕر", "ےي", "ېي", "ێي", "ۍي", "ۆو", "ۇو", "ۈو", "ۋو", "ۏو", "ۊو", "ڵل", "ڷل", "ڼن", "ڽن", "ڻن", "ڹن", "ښس", "ۺش", "ڛس", "ڜش", "ڝص", "ڞض", "ڟظ", "ڠغ", "ۿه", "ݐب", "ݓب", "ݔب", "ݕب", "ݘح", "ݚد", "ݛر", "ݜس", "ݝع", "ݡف", "ݢك", "ݣك", "ݤك", "ݥم", "ݦم", "ݧن", "ݨن", "ݩن", "ݪل", "ݫر", "ځح", "څخ", "ڋد", "ڏد", "ڐد", "ڥف", "ڧق", "ڨق", "ڬك", "ڮك", "ڰك", "ڱك", "ڲك", "ڳك", "ڴك", "ڶل", "ڸل", "ڿج", "ۅو", "ۉو", "ۼغ", "ۻض",
	}},
	{kind.SmallCaps, []string{
		"ᴀa", "ʙb", "ᴄc", "ᴅd", "ᴇe", "ꜰf", "ɢg", "ʜh", "ɪi", "ᴊj", "ᴋk", "ʟl", "ᴍm", "ɴn", "ᴏo", "ᴘp", "ꞯq", "ǫq", "ʀr", "ꜱs", "ᴛt", "ᴜu", "ᴠv", "ᴡw", "ʏy", "ᴢz",
	}},
	{kind.UpsideDown, []string{
		"ɐa", "ɔc", "ǝe", "ɘe", "ɟf", "ƃg", "ᵷg", "ɥh", "ᴉi", "ɾj", "ʞk", "ʅl", "ꞁl", "ɯm", "ɹr", "ʇt", "ʌv", "ʍw", "ʎy", "∀a", "Ɐa", "Ɔc", "Ǝe", "Ⅎf", "⅁g", "˥l", "Ɯm", "ᴚr", "⊥t", "∩u", "⅄y",
	}},
}

// enclosing lists runs of 26 letters in circles, squares and parentheses.
var enclosing = []rune{0x1F1E6, 0x1F150, 0x1F170, 0x249C, 0x1F110, 0x1F130, 0x24B6, 0x24D0}

// targets lists the letters that a character may stand for by confusables.txt.
func targets() []rune {
	var out []rune
	for _, span := range [][2]rune{{'A', 'Z'}, {'a', 'z'}, {0x410, 0x44F}, {0x621, 0x64A}, {0x456, 0x456}, {0x406, 0x406}} {
		for r := span[0]; r <= span[1]; r++ {
			out = append(out, r)
		}
	}
	return out
}

// isTarget holds the folded targets.
func (u *ucd) isTarget() map[rune]bool {
	out := map[rune]bool{}
	for _, t := range targets() {
		out[u.foldedRune(t)] = true
	}
	delete(out, 0) // of tatweel and what is not assigned
	return out
}

// foldedRune returns the folded form of r, where that is one rune, else 0.
func (u *ucd) foldedRune(r rune) rune {
	s := u.decompose(nil, r)
	if len(s) != 1 {
		return 0
	}
	return s[0]
}

// stands returns what each character may stand for.
func (u *ucd) stands() map[rune][]stand {
	out := map[rune][]stand{}
	isTarget := u.isTarget()
	add := func(c, letter rune, k kind.Set) {
		if letter = u.foldedRune(letter); !isTarget[letter] {
			return
		}
		same := func(s stand) bool { return s.letter == letter }
		if u.foldedRune(c) == letter || slices.ContainsFunc(out[c], same) {
			return
		}
		out[c] = append(out[c], stand{letter, k})
	}
	for _, w := range written {
		for _, p := range w.pairs {
			c, size := utf8.DecodeRuneInString(p)
			for _, letter := range p[size:] {
				add(c, letter, w.kind)
			}
		}
	}
	for _, first := range enclosing {
		for i := range rune(26) {
			add(first+i, 'a'+i, kind.Enclosed)
		}
	}
	byPrototype := map[string][]rune{}
	for _, t := range targets() {
		p := u.prototype(t)
		byPrototype[p] = append(byPrototype[p], t)
	}
	for c := range rune(entry.Limit) {
		if s := out[c]; u.category[c] == "" || len(s) > 0 && s[0].kind&(kind.SmallCaps|kind.UpsideDown) != 0 {
			continue
		}
		k := kind.Homoglyph
		if c < 0x80 && u.script[c] != "Latin" {
			k = kind.Leet
		}
		for _, t := range byPrototype[u.prototype(c)] {
			if f := u.foldedRune(c); isTarget[f] && u.script[f] == u.script[t] {
				continue // honest letters of one script do not stand for one another
			}
			add(c, t, k)
		}
	}
	return out
}

// prototype returns what confusables.txt maps c to, or c itself.
func (u *ucd) prototype(c rune) string {
	if p, ok := u.confusable[c]; ok {
		return string(p)
	}
	return string(c)
}

func (u *ucd) confusables(lo, _ rune, f []string) (err error) {
	u.confusable[lo], err = runes(f[1])
	return err
}

// writeDisguise writes the table of what characters stand for. Letters that a
// character may stand for have one key, and so has the character.
func writeDisguise(u *ucd, b *bytes.Buffer) {
	stands := u.stands()
	isTarget := u.isTarget()
	parent := map[rune]rune{}
	var find func(rune) rune
	find = func(r rune) rune {
		if p, ok := parent[r]; ok && p != r {
			return find(p)
		}
		return r
	}
	join := func(a, b rune) {
		a, b = find(a), find(b)
		parent[max(a, b)] = min(a, b)
	}
	chars := slices.Sorted(maps.Keys(stands))
	for _, c := range chars {
		f := u.foldedRune(c)
		for _, s := range stands[c] {
			if isTarget[f] {
				join(f, s.letter)
			}
			join(stands[c][0].letter, s.letter)
		}
	}
	for p := range maps.Keys(parent) {
		if _, ok := stands[p]; !ok {
			chars = append(chars, p)
		}
	}
	slices.Sort(chars)
	header(b, "disguise")
	b.WriteString("import \"github.com/sluicehq/sluice/internal/text/disguise/kind\"\n\n")
	b.WriteString("// glyphs holds the characters that may stand for letters, and the letters; 0 is none.\nvar glyphs = [...]glyph{\n{},\n")
	table := make([]int, entry.Limit)
	var letters []stand
	for i, c := range chars {
		key := find(c)
		if s := stands[c]; len(s) > 0 {
			key = find(s[0].letter)
		}
		fmt.Fprintf(b, "{key: %#x, first: %d, n: %d}, // %s\n", key, len(letters), len(stands[c]), fmt.Sprintf("U+%04X", c))
		letters = append(letters, stands[c]...)
		table[c] = i + 1
	}
	b.WriteString("}\n\n// letters holds what the glyphs stand for.\nvar letters = [...]stand{\n")
	for _, s := range letters {
		fmt.Fprintf(b, "{%#x, kind.Set(%d)},\n", s.letter, s.kind)
	}
	b.WriteString("}\n\n")
	index, data := blocks(table)
	writeArray(b, "index maps a rune / 64 to a block of numbers of glyphs.", "index", "uint8", "%d", index)
	writeArray(b, "numbers holds blocks of 64 numbers of glyphs.", "numbers", "uint16", "%d", data)
}
