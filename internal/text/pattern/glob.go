package pattern

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// MaxGlob is the longest wildcard in bytes, and MaxWord the longest word that
// one is held against: together they bound the cost of a word.
const (
	MaxGlob = 128
	MaxWord = 256
)

// anyChar stands for '?' in a compiled glob; no UTF-8 has it.
const anyChar = 0xff

// Glob is a compiled wildcard: '?' is one character of a word, '*' any number
// of them, and a backslash before '?', '*', '#' or a backslash the mark itself.
type Glob struct {
	parts [][]byte // between the stars
}

// NewGlob compiles a wildcard, which is folded already where its text is.
func NewGlob(s string) (*Glob, error) {
	if len(s) > MaxGlob {
		return nil, errors.New("a wildcard has at most 128 bytes")
	}
	g := &Glob{parts: [][]byte{nil}}
	literal := 0
	for i := 0; i < len(s); i++ {
		last := len(g.parts) - 1
		switch b := s[i]; {
		case b == '*':
			g.parts = append(g.parts, nil)
			continue
		case b == '?':
			g.parts[last] = append(g.parts[last], anyChar)
			continue
		case b == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '#' || s[i+1] == '\\'):
			i++
		}
		literal++
		g.parts[last] = append(g.parts[last], s[i])
	}
	if literal == 0 {
		return nil, errors.New("a wildcard without a letter is in every post; write one")
	}
	return g, nil
}

// Literal returns the longest run of bytes that a word must have, shorter than
// MinSubstring where there is no such run.
func (g *Glob) Literal() string {
	var best []byte
	for _, p := range g.parts {
		for run := range bytes.SplitSeq(p, []byte{anyChar}) {
			if len(run) > len(best) {
				best = run
			}
		}
	}
	return string(best)
}

// Match reports whether word as a whole is of the wildcard's form. A word of
// more than MaxWord bytes is not.
func (g *Glob) Match(word []byte) bool {
	if len(word) > MaxWord {
		return false
	}
	head, tail := g.parts[0], g.parts[len(g.parts)-1]
	n := matchHere(head, word)
	if n < 0 {
		return false
	}
	if len(g.parts) == 1 {
		return n == len(word)
	}
	word = word[n:]
	if n = matchEnd(tail, word); n < 0 {
		return false
	}
	word = word[:len(word)-n]
	for _, p := range g.parts[1 : len(g.parts)-1] {
		if word = after(p, word); word == nil {
			return false
		}
	}
	return true
}

// after returns what follows the first place of part in word; nil where there
// is none.
func after(part, word []byte) []byte {
	for i := 0; i <= len(word); i++ {
		if i < len(word) && !utf8.RuneStart(word[i]) {
			continue
		}
		if n := matchHere(part, word[i:]); n >= 0 {
			return word[i+n:]
		}
	}
	return nil
}

// matchHere returns how many bytes of word part takes from its beginning; -1
// where it does not fit.
func matchHere(part, word []byte) int {
	i := 0
	for _, b := range part {
		switch {
		case i >= len(word):
			return -1
		case b == anyChar:
			_, size := utf8.DecodeRune(word[i:])
			i += size
		case b != word[i]:
			return -1
		default:
			i++
		}
	}
	return i
}

// matchEnd is matchHere from the end of word.
func matchEnd(part, word []byte) int {
	end := len(word)
	for k := len(part) - 1; k >= 0; k-- {
		switch b := part[k]; {
		case end == 0:
			return -1
		case b == anyChar:
			_, size := utf8.DecodeLastRune(word[:end])
			end -= size
		case b != word[end-1]:
			return -1
		default:
			end--
		}
	}
	return len(word) - end
}

// Ends returns the first and the last byte of all words that match; -1 where
// they may be several.
func (g *Glob) Ends() (first, last int) {
	first, last = -1, -1
	if p := g.parts[0]; len(p) > 0 && p[0] != anyChar {
		first = int(p[0])
	}
	if p := g.parts[len(g.parts)-1]; len(p) > 0 && p[len(p)-1] != anyChar {
		last = int(p[len(p)-1])
	}
	return first, last
}

// Size returns how many bytes a word that matches has: the least and the most.
func (g *Glob) Size() (least, most int) {
	for _, p := range g.parts {
		marks := bytes.Count(p, []byte{anyChar})
		least += len(p)
		most += len(p) + (utf8.UTFMax-1)*marks
	}
	if len(g.parts) > 1 {
		most = MaxWord
	}
	return least, most
}
