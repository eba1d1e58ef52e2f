package token

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// reference is what is known of a host, by publicsuffix and idna.
type reference struct {
	domain               string
	whole, dotted, known bool
}

// lookUp asks publicsuffix and idna about a folded name.
func lookUp(name string) (h reference) {
	if isAddress([]byte(name)) {
		return reference{domain: name}
	}
	shown := decodeLabels(name)
	listed := encodeLabels(shown)
	suffix, icann := publicsuffix.PublicSuffix(listed)
	h.whole = len(suffix) == len(listed)
	h.dotted = strings.IndexByte(suffix, '.') >= 0
	h.known = icann || h.dotted
	if _, err := publicsuffix.EffectiveTLDPlusOne(listed); err == nil {
		labels := strings.Split(shown, ".")
		h.domain = strings.Join(labels[len(labels)-strings.Count(suffix, ".")-2:], ".")
	}
	return h
}

// decodeLabels is DecodeLabels by idna.
func decodeLabels(name string) string {
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

// holdHost holds what is known of a name, alone and with text around it, against
// publicsuffix and idna.
func holdHost(t *testing.T, h *hosts, name string) {
	t.Helper()
	if got, want := DecodeLabels(name), decodeLabels(name); got != want {
		t.Fatalf("%+q: decoded %+q, want %+q", name, got, want)
	}
	want := lookUp(name)
	for _, before := range []string{"", "a", "http://xn--p1ai."} {
		buf := []byte(before + name + "/path")
		got := h.of(buf, len(before), len(before)+len(name))
		if (reference{string(got.domain), got.whole, got.dotted, got.known}) != want {
			t.Fatalf("%+q: %q %+v, want %+v", name, got.domain, got, want)
		}
	}
}

// hostNames are names that are odd in some way.
var hostNames = []string{
	"example.com", "com", "a.b.example.co.uk", "co.uk", "uk", "nosuffix", "a.nosuffix", "x.a.nosuffix", "www.ck", "a.ck", "b.a.ck", "city.kawasaki.jp",
	"a.b.kawasaki.jp", "b.kawasaki.jp", "x.blogspot.com", "blogspot.com", ".com", "com.", ".a.com", "a..com", "..", ".", "-.com", "1.2.3", "1.2.3.4", "a.1",
	"пример.рф", "рф", "xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd.рф", "пример.xn--p1ai", "xn--.com", "xn--a.com", "xn---a.com", "xn--a-.com", "xn--é-.com", "xn--é-a.com",
	"xn--bcher-kva.xn--bcher-kva.com", "xn--99999999.com", "xn--zzzzzzzzzzzz.com", "xn--p1ai.xn--a.com", "xn--xn--a-.com", "公司.cn", "xn--55qx5d.cn", "a.公司.cn",
	"xn--a\xff-b.com", "\xff.com", "[::1]", "[::1", "1.2.3.400",
}

// TestHosts holds names against publicsuffix and idna: odd ones, and ones drawn
// from what Punycode is made of.
func TestHosts(t *testing.T) {
	var h hosts
	for _, name := range hostNames {
		holdHost(t, &h, name)
	}
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"xn--", "xn--", "a", "b", "z", "0", "9", "-", ".", "p1ai", "com", "co.uk", ".jp", "kawasaki", "é", "ж", "東", "bcher-kva", "55qx5d", "80ak6aa92e"}
	for range 300_000 {
		var b strings.Builder
		for range 1 + r.IntN(9) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		holdHost(t, &h, b.String())
	}
	const digits = "abcdefghijklmnopqrstuvwxyz0123456789"
	for range 300_000 {
		label := []byte(punycode)
		for range 1 + r.IntN(12) {
			label = append(label, digits[r.IntN(len(digits))])
		}
		if r.IntN(4) == 0 {
			label[len(punycode)+r.IntN(len(label)-len(punycode))] = '-'
		}
		holdHost(t, &h, string(label)+".com")
	}
}

// TestSuffixRules holds each rule of the list, as it is folded and in Punycode.
func TestSuffixRules(t *testing.T) {
	rules, err := os.ReadFile("../suffix/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	var h hosts
	for line := range strings.Lines(string(rules)) {
		rule := strings.Trim(line, "!*.\n")
		if strings.HasPrefix(rule, "//") {
			continue
		}
		encoded := encodeLabels(rule)
		for _, name := range []string{rule, encoded, "a.b." + encoded, "xn--a." + encoded, "xn--bcher-kva." + rule} {
			holdHost(t, &h, name)
		}
		// What h.of takes for granted: no label of the list stays in Punycode.
		if s := DecodeLabels(encoded); strings.Contains(s, punycode) {
			t.Errorf("rule %q is decoded to %q", encoded, s)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, name := range hostNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || len(name) > maxDomain || !utf8.ValidString(name) || strings.Contains(name, ":") {
			return // Host leaves a colon behind a bracket only
		}
		var h hosts
		holdHost(t, &h, string(fold.Append(nil, []byte(name)))+".com")
		holdHost(t, &h, name)
	})
}
