package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/sluicehq/sluice/internal/text/fold"
)

// MaxInstructions bounds the compiled program of one regular expression.
const MaxInstructions = 2000

// Regex is a compiled regular expression.
type Regex struct {
	re       *regexp.Regexp
	literals []string
	size     int
	starts   *begins // nil where its matches do not begin with strings that are known
}

// NewRegex compiles an expression of RE2's syntax. Where folded is set it is
// made for folded text: its literals are folded, and its classes take either
// case. One that can match the empty string is refused, since it says nothing.
func NewRegex(expr string, folded bool) (*Regex, error) {
	flags := syntax.Perl
	if folded {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(expr, flags)
	if err != nil {
		return nil, err
	}
	if folded {
		foldLiterals(tree)
	}
	tree = tree.Simplify()
	prog, err := syntax.Compile(tree)
	if err != nil {
		return nil, err
	}
	if n := len(prog.Inst); n > MaxInstructions {
		return nil, fmt.Errorf("it compiles to %d instructions, and at most %d are allowed: make its repeats smaller, or split it", n, MaxInstructions)
	}
	re, err := regexp.Compile(tree.String())
	if err != nil {
		return nil, err
	}
	if least(tree) == 0 {
		return nil, errors.New("it can match no character at all, and so any post")
	}
	r := &Regex{re: re, size: len(prog.Inst)}
	if req := required(tree); shortest(req.any) >= MinSubstring {
		r.literals = shortestOf(req.any)
	}
	if b := beginnings(tree); len(r.literals) > 0 && shortest(b) >= MinSubstring {
		r.starts = newBegins(tree.String(), b)
	}
	return r, nil
}

// Literals returns strings of at least MinSubstring bytes of which a text must
// have one; none where the expression has no such strings.
func (r *Regex) Literals() []string { return r.literals }

// Size returns the number of instructions that the expression compiles to.
func (r *Regex) Size() int { return r.size }

// Find returns the spans of the first limit matches in text, which do not
// overlap. Each may cost a walk over what is left of the text, so that limit
// bounds the time for the byte.
func (r *Regex) Find(text []byte, limit int) [][]int {
	if r.starts != nil {
		if found, ok := r.starts.find(text, limit, r.starts.search(text)); ok {
			return found
		}
	}
	return r.re.FindAllIndex(text, limit)
}

// HasBeginnings reports whether Beginnings are known.
func (r *Regex) HasBeginnings() bool { return r.starts != nil }

// Beginnings returns strings of at least MinSubstring bytes of which each match
// begins with one; none where they are not known.
func (r *Regex) Beginnings() []string {
	if r.starts == nil {
		return nil
	}
	var out []string
	for _, s := range r.starts.strings {
		out = append(out, string(s))
	}
	return out
}

// FindAt is Find, where Beginnings are known and the places at which they stand
// in text are, in order.
func (r *Regex) FindAt(text []byte, places []uint32, limit int) [][]int {
	found, ok := r.starts.find(text, limit, func(from int) int {
		for len(places) > 0 && int(places[0]) < from {
			places = places[1:]
		}
		if len(places) == 0 {
			return len(text)
		}
		return int(places[0])
	})
	if !ok {
		return r.re.FindAllIndex(text, limit)
	}
	return found
}

// foldLiterals folds the literals of a tree in place.
func foldLiterals(t *syntax.Regexp) {
	if t.Op == syntax.OpLiteral {
		t.Rune = []rune(string(fold.Append(nil, []byte(string(t.Rune)))))
		t.Flags &^= syntax.FoldCase
		if len(t.Rune) == 0 {
			t.Op = syntax.OpEmptyMatch
		}
	}
	if t.Op == syntax.OpCharClass {
		t.Rune = withoutUpper(t.Rune)
	}
	for _, sub := range t.Sub {
		foldLiterals(sub)
	}
}

// withoutUpper takes A to Z out of a class, given as ranges: folded text has
// none of them, and the class has their lower case.
func withoutUpper(ranges []rune) []rune {
	var out []rune
	for i := 0; i+1 < len(ranges); i += 2 {
		if lo, hi := ranges[i], min(ranges[i+1], 'A'-1); lo <= hi {
			out = append(out, lo, hi)
		}
		if lo, hi := max(ranges[i], 'Z'+1), ranges[i+1]; lo <= hi {
			out = append(out, lo, hi)
		}
	}
	if out == nil {
		return ranges
	}
	return out
}

// least returns the number of characters that any match has at least.
func least(t *syntax.Regexp) int {
	n := 0
	switch t.Op {
	case syntax.OpLiteral:
		return len(t.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return least(t.Sub[0])
	case syntax.OpRepeat:
		return t.Min * least(t.Sub[0])
	case syntax.OpConcat:
		for _, sub := range t.Sub {
			n += least(sub)
		}
	case syntax.OpAlternate:
		n = least(t.Sub[0])
		for _, sub := range t.Sub[1:] {
			n = min(n, least(sub))
		}
	}
	return n
}
