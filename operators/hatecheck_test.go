package operators_test

import (
	"bytes"
	"encoding/csv"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// wordsOf returns the folded words of a text that have three letters or more.
func wordsOf(s string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(string(fold.Append(nil, []byte(s))), func(r rune) bool {
		return !unicode.IsLetter(r)
	}), func(w string) bool { return len(w) < 3 })
}

// TestHateCheck measures, on HateCheck's pairs of a text and one with a word in
// disguise, how many of the words that were changed are still found. Wrong
// spelling (letters left out or swapped, blanks taken out) is no disguise of
// characters: its figures are printed and not judged. What is missed of the other
// kinds are pairs in which a word was also put otherwise than in the original.
func TestHateCheck(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(realdata.Read(t, "labelled", "hatecheck", "test_suite_cases.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	kind, id, text, ref := column("functionality"), column("case_id"), column("test_case"), column("ref_case_id")
	byID := map[string]string{}
	for _, r := range rows[1:] {
		byID[r[id]] = r[text]
	}
	type count struct{ changed, found int }
	counts := map[string]*count{}
	for _, r := range rows[1:] {
		original := byID[strings.TrimSuffix(r[ref], ".0")]
		if !strings.HasPrefix(r[kind], "spell_") || original == "" {
			continue
		}
		if counts[r[kind]] == nil {
			counts[r[kind]] = &count{}
		}
		left := wordsOf(r[text])
		terms := slices.DeleteFunc(wordsOf(original), func(w string) bool { return slices.Contains(left, w) })
		if len(terms) == 0 {
			continue
		}
		slices.Sort(terms)
		terms = slices.Compact(terms)
		c := counts[r[kind]]
		c.changed += len(terms)
		found := map[string]bool{}
		for _, h := range findAll(t, terms, "squeezed", []string{r[text]})[0] {
			found[h.term] = true
		}
		c.found += len(found)
	}
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		c := counts[k]
		t.Logf("%-20s %3d of %3d changed words are found (%.1f %%)", k, c.found, c.changed, 100*float64(c.found)/float64(c.changed))
	}
	if c := counts["spell_leet_h"]; c == nil || c.changed < 100 || 10*c.found < 9*c.changed {
		t.Errorf("leet: %+v, want at least 9 of 10 words found", c)
	}
}
