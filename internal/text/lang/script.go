package lang

import (
	"github.com/sluicehq/sluice/internal/text/lang/script"
)

// scriptOf returns the script of a letter, None for other characters.
func scriptOf(r rune) script.Script {
	if r < script.Limit {
		return letters[int(index[r>>6])<<6|int(r&63)]
	}
	return script.Beyond(r)
}

// Of each first byte of a character, what it tells of the script: one in the 16
// bits of Latin, Cyrillic or Arabic, or in those of scripts that it does not
// tell. The first bytes of signs and emoji (U+0080 to U+00BF, U+2000 to U+2FFF,
// U+10000 on) tell of none.
var leads = func() (l [256]uint64) {
	for b := range l {
		switch {
		case b < 0x80:
			if b|0x20 >= 'a' && b|0x20 <= 'z' {
				l[b] = 1
			}
		case b < 0xC3, b == 0xE2, b >= 0xF0:
		case b <= 0xCA:
			l[b] = 1
		case b >= 0xD0 && b <= 0xD3:
			l[b] = 1 << 16
		case b >= 0xD8 && b <= 0xDB:
			l[b] = 1 << 32
		default:
			l[b] = 1 << 48
		}
	}
	return l
}()

// guess returns the script of a text with other characters than ASCII's, by the
// first bytes of its characters; None where these do not tell. Much Latin may be
// in URLs and handles, so a few letters of another script outweigh it; scan
// finds out.
func guess(text []byte) script.Script {
	var a, b uint64
	for len(text) > 1 {
		a += leads[text[0]]
		b += leads[text[1]]
		text = text[2:]
	}
	for _, c := range text {
		a += leads[c]
	}
	a += b
	latin, cyrillic, arabic := a&0xffff, a>>16&0xffff, a>>32&0xffff
	switch {
	case a>>48 != 0:
		return script.None
	case max(cyrillic, arabic)*8 < latin:
		return script.Latin
	case cyrillic > arabic:
		return script.Cyrillic
	case arabic > 0:
		return script.Arabic
	}
	return script.None
}

// ofText returns the script that most letters of the text are of, its share of
// the letters, and how many there are. URLs and the like do not count. Characters
// of Han, kana and Hangul count as two letters; Han among kana counts as kana.
func ofText(text []byte) (s script.Script, share float32, n int) {
	var count [script.Count]int
	word := count // before the word
	inWord := false
	for i := start(text); i < len(text); {
		r, size := rune(text[i]), 1
		if r >= 0x80 {
			r, size = decode(text, i)
		}
		s := scriptOf(r)
		switch s {
		case script.None:
			if skip := after(text, i); skip > 0 {
				if text[i] == ':' || text[i] == '.' {
					count = word // the word was the URL's first
				}
				size = skip
			}
			inWord = false
		default:
			if !inWord {
				word, inWord = count, true
			}
			count[s]++
		}
		i += size
	}
	for _, s := range []script.Script{script.Han, script.Kana, script.Hangul} {
		count[s] *= 2
	}
	if kana := count[script.Kana]; kana*8 >= count[script.Han] && kana > 0 {
		count[script.Kana] += count[script.Han]
		count[script.Han] = 0
	}
	sum := 0
	for i, c := range count {
		sum += c
		if c > n {
			s, n = script.Script(i), c
		}
	}
	if sum == 0 {
		return script.None, 0, 0
	}
	return s, float32(n) / float32(sum), n
}
