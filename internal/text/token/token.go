// Package token cuts folded text into tokens, with hashes and byte spans.
//
// Words are found by the rules of UAX #29 as far as they matter to a search,
// with these deviations:
//
//   - only words, numbers, emoji and what else has a [text.Kind] are tokens:
//     spaces and punctuation are not;
//   - runs of Han, kana, Thai, Lao, Khmer and Myanmar become overlapping bigrams
//     of characters (each with its combining marks), or a single one where the
//     run has one character only: these scripts have no spaces between words,
//     and a phrase of bigrams finds any word of two or more characters;
//   - a full stop joins digits but not letters, since posts often lack the space
//     after it; the labels of a domain are joined when it ends in a known public
//     suffix (see Append);
//   - the colon joins nothing, and quotation marks do not join Hebrew letters;
//   - URLs, e-mail addresses, mentions, hashtags and cashtags are one token each;
//   - an emoji sequence (UTS #51) is one token: skin tones, joined emoji, flags
//     of regional indicators or tags, and keycaps.
//
// Hashtags, mentions, cashtags and URLs are those of twitter-text, with the
// exceptions that the tests list with their reasons (testdata/twitter.txt).
package token

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// Tokens holds tokens as parallel slices. Spans are half open.
type Tokens struct {
	Hash       []uint64 // Hash of the bytes at Start:End
	Start, End []uint32
	Kind       []text.Kind

	maps  bitmaps // scratch
	hosts hosts   // of bare domains
	links []Link
	names []byte // the domains of links
}

// Link is a token that is a URL without a scheme, whose domain is known.
type Link struct {
	Token      int
	start, end uint32 // of its domain in names
}

// Links returns the URLs without a scheme, in order: their domains are known.
func (t *Tokens) Links() []Link { return t.links }

// Domain returns the registrable domain of a link, as Domains gives it; it is
// valid until Reset.
func (t *Tokens) Domain(l Link) []byte { return t.names[l.start:l.end] }

// link notes that the given token is a URL without a scheme, of a domain.
func (t *Tokens) link(token int, domain []byte) {
	start := len(t.names)
	t.names = append(t.names, domain...)
	t.links = append(t.links, Link{token, uint32(start), uint32(len(t.names))})
}

// Len returns the number of tokens.
func (t *Tokens) Len() int { return len(t.Hash) }

// Reset drops all tokens and keeps the memory.
func (t *Tokens) Reset() {
	t.truncate(0)
	t.links, t.names = t.links[:0], t.names[:0]
}

func (t *Tokens) truncate(n int) {
	t.Hash, t.Start, t.End, t.Kind = t.Hash[:n], t.Start[:n], t.End[:n], t.Kind[:n]
}

// grow makes room for n more tokens: no text has more of them than bytes. All
// slices have the capacity of Hash at least.
func (t *Tokens) grow(n int) {
	n += len(t.Hash)
	if n <= cap(t.Hash) {
		return
	}
	n += n / 8
	t.Hash = append(make([]uint64, 0, n), t.Hash...)
	t.Start = append(make([]uint32, 0, n), t.Start...)
	t.End = append(make([]uint32, 0, n), t.End...)
	t.Kind = append(make([]text.Kind, 0, n), t.Kind...)
}

// Append appends the tokens of the text buf[from:to], in order; their spans
// are relative to from. It may read buf beyond to, never write. The text must be
// valid UTF-8; other bytes give unspecified tokens within it.
//
// A URL begins with http://, https:// or www., or is a bare domain: at least two
// labels of ASCII letters, digits and hyphens that end in a public suffix, and
// where that is a country's (two letters), a path must follow or the suffix
// have two labels: "example.com", "t.me/name", "site.co.uk", but not "end.it".
// It ends before white space, quotes, brackets of markup and characters of
// scripts without spaces, less closing punctuation.
//
// It returns what AppendRows tells of the text.
func (t *Tokens) Append(buf []byte, from, to int) Row {
	rows := [1]Row{}
	t.AppendRows(rows[:], buf, []int32{int32(from), int32(to)})
	return rows[0]
}

// Row is what AppendRows tells of a text.
type Row struct {
	End                 int32 // of the text's tokens: those of the next text begin there
	URLs, Emoji, Emails int32 // tokens of these kinds, which are not counted as words
}

// AppendRows is Append for the texts buf[offsets[i]:offsets[i+1]], one for each
// element of rows, which it fills.
func (t *Tokens) AppendRows(rows []Row, buf []byte, offsets []int32) {
	if len(rows) == 0 {
		return
	}
	base, end := int(offsets[0]), int(offsets[len(rows)])
	t.maps.classify(buf[base:], end-base)
	t.maps.cut(offsets[:len(rows)+1], end-base)
	t.maps.look(buf[base:])
	s := newScanner(t, buf[base:], end-base)
	s.scan(rows, offsets)
	t.truncate(s.n)
}

// scanner scans the texts of one call of AppendRows, one after the other.
// Positions are those of buf, but for those in Tokens.
type scanner struct {
	*Tokens
	buf      []byte
	from, to int         // the text
	first    int         // the text's first token
	special  int         // the first special character that is not before from
	bound    int         // see seek
	class    class.Class // of the special character, which is in this text
	size     int         // its length

	urls, emoji, emails int // tokens of these kinds

	// The slices of Tokens as they are when full; n is how far they are.
	hash       []uint64
	start, end []uint32
	kind       []text.Kind
	n          int
}

