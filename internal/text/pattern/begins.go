package pattern

import (
	"bytes"
	"io"
	"regexp"
	"sync"
	"unicode/utf8"
)

// begins finds the matches of an expression of which the beginnings are known:
// it is tried where one of these stands, and nowhere else. It is compiled when it
// is first needed, since most expressions of a list never are.
type begins struct {
	strings [][]byte
	first   func() *regexp.Regexp // matches at the text's beginning
	inside  func() *regexp.Regexp // matches behind the first character of what it is given
}

func newBegins(expr string, strings []string) *begins {
	b := &begins{
		first:  sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\A(?:` + expr + `)`) }),
		inside: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\A(?s:.)(?:` + expr + `)`) }),
	}
	for _, s := range strings {
		b.strings = append(b.strings, []byte(s))
	}
	return b
}

// readFactor bounds how much is read, in lengths of the text. An expression may
// run to the text's end wherever it is tried.
const readFactor = 4

// find returns the spans of the first limit matches in text, or that it has read
// too much. Matches are tried where next says: it returns the first place at which
// one may begin that is not before from, or len(text).
func (b *begins) find(text []byte, limit int, next func(from int) int) (out [][]int, ok bool) {
	r := &reader{text: text, left: readFactor*len(text) + 1<<10}
	for from := 0; len(out) < limit; {
		at := next(from)
		if at == len(text) {
			break
		}
		from = at + 1
		if end := b.match(r, at); end > at {
			out = append(out, []int{at, end})
			from = end
		}
		if r.left < 0 {
			return nil, false
		}
	}
	return out, true
}

// search returns the function that finds the places at which a match may begin in
// text by a search for each string.
func (b *begins) search(text []byte) func(from int) int {
	var next [maxExact]int // by string: where it stands next
	for i := range b.strings {
		next[i] = -1
	}
	return func(from int) int {
		at := len(text)
		for i, s := range b.strings {
			if next[i] < from {
				next[i] = len(text)
				if k := bytes.Index(text[from:], s); k >= 0 {
					next[i] = from + k
				}
			}
			at = min(at, next[i])
		}
		return at
	}
}

// match returns the end of the match that begins at i, or i.
func (b *begins) match(r *reader, i int) int {
	re, from := b.first, i
	if i > 0 {
		// The character before it tells where words begin.
		_, size := utf8.DecodeLastRune(r.text[:i])
		re, from = b.inside, i-size
	}
	r.at = from
	at := re().FindReaderIndex(r)
	if at == nil {
		return i
	}
	return from + at[1]
}

// reader is a text that counts what is read of it.
type reader struct {
	text     []byte
	at, left int
}

// ReadRune implements io.RuneReader.
func (r *reader) ReadRune() (rune, int, error) {
	if r.at >= len(r.text) {
		return 0, 0, io.EOF
	}
	c, size := utf8.DecodeRune(r.text[r.at:])
	r.at += size
	r.left -= size
	return c, size, nil
}
