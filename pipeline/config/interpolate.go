package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// expander replaces ${...} in scalar values.
type expander struct {
	opts  *Options
	dir   string // folder that ${file:...} paths start at
	probs *problems
	left  int               // bytes that values may still grow to
	files map[string]string // contents already read
}

// tree expands every scalar of n, whose path is given for errors.
func (x *expander) tree(path string, n *node) {
	n.walk(path, func(path string, n *node) {
		if !strings.Contains(n.text, "${") {
			return
		}
		value, used, pieces, err := x.expand(n.text)
		if err != nil {
			x.probs.add(n.at, path, err.msg, err.hint)
			n.broken = true
		}
		n.value, n.interpolated, n.pieces = value, used, pieces
	})
}

type expandError struct{ msg, hint string }

// expand returns text with its references replaced, whether there were any, and
// what came from outside.
func (x *expander) expand(text string) (value string, used bool, pieces []string, _ *expandError) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			break
		}
		if i > 0 && text[i-1] == '$' { // $${ is a plain ${
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		ref, rest, ok := strings.Cut(text[i+2:], "}")
		if !ok {
			return "", true, nil, &expandError{`"${" without its "}"`, `write $${ for a plain "${"`}
		}
		v, outside, err := x.reference(ref)
		if err != nil {
			return "", true, nil, err
		}
		if outside {
			pieces = append(pieces, v)
		}
		if x.left -= len(v); x.left < 0 {
			return "", true, nil, &expandError{fmt.Sprintf("the values of all ${...} have more than %d bytes", maxExpanded), ""}
		}
		b.WriteString(v)
		text, used = rest, true
	}
	return b.String(), used, pieces, nil
}

// reference returns what one ${ref} stands for, and whether that came from
// outside rather than from its default.
func (x *expander) reference(ref string) (value string, outside bool, _ *expandError) {
	name, fallback, has := strings.Cut(ref, ":")
	if name == "file" && has {
		v, err := x.file(fallback)
		return v, true, err
	}
	if !validVariable(name) {
		return "", false, &expandError{fmt.Sprintf("${%s} is not a variable's name", clip(ref)), `write ${NAME}, ${NAME:default}, ${file:/path}, or $${ for a plain "${"`}
	}
	v, ok := x.opts.Env(name)
	switch {
	case has && v == "":
		return fallback, false, nil
	case !ok:
		return "", false, &expandError{fmt.Sprintf("the environment variable %s is not set", name), fmt.Sprintf("set it, or give a default: ${%s:...}", name)}
	}
	if !validText(v) {
		return "", false, &expandError{fmt.Sprintf("the environment variable %s is not UTF-8 text", name), ""}
	}
	return v, true, nil
}

// validText refuses what no text field can sensibly hold.
func validText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func validVariable(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

func (x *expander) file(path string) (string, *expandError) {
	if path == "" {
		return "", &expandError{"${file:} lacks its path", "write ${file:/run/secrets/name}"}
	}
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(x.dir, full)
	}
	if v, ok := x.files[full]; ok {
		return v, nil
	}
	data, err := x.opts.ReadFile(full)
	if err != nil {
		return "", &expandError{fmt.Sprintf("${file:%s} can not be read: %s", clip(path), fileReason(err)), ""}
	}
	if len(data) > maxSecretFile {
		return "", &expandError{fmt.Sprintf("${file:%s} has more than %d bytes", clip(path), maxSecretFile), ""}
	}
	v := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if !validText(v) {
		return "", &expandError{fmt.Sprintf("${file:%s} is not UTF-8 text", clip(path)), ""}
	}
	x.files[full] = v
	return v, nil
}
