package config

import (
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/edit"
)

// Nearest returns the candidate with the least edit distance to name, for a
// "did you mean": the first of several equally near ones, and "" when none is
// near enough to be a slip of the hand (a third of the name, at least one edit)
// and none begins with the other.
func Nearest(name string, candidates []string) string {
	const longest = 128 // longer names are not slips, and the distance is quadratic
	if len(name) == 0 || len(name) > longest {
		return ""
	}
	best, limit := "", max(1, (len(name)+1)/3)
	const abbreviation = 3 // letters that make a beginning worth something
	for _, c := range candidates {
		if len(c) > longest || c == name {
			continue
		}
		if len(name) >= abbreviation && strings.HasPrefix(c, name) || len(c) >= abbreviation && strings.HasPrefix(name, c) {
			if best == "" {
				best = c
			}
			continue
		}
		if d := edit.Distance(name, c, limit); d <= limit {
			best, limit = c, d-1
		}
		if limit < 1 {
			break
		}
	}
	return best
}

// didYouMean phrases the nearest candidate as a hint.
func didYouMean(name string, candidates []string) string {
	if n := Nearest(name, candidates); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	return ""
}
