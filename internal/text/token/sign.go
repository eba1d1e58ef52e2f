package token

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// Lengths of an e-mail address's local part (RFC 5321, section 4.5.3.1.1) and of
// a cashtag's symbol and its suffix (Twitter).
const (
	maxLocal  = 64
	maxSymbol = 6
	maxSuffix = 2
)

// sign puts the hashtag, mention, cashtag or e-mail address of which the sign is
// at i, and returns its end, or i+1 where there is none.
func (s *scanner) sign(i int) int {
	switch s.buf[i] {
	case '#':
		return s.hashtag(i)
	case '@':
		if e := s.email(i); e > i+1 {
			return e
		}
		return s.mention(i)
	case '$':
		return s.cashtag(i)
	}
	return i + 1
}

// hashtag puts the hashtag at i, which is a '#', and returns its end, or i+1
// where none is. It has a letter, follows neither a letter, a digit nor '&', and
// is not the scheme of a URL.
func (s *scanner) hashtag(i int) int {
	if b := s.before(i); inWord(b) || b == class.Spaceless || i > s.from && s.buf[i-1] == '&' {
		return i + 1
	}
	end, named, prev := i+1, false, class.Other
	for {
		c, size := s.at(end)
		if !inWord(c) && c != class.Spaceless && !(named && s.inTag(prev, c, end, size)) {
			break
		}
		named = named || c == class.Letter || c == class.Spaceless
		prev = c
		end += size
	}
	if !named || s.isScheme(end) {
		return i + 1
	}
	s.put(i+1, end, text.Hashtag)
	return end
}

// inTag reports whether the character of class c at i goes on in a hashtag,
// though it is of no word. '~' and the middle dot do between letters: the first
// is the long vowel of kana, as the wave dash folds to it; elsewhere they are
// punctuation.
func (s *scanner) inTag(prev, c class.Class, i, size int) bool {
	if c != class.Inner && c != class.MidLetter {
		return false
	}
	next, _ := s.at(i + size)
	switch r, _ := utf8.DecodeRune(s.buf[i:s.to]); r {
	case '~':
		return prev == class.Spaceless && next == class.Spaceless
	case '\u00b7':
		return next == class.Letter
	}
	return true
}

// isScheme reports whether "://" is at i: what stands before it is a scheme.
func (s *scanner) isScheme(i int) bool {
	return i+2 < s.to && s.buf[i] == ':' && s.buf[i+1] == '/' && s.buf[i+2] == '/'
}

// mention puts the mention at i, which is an '@', and returns its end, or i+1
// where none is. Handles are those of Twitter (name), Bluesky (name.host) and
// Mastodon (name@host). As on Twitter, a mention follows neither a letter, a
// digit nor one of !#$%&*@, but for "RT", nor is followed by '@' or "://".
func (s *scanner) mention(i int) int {
	if i > s.from && bars(s.buf[i-1]) || inWord(s.before(i)) && !s.isRetweet(i) {
		return i + 1
	}
	end := i + 1
	for end < s.to {
		b := s.buf[end]
		if beside[b]&named == 0 {
			joint := (b == '.' || b == '-' || b == '@') && end > i+1 && end+1 < s.to && isAlnum(s.buf[end+1])
			if !joint {
				break
			}
		}
		end++
	}
	if end == i+1 || end < s.to && s.buf[end] == '@' || s.isScheme(end) {
		return i + 1
	}
	s.put(i+1, end, text.Mention)
	return end
}

// bars reports whether an '@' behind b makes no mention.
func bars(b byte) bool {
	switch b {
	case '!', '#', '$', '%', '&', '*', '@':
		return true
	}
	return false
}

// isLocal reports whether b is of the local part of an e-mail address.
func isLocal(b byte) bool {
	return beside[b]&named != 0 || b == '.' || b == '-' || b == '+' || b == '%'
}

