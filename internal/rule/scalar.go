package rule

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// scalar is a YAML scalar with the piece of source that it was read from, so
// that a place in its value can be shown as a place in the file.
type scalar struct {
	file  string
	src   string // the source from the line of the scalar's first character on
	line  int    // that line, from 1
	col   int    // column of the scalar's first character, from 1, in code points
	style yaml.Style
	value string
}

// at returns the place in the file of the value's character at line (from 1)
// and column (from 0, in code points).
//
// Line folding, indentation and chomping change only white space. So the k-th
// character of the value that is no white space is the k-th of the source, once
// quotes are stripped and escapes are read: that finds it in every style.
// White space itself is placed by its distance from the character before it.
func (s scalar) at(line, col int) Pos {
	if s.style&yaml.LiteralStyle != 0 {
		return s.literal(line, col)
	}
	solid, gap := 0, 0
	l, c := 1, 0
	for _, r := range s.value {
		if l > line || l == line && c >= col {
			if !isSpace(r) { // the place is on a character of its own
				solid, gap = solid+1, 0
			}
			break
		}
		if isSpace(r) {
			gap++
		} else {
			solid, gap = solid+1, 1
		}
		if c++; r == '\n' {
			l, c = l+1, 0
		}
	}
	p := s.solid(solid)
	p.Col += gap
	return p
}

// literal is at for a block literal: each line of the value is a line of the
// source, after the indentation.
func (s scalar) literal(line, col int) Pos {
	lines := strings.SplitN(s.src, "\n", line+2)
	indent := 0
	for _, l := range strings.Split(s.src, "\n")[1:] {
		if t := strings.TrimLeft(l, " "); strings.TrimRight(t, "\r") != "" {
			indent = len(l) - len(t)
			break
		}
	}
	// An indentation indicator says how deep the value begins; what is deeper
	// than it on the first line belongs to the value.
	if first := strings.TrimLeft(s.value, "\n"); strings.HasPrefix(first, " ") {
		indent -= len(first) - len(strings.TrimLeft(first, " "))
	}
	if line >= len(lines) { // after the last line
		line, col = len(lines)-1, 0
	}
	return Pos{File: s.file, Line: s.line + line, Col: max(indent, 0) + col + 1}
}

// solid returns the place of the k-th character (from 1) of the source that is
// no white space; that of the scalar's beginning for 0.
func (s scalar) solid(k int) Pos {
	w := walker{src: s.src, line: s.line, col: 1}
	for w.col < s.col && w.next() != 0 {
	}
	quote := rune(0)
	switch {
	case s.style&yaml.DoubleQuotedStyle != 0:
		quote = '"'
		w.next()
	case s.style&yaml.SingleQuotedStyle != 0:
		quote = '\''
		w.next()
	case s.style&yaml.FoldedStyle != 0:
		for w.peek() != 0 && w.peek() != '\n' { // the header: >, indicators, a comment
			w.next()
		}
	}
	p := w.pos(s.file)
	for k > 0 && w.peek() != 0 {
		here := w.pos(s.file)
		r := w.next()
		switch {
		case quote == '\'' && r == '\'':
			w.next() // '' is one quote; a lone one is the end, which k does not reach
		case quote == '"' && r == '\\':
			r = w.escape()
		}
		if !isSpace(r) {
			p, k = here, k-1
		}
	}
	return p
}

// isSpace reports whether line folding may have made or eaten r.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u0085' }

// walker reads source characters and knows where it is.
type walker struct {
	src       string
	line, col int
}

func (w *walker) peek() rune {
	if w.src == "" {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(w.src)
	return r
}

func (w *walker) next() rune {
	if w.src == "" {
		return 0
	}
	r, n := utf8.DecodeRuneInString(w.src)
	w.src = w.src[n:]
	if w.col++; r == '\n' {
		w.line, w.col = w.line+1, 1
	}
	return r
}

func (w *walker) pos(file string) Pos { return Pos{File: file, Line: w.line, Col: w.col} }

// escape reads what follows a backslash and returns the character it means; an
// escaped line break is white space.
func (w *walker) escape() rune {
	var digits int
	switch r := w.next(); r {
	case '\n', '\r', ' ', '\t', 't', 'n', 'v', 'f', 'r', 'N', '_', 'L', 'P':
		return ' '
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default: // \0, \a, \b, \e, \", \/, \\
		return '.'
	}
	if len(w.src) < digits {
		return '.'
	}
	n, err := strconv.ParseUint(w.src[:digits], 16, 32)
	if err != nil {
		return '.'
	}
	for range digits {
		w.next()
	}
	return rune(n)
}
