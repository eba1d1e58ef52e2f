package token

import (
	"bytes"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// Domains finds the registrable domain of URLs: the public suffix (of the list
// that golang.org/x/net carries) and one label more. It remembers the last
// hosts that it was asked for. It is for one goroutine; the zero value is ready.
type Domains struct {
	hosts   hosts
	scratch []byte
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

// OfFolded is Of for a URL that is folded already.
func (d *Domains) OfFolded(url []byte) string { return d.of(Host(url)) }

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

// host is a host name; the strings share its memory.
type host struct {
	name   string
	domain string // registrable; "" where there is none
	suffix string // public
	known  bool   // the suffix is in the list
}

// of returns what is known of name, which is not empty.
func (h *hosts) of(name []byte) *host {
	set := &h[Hash(name)%uint64(len(h))]
	switch string(name) {
	case set[0].name:
		return &set[0]
	case set[1].name:
		set[0], set[1] = set[1], set[0]
		return &set[0]
	}
	e := host{name: string(name)}
	if isAddress(e.name) {
		e.domain = e.name
	} else {
		var icann bool
		e.suffix, icann = publicsuffix.PublicSuffix(e.name)
		e.known = icann || strings.IndexByte(e.suffix, '.') >= 0
		// The error is for names that are suffixes, or have empty labels.
		e.domain, _ = publicsuffix.EffectiveTLDPlusOne(e.name)
	}
	set[0], set[1] = e, set[0]
	return &set[0]
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
