package token

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// Domains finds the registrable domain of URLs: the public suffix (of the list
// that golang.org/x/net carries) and one label more. The domain is given in
// Unicode and folded: labels in Punycode (xn--...) are decoded, so that both
// spellings of a name are one domain. As everywhere in the folded view, names
// that differ in diacritics only are one, too.
//
// It remembers the last hosts that it was asked for. It is for one goroutine;
// the zero value is ready.
type Domains struct {
	hosts   hosts
	scratch []byte

	lastShort  uint64 // the last host of less than 8 bytes, and '/'; see OfFolded
	lastDomain string
}

// Of returns the registrable domain of a URL, or of a host without a scheme,
// folded; "" where it has none, such as for mailto: and host names without a
// dot. The host of an IP address is itself.
func (d *Domains) Of(url []byte) string {
	name := Host(url)
	if len(name) == 0 || len(name) > maxDomain {
		return ""
	}
	d.scratch = fold.Append(d.scratch[:0], name)
	return d.of(d.scratch)
}

// OfFolded is Of for the URL buf[from:to], which is folded already. It may read
// buf beyond to.
func (d *Domains) OfFolded(buf []byte, from, to int) string {
	i := from
	if to-from > len("https://") {
		colon := from + len("http")
		if buf[colon] == 's' {
			colon++
		}
		if buf[colon] == ':' && buf[colon+1] == '/' {
			i = colon + len("://")
		}
	}
	if i+8 <= to {
		// Fast path: a host of less than 8 bytes before a path, as the last was.
		x := binary.LittleEndian.Uint64(buf[i:])
		slash := x ^ '/'*every
		slash = (slash - every) &^ slash & highs // the lowest bit is right
		if slash != 0 {
			if x &= slash ^ (slash - 1); x != d.lastShort {
				d.lastShort, d.lastDomain = x, d.of(Host(buf[from:to]))
			}
			return d.lastDomain
		}
	}
	// Fast path: a host of ASCII that a path or nothing follows.
	end := i
	for end < to && (beside[buf[end]]&named != 0 || buf[end] == '.' || buf[end] == '-') {
		end++
	}
	if end == i || end-i > maxDomain || buf[end-1] == '.' || end < to && buf[end] != '/' {
		return d.of(Host(buf[from:to]))
	}
	return d.hosts.at(buf, i, end).domain
}

func (d *Domains) of(name []byte) string {
	if n := len(name); n > 0 && name[n-1] == '.' {
		name = name[:n-1]
	}
	if len(name) == 0 || len(name) > maxDomain {
		return ""
	}
	return d.hosts.of(name).domain
}

// hosts remembers what the public suffix list says of the last host names, for
// one goroutine. It is 2-way: the two names of a set are the last two.
type hosts [256][2]host

// host is a host name.
type host struct {
	name   string
	domain string // registrable; "" where there is none
	whole  bool   // the name is a public suffix
	dotted bool   // its public suffix has two labels at least
	known  bool   // the suffix is in the list
}

// of returns what is known of name, which is not empty.
func (h *hosts) of(name []byte) *host { return h.at(name, 0, len(name)) }

// at is of for the name buf[from:to].
func (h *hosts) at(buf []byte, from, to int) *host {
	set := &h[hashOf(buf, from, to)%uint64(len(h))]
	name := buf[from:to]
	switch string(name) {
	case set[0].name:
		return &set[0]
	case set[1].name:
		set[0], set[1] = set[1], set[0]
		return &set[0]
	}
	set[0], set[1] = lookUp(string(name)), set[0]
	return &set[0]
}

// lookUp asks the public suffix list about a folded name.
func lookUp(name string) host {
	h := host{name: name}
	if isAddress(name) {
		h.domain = name
		return h
	}
	shown := DecodeLabels(name)
	listed := encodeLabels(shown)
	suffix, icann := publicsuffix.PublicSuffix(listed)
	h.whole = len(suffix) == len(listed)
	h.dotted = strings.IndexByte(suffix, '.') >= 0
	h.known = icann || h.dotted
	// Names with empty labels have no domain, nor has a suffix by itself. That
	// is publicsuffix.EffectiveTLDPlusOne without a second look at the list.
	if before := len(listed) - len(suffix) - 1; before > 0 && listed[0] != '.' && listed[len(listed)-1] != '.' && !strings.Contains(listed, "..") {
		h.domain = lastLabels(shown, strings.Count(suffix, ".")+2)
	}
	return h
}

// lastLabels returns the last n labels of name.
func lastLabels(name string, n int) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			if n--; n == 0 {
				return name[i+1:]
			}
		}
	}
	return name
}

// punycode begins labels in Punycode (RFC 5890, section 2.3.2.1).
const punycode = "xn--"

// DecodeLabels returns a folded host name with its labels in Punycode decoded
// and folded. A label that stands for nothing, or for more than letters, digits,
// marks and hyphens, stays as it is.
func DecodeLabels(name string) string {
	if !strings.Contains(name, punycode) {
		return name
	}
	labels := strings.Split(name, ".")
	for i, l := range labels {
		if !strings.HasPrefix(l, punycode) {
			continue
		}
		u, err := idna.Punycode.ToUnicode(l)
		if err != nil {
			continue
		}
		u = string(fold.Append(nil, []byte(u)))
		if u != "" && !strings.ContainsFunc(u, notOfLabel) {
			labels[i] = u
		}
	}
	return strings.Join(labels, ".")
}

// encodeLabels returns name as the public suffix list has it, in ASCII.
func encodeLabels(name string) string {
	isASCII := func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	}
	if isASCII(name) {
		return name
	}
	labels := strings.Split(name, ".")
	for i, l := range labels {
		if isASCII(l) {
			continue
		}
		if a, err := idna.Punycode.ToASCII(l); err == nil {
			labels[i] = a
		}
	}
	return strings.Join(labels, ".")
}

// notOfLabel reports whether r is of no label.
func notOfLabel(r rune) bool {
	c := classOf(r)
	return r != '-' && c != class.Letter && c != class.Digit && c != class.Mark && c != class.Spaceless
}

// isAddress reports whether name is an IPv4 address or a bracketed IPv6 one.
func isAddress(name string) bool {
	if name[0] == '[' {
		return name[len(name)-1] == ']'
	}
	dots := 0
	for i := range len(name) {
		switch b := name[i]; {
		case b == '.':
			dots++
		case b < '0' || b > '9':
			return false
		}
	}
	return dots == 3
}

// Host returns the host of a URL, without user and port; nil where the scheme
// has none.
func Host(url []byte) []byte {
	if i := bytes.IndexByte(url, ':'); i >= 0 && i+2 < len(url) && url[i+1] == '/' && url[i+2] == '/' && isScheme(url[:i]) {
		url = url[i+3:]
	}
	begin, end, dot, address := 0, len(url), false, false
	for i, b := range url {
		switch b {
		case '/', '?', '#', '\\':
			return hostIn(url[begin:min(i, end)], dot)
		case '@': // what stands before it is the user
			begin, end, dot, address = i+1, len(url), false, false
		case '[', ']': // an IPv6 address
			address = b == '['
		case ':':
			if !address {
				end = min(end, i)
			}
		case '.':
			dot = true
		}
	}
	return hostIn(url[begin:end], dot)
}

// hostIn returns h where it can be a host: it has a dot, or is an IPv6 address.
func hostIn(h []byte, dot bool) []byte {
	if !dot && (len(h) == 0 || h[0] != '[') {
		return nil
	}
	return h
}

// isScheme reports whether b can be the scheme of a URL (RFC 3986, section 3.1):
// "//" in a path follows none.
func isScheme(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
