package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// retryable marks an error after which the same call may go through later.
type retryable struct {
	err   error
	after time.Duration
}

func (e *retryable) Error() string { return e.err.Error() }
func (e *retryable) Unwrap() error { return e.err }

// Retryable marks err as passing: a network fault, an overloaded server. The
// engine repeats the call with the same arguments, with back-off. nil stays
// nil. Errors are permanent unless they are marked.
func Retryable(err error) error { return RetryableAfter(err, 0) }

// RetryableAfter is Retryable with the least wait that the other side asked
// for, as by a Retry-After header.
func RetryableAfter(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryable{err: err, after: after}
}

// IsRetryable reports whether err, or an error that it wraps, was marked by
// Retryable, and the least wait. The end of a context is never retryable.
func IsRetryable(err error) (after time.Duration, ok bool) {
	if errors.Is(err, context.Canceled) {
		return 0, false
	}
	var r *retryable
	if errors.As(err, &r) {
		return r.after, true
	}
	return 0, false
}

// FieldError is an error in one field of a component's config. Validate and
// Plan functions return it (alone or joined by errors.Join) so that the config
// loader can add the file, line and column. Path is the field's key path
// within the component's config, such as "lists.extremist_terms.path" or
// "files.0"; the empty path is the component itself.
type FieldError struct {
	Path string
	Err  error
}

func (e *FieldError) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

func (e *FieldError) Unwrap() error { return e.Err }

// madeBy names the step that makes a column, for MissingColumnError.
func madeBy(column string) string {
	switch column {
	case ColTextFolded, ColTextSkeleton, ColTextSqueezed, ColInvisibleChars, ColMixedScript, ColFoldDistance, ColEntropy:
		return "normalize"
	case ColLanguage, ColLanguageConfidence:
		return "language"
	case ColTokenHash, ColTokenStart, ColTokenEnd, ColTokenKind, ColTokenCount, ColURLDomains:
		return "tokenize"
	case ColTextHash, ColSimHash, ColMinHash:
		return "fingerprint"
	case ColHitList, ColHitTerm, ColHitStart, ColHitEnd, ColHitView, ColHitDisguise, ColHitWeight:
		return "match"
	}
	return ""
}

// MissingColumnError says that a step needs a column that does not reach it,
// or that reaches it with another type (Got is then not nil).
type MissingColumnError struct {
	Name      string
	Got, Want arrow.DataType
}

func (e *MissingColumnError) Error() string {
	if e.Got != nil {
		return fmt.Sprintf("column %q is of type %s, want %s", e.Name, e.Got, e.Want)
	}
	if step := madeBy(e.Name); step != "" {
		return fmt.Sprintf("column %q does not reach this step: put a %s step before it", e.Name, step)
	}
	return fmt.Sprintf("column %q does not reach this step", e.Name)
}

// DuplicateColumnError says that a step would add a column that is there.
type DuplicateColumnError struct{ Name string }

func (e *DuplicateColumnError) Error() string {
	return fmt.Sprintf("column %q is there already: is the step listed twice?", e.Name)
}
