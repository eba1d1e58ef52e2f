package pattern

import (
	"bytes"

	"golang.org/x/net/idna"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// maxHost is the longest host name, RFC 1035 section 2.3.4.
const maxHost = 253

// AppendURL appends to dst the form of a URL in which it is compared: the host,
// folded, decoded where it is Punycode, without "www.", a user or a port; then
// the rest as it is, without a '/' at its end. The scheme is not in it. Nothing
// is appended where there is no host: a host has a dot, or is in brackets.
func AppendURL(dst, url []byte) []byte {
	if i := bytes.Index(url, []byte("://")); i >= 0 && i < 16 {
		url = url[i+3:]
	}
	host, rest := url, []byte(nil)
	if i := bytes.IndexAny(url, `/?#\`); i >= 0 {
		host, rest = url[:i], url[i:]
	}
	host = host[bytes.LastIndexByte(host, '@')+1:]
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	host = bytes.TrimSuffix(host, []byte("."))
	if len(host) > maxHost || bytes.IndexByte(host, '.') < 0 && (len(host) == 0 || host[0] != '[') {
		return dst
	}
	base := len(dst)
	dst = fold.Append(dst, host)
	if bytes.Contains(dst[base:], []byte("xn--")) {
		if s, err := idna.Punycode.ToUnicode(string(dst[base:])); err == nil {
			dst = fold.Append(dst[:base], []byte(s))
		}
	}
	if bytes.HasPrefix(dst[base:], []byte("www.")) && bytes.Count(dst[base:], []byte(".")) > 1 {
		dst = append(dst[:base], dst[base+4:]...)
	}
	return append(dst, bytes.TrimRight(rest, "/")...)
}

// URLs is a set of hosts and URLs that are found with all that is below them.
type URLs struct{ prefixes *Prefixes }

// NewURLs makes a set of what AppendURL gives; Find reports them by their place.
func NewURLs(urls []string) *URLs { return &URLs{NewPrefixes(urls)} }

// Find calls hit with the place of each term that url, in the form of AppendURL,
// is, or is below: of its host or one above it, and of its path or the
// beginning of it up to a '/', '?', '#' or '&'.
func (u *URLs) Find(url []byte, hit func(id uint32) bool) {
	host := len(url)
	if i := bytes.IndexAny(url, `/?#\`); i >= 0 {
		host = i
	}
	for from := 0; from < host; {
		more := true
		u.prefixes.Find(url[from:], func(id uint32, length int) bool {
			if end := from + length; end < host || end < len(url) && end > host && !boundary(url[end]) && !boundary(url[end-1]) {
				return true
			}
			more = hit(id)
			return more
		})
		dot := bytes.IndexByte(url[from:host], '.')
		if dot < 0 || !more {
			return
		}
		from += dot + 1
	}
}

func boundary(b byte) bool { return b == '/' || b == '?' || b == '#' || b == '&' }
