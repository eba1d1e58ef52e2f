package token

import (
	"bytes"
	"strings"
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
		w := string(s.buf[start:end])
		if (w != "http" && w != "https") || len(rest) < 4 || rest[1] != '/' || rest[2] != '/' {
			return end
		}
		return s.putURL(start, end+3, end)
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
	i := host
	foreign, _ := s.at(host)
	inHost := foreign == class.Spaceless // such hosts are there, but rare
	for i < s.to {
		b := s.buf[i]
		if b < utf8.RuneSelf {
			if beside[b]&stops != 0 {
				break
			}
			inHost = inHost && b != '/'
			i++
			continue
		}
		c, size := s.at(i)
		if !inWord(c) && !(inHost && c == class.Spaceless) {
			break
		}
		i += size
	}
	u := s.buf[host:i]
	for len(u) > 0 {
		switch b := u[len(u)-1]; {
		case b == ')' && bytes.IndexByte(u, '(') >= 0:
			return host + len(u)
		case beside[b]&closes != 0:
			u = u[:len(u)-1]
		default:
			return host + len(u)
		}
	}
	return host
}

// bareDomain puts the URL without a scheme whose domain has buf[start:end] in
// its first label, and takes back the tokens that belong to it.
func (s *scanner) bareDomain(start, end int) int {
	for start > s.from && (isAlnum(s.buf[start-1]) || s.buf[start-1] == '-') {
		start--
	}
	if b := s.before(start); inWord(b) || b == class.At || b == class.Dot || s.buf[start] == '-' {
		return end
	}
	stop := end
	for stop < s.to && stop-start <= maxDomain && (isAlnum(s.buf[stop]) || s.buf[stop] == '-' || s.buf[stop] == '.') {
		stop++
	}
	for s.buf[stop-1] == '.' || s.buf[stop-1] == '-' {
		stop--
	}
	path := stop+1 < s.to && s.buf[stop] == '/' && isAlnum(s.buf[stop+1])
	if c, _ := s.at(stop); stop-start > maxDomain || c == class.At || inWord(c) || !s.isDomain(s.buf[start:stop], path) {
		return end
	}
	for n := s.Len(); n > s.first && int(s.End[n-1]) > start-s.from; n-- {
		s.truncate(n - 1) // words all
	}
	if path {
		stop = max(stop, s.urlEnd(start))
	}
	s.put(start, stop, text.URL)
	s.urls++
	return stop
}

// isDomain reports whether d, letters, digits, hyphens and dots, is a domain
// that readers take for one; see Append.
func (s *scanner) isDomain(d []byte, path bool) bool {
	dot := bytes.LastIndexByte(d, '.')
	if dot <= 0 || len(d)-dot < 3 || d[dot+1] <= '9' || bytes.Contains(d, []byte("..")) {
		return false
	}
	if s.hosts == nil {
		s.hosts = new(hosts)
	}
	h := s.hosts.of(d)
	if len(h.suffix) == len(d) || !h.known {
		return false
	}
	return len(d)-dot > 3 || path || strings.IndexByte(h.suffix, '.') >= 0
}
