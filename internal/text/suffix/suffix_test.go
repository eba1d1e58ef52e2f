package suffix

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// TestVersion checks that the list is that of the package it is held against.
func TestVersion(t *testing.T) {
	if got, want := Version(), publicsuffix.List.String(); got != want {
		t.Errorf("rules.txt is of %s\npublicsuffix of %s: run go generate", got, want)
	}
}

// ascii returns name with its labels beyond ASCII in Punycode.
func ascii(t *testing.T, name string) string {
	t.Helper()
	labels := strings.Split(name, ".")
	for i, l := range labels {
		for _, r := range l {
			if r < utf8.RuneSelf {
				continue
			}
			a, err := idna.Punycode.ToASCII(l)
			if err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			labels[i] = a
			break
		}
	}
	return strings.Join(labels, ".")
}

// hold holds what Find says of a name against publicsuffix, in a buffer by itself
// and with more around it.
func hold(t *testing.T, name string) {
	t.Helper()
	listed := ascii(t, name)
	if _, err := netip.ParseAddr(listed); err == nil {
		return // the callers of Find look for these
	}
	want, icann := publicsuffix.PublicSuffix(listed)
	wantLabels := strings.Count(want, ".")
	for _, before := range []string{"", "x", "com.", "http://user@"} {
		buf := []byte(before + name + "/path")
		from := len(before)
		got := Default().Find(buf, from, from+len(name))
		if got.Encoded {
			if !strings.Contains(name, "xn--") {
				t.Fatalf("%q is encoded", name)
			}
			continue
		}
		shown := string(buf[got.At : from+len(name)])
		if strings.Count(shown, ".") != wantLabels || !strings.HasSuffix(name, shown) || ascii(t, shown) != want || got.ICANN != icann {
			t.Fatalf("%q behind %q: suffix %q, registry %t; want %q, %t", name, before, shown, got.ICANN, want, icann)
		}
		if got.Dotted != strings.Contains(shown, ".") {
			t.Fatalf("%q: dotted %t", shown, got.Dotted)
		}
		rest := strings.TrimSuffix(strings.TrimSuffix(name, shown), ".")
		if label := string(buf[got.Before:got.At]); strings.TrimSuffix(label, ".") != rest[strings.LastIndexByte(rest, '.')+1:] {
			t.Fatalf("%q: before its suffix %q", name, label)
		}
	}
}

// TestRules holds each rule of the list, with labels before it and changed.
func TestRules(t *testing.T) {
	n := 0
	for line := range strings.Lines(rules) {
		rule := strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(rule, "//") {
			continue
		}
		n++
		name := strings.TrimPrefix(strings.TrimPrefix(rule, "*."), "!")
		for _, before := range []string{"", ".", "a.", "b.a.", "c.b.a.", "www.", "a-long-label-of-many-letters.", "x"} {
			hold(t, before+name)
		}
		hold(t, name[1:]+".com")
		hold(t, name+"x")
		hold(t, name+".")
		hold(t, "a."+name+"."+name)
		if dot := strings.IndexByte(name, '.'); dot > 0 {
			hold(t, name[:dot]+"."+name)
			hold(t, name[:dot]+"x"+name[dot:])
			hold(t, name[:dot]+"."+name[dot:])
		}
	}
	if n < 10_000 {
		t.Errorf("only %d rules", n)
	}
}

// TestDrawn holds names drawn from the labels of the list.
func TestDrawn(t *testing.T) {
	var labels []string
	for line := range strings.Lines(rules) {
		if !strings.HasPrefix(line, "//") {
			labels = append(labels, strings.Split(strings.Trim(line, "!\n"), ".")...)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		var name []string
		for range 1 + r.IntN(4) {
			name = append(name, labels[r.IntN(len(labels))])
		}
		hold(t, strings.Join(name, "."))
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"a.b.co.uk", "www.ck", "city.kawasaki.jp", "пример.рф", "..", "a..com", "xn--p1ai", "1.2.3.4", "com."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || len(name) > 253 || !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError) {
			return
		}
		for l := range strings.SplitSeq(name, ".") {
			if strings.HasPrefix(l, "xn--") {
				return
			}
		}
		hold(t, name)
	})
}

func BenchmarkFind(b *testing.B) {
	buf := []byte("http://abcde.com and more of a text")
	l := Default()
	for b.Loop() {
		l.Find(buf, 7, 16)
	}
}

func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		build(rules)
	}
}