// newScanner returns a scanner for texts of size bytes, whose tokens go behind
// those of t.
func newScanner(t *Tokens, buf []byte, size int) scanner {
	t.grow(size)
	most := cap(t.Hash)
	return scanner{
		Tokens: t, buf: buf, special: -1, n: t.Len(),
		hash: t.Hash[:most], start: t.Start[:most], end: t.End[:most], kind: t.Kind[:most],
	}
}

// at returns the class of the character at i and its length; Other at the end.
func (s *scanner) at(i int) (class.Class, int) {
	if i+utf8.UTFMax > s.to {
		if i >= s.to {
			return class.Other, 0
		}
		r, size := utf8.DecodeRune(s.buf[i:s.to])
		return classOf(r), size
	}
	x := binary.LittleEndian.Uint32(s.buf[i:])
	if x&0x80 == 0 {
		return low[x&0x7f], 1
	}
	return classIn(x)
}

// classAt returns the class of the character at i and its length. Of text that is
// not UTF-8 it gives some class.
func classAt(buf []byte, i int) (class.Class, int) {
	if i+utf8.UTFMax > len(buf) {
		r, size := utf8.DecodeRune(buf[i:])
		return classOf(r), size
	}
	return classIn(binary.LittleEndian.Uint32(buf[i:]))
}

// classIn is classAt for a character beyond ASCII whose bytes are in x, the first
// one lowest, with what is behind it. It is without the checks of
// utf8.DecodeRune: texts are valid. A byte that begins nothing is Other.
func classIn(x uint32) (class.Class, int) {
	switch b := byte(x); {
	case b >= 0xf0:
		r := rune(x&7<<18 | x<<4&0x3f000 | x>>10&0xfc0 | x>>24&0x3f)
		if r < class.Limit {
			return classes[uint(index[r>>6])<<6|uint(r&63)], 4
		}
		return class.Beyond(r), 4
	case b >= 0xe0:
		return class3(x), 3
	case b >= 0xc2:
		return low[x&0x1f<<6|x>>8&0x3f], 2
	}
	return class.Other, 1
}

// class3 returns the class of a character of three bytes, the lower ones of x.
func class3(x uint32) class.Class {
	return classes[uint(index[x&0xf<<6|x>>8&0x3f])<<6|uint(x>>16&0x3f)]
}

func classOf(r rune) class.Class {
	switch {
	case r < 0x800:
		return low[r]
	case r < class.Limit:
		return classes[int(index[r>>6])<<6|int(r&63)]
	}
	return class.Beyond(r)
}

// before returns the class of the character that ends at i.
func (s *scanner) before(i int) class.Class {
	if i <= s.from {
		return class.Other
	}
	if b := s.buf[i-1]; b < utf8.RuneSelf {
		return low[b]
	}
	r, _ := utf8.DecodeLastRune(s.buf[s.from:i])
	return classOf(r)
}

// one puts what begins at i, but for what begins with a sign (see sign), and
// returns where it ends.
func (s *scanner) one(i int) int {
	c, size := s.at(i)
	switch c {
	case class.Letter, class.Digit, class.Connector, class.Mark:
		return s.word(i)
	case class.Spaceless:
		return s.bigrams(i, size)
	case class.Emoji, class.Modifier, class.Regional:
		return s.pictographs(i, c, size)
	case class.Keycap:
		s.signKeycap(i, i+size)
	}
	return i + size
}

// inWord reports whether c is part of a word wherever it stands.
func inWord(c class.Class) bool { return c >= class.Letter && c <= class.Connector }

// word puts the word, number or URL at i and returns where it ends.
func (s *scanner) word(i int) int {
	start, end, letters, digits := i, i, false, false
	prev := class.Other
	for c, size := s.at(end); ; {
		next, nextSize := s.at(end + size)
		if !inWord(c) && !joins(prev, c, next) {
			break
		}
		letters = letters || c == class.Letter
		digits = digits || c == class.Digit
		if c != class.Mark {
			prev = c
		}
		end += size
		c, size = next, nextSize
	}
	if end < s.to {
		if u := s.url(start, end); u > end {
			return u
		}
		if k := s.keycap(start, end); k > end {
			return k
		}
	}
	switch {
	case letters:
		s.put(start, end, text.Word)
	case digits:
		s.put(start, end, text.Number)
	}
	return end
}

// joins reports whether c joins the characters around it to one word: WB6,
// WB7, WB11 and WB12 of UAX #29.
func joins(prev, c, next class.Class) bool {
	switch c {
	case class.Apostrophe:
		return prev == next && (next == class.Letter || next == class.Digit)
	case class.MidLetter:
		return prev == class.Letter && next == class.Letter
	case class.Dot, class.MidNumber:
		return prev == class.Digit && next == class.Digit
	}
	return false
}

// bigrams puts the run of Spaceless characters at i, of which the first has a
// length, each with its marks, and returns its end.
func (s *scanner) bigrams(i, size int) int {
	before, begin := -1, i // where the last two characters begin
	end := i + size
	for {
		var c class.Class
		switch size = 3; {
		case end+4 > s.to || s.buf[end]>>4 != 0xe:
			c, size = s.at(end)
		case s.buf[end]-0xe5 < 5: // U+5000 to U+9FFF
			c = class.Spaceless
		default:
			c = class3(binary.LittleEndian.Uint32(s.buf[end:]))
		}
		if c == class.Mark {
			end += size
			continue
		}
		if before >= 0 {
			s.put(before, end, text.Bigram)
		}
		if c != class.Spaceless {
			break
		}
		before, begin = begin, end
		end += size
	}
	if before < 0 {
		s.put(begin, end, text.Bigram)
	}
	return end
}

func isAlnum(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z'
}
