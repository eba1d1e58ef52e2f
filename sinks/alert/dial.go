package alert

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// reserved are address ranges that no public receiver has, beside what
// netip tells by itself: RFC 6890 and the ways to write IPv4 in IPv6, which
// lead to a private address through a translator.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// public reports whether a is an address of the public internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// newDialer returns a dialer for one target. The address is checked when a
// connection is made, after the name was looked up, so a name that leads to a
// private address, now or later, is refused.
func newDialer(t Target) *net.Dialer {
	d := &net.Dialer{Timeout: t.Timeout}
	if !t.AllowPrivate {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !public(ap.Addr()) {
				return fmt.Errorf("%s is a private or loopback address: set allow_private: true for this target, if that is meant", address)
			}
			return nil
		}
	}
	return d
}

// newClient returns a client for one target. There is no proxy, which would
// hide the address, and redirects are not followed: they would carry the
// message, and what authorizes it, elsewhere.
func newClient(t Target) *http.Client {
	return &http.Client{
		Timeout: t.Timeout,
		Transport: &http.Transport{
			DialContext: newDialer(t).DialContext, TLSHandshakeTimeout: t.Timeout, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: workersPerTarget, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
