package token

import (
	"bytes"
	"encoding/binary"

	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/suffix"
)

// Domains finds the registrable domain of URLs: the public suffix (of the list
// that package suffix has) and one label more. The domain is given in Unicode and
// folded: labels in Punycode (xn--...) are decoded, so that both spellings of a
// name are one domain. As everywhere in the folded view, names that differ in
// diacritics only are one, too.
//
// It is for one goroutine; the zero value is ready.
type Domains struct {
	hosts   hosts
	scratch []byte

	lastShort  uint64 // the last host of less than 8 bytes, and '/'; see OfFolded
	lastDomain []byte
}

// Of returns the registrable domain of a URL, or of a host without a scheme,
// folded; it is empty where it has none, such as for mailto: and host names
// without a dot. The host of an IP address is itself. The result is valid until
// the next call of a method.
func (d *Domains) Of(url []byte) []byte {
	name := Host(url)
	if len(name) == 0 || len(name) > maxDomain {
		return nil
	}
	d.scratch = fold.Append(d.scratch[:0], name)
	return d.of(d.scratch)
}

// OfFolded is Of for the URL buf[from:to], which is folded already. It may read
// buf before from and beyond to. The result may be a part of buf.
func (d *Domains) OfFolded(buf []byte, from, to int) []byte {
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
				d.lastShort, d.lastDomain = x, append(d.lastDomain[:0], d.of(Host(buf[from:to]))...)
			}
			return d.lastDomain
		}
	}
	// Fast path: a host of ASCII that a path or nothing follows.
	end := i
	for end < to && beside[buf[end]]&(named|hosted) != 0 {
		end++
	}
	if end == i || end-i > maxDomain || buf[end-1] == '.' || end < to && buf[end] != '/' {
		return d.of(Host(buf[from:to]))
	}
	return d.hosts.of(buf, i, end).domain
}

func (d *Domains) of(name []byte) []byte {
	if n := len(name); n > 0 && name[n-1] == '.' {
		name = name[:n-1]
	}
	if len(name) == 0 || len(name) > maxDomain {
		return nil
	}
	return d.hosts.of(name, 0, len(name)).domain
}

// hosts tells what the public suffix list says of host names. It is for one
// goroutine; the zero value is ready.
type hosts struct {
	list    *suffix.List // read when the first name is asked for
	decoder decoder
	name    []byte // the last name that was decoded
	recent  [256]recent
}

// host is what is known of a host name.
type host struct {
	domain []byte // registrable; empty where there is none
	whole  bool   // the name is a public suffix
	dotted bool   // its public suffix has two labels at least
	known  bool   // the suffix is in the list
}

// recent is a name of at most 16 bytes that was looked up, and what is known of
// it; its domain, if it has one, begins at the place at of the name.
type recent struct {
	lo, hi               uint64
	length, at           uint8
	whole, dotted, known bool // as in host
}

// of returns what is known of the folded name buf[from:to], which is not empty and
// has a colon behind a bracket only. Its domain is a part of buf, or of what the next call overwrites.
func (h *hosts) of(buf []byte, from, to int) host {
	n := to - from
	if n > 16 || from+16 > len(buf) {
		return h.lookUp(buf, from, to)
	}
	lo := binary.LittleEndian.Uint64(buf[from:]) & masks[n][0]
	hi := binary.LittleEndian.Uint64(buf[from+8:]) & masks[n][1]
	r := &h.recent[Mix(lo^hashSeed, hi^hashOther)%uint64(len(h.recent))]
	if r.lo == lo && r.hi == hi && int(r.length) == n {
		return host{buf[from+int(r.at) : to], r.whole, r.dotted, r.known}
	}
	out := h.lookUp(buf, from, to)
	if bytes.HasSuffix(buf[from:to], out.domain) {
		*r = recent{lo, hi, uint8(n), uint8(n - len(out.domain)), out.whole, out.dotted, out.known}
	}
	return out
}

// lookUp asks the list about a name; see of.
func (h *hosts) lookUp(buf []byte, from, to int) host {
	if isAddress(buf[from:to]) {
		return host{domain: buf[from:to]}
	}
	if h.list == nil {
		h.list = suffix.Default()
	}
	decoded := suffix.IsEncoded(buf[from:to])
	if decoded {
		buf, from, to = h.decode(buf, from, to)
	}
	found := h.list.Find(buf, from, to)
	if !decoded && (found.Encoded || suffix.IsEncoded(buf[found.Before:to])) {
		buf, from, to = h.decode(buf, from, to)
		found = h.list.Find(buf, from, to)
	}
	out := host{whole: found.At == from, dotted: found.Dotted, known: found.ICANN || found.Dotted}
	// Names with empty labels have no domain, nor has a suffix by itself.
	if found.At > from+1 && buf[from] != '.' && buf[to-1] != '.' && !bytes.Contains(buf[from:to], []byte("..")) {
		out.domain = buf[found.Before:to]
	}
	return out
}

// decode returns a name with its labels in Punycode decoded.
func (h *hosts) decode(buf []byte, from, to int) (name []byte, begin, end int) {
	h.name = h.decoder.append(h.name[:0], buf[from:to])
	return h.name, 0, len(h.name)
}

// isAddress reports whether name is an IPv4 address or a bracketed IPv6 one.
func isAddress(name []byte) bool {
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
