package config

import (
	"strconv"
	"strings"
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
		if d := editDistance(name, c, limit); d <= limit {
			best, limit = c, d-1
		}
		if limit < 1 {
			break
		}
	}
	return best
}

// editDistance is the optimal string alignment distance (Damerau–Levenshtein
// without repeated edits of one substring) of a and b in bytes; anything above
// limit may be returned as limit+1.
func editDistance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

// didYouMean phrases the nearest candidate as a hint.
func didYouMean(name string, candidates []string) string {
	if n := Nearest(name, candidates); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	return ""
}
