// Package listfile reads the files that lists are kept in: CSV with a header,
// YAML sequences, and lines. It knows columns by their names and lines by their
// numbers; what an entry means is up to its caller.
package listfile

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// Limits of a file.
const (
	MaxBytes     = 256 << 20
	MaxYAMLBytes = 16 << 20 // of YAML, which costs far more memory than its size
	MaxErrors    = 10       // told of one file; one more says that there are others
)

// Error is a mistake in a file at a line, from 1; 0 is the file as a whole.
type Error struct {
	Line int
	Msg  string
}

func (e *Error) Error() string { return e.Msg }

// Errors are the mistakes of a file, in the order of their lines: the first few.
type Errors []*Error

func (e Errors) Error() string {
	var b strings.Builder
	for i, x := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "line %d: %s", x.Line, x.Msg)
	}
	return b.String()
}

// Fail notes a mistake.
func (e *Errors) Fail(line int, format string, args ...any) {
	if len(*e) < MaxErrors {
		*e = append(*e, &Error{line, fmt.Sprintf(format, args...)})
	} else if len(*e) == MaxErrors {
		*e = append(*e, &Error{line, "and further errors, here and below; correct the ones above first"})
	}
}

// Many reports whether no further mistake will be told.
func (e Errors) Many() bool { return len(e) > MaxErrors }

// Err returns the mistakes as an error, which is nil when there are none.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Format is what a kind of list is called in errors, and what its entries have.
type Format struct {
	List  string // such as "list of terms"
	Entry string // such as "term"
	// Columns are those of a CSV file, and the keys of a YAML entry. Each entry
	// has the first one.
	Columns []string
}

// Handler takes what is read.
type Handler interface {
	// Line takes a line that is not empty, without the blanks around it.
	Line(n int, s string)
	// Value takes an entry that is a single YAML value.
	Value(line int, s string)
	// Row takes an entry with the fields of Format.Columns, in their order; "" is
	// not given. The slice is the reader's, and its strings share memory with each
	// other.
	Row(line int, fields []string)
	// Ignore takes the name of a column of a CSV file that the format has not.
	Ignore(column string)
	// Fail notes a mistake.
	Fail(line int, format string, args ...any)
	// Full reports whether there is nothing to gain from reading on.
	Full() bool
}

// Read reads a file by the ending of its name: .csv, .yaml, .yml, or else lines.
// What is wrong goes to Fail. CSV and lines need not be UTF-8 here.
func Read(name string, data []byte, f Format, to Handler) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	ext := strings.ToLower(path.Ext(name))
	limit := MaxBytes
	if ext == ".yaml" || ext == ".yml" {
		limit = MaxYAMLBytes
	}
	switch {
	case len(data) > limit:
		to.Fail(0, "%d bytes; a %s in this format has at most %d: split it, or use another format", len(data), f.List, limit)
	case ext == ".csv":
		readCSV(data, f, to)
	case ext == ".yaml" || ext == ".yml":
		readYAML(data, f, to)
	default:
		n := 0
		for line := range strings.Lines(string(data)) {
			if n++; to.Full() {
				return
			}
			if line = strings.TrimSpace(line); line != "" {
				to.Line(n, line)
			}
		}
	}
}
