package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var (
	lineInError       = regexp.MustCompile(`^line (\d+): `)
	unquotedReference = regexp.MustCompile(`[:,\[{]\s*[^\s"',\[\]{}]*\$\{`)
)

// phrase is how an error of the YAML parser is put to a person. The parser's
// own words are about its grammar; and some quote the text, which may be a
// secret that starts with * or &.
type phrase struct{ has, msg, hint string }

func phrases() []phrase {
	return []phrase{
		{"mapping values are not allowed", `a second ": " in one line, or a key below a value`, "quote the value, or fix the indent"},
		{"could not find expected ':'", `a key without ": " after it`, `write "key: value"; quote text of several lines`},
		{"did not find expected key", "this line does not fit the mapping above it", "check the indent, and quotes around text with special characters"},
		{"did not find expected '-' indicator", `this line does not fit the list above it`, `start it with "- " and indent it as the other entries are`},
		{"did not find expected ',' or ']'", "a [ list is not closed or lacks a comma", "close it with ]"},
		{"did not find expected ',' or '}'", "a { mapping is not closed or lacks a comma", "close it with }"},
		{"found unexpected end of stream", "a quoted text is not closed", "add the closing quote"},
		{"found unexpected document indicator", "a quoted text is not closed before ---", "add the closing quote"},
		{"unknown anchor", "a value that starts with * is an alias, and no anchor of that name comes before it", "quote it if it is text"},
		{"did not find expected alphabetic or numeric character", "a value that starts with * or & is an alias or an anchor, and its name is missing", "quote it if it is text"},
		{"found character that cannot start any token", "a value may not start with this character", "quote it, and indent with spaces only"},
		{"found a tab character", "a tab in the indent", "indent with spaces"},
		{"block sequence entries are not allowed", `"- " is not allowed here`, "put the list on lines of its own below the key"},
		{"control characters are not allowed", "a control character", "remove it, or write it as an escape in double quotes"},
		{"found unknown escape character", "an unknown \\ escape in double quotes", "use single quotes, or write \\\\"},
		{"did not find expected node content", "a value is missing, or a { or [ is not closed", "close { with } and [ with ]"},
		{"exceeded max depth", "the config is nested too deep", ""},
		{"document contains excessive aliasing", "too many aliases", ""},
	}
}

// syntax rephrases a parse error and finds its place.
func (r *yamlReader) syntax(data []byte, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := lineInError.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	p := phrase{msg: "YAML: " + clip(text)}
	for _, q := range phrases() {
		if strings.Contains(text, q.has) {
			p = q
			break
		}
	}
	at := locateSyntax(data, text, line)
	at.in = r.in
	if tab, ok := tabIndent(data, at.line); ok {
		at.col = tab
		p.msg, p.hint = "a tab in the indent", "indent with spaces"
	}
	if strings.Contains(p.msg, "{") || strings.Contains(p.msg, "[") {
		if col, ok := bareReference(data, at.line); ok {
			at.col = col
			p.msg, p.hint = "a ${...} without quotes inside { } or [ ]", `write "${...}"`
		}
	}
	r.probs.add(at, "", p.msg, p.hint)
}

// bareReference returns the column of a ${ that stands where a value starts.
// YAML takes its brace for one of its own there if it is within a flow value.
func bareReference(data []byte, line int) (col int, ok bool) {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return 0, false
	}
	m := unquotedReference.FindIndex(lines[line-1])
	if m == nil {
		return 0, false
	}
	return utf8.RuneCount(lines[line-1][:m[1]-2]) + 1, true
}

// locateSyntax finds the line that the parser stumbled over. What the parser
// reports is often where the surrounding block began, or no line at all. It
// reads from front to back, so once the line at fault is part of the input the
// error is the same whatever follows: the first such line is found by bisection.
func locateSyntax(data []byte, text string, reported int) pos {
	const bisectMost = 256 << 10 // above this the reported line has to do
	lines := bytes.SplitAfter(data, []byte("\n"))
	line := max(1, min(reported, len(lines)))
	if len(data) <= bisectMost {
		ends := make([]int, len(lines))
		total := 0
		for i, l := range lines {
			total += len(l)
			ends[i] = total
		}
		found := sort.Search(len(lines), func(i int) bool {
			return strings.HasSuffix(parseError(data[:ends[i]]), text)
		})
		line = min(found, len(lines)-1) + 1
	}
	content := lines[line-1]
	col := len(content) - len(bytes.TrimLeft(content, " \t"))
	switch {
	case strings.Contains(text, "unknown anchor"):
		if star := bytes.IndexByte(content, '*'); star >= 0 {
			col = star
		}
	case strings.Contains(text, "cannot start any token"):
		if sign := bytes.IndexAny(content, "@`%"); sign >= 0 {
			col = sign
		}
	case strings.Contains(text, "mapping values are not allowed"):
		if first := bytes.Index(content, []byte(": ")); first >= 0 {
			if second := bytes.Index(content[first+1:], []byte(":")); second >= 0 {
				col = first + 1 + second
			}
		}
	}
	return pos{line: line, col: utf8.RuneCount(content[:col]) + 1}
}

// parseError returns the text of the first syntax error in data, or "".
func parseError(data []byte) string {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return ""
		} else if err != nil {
			return err.Error()
		}
	}
}

// tabIndent returns the column of a tab in the indent of the given line, or of
// the one before, where YAML notices it only on the next.
func tabIndent(data []byte, line int) (col int, ok bool) {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return 0, false
	}
	content := lines[line-1]
	indent := content[:len(content)-len(bytes.TrimLeft(content, " \t"))]
	if i := bytes.IndexByte(indent, '\t'); i >= 0 {
		return i + 1, true
	}
	return 0, false
}
