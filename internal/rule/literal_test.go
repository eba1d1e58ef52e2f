package rule

import (
	"strings"
	"testing"
)

// TestRequiredLiterals checks what is taken from patterns.
func TestRequiredLiterals(t *testing.T) {
	for _, c := range []struct {
		pattern, want string
		fold          bool
	}{
		{"needle", "needle", false},
		{"^a(needle|hay+stack)x*", "needle|stack", false},
		{"(short|x).*longer", "longer", false},
		{"(?i)NEEDLE", "needle", true},
		{"(?i)task force", " force", true}, // s and k have other cases beyond ASCII
		{"(?i)the reward", "the reward", true},
		{"(?i:Reward)|Plain", "plain|reward", true},
		{"a?b*", "", false},
		{"(", "", false},
		{"[ab]cdef{2,3}", "cde", false},
		{"日本語", "日本語", false},
		{"(?i)日本語", "", true},
	} {
		lits, fold := requiredLiterals(c.pattern)
		got := strings.Join(lits, "|")
		if got != c.want || fold != c.fold {
			t.Errorf("%s: %q, fold %t; want %q, %t", c.pattern, got, fold, c.want, c.fold)
		}
	}
}
