package disguise

import (
	"bufio"
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// prototypes reads confusables.txt of UTS #39.
func prototypes(t *testing.T) map[rune]string {
	t.Helper()
	out := map[rune]string{}
	sc := bufio.NewScanner(bytes.NewReader(realdata.Read(t, "conformance", "ucd", "confusables.txt")))
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		fields := strings.Split(strings.TrimPrefix(line, "\ufeff"), ";")
		if len(fields) < 3 {
			continue
		}
		from := codes(t, fields[0])
		out[from[0]] = string(codes(t, fields[1]))
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func codes(t *testing.T, s string) (out []rune) {
	t.Helper()
	for f := range strings.FieldsSeq(s) {
		r, err := strconv.ParseUint(f, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rune(r))
	}
	return out
}

// TestConfusables checks that each character of confusables.txt may stand for
// each letter of the Latin, Cyrillic and Arabic alphabets that has the same
// prototype. The deviations are those of the rules below, which are counted.
func TestConfusables(t *testing.T) {
	proto := prototypes(t)
	prototype := func(r rune) string {
		if p, ok := proto[r]; ok {
			return p
		}
		return string(r)
	}
	byPrototype := map[string][]rune{}
	for _, span := range [][2]rune{{'A', 'Z'}, {'a', 'z'}, {0x410, 0x44F}, {0x406, 0x406}, {0x456, 0x456}, {0x621, 0x63A}, {0x641, 0x64A}} {
		for r := span[0]; r <= span[1]; r++ {
			byPrototype[prototype(r)] = append(byPrototype[prototype(r)], r)
		}
	}
	count := map[string]int{}
	for c, p := range proto {
		letters := byPrototype[p]
		if len(letters) == 0 {
			count["not made: no letter of the three alphabets has the prototype"]++
			continue
		}
		for _, x := range letters {
			count[deviation(t, c, x)]++
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%5d %s", count[reason], reason)
	}
	if count["made"] < 1000 {
		t.Errorf("only %d are made", count["made"])
	}
}

// deviation says whether c may stand for the letter x here, and why not.
func deviation(t *testing.T, c, x rune) string {
	t.Helper()
	folded, fate := fold.Rune(x)
	if fate != fold.One {
		return "not made: the letter by itself folds to several or none"
	}
	u := appendUnits(nil, []byte(string(c)), 0, len(string(c)))
	if len(u) == 0 {
		return "not made: folding removes the character"
	}
	if _, ok := u[0].stands(folded); ok && len(u) == 1 {
		if u[0].folded == folded {
			return "made by folding"
		}
		return "made"
	}
	g := glyphs[u[0].glyph]
	switch own := u[0].folded; {
	case len(u) > 1:
		return "not made: the character folds to several"
	case g.n > 0 && letters[g.first].kind&(kind.SmallCaps|kind.UpsideDown) != 0:
		return "not made: it is a small capital or a turned letter, and stands for that letter only"
	case scriptOf(own) == scriptOf(folded) && keyOf(own) != 0 && isBasic(own):
		return "not made: both are letters of one alphabet, which do not stand for one another"
	case c >= 0x20000:
		return "not made: beyond the tables"
	}
	t.Errorf("%U (%c) does not stand for %c, though both have one prototype", c, c, x)
	return "unexplained"
}

// isBasic reports whether r is of one of the three alphabets.
func isBasic(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 0x430 && r < 0x450 || r == 0x456 || r >= 0x621 && r < 0x64B
}

// TestKeys checks what the search rests on: a character and all letters that it
// may stand for have one key.
func TestKeys(t *testing.T) {
	for r := range rune(0x20000) {
		n := glyphOf(r)
		if n == 0 {
			continue
		}
		g := glyphs[n]
		for _, s := range letters[g.first : g.first+uint16(g.n)] {
			if keyOf(s.letter) != g.key {
				t.Errorf("%U may stand for %U, but their keys are %U and %U", r, s.letter, g.key, keyOf(s.letter))
			}
		}
		if f, fate := fold.Rune(r); fate == fold.One && isBasic(f) && keyOf(f) != g.key {
			t.Errorf("%U folds to %U, but their keys are %U and %U", r, f, g.key, keyOf(f))
		}
	}
}
