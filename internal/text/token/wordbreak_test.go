package token

import (
	"bufio"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// TestWordBreak holds words against UAX #29's own tests (WordBreakTest.txt of
// Unicode 14), in the folded view: each word or number must begin and end at a
// break, and hold none, and each letter and digit must be in a token. What
// differs is what the package comment says, by rule of UAX #29, and the counts
// are pinned so that a change is seen.
func TestWordBreak(t *testing.T) {
	file, err := os.Open(realdata.Path(t, "conformance", "ucd_break_tests", "WordBreakTest.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, deviations := 0, map[string]int{}
	for sc := bufio.NewScanner(file); sc.Scan(); {
		line, _, _ := strings.Cut(sc.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		lines++
		in, breaks := breakTest(t, line)
		var toks Tokens
		toks.Append(in, 0, len(in))
		covered(t, line, in, &toks)
		for i, k := range toks.Kind {
			if k != text.Word && k != text.Number {
				continue
			}
			s, e := int(toks.Start[i]), int(toks.End[i])
			inside := false
			for b := range breaks {
				inside = inside || b > s && b < e
			}
			if !breaks[s] || !breaks[e] || inside {
				reason := deviation(line, in, s, e)
				t.Logf("%s: %+q of %+q", reason, in[s:e], in)
				if deviations[reason]++; reason == "" {
					t.Errorf("%s: word %+q of %+q, breaks %v", line, in[s:e], in, breaks)
				}
			}
		}
	}
	logReasons(t, "WordBreakTest.txt (of words; the cases are lines)", lines, deviations)
	if want := map[string]int{noJoin: 35, joinerGone: 2, kanaApart: 1}; lines != 1823 || !maps.Equal(deviations, want) {
		t.Errorf("%d lines, words that differ: %v, want %v of 1823", lines, deviations, want)
	}
}

// covered checks that each letter and digit is in a token.
func covered(t *testing.T, line string, in []byte, toks *Tokens) {
	t.Helper()
	for i, r := range string(in) {
		if c := classOf(r); c != class.Letter && c != class.Digit && c != class.Spaceless {
			continue
		}
		in := func(k int) bool { return int(toks.Start[k]) <= i && i < int(toks.End[k]) }
		found := false
		for k := range toks.Len() {
			found = found || in(k)
		}
		if !found {
			t.Errorf("%s: %q at %d is in no token", line, r, i)
		}
	}
}

// breakTest returns the folded text of a test and its breaks.
func breakTest(t *testing.T, line string) (in []byte, breaks map[int]bool) {
	t.Helper()
	breaks = map[int]bool{}
	for f := range strings.FieldsSeq(line) {
		switch f {
		case "÷":
			breaks[len(in)] = true
		case "×":
		default:
			r, err := strconv.ParseUint(f, 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, fold.Append(nil, utf8.AppendRune(nil, rune(r)))...)
		}
	}
	return in, breaks
}

const (
	noJoin     = "WB6, WB7, WB7b, WB7c: a stop, colon or quotation mark joins no letters"
	kanaApart  = "WB13: kana is cut into bigrams, and joins nothing"
	joinerGone = "WB3c: no joiner joins an emoji to a letter; folding removes it there"
)

// deviation returns why a word is not that of UAX #29.
func deviation(line string, in []byte, s, e int) string {
	after := strings.IndexAny(string(in[e:min(e+1, len(in))]), ".:\"'") == 0
	before := s > 0 && strings.IndexAny(string(in[s-1:s]), ".:\"'") == 0
	switch {
	case after || before:
		return noJoin
	case strings.Contains(line, "200D"):
		return joinerGone
	case strings.Contains(line, "3031"):
		return kanaApart
	}
	return ""
}
