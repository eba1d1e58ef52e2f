package decode

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A path expression selects values of a record:
//
//	expr  = path { "|" path }        the first that is there
//	path  = step { "." step }
//	step  = key { "[" index "]" }
//	key   = name | "[" quoted "]" | "(" name { "|" name } ")"
//	index = number | "*"
//
// A group of names in parentheses is for lists: of each element, the first of
// the names that is there.

const (
	wildcard      = -1 // the index of [*]
	maxPathSteps  = 32
	maxPathIndex  = 1023
	maxPathGroup  = 8
	maxPathLength = 1024
)

// step is a key of an object, or an index of an array when key is empty and
// array is set.
type step struct {
	key   string
	array bool
	index int // for arrays; wildcard for all
}

// path is one way to a value. Rank is the place of its name within a group.
type path struct {
	steps []step
	rank  uint8
}

func (p path) hasWildcard() bool {
	for _, s := range p.steps {
		if s.array && s.index == wildcard {
			return true
		}
	}
	return false
}

func (p path) String() string {
	var b strings.Builder
	for i, s := range p.steps {
		switch {
		case s.array && s.index == wildcard:
			b.WriteString("[*]")
		case s.array:
			fmt.Fprintf(&b, "[%d]", s.index)
		case s.key == "" || strings.ContainsAny(s.key, ".[]()|\" "):
			fmt.Fprintf(&b, "[%q]", s.key)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// parsePaths reads a path expression: an alternative is a group of paths that
// differ in one name only, and of which rank is the order.
func parsePaths(expr string) (alternatives [][]path, err error) {
	if len(expr) > maxPathLength {
		return nil, fmt.Errorf("path of %d bytes: at most %d", len(expr), maxPathLength)
	}
	p := pathParser{rest: strings.TrimSpace(expr)}
	for {
		alt, err := p.path()
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", expr, err)
		}
		alternatives = append(alternatives, alt)
		if p.skipSpace(); p.rest == "" {
			return alternatives, nil
		}
		if !p.take('|') {
			return nil, fmt.Errorf("path %q: unexpected %q", expr, p.rest)
		}
		p.skipSpace()
	}
}

type pathParser struct{ rest string }

func (p *pathParser) take(c byte) bool {
	if p.rest != "" && p.rest[0] == c {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

func (p *pathParser) skipSpace() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *pathParser) name() (string, error) {
	n := strings.IndexAny(p.rest, ".[]()|\" ")
	if n < 0 {
		n = len(p.rest)
	}
	if n == 0 {
		return "", fmt.Errorf("a key is missing at %q", p.rest)
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s, nil
}

// path reads one path and returns it once for each name of its group.
func (p *pathParser) path() ([]path, error) {
	out := []path{{}}
	push := func(s step) {
		for i := range out {
			out[i].steps = append(out[i].steps, s)
		}
	}
	for first := true; ; first = false {
		switch {
		case p.take('('):
			names, err := p.group()
			if err != nil {
				return nil, err
			}
			if len(out) > 1 {
				return nil, errors.New("a path may have one group in parentheses")
			}
			base := out[0].steps
			out = make([]path, len(names))
			for i, name := range names {
				out[i] = path{steps: append(base[:len(base):len(base)], step{key: name}), rank: uint8(i)}
			}
		case first && strings.HasPrefix(p.rest, "["):
		default:
			name, err := p.name()
			if err != nil {
				return nil, err
			}
			push(step{key: name})
		}
		for p.take('[') {
			s, err := p.bracket()
			if err != nil {
				return nil, err
			}
			push(s)
		}
		if len(out[0].steps) > maxPathSteps {
			return nil, fmt.Errorf("more than %d steps", maxPathSteps)
		}
		if !p.take('.') {
			return out, nil
		}
	}
}

func (p *pathParser) group() ([]string, error) {
	var names []string
	for {
		p.skipSpace()
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		p.skipSpace()
		if p.take(')') {
			if len(names) > maxPathGroup {
				return nil, fmt.Errorf("a group of %d names: at most %d", len(names), maxPathGroup)
			}
			return names, nil
		}
		if !p.take('|') {
			return nil, fmt.Errorf("')' is missing at %q", p.rest)
		}
	}
}

// bracket reads what follows "[": an index, * or a quoted key.
func (p *pathParser) bracket() (step, error) {
	if strings.HasPrefix(p.rest, `"`) {
		quoted, err := strconv.QuotedPrefix(p.rest)
		if err != nil {
			return step{}, fmt.Errorf("a quote is missing at %q", p.rest)
		}
		p.rest = p.rest[len(quoted):]
		key, err := strconv.Unquote(quoted)
		if err != nil || !p.take(']') {
			return step{}, fmt.Errorf("']' is missing after %s", quoted)
		}
		return step{key: key}, nil
	}
	inner, rest, ok := strings.Cut(p.rest, "]")
	if !ok {
		return step{}, fmt.Errorf("']' is missing at %q", p.rest)
	}
	p.rest = rest
	if inner == "*" {
		return step{array: true, index: wildcard}, nil
	}
	n, err := strconv.Atoi(inner)
	if err != nil || n < 0 || n > maxPathIndex {
		return step{}, fmt.Errorf("index [%s]: use 0 to %d, or * for all elements", inner, maxPathIndex)
	}
	return step{array: true, index: n}, nil
}
