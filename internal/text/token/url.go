package token

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// maxDomain is the longest domain name, RFC 1035 section 2.3.4.
const maxDomain = 253

// url puts the URL of which buf[start:end] is the first word, and returns its
// end; it returns end where none is.
func (s *scanner) url(start, end int) int {
	rest := s.buf[end:s.to]
	switch s.buf[end] {
	case ':':
		host := s.afterScheme(start, end)
		if host == 0 {
			return end
		}
		return s.putURL(start, host, end)
	case '.':
		if len(rest) < 2 || !isAlnum(rest[1]) {
			return end
		}
		if string(s.buf[start:end]) == "www" {
			return s.putURL(start, end+1, end)
		}
		return s.bareDomain(start, end)
	}
	return end
}

// afterScheme returns where the host begins of the URL of which the scheme is
// start..end, before a colon, or 0 where something else is there.
func (s *scanner) afterScheme(start, end int) int {
	if end+3 >= s.to || end-start != 4 && (end-start != 5 || s.buf[end-1] != 's') {
		return 0
	}
	if binary.LittleEndian.Uint32(s.buf[start:]) != 'h'|'t'<<8|'t'<<16|'p'<<24 || s.buf[end+1] != '/' || s.buf[end+2] != '/' {
		return 0
	}
	return end + 3
}

// putURL puts the URL at start whose host begins at host.
func (s *scanner) putURL(start, host, end int) int {
	stop := s.urlEnd(host)
	if stop <= host {
		return end
	}
	s.put(start, stop, text.URL)
	s.urls++
	return stop
}

// urlEnd returns the end of the URL whose host begins at host.
func (s *scanner) urlEnd(host int) int {
	if bytes.HasPrefix(s.buf[host:s.to], []byte(shortener)) {
		if end := s.shortEnd(host + len(shortener)); end > 0 {
			return end
		}
	}
	i := host
	inHost, foreign := true, false // labels that begin with a Spaceless character have more
	for i < s.to {
		b := s.buf[i]
		if b < utf8.RuneSelf {
			if beside[b]&stops != 0 {
				break
			}
			inHost = inHost && b != '/'
			foreign = foreign && b != '.'
			i++
			continue
		}
		c, size := s.at(i)
		switch {
		case c == class.Spaceless && inHost:
			if foreign = foreign || i == host || s.buf[i-1] == '.'; !foreign {
				return s.trimURL(host, i)
			}
		case !inWord(c) && !s.isDash(i, size), !inHost && isHangul(s.buf[i:]):
			return s.trimURL(host, i)
		}
		i += size
	}
	return s.trimURL(host, i)
}

// isDash reports whether an en dash or em dash is at i, and more of a word
// behind it.
func (s *scanner) isDash(i, size int) bool {
	if r, _ := utf8.DecodeRune(s.buf[i:s.to]); r != 0x2013 && r != 0x2014 {
		return false
	}
	c, _ := s.at(i + size)
	return inWord(c)
}

// isHangul reports whether b begins with a syllable of Hangul: Korean puts its
// particles behind a URL without a space.
func isHangul(b []byte) bool {
	r, _ := utf8.DecodeRune(b)
	return r >= 0xAC00 && r <= 0xD7A3
}

// trimURL returns the end of the URL host..end, less closing punctuation. A
// bracket closes none where one was opened.
func (s *scanner) trimURL(host, end int) int {
	opened := -1 // not looked for yet
	for ; end > host && beside[s.buf[end-1]]&closes != 0; end-- {
		if s.buf[end-1] != ')' {
			continue
		}
		if opened < 0 {
			if opened = bytes.IndexByte(s.buf[host:end], '('); opened < 0 {
				opened = end
			}
		}
		if host+opened < end {
			break
		}
	}
	return end
}

// shortener is the beginning of links of Twitter's shortener behind their
// scheme. Their paths are of letters and digits.
const shortener = "t.co/"

// shortEnd returns the end of the link whose path begins at i, or 0 where
// something else is there: it has no path, or a query.
func (s *scanner) shortEnd(i int) int {
	path := i
	i = s.alnumEnd(i)
	if i == path || i+1 < s.to && s.buf[i] == '?' && isAlnum(s.buf[i+1]) {
		return 0
	}
	return i
}

// alnumEnd returns the end of the letters and digits of ASCII at i.
func (s *scanner) alnumEnd(i int) int {
	for ; i+8 <= len(s.buf); i += 8 {
		x := binary.LittleEndian.Uint64(s.buf[i:])
		if rest := (^alnumASCII(x&^highs) | x) & highs; rest != 0 {
			return min(i+bits.TrailingZeros64(rest)/8, s.to)
		}
		if i >= s.to {
			return s.to
		}
	}
	for i < s.to && isAlnum(s.buf[i]) {
		i++
	}
	return min(i, s.to)
}

// bareDomain puts the URL without a scheme whose domain has buf[start:end] in
// its first label, and takes back the tokens that belong to it.
func (s *scanner) bareDomain(start, end int) int {
	for start > s.from && (isAlnum(s.buf[start-1]) || s.buf[start-1] == '-') {
		start--
	}
	if b := s.before(start); inWord(b) || b == class.At || b == class.Dot || b == class.Dollar || s.buf[start] == '-' {
		return end
	}
	stop, dot := s.nameEnd(start, end)
	if dot < 0 {
		return end
	}
	path := stop+1 < s.to && s.buf[stop] == '/' && isAlnum(s.buf[stop+1])
	domain := s.domain(start, dot, stop, path)
	if len(domain) == 0 || !s.takeBack(start) {
		return end
	}
	s.link(s.n, domain)
	if stop < s.to && s.buf[stop] == '/' {
		stop = max(stop, s.urlEnd(start))
	}
	s.put(start, stop, text.URL)
	s.urls++
	return stop
}

// nameEnd returns the end of the name that begins at start and of which the
// letters, digits, hyphens and stops at i are, and where its last stop is; the
// latter is negative where it cannot be a domain, by its length, its last label or
// what is behind it.
func (s *scanner) nameEnd(start, i int) (stop, dot int) {
	stop, dot = i, -1
	for limit := min(s.to, start+maxDomain+1); stop < limit && beside[s.buf[stop]]&hosted != 0; stop++ {
		if s.buf[stop] == '.' {
			dot = stop
		}
	}
	for s.buf[stop-1] == '.' || s.buf[stop-1] == '-' {
		stop--
	}
	if dot >= stop {
		dot = start + bytes.LastIndexByte(s.buf[start:stop], '.')
	}
	if dot <= start || stop-dot < 3 || s.buf[dot+1] <= '9' || stop-start > maxDomain {
		return stop, -1
	}
	if stop < s.to && (s.buf[stop] == '@' || s.buf[stop] == '_' || s.buf[stop] >= utf8.RuneSelf) {
		if c, _ := s.at(stop); c == class.At || inWord(c) {
			return stop, -1
		}
	}
	return stop, dot
}

// domain returns the registrable domain of the name start..stop, whose last stop
// is at dot, where it is one that readers take for a domain (see Append), else
// nothing.
func (s *scanner) domain(start, dot, stop int, path bool) []byte {
	country := stop-dot <= 3 && !path // it needs a suffix of two labels
	if country {
		i := start
		for ; s.buf[i] != '.'; i++ {
		}
		if i == dot {
			return nil
		}
	}
	h := s.hosts.of(s.buf, start, stop)
	if !h.known || h.whole || country && !h.dotted {
		return nil
	}
	return h.domain
}
