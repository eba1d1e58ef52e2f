package fold

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/realdata"
)

// lines calls f for each line of a file of the conformance data, cut at ';', or
// skips.
func lines(t *testing.T, path string, f func(fields []string)) {
	t.Helper()
	sc := bufio.NewScanner(bytes.NewReader(realdata.Read(t, "conformance", path)))
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		if fields := strings.Split(line, ";"); len(fields) > 2 {
			f(fields)
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
}

// decode reads code points in hexadecimal.
func decode(t *testing.T, s string) []byte {
	t.Helper()
	var out []byte
	for f := range strings.FieldsSeq(s) {
		r, err := strconv.ParseUint(f, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		out = utf8.AppendRune(out, rune(r))
	}
	return out
}

// TestNFKCCasefold checks that folding does all that NFKC_Casefold does: a
// character and its NFKC_Casefold mapping (DerivedNormalizationProps.txt) fold
// to the same. The exceptions are characters that are folded to something else
// on purpose, and the Greek iota subscript: it is a mark here, which is removed
// before case folding would make a letter of it.
func TestNFKCCasefold(t *testing.T) {
	exceptions := map[rune]string{
		0x00B4: "the acute accent is an apostrophe, not a space with a mark",
		0x1FFD: "the oxia is canonically the acute accent",
	}
	n := 0
	lines(t, "ucd/DerivedNormalizationProps.txt", func(f []string) {
		if strings.TrimSpace(f[1]) != "NFKC_CF" {
			return
		}
		first, last, isRange := strings.Cut(strings.TrimSpace(f[0]), "..")
		if !isRange {
			last = first
		}
		lo, _ := utf8.DecodeRune(decode(t, first))
		hi, _ := utf8.DecodeRune(decode(t, last))
		want := Append(nil, decode(t, f[2]))
		for r := lo; r <= hi; r++ {
			n++
			got := Append(nil, []byte(string(r)))
			if iota := r == 0x0345 || r == 0x037A || r >= 0x1F80 && r <= 0x1FFC; iota && string(want) == string(got)+"ι" {
				continue
			}
			if same := bytes.Equal(got, want); same == (exceptions[r] != "") {
				t.Errorf("%U folds to %+q, its NFKC_Casefold %s to %+q; exception: %q", r, got, f[2], want, exceptions[r])
			}
		}
	})
	if n < 10_000 {
		t.Errorf("only %d mappings read", n)
	}
}

// TestNormalizationForms checks that a text and its four normalization forms
// fold to the same (NormalizationTest.txt), but for the acute accent as a
// character: it is an apostrophe here, and a space with a mark in NFKC and NFKD.
func TestNormalizationForms(t *testing.T) {
	n, accents := 0, 0
	lines(t, "ucd_normalization/NormalizationTest.derived.txt", func(f []string) {
		n++
		want := Append(nil, decode(t, f[0]))
		for form, s := range f[1:5] {
			if got := Append(nil, decode(t, s)); !bytes.Equal(got, want) {
				if f[2] == "00B4" || f[0] == "00B4" {
					accents++
					continue
				}
				t.Errorf("%s folds to %+q, its form %d (%s) to %+q", f[0], want, form+1, s, got)
			}
		}
	})
	if n < 10_000 {
		t.Errorf("only %d lines read", n)
	}
	t.Logf("%d lines; %d forms of the acute accent differ", n, accents)
}

// TestCaseFolding checks that a character folds to what its case folding folds
// to (CaseFolding.txt), but for two rules: the Turkic mappings (status T) are for
// Turkic text alone and are not made, and the Greek iota subscript is removed as
// a mark, where full case folding makes the letter iota of it.
func TestCaseFolding(t *testing.T) {
	n, turkic, iotas := 0, 0, 0
	lines(t, "ucd/CaseFolding.txt", func(f []string) {
		n++
		status := strings.TrimSpace(f[1])
		got, want := Append(nil, decode(t, f[0])), Append(nil, decode(t, f[2]))
		r, _ := utf8.DecodeRune(decode(t, f[0]))
		switch {
		case bytes.Equal(got, want):
		case status == "T":
			turkic++
		case (r == 0x0345 || r >= 0x1F80 && r <= 0x1FFC) && string(want) == string(got)+"ι":
			iotas++
		default:
			t.Errorf("%s folds to %+q, its case folding %s (%s) to %+q", f[0], got, f[2], status, want)
		}
	})
	if n < 1500 {
		t.Errorf("only %d mappings read", n)
	}
	t.Logf("%d mappings; not made: %d Turkic ones, %d of the iota subscript", n, turkic, iotas)
}
