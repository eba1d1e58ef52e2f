// Package evade disguises words as people do who hide them from filters: it is
// what recall against disguises is measured with. It knows nothing of how they
// are undone.
package evade

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is one way to disguise a word.
type Kind struct {
	Name string
	// Hard is set where a reader has to guess: the word is not plain to see.
	Hard bool
	make func(w word) string
}

// Disguise returns the word in disguise, or "" where the kind does not apply to
// it. The word is one of letters, in lower case; n varies what is free, such as
// the letter that is changed. Equal arguments give equal results.
func (k *Kind) Disguise(s string, n int) string {
	w := word{letters: []rune(s), n: n, script: scriptOf(s)}
	if out := k.make(w); out != s {
		return out
	}
	return ""
}

// Script is the script of a word.
type Script int

// The scripts that words are disguised in.
const (
	Other Script = iota
	Latin
	Cyrillic
	Arabic
)

func scriptOf(s string) Script {
	switch r, _ := utf8.DecodeRuneInString(s); {
	case r < 0x250:
		return Latin
	case r >= 0x400 && r < 0x530:
		return Cyrillic
	case r >= 0x600 && r < 0x700:
		return Arabic
	}
	return Other
}

type word struct {
	letters []rune
	n       int
	script  Script
}

// per replaces each letter that f knows something for.
func (w word) per(f func(rune) string) string {
	var b strings.Builder
	for _, r := range w.letters {
		if s := f(r); s != "" {
			b.WriteString(s)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// one replaces the n-th letter, counted round, that f knows something for.
func (w word) one(f func(rune) string) string {
	var at []int
	for i, r := range w.letters {
		if f(r) != "" {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return string(w.letters)
	}
	i := at[w.n%len(at)]
	return string(w.letters[:i]) + f(w.letters[i]) + string(w.letters[i+1:])
}

// all is per, and does not apply unless f knows something for every letter.
func (w word) all(f func(rune) string) string {
	for _, r := range w.letters {
		if f(r) == "" {
			return string(w.letters)
		}
	}
	return w.per(f)
}

// join puts s between the letters.
func (w word) join(s string) string {
	parts := make([]string, len(w.letters))
	for i, r := range w.letters {
		parts[i] = string(r)
	}
	return strings.Join(parts, s)
}

// inner puts s between two letters.
func (w word) inner(s string) string {
	i := 1 + w.n%(len(w.letters)-1)
	return string(w.letters[:i]) + s + string(w.letters[i:])
}

// in is that the kind applies to words of these scripts.
func (w word) in(scripts ...Script) bool {
	return slices.Contains(scripts, w.script)
}

// table makes a function of pairs: a letter and what stands for it.
func table(pairs ...string) func(rune) string {
	m := map[rune]string{}
	for _, p := range pairs {
		r, size := utf8.DecodeRuneInString(p)
		m[r] = p[size:]
	}
	return func(r rune) string { return m[r] }
}

// from makes a function that maps a to z to 26 letters from first on.
func from(first rune) func(rune) string {
	return func(r rune) string {
		if r < 'a' || r > 'z' {
			return ""
		}
		return string(first + r - 'a')
	}
}

// behind makes a function that puts s behind each letter.
func behind(s string) func(rune) string { return func(r rune) string { return string(r) + s } }

func upper(r rune) string { return string(unicode.ToUpper(r)) }

// both applies a kind that works letter by letter, and then joins them by s.
func (w word) both(f func(rune) string, s string) string {
	parts := make([]string, len(w.letters))
	for i, r := range w.letters {
		if parts[i] = f(r); parts[i] == "" {
			parts[i] = string(r)
		}
	}
	return strings.Join(parts, s)
}

func isVowel(r rune) bool { return strings.ContainsRune("aeiouyаеиоуыэюяاوي", r) }
