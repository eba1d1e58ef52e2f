package rule

import (
	"context"
	"fmt"
	"strings"
)

// FiredRule is a detection, as far as rule tests look at it.
type FiredRule struct {
	ID     string
	Values []string // "name=value" of what the condition looked at
}

// Outcome is what became of one post of a test.
type Outcome struct {
	Fired    []FiredRule
	Rejected string // why the post did not reach the rules; empty if it did
}

// Runner runs posts through the steps of a pipeline and returns what became of
// each, in the order of the posts. The same post may be given more than once,
// so a runner gives each an id of its own where it has none.
type Runner func(ctx context.Context, posts []map[string]any) ([]Outcome, error)

// Failure is a test that did not come out as it says.
type Failure struct {
	Rule    *Rule
	Test    *Test
	Index   int // of the test in its rule, from 0
	Outcome Outcome
}

// Error says what was expected where, and what happened.
func (f *Failure) Error() string {
	name := f.Test.Name
	if name == "" {
		name = fmt.Sprintf("test %d", f.Index+1)
	}
	head := fmt.Sprintf("%s: rule %q: %s: ", f.Test.Pos, f.Rule.ID, name)
	if f.Outcome.Rejected != "" {
		return head + "the post was rejected: " + f.Outcome.Rejected
	}
	got, others := "it did not match", []string{}
	for _, r := range f.Outcome.Fired {
		if r.ID == f.Rule.ID {
			got = "it matched with " + strings.Join(r.Values, ", ")
			continue
		}
		others = append(others, r.ID)
	}
	also := "no other rule fired"
	if len(others) > 0 {
		also = "fired: " + shorten(others)
	}
	return fmt.Sprintf("%sexpected %s, but %s (%s)", head, f.Test.Expect, got, also)
}

// TestReport is what RunTests found.
type TestReport struct {
	Passed   int
	Skipped  int // tests of rules that are off
	Untested []*Rule
	Failures []*Failure
}

// testBatch is how many posts a runner is given at once.
const testBatch = 1024

// RunTests runs the tests that stand in the rule files. A rule that is off has
// its tests skipped; Untested lists the rules without any.
func RunTests(ctx context.Context, set *Set, run Runner) (*TestReport, error) {
	var report TestReport
	var pending []*Failure
	flush := func() error {
		posts := make([]map[string]any, len(pending))
		for i, f := range pending {
			posts[i] = f.Test.Post
		}
		outcomes, err := run(ctx, posts)
		if err != nil {
			return fmt.Errorf("rule tests: %w", err)
		}
		if len(outcomes) != len(posts) {
			return fmt.Errorf("rule tests: %d outcomes of %d posts", len(outcomes), len(posts))
		}
		for i, f := range pending {
			f.Outcome = outcomes[i]
			if f.passed() {
				report.Passed++
			} else {
				report.Failures = append(report.Failures, f)
			}
		}
		pending = pending[:0]
		return nil
	}
	for _, r := range set.Rules {
		if len(r.Tests) == 0 {
			report.Untested = append(report.Untested, r)
		}
		for i := range r.Tests {
			if r.Mode == Off {
				report.Skipped++
				continue
			}
			pending = append(pending, &Failure{Rule: r, Test: &r.Tests[i], Index: i})
			if len(pending) == testBatch {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(pending) > 0 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	return &report, nil
}

func (f *Failure) passed() bool {
	if f.Outcome.Rejected != "" {
		return false
	}
	fired := false
	for _, r := range f.Outcome.Fired {
		fired = fired || r.ID == f.Rule.ID
	}
	return fired == (f.Test.Expect == Match)
}
