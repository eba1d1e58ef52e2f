package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is one thing that is wrong in a config, with its place. Its text is
//
//	pipeline.yaml:12:7: steps.2.match.lists: unknown key "pth"; did you mean "path"?
type Error struct {
	// File is the file's path as it was given, "--set <path>" or the name of an
	// environment variable.
	File string
	// Line and Col count from 1, Col in characters; both are 0 where there is no
	// line, as in an override.
	Line, Col int
	Path      string // key path of the value, "" for the whole file
	Msg       string // what is wrong
	Hint      string // what to do about it; may be empty
}

// Error returns the message on one line, unless a component's own error had
// more of them.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Col))
	}
	if e.Path != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Path)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// origin is where text came from: a file, a variable, a flag.
type origin struct {
	name  string
	order int // files in the order of reading, then variables, then flags
}

// pos is a place in an origin; line 0 is the origin as a whole.
type pos struct {
	in        *origin
	line, col int
}

func (p pos) known() bool { return p.in != nil }

func (p pos) compare(q pos) int {
	order := func(p pos) int {
		if p.in == nil {
			return -1
		}
		return p.in.order
	}
	return cmp.Or(cmp.Compare(order(p), order(q)), cmp.Compare(p.line, q.line), cmp.Compare(p.col, q.col))
}

// String names the place for use inside a message.
func (p pos) String() string {
	if p.in == nil {
		return "?"
	}
	if p.line == 0 {
		return p.in.name
	}
	return fmt.Sprintf("%s:%d:%d", p.in.name, p.line, p.col)
}

// Bounds on what one call reports. The first keeps memory small when a hostile
// file is wrong everywhere, the second keeps the answer readable.
const (
	maxCollected = 2000
	maxReported  = 50
)

type problem struct {
	at  pos
	err *Error
}

// problems collects errors with their places.
type problems struct {
	list    []problem
	dropped int
}

func (p *problems) add(at pos, path, msg, hint string) {
	e := &Error{Line: at.line, Col: at.col, Path: path, Msg: msg, Hint: hint}
	if at.in != nil {
		e.File = at.in.name
	}
	p.addError(at, e)
}

func (p *problems) addError(at pos, e *Error) {
	if len(p.list) >= maxCollected {
		p.dropped++
		return
	}
	p.list = append(p.list, problem{at, e})
}

func (p *problems) any() bool { return len(p.list) > 0 }

// err joins what was collected in file order; nil when there is nothing.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b problem) int { return a.at.compare(b.at) })
	var errs []error
	for _, q := range p.list[:min(len(p.list), maxReported)] {
		errs = append(errs, q.err)
	}
	if rest := len(p.list) - len(errs) + p.dropped; rest > 0 {
		errs = append(errs, fmt.Errorf("and %d more errors", rest))
	}
	return errors.Join(errs...)
}
