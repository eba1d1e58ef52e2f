package synth

import (
	"unicode"
	"unicode/utf8"
)

// A disguise writes a term so that people still read it and a plain search does
// not find it.
type disguise struct {
	name   string
	latin  bool // fits terms in Latin script
	russ   bool // in Cyrillic
	arabic bool
	write  func(dst []byte, term string, r *rng) []byte
}

var disguises = [...]disguise{
	{"fullwidth", true, false, false, fullwidth},
	{"homoglyph", true, true, false, homoglyph},
	{"zero_width", true, true, true, zeroWidth},
	{"leet", true, true, false, leet},
	{"spaced", true, true, true, spaced},
	{"repeated", true, true, true, repeated},
	{"diacritics", true, true, true, diacritics},
	{"uppercase", true, true, false, uppercase},
	{"tatweel", false, false, true, tatweel},
}

func (d *disguise) fits(t *term) bool {
	switch {
	case t.latin:
		return d.latin
	case t.cyrillic:
		return d.russ
	}
	return d.arabic
}

func fullwidth(dst []byte, term string, _ *rng) []byte {
	for _, c := range term {
		if c > ' ' && c < 0x7f {
			c += 0xfee0
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// lookLatin and lookRussian are letters that look alike, in the same order.
const (
	lookLatin   = "aeopcxyi"
	lookRussian = "аеорсхуі"
)

// homoglyph replaces at least the first letter that has a twin, and half of
// the others.
func homoglyph(dst []byte, term string, r *rng) []byte {
	done := false
	for _, c := range term {
		at := 0
		for _, twin := range lookRussian {
			l := rune(lookLatin[at])
			at++
			if (c == l || c == twin) && (!done || r.percent(50)) {
				if c == l {
					c = twin
				} else {
					c = l
				}
				done = true
				break
			}
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// zeroWidth puts invisible characters between letters: at least after the first.
func zeroWidth(dst []byte, term string, r *rng) []byte {
	invisible := [...]rune{0x200b, 0x200c, 0x200d, 0x2060}
	var last rune
	for i, c := range term {
		if i > 0 && c != ' ' && last != ' ' && (utf8.RuneLen(last) == i || r.percent(40)) {
			dst = utf8.AppendRune(dst, invisible[r.below(len(invisible))])
		}
		dst = utf8.AppendRune(dst, c)
		last = c
	}
	return dst
}

// leet writes digits for letters.
func leet(dst []byte, term string, _ *rng) []byte {
	for _, c := range term {
		switch c {
		case 'a':
			c = '4'
		case 'e':
			c = '3'
		case 'o', 'о':
			c = '0'
		case 'i':
			c = '1'
		case 't':
			c = '7'
		case 's':
			c = '5'
		case 'з':
			c = '3'
		case 'ч':
			c = '4'
		case 'в':
			c = '8'
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// spaced puts one sign between all letters of a word.
func spaced(dst []byte, term string, r *rng) []byte {
	sign := [...]byte{' ', '.', '-', '_'}[r.below(4)]
	last := ' '
	for _, c := range term {
		if c != ' ' && last != ' ' {
			dst = append(dst, sign)
		}
		if c == ' ' {
			dst = append(dst, ' ', ' ')
		}
		dst = utf8.AppendRune(dst, c)
		last = c
	}
	return dst
}

// repeated triples letters: at least the second.
func repeated(dst []byte, term string, r *rng) []byte {
	n := 0
	for _, c := range term {
		dst = utf8.AppendRune(dst, c)
		if c != ' ' && (n == 1 || r.percent(30)) {
			dst = utf8.AppendRune(utf8.AppendRune(dst, c), c)
		}
		n++
	}
	return dst
}

// diacritics puts combining marks on letters: at least on the first.
func diacritics(dst []byte, term string, r *rng) []byte {
	marks := [...]rune{0x0301, 0x0323, 0x0308, 0x0332}
	harakat := [...]rune{0x064e, 0x064f, 0x0650, 0x0652}
	for i, c := range term {
		dst = utf8.AppendRune(dst, c)
		if c == ' ' || i > 0 && !r.percent(50) {
			continue
		}
		if unicode.Is(unicode.Arabic, c) {
			dst = utf8.AppendRune(dst, harakat[r.below(len(harakat))])
		} else {
			dst = utf8.AppendRune(dst, marks[r.below(len(marks))])
		}
	}
	return dst
}

func uppercase(dst []byte, term string, _ *rng) []byte {
	for _, c := range term {
		dst = utf8.AppendRune(dst, unicode.ToUpper(c))
	}
	return dst
}

// tatweel lengthens Arabic letters: at least the first.
func tatweel(dst []byte, term string, r *rng) []byte {
	for i, c := range term {
		dst = utf8.AppendRune(dst, c)
		if c != ' ' && (i == 0 || r.percent(30)) {
			dst = utf8.AppendRune(dst, 0x0640)
		}
	}
	return dst
}
