package token

import (
	"bytes"

	"golang.org/x/net/publicsuffix"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// Domains finds the registrable domain of URLs: the public suffix (of the list
// that golang.org/x/net carries) and one label more. It remembers the last
// hosts that it was asked for. It is for one goroutine; the zero value is ready.
type Domains struct {
	cache   [512]host
	scratch []byte
}

// host is an entry of the cache: domain is a part of name.
type host struct{ name, domain string }

// Of returns the registrable domain of a URL, or of a host without a scheme,
// folded; "" where it has none, such as for mailto: and host names without a
// dot. The host of an IP address is itself.
func (d *Domains) Of(url []byte) string {
	name := Host(url)
	if len(name) == 0 || len(name) > maxDomain {
		return ""
	}
	d.scratch = fold.Append(d.scratch[:0], name)
	name = bytes.TrimSuffix(d.scratch, []byte("."))
	e := &d.cache[Hash(name)%uint64(len(d.cache))]
	if e.name != string(name) {
		*e = host{name: string(name)}
		e.domain = registrable(e.name)
	}
	return e.domain
}

// registrable returns the registrable domain of a host name.
func registrable(name string) string {
	if isAddress(name) {
		return name
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return "" // a public suffix itself, or an empty label
	}
	return domain
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
	if i := bytes.IndexByte(url, ':'); i >= 0 && i+2 < len(url) && url[i+1] == '/' && url[i+2] == '/' {
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
