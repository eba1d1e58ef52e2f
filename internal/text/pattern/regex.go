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
}

// NewRegex compiles an expression of RE2's syntax. Where folded is set it is
// made for folded text: its literals are folded, and its classes take either
// case. One that matches the empty string is refused, since it says nothing.
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
	if re.MatchString("") {
		return nil, errors.New("it matches the empty text, and so every post")
	}
	r := &Regex{re: re, size: len(prog.Inst)}
	if req := required(tree); shortest(req.any) >= MinSubstring {
		r.literals = req.any
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
func (r *Regex) Find(text []byte, limit int) [][]int { return r.re.FindAllIndex(text, limit) }

// foldLiterals folds the literals of a tree in place.
func foldLiterals(t *syntax.Regexp) {
	if t.Op == syntax.OpLiteral {
		t.Rune = []rune(string(fold.Append(nil, []byte(string(t.Rune)))))
		t.Flags &^= syntax.FoldCase
		if len(t.Rune) == 0 {
			t.Op = syntax.OpEmptyMatch
		}
	}
	for _, sub := range t.Sub {
		foldLiterals(sub)
	}
}
