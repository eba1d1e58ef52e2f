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