// isRetweet reports whether the word "rt" ends at i.
func (s *scanner) isRetweet(i int) bool {
	if i < s.from+2 || s.buf[i-2] != 'r' || s.buf[i-1] != 't' {
		return false
	}
	return i == s.from+2 || !inWord(s.before(i-2)) && !isLocal(s.buf[i-3])
}

// plainCashtag reports whether the run i..end, behind '$', is a cashtag without a
// suffix, of few bytes, with nothing behind that may go on.
func (s *scanner) plainCashtag(i, end int) bool {
	if i > s.from+1 && s.buf[i-2] > ' ' || end-i > maxSymbol || i+8 > len(s.buf) {
		return false
	}
	low := binary.LittleEndian.Uint64(s.buf[i:]) | blank
	letters := (low + (0x80-'a')*every) &^ (low + (0x80-'z'-1)*every) &^ low & highs
	if bits.TrailingZeros64(^letters&highs)/8 < end-i {
		return false
	}
	return end == s.to || s.buf[end] < utf8.RuneSelf && s.buf[end] != '.' && s.buf[end] != ':'
}

// cashtag puts the cashtag at i, which is a '$', and returns its end, or i+1
// where none is: one to six letters, and a suffix of one or two behind '.' or
// '_', at the beginning or behind white space, with no letter or digit behind.
func (s *scanner) cashtag(i int) int {
	if i > s.from && s.buf[i-1] > ' ' {
		return i + 1
	}
	end := s.letters(i+1, maxSymbol)
	if end == i+1 {
		return i + 1
	}
	if end < s.to && (s.buf[end] == '.' || s.buf[end] == '_') {
		if e := s.letters(end+1, maxSuffix); e > end+1 && s.endsSymbol(e) {
			s.put(i+1, e, text.Cashtag)
			return e
		}
	}
	if !s.endsSymbol(end) {
		return i + 1
	}
	s.put(i+1, end, text.Cashtag)
	return end
}

// letters returns the end of the letters of ASCII at i, n of them at most.
func (s *scanner) letters(i, n int) int {
	end := i
	for end < s.to && end < i+n && isAlpha(s.buf[end]) {
		end++
	}
	return end
}

// endsSymbol reports whether a cashtag may end at i.
func (s *scanner) endsSymbol(i int) bool {
	c, _ := s.at(i)
	return !s.isScheme(i) && !(c >= class.Letter && c < class.Connector) && c != class.Spaceless
}

// email puts the e-mail address of which the '@' is at i, takes back the words
// that belong to it, and returns its end, or i+1 where none is. Its local part
// is of ASCII letters, digits and ._%+-, its domain one that ends in a known
// public suffix and begins with a letter or a digit.
func (s *scanner) email(i int) int {
	if i+1 == s.to || !isAlnum(s.buf[i+1]) || i == s.from || !isLocal(s.buf[i-1]) || s.buf[i-1] == '.' {
		return i + 1
	}
	stop, dot := s.nameEnd(i+1, i+1)
	if dot < 0 {
		return i + 1
	}
	start := i
	for start > s.from && i-start <= maxLocal && isLocal(s.buf[start-1]) {
		start--
	}
	if i-start > maxLocal {
		return i + 1
	}
	before := s.before(start)
	for start < i && !isAlnum(s.buf[start]) {
		start, before = start+1, class.Other
	}
	if start == i || inWord(before) || before == class.At || before == class.Hash || before == class.Dollar {
		return i + 1
	}
	if len(s.domain(i+1, dot, stop, true)) == 0 || !s.takeBack(start) {
		return i + 1
	}
	s.put(start, stop, text.Email)
	s.emails++
	return stop
}

// takeBack drops the words that reach beyond start, or reports that it cannot:
// something else is there, or a part of a word.
func (s *scanner) takeBack(start int) bool {
	n := s.n
	for ; n > s.first && int(s.end[n-1]) > start-s.from; n-- {
		if k := s.kind[n-1]; k != text.Word && k != text.Number || int(s.start[n-1]) < start-s.from {
			return false
		}
	}
	s.n = n
	return true
}
