package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/internal/edit"
)

// maxErrors bounds how many errors are shown; the rest are counted.
const maxErrors = 50

// Error is one mistake in a rule file.
type Error struct {
	Pos  Pos
	Rule string // the rule's id; empty when it is not known
	Msg  string
}

func (e *Error) Error() string {
	if e.Rule == "" {
		return e.Pos.String() + ": " + e.Msg
	}
	return fmt.Sprintf("%s: rule %q: %s", e.Pos, e.Rule, e.Msg)
}

// Errors is all mistakes that were found, in the order of their places.
type Errors []*Error

// Error shows one mistake a line; after maxErrors it says how many are left.
func (e Errors) Error() string {
	var b strings.Builder
	for i, err := range e {
		if i == maxErrors {
			fmt.Fprintf(&b, "\nand %d more", len(e)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// sorted returns the errors as one error, by place, or nil if there are none.
func (e Errors) sorted() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return e
}

// maxCompared bounds the names that are compared, in bytes: the distance is
// quadratic.
const maxCompared = 256

// didYouMean returns `; did you mean "x"?` for the name that is nearest to
// got, or nothing when none is near.
func didYouMean(got string, names []string) string {
	best, bestDist := "", 1+len(got)/3
	for _, n := range names {
		if len(got) > maxCompared || len(n) > maxCompared {
			continue
		}
		if d := edit.Distance(strings.ToLower(got), strings.ToLower(n), bestDist); d < bestDist || d == bestDist && best == "" {
			best, bestDist = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
