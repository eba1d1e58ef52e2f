package pattern

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// Limits of the strings that are made of an expression to find where it may match.
const (
	maxExact = 64 // of a node
	maxClass = 16 // characters of a class
)

// need is what is known of the strings that an expression matches. Zero-width
// assertions count as the empty string.
type need struct {
	exact []string // all of them, where these are few; nil: not known
	any   []string // each match has one of these within it; nil: not known
}

// required returns what t needs. It is the analysis of R. Cox, Regular
// Expression Matching with a Trigram Index, 2012, without its trigrams.
func required(t *syntax.Regexp) need {
	switch t.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return exactly([]string{""})
	case syntax.OpLiteral:
		if t.Flags&syntax.FoldCase != 0 {
			return need{}
		}
		return exactly([]string{string(t.Rune)})
	case syntax.OpCharClass:
		return class(t.Rune)
	case syntax.OpCapture:
		return required(t.Sub[0])
	case syntax.OpPlus:
		return need{any: required(t.Sub[0]).any}
	case syntax.OpRepeat:
		if t.Min > 0 {
			return need{any: required(t.Sub[0]).any}
		}
	case syntax.OpQuest:
		if sub := required(t.Sub[0]); sub.exact != nil && len(sub.exact) < maxExact {
			return exactly(union(sub.exact, []string{""}))
		}
	case syntax.OpAlternate:
		return alternate(t.Sub)
	case syntax.OpConcat:
		return concat(t.Sub)
	}
	return need{}
}

// exactly is a node of which all strings are known.
func exactly(s []string) need { return need{exact: s, any: s} }

// class returns the strings of a class of few characters, which is given as
// ranges.
func class(ranges []rune) need {
	var out []string
	for i := 0; i+1 < len(ranges); i += 2 {
		if int(ranges[i+1]-ranges[i])+len(out) >= maxClass {
			return need{}
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			out = append(out, string(r))
		}
	}
	if out == nil {
		return need{}
	}
	return exactly(out)
}

func alternate(subs []*syntax.Regexp) need {
	out := exactly([]string{})
	for _, t := range subs {
		sub := required(t)
		if out.exact != nil && sub.exact != nil {
			out.exact = union(out.exact, sub.exact)
		} else {
			out.exact = nil
		}
		if out.any != nil && sub.any != nil {
			out.any = union(out.any, sub.any)
		} else {
			out.any = nil
		}
	}
	if len(out.exact) > maxExact {
		out.exact = nil
	}
	if len(out.any) > maxExact {
		out.any = nil
	}
	return out
}

// concat joins what is known of its parts, as long as it is exact and few.
func concat(subs []*syntax.Regexp) need {
	var best []string
	consider := func(s []string) {
		if n, m := shortest(s), shortest(best); n > m || n == m && len(s) < len(best) {
			best = s
		}
	}
	run, exact := []string{""}, true
	for _, t := range subs {
		sub := required(t)
		if sub.exact != nil && len(run)*len(sub.exact) <= maxExact {
			run = cross(run, sub.exact)
			continue
		}
		exact = false
		consider(run)
		consider(sub.any)
		if run = sub.exact; run == nil {
			run = []string{""}
		}
	}
	if exact {
		return exactly(run)
	}
	consider(run)
	return need{any: best}
}

// beginnings returns strings of which each match begins with one, zero-width
// assertions aside; nil where they are not known.
func beginnings(t *syntax.Regexp) []string {
	switch t.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return beginnings(t.Sub[0])
	case syntax.OpRepeat:
		if t.Min > 0 {
			return beginnings(t.Sub[0])
		}
	case syntax.OpAlternate:
		var out []string
		for _, sub := range t.Sub {
			b := beginnings(sub)
			if out = union(out, b); b == nil || len(out) > maxExact {
				return nil
			}
		}
		return out
	case syntax.OpConcat:
		out := []string{""}
		for _, sub := range t.Sub {
			exact := required(sub).exact
			next := exact
			if next == nil {
				next = beginnings(sub)
			}
			if next == nil || len(out)*len(next) > maxExact {
				return out
			}
			if out = cross(out, next); exact == nil {
				return out
			}
		}
		return out
	default:
		return required(t).exact
	}
	return nil
}

func cross(a, b []string) []string {
	out := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, x+y)
		}
	}
	return distinct(out)
}

func union(a, b []string) []string { return distinct(slices.Concat(a, b)) }

// distinct sorts s and drops what is there twice.
func distinct(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// shortestOf drops the strings that have another one within them: where they
// are, that one is.
func shortestOf(s []string) []string {
	var out []string
	for i, x := range s {
		within := func(j int) bool { return i != j && s[j] != "" && strings.Contains(x, s[j]) }
		drop := false
		for j := range s {
			drop = drop || within(j)
		}
		if !drop {
			out = append(out, x)
		}
	}
	return out
}

// shortest returns the least length; 0 for no strings.
func shortest(s []string) int {
	n := 0
	for i, x := range s {
		if i == 0 || len(x) < n {
			n = len(x)
		}
	}
	return n
}
