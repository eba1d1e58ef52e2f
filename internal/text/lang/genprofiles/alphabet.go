package main

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sluicehq/sluice/internal/text/lang/profile"
)

// letters are the characters of a group that have symbols.
type letters struct {
	group  int
	symbol map[rune]uint32 // of lower and upper case; profile.Joiner for what is skipped
	mark   map[rune]uint8  // of letters that tell languages apart by themselves
	marks  int
	marked map[rune]bool // lower case letters that have marks
}

// scripts are the groups' scripts.
var scripts = []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Arabic, unicode.Devanagari}

// undecomposed holds the bases of letters that Unicode does not decompose.
var undecomposed = map[rune]rune{
	'ø': 'o', 'ł': 'l', 'đ': 'd', 'ı': 'i', 'æ': 'a', 'œ': 'o', 'ß': 's', 'ə': 'e', 'ð': 'd', 'þ': 't', 'ɓ': 'b', 'ɗ': 'd', 'ƙ': 'k', 'ŋ': 'n', 'ħ': 'h',
}

// extra are the letters of other alphabets of a group than the script's first
// ones: they get symbols as far as there are any.
var extra = map[int]string{
	1: "абвгдежзийклмнопрстуфхцчшщъыьэюяёђѓєѕіїјљњћќўџґғҗқңүұҳҷһәөӣӯѐѝ",
	2: "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيٹپځڅچډڈړڑڕږژښکگڭڵڤںڼھہۃۆۇۈۋۍێېےۓیەټ",
}

// plain are those that so many languages have that they tell little.
var plain = map[int]string{
	1: "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
	2: "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي",
}

// alphabet returns the letters of a group.
//
// Latin letters have the symbols of a to z, since people leave their marks out;
// the marks are counted apart. Letters of other scripts are their own symbols,
// and those that few languages have are counted apart too: there is little text
// of some languages, and their letters are surer than their windows.
func alphabet(group int) *letters {
	a := &letters{group: group, symbol: map[rune]uint32{}, mark: map[rune]uint8{}, marked: map[rune]bool{}}
	next := uint32(1)
	add := func(r rune) {
		a.symbol[r] = min(next, profile.Letters)
		next++
	}
	switch group {
	case 0:
		for r := 'a'; r <= 'z'; r++ {
			add(r)
		}
	case 3: // letters, vowel signs, virama
		for r := rune(0x0901); r <= 0x0963; r++ {
			if unicode.IsLetter(r) || unicode.IsMark(r) {
				add(r)
			}
		}
	default:
		for _, r := range extra[group] {
			add(r)
			if !strings.ContainsRune(plain[group], r) {
				a.addMark(r)
			}
		}
	}
	for i := range profile.Chars {
		r := rune(i)
		if i >= profile.Low {
			r += profile.High - profile.Low
		}
		if a.symbol[r] == 0 && unicode.Is(scripts[group], r) {
			a.other(r)
		}
	}
	return a
}

// addMark gives a mark to a lower case letter.
func (a *letters) addMark(low rune) {
	a.marks++
	a.mark[low] = uint8(a.marks)
	a.marked[low] = true
}

// other gives a symbol to a character of the script that is not in the list.
func (a *letters) other(r rune) {
	low := unicode.ToLower(r)
	if r == 'İ' {
		low = 'i'
	}
	switch {
	case a.symbol[low] != 0:
		a.symbol[r], a.mark[r] = a.symbol[low], a.mark[low]
	case unicode.IsMark(r):
		a.symbol[r] = profile.Joiner
	case !unicode.IsLetter(r):
	case a.group == 0:
		base := undecomposed[low]
		if base == 0 {
			base = []rune(norm.NFD.String(string(low)))[0]
		}
		if base < 'a' || base > 'z' || base == low {
			return
		}
		a.symbol[r], a.symbol[low] = a.symbol[base], a.symbol[base]
		if low < 0x180 || low >= 0x1EA0 || strings.ContainsRune("əơưșțɓɗƙṣ", low) {
			a.addMark(low)
			a.mark[r] = a.mark[low]
		}
	default:
		a.symbol[r] = profile.Letters
	}
}

// list enters the letters into s.
func (a *letters) list(s *profile.Set) {
	for r, sym := range a.symbol {
		if i := profile.Index(r); i < profile.Chars && sym != 0 {
			s.Chars[i] = profile.MakeChar(a.group, sym, a.mark[r])
		}
	}
	if a.group == 0 {
		for r := rune(0x300); r < 0x370; r++ { // combining marks
			s.Chars[r] = profile.MakeChar(0, profile.Joiner, 0)
		}
		s.Chars[0xAD] = profile.MakeChar(0, profile.Joiner, 0) // soft hyphen
	}
}

// symbols returns the symbols of a string of letters of the group, or false
// where there are others. Letters that are skipped are left out.
func (a *letters) symbols(s string) (out []uint32, ok bool) {
	for _, r := range s {
		switch sym := a.symbol[r]; sym {
		case 0:
			return nil, false
		case profile.Joiner:
		default:
			out = append(out, sym)
		}
	}
	return out, true
}
