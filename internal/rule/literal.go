package rule

import (
	"regexp/syntax"
	"slices"
)

// requiredLiterals returns literals of which one is in every text that the
// pattern matches, or nothing when none are known. (Russ Cox, "Regular
// Expression Matching with a Trigram Index", 2012, has the idea; here only
// whole literals are taken.)
func requiredLiterals(pattern string) []string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	return required(re.Simplify())
}

func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return nil
		}
		return []string{string(re.Rune)}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, s := range re.Sub {
			if r := required(s); shortest(r) > shortest(best) {
				best = r
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, s := range re.Sub {
			r := required(s)
			if len(r) == 0 {
				return nil
			}
			all = append(all, r...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return nil
}

// shortest returns the length of the shortest literal, 0 for none.
func shortest(lits []string) int {
	n := 0
	for i, l := range lits {
		if i == 0 || len(l) < n {
			n = len(l)
		}
	}
	return n
}
