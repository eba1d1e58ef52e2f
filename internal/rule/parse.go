package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/internal/visible"
)

// Files is how rule and list files are read; a pipeline.Files is one.
type Files interface {
	ReadFile(path string) ([]byte, error)
	Glob(pattern string) ([]string, error)
}

// Load reads the files that match the patterns and returns their rules as one
// set. All mistakes of all files are returned together, as [Errors]; an id that
// is used twice is refused with both places.
func Load(files Files, patterns []string) (*Set, error) {
	var set Set
	for _, p := range patterns {
		paths, err := files.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("rule files %q: %w", p, err)
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("rule files %q: no file matches", p)
		}
		set.Files = append(set.Files, paths...)
	}
	slices.Sort(set.Files)
	set.Files = slices.Compact(set.Files)
	var all Errors
	for _, path := range set.Files {
		data, err := files.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("rule file %s: %w", path, err)
		}
		rules, err := ParseFile(path, data)
		var errs Errors
		if errors.As(err, &errs) {
			all = append(all, errs...)
		}
		set.Rules = append(set.Rules, rules...)
	}
	all = append(all, set.sort()...)
	if err := all.sorted(); err != nil {
		return nil, err
	}
	return &set, nil
}

// NewSet makes a set of parsed rules; it refuses an id that is used twice.
func NewSet(rules ...*Rule) (*Set, error) {
	set := &Set{Rules: slices.Clone(rules)}
	for _, r := range rules {
		set.Files = append(set.Files, r.Pos.File)
	}
	slices.Sort(set.Files)
	set.Files = slices.Compact(set.Files)
	if err := set.sort().sorted(); err != nil {
		return nil, err
	}
	return set, nil
}

// sort orders the rules by id and reports ids that are there twice.
func (s *Set) sort() (errs Errors) {
	slices.SortStableFunc(s.Rules, func(a, b *Rule) int { return strings.Compare(a.ID, b.ID) })
	for i := 1; i < len(s.Rules); i++ {
		if a, b := s.Rules[i-1], s.Rules[i]; a.ID == b.ID {
			errs = append(errs, &Error{b.Pos, b.ID, fmt.Sprintf("the id is taken by the rule at %s; ids are unique over all files", a.Pos)})
		}
	}
	if n := len(s.Rules); n > MaxRules {
		errs = append(errs, &Error{s.Rules[MaxRules].Pos, "", fmt.Sprintf("%d rules; at most %d are allowed", n, MaxRules)})
	}
	return errs
}

// ParseFile reads a rule file: a YAML list of rules. The error is of type
// [Errors] and holds every mistake of the file; the rules without mistakes are
// returned beside it. Conditions are checked later, by [Env.Compile].
func ParseFile(path string, data []byte) ([]*Rule, error) {
	p := &parser{file: path}
	top := Pos{File: path, Line: 1, Col: 1}
	switch {
	case len(data) > MaxFileBytes:
		return nil, Errors{{top, "", fmt.Sprintf("the file has %d bytes; at most %d are allowed: split it", len(data), MaxFileBytes)}}
	case !utf8.Valid(data):
		return nil, Errors{{p.invalidUTF8(data), "", "the file is not valid UTF-8"}}
	}
	doc, err := p.document(data)
	if err != nil || doc == nil {
		return nil, err
	}
	p.lines = lineStarts(data)
	p.src = string(data)
	if doc.Kind != yaml.SequenceNode {
		return nil, Errors{{p.pos(doc), "", fmt.Sprintf("a rule file is a list of rules, not %s: begin each rule with \"- id: ...\"", describe(doc))}}
	}
	var rules []*Rule
	for _, n := range doc.Content {
		before := len(p.errs)
		r := p.rule(n)
		if len(p.errs) == before {
			rules = append(rules, r)
		}
	}
	return rules, p.errs.sorted()
}

type parser struct {
	file    string
	src     string
	lines   []int // offset of each line in src
	current string
	errs    Errors
}

// document parses the YAML; nil without an error is an empty file.
func (p *parser) document(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || doc.Content[0].Tag == "!!null") {
		return nil, nil
	}
	if err != nil {
		return nil, Errors{p.syntax(err)}
	}
	if err := dec.Decode(&more); err == nil {
		return nil, Errors{{p.pos(&more), "", "a second YAML document; a rule file is one list"}}
	} else if !errors.Is(err, io.EOF) {
		return nil, Errors{p.syntax(err)}
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// syntax turns an error of the YAML reader, which knows a line only.
func (p *parser) syntax(err error) *Error {
	msg, line := err.Error(), 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
	}
	return &Error{Pos{p.file, line, 1}, "", "not valid YAML: " + strings.TrimPrefix(msg, "yaml: ")}
}

func (p *parser) invalidUTF8(data []byte) Pos {
	line, col := 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
		data = data[n:]
	}
	return Pos{p.file, line, col}
}

// lineStarts returns the offsets at which lines begin, as YAML counts lines.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i := range data {
		switch c := data[i]; {
		case c == '\n', c == '\r' && (i+1 == len(data) || data[i+1] != '\n'):
			starts = append(starts, i+1)
		case c == 0xc2 && i+1 < len(data) && data[i+1] == 0x85: // NEL
			starts = append(starts, i+2)
		case c == 0xe2 && i+2 < len(data) && data[i+1] == 0x80 && (data[i+2] == 0xa8 || data[i+2] == 0xa9): // LS, PS
			starts = append(starts, i+3)
		}
	}
	return starts
}

func (p *parser) pos(n *yaml.Node) Pos { return Pos{p.file, max(n.Line, 1), max(n.Column, 1)} }

func (p *parser) errorf(at *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, &Error{p.pos(at), p.current, fmt.Sprintf(format, args...)})
}

// describe names the kind of a node for messages.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Tag == "!!null":
		return "nothing"
	case n.Tag == "!!str":
		return "text"
	}
	return "the " + map[string]string{"!!int": "number", "!!float": "number", "!!bool": "boolean"}[n.Tag] + " " + clip(n.Value, 40)
}

// clip cuts s to n bytes at a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// fields walks a mapping: unknown and doubled keys, aliases and non-text keys
// are errors.
func (p *parser) fields(n *yaml.Node, what string, known []string, each func(key string, k, v *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		of := strings.Join(known, ", ")
		if known == nil {
			of = "columns to values"
		}
		p.errorf(n, "%s is a mapping of %s, not %s", what, of, describe(n))
		return false
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			p.errorf(k, "%s has a key that is %s; keys are plain words", what, describe(k))
			continue
		}
		if line, twice := seen[k.Value]; twice {
			p.errorf(k, "%s has the key %q twice; the other is in line %d", what, clip(k.Value, 80), line)
			continue
		}
		seen[k.Value] = k.Line
		if known != nil && !slices.Contains(known, k.Value) {
			p.errorf(k, "%s has no field %q%s (fields: %s)", what, clip(k.Value, 80), didYouMean(k.Value, known), strings.Join(known, ", "))
			continue
		}
		each(k.Value, k, v)
	}
	return true
}

var ruleFields = []string{"id", "version", "owner", "severity", "mode", "labels", "description", "runbook", "when", "tests"}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

func (p *parser) rule(n *yaml.Node) *Rule {
	p.current = peekID(n)
	r := &Rule{Version: 1, Severity: "medium", Mode: Live, Pos: p.pos(n)}
	has := map[string]bool{}
	ok := p.fields(n, "a rule", ruleFields, func(key string, _, v *yaml.Node) {
		has[key] = true
		switch key {
		case "id":
			r.Pos = p.pos(v)
			if r.ID = p.text(v, key, MaxIDBytes); r.ID != "" && !idPattern.MatchString(r.ID) {
				p.errorf(v, "id %q: use lower-case letters, digits and '-', beginning with a letter or digit", clip(r.ID, 80))
			}
		case "version":
			r.Version = p.version(v)
		case "owner":
			r.Owner = p.text(v, key, MaxOwnerBytes)
		case "severity":
			r.Severity = p.oneOf(v, key, severities)
		case "mode":
			r.Mode = Mode(p.oneOf(v, key, modes))
		case "labels":
			r.Labels = p.labels(v)
		case "description":
			r.Description = p.text(v, key, MaxTextBytes)
		case "runbook":
			r.Runbook = p.address(v, key)
		case "when":
			p.condition(r, v)
		case "tests":
			r.Tests = p.tests(v)
		}
	})
	for _, f := range []string{"id", "when"} {
		if ok && !has[f] {
			p.errorf(n, "a rule needs the field %q", f)
		}
	}
	r.seal()
	return r
}

// peekID finds the rule's id before its fields are checked, for the messages.
func peekID(n *yaml.Node) string {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "id" && n.Content[i+1].Kind == yaml.ScalarNode {
			return clip(n.Content[i+1].Value, 80)
		}
	}
	return ""
}

// plain checks that n is a scalar without alias, anchor or tag of its own.
func (p *parser) plain(n *yaml.Node, field string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.errorf(n, "%s uses a YAML anchor or alias; write the value out", field)
	case n.Kind != yaml.ScalarNode:
		p.errorf(n, "%s is a single value, not %s", field, describe(n))
	case n.Style&yaml.TaggedStyle != 0:
		p.errorf(n, "%s has the YAML tag %s; leave it out", field, clip(n.Tag, 40))
	default:
		return true
	}
	return false
}

func (p *parser) text(n *yaml.Node, field string, limit int) string {
	if !p.plain(n, field) {
		return ""
	}
	switch {
	case n.Tag == "!!null" || strings.TrimSpace(n.Value) == "":
		p.errorf(n, "%s is empty", field)
	case len(n.Value) > limit:
		p.errorf(n, "%s has %d bytes; at most %d are allowed", field, len(n.Value), limit)
	default:
		return n.Value
	}
	return ""
}

// hostPattern is a host's name or IPv4 address, and a port.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// address reads an https address that can be shown to people as a link.
func (p *parser) address(n *yaml.Node, field string) string {
	s := p.text(n, field, MaxRunbookBytes)
	if s == "" {
		return ""
	}
	rest, ok := strings.CutPrefix(s, "https://")
	host, _, _ := strings.Cut(rest, "/")
	if !ok || !hostPattern.MatchString(host) || visible.Text(s) != s || strings.ContainsAny(s, " <>\"'`\\") {
		p.errorf(n, "%s %q: write an address such as https://wiki.example.org/runbooks/spam", field, clip(s, 80))
	}
	return s
}

func (p *parser) version(n *yaml.Node) uint32 {
	if !p.plain(n, "version") {
		return 0
	}
	v, err := strconv.ParseUint(n.Value, 10, 32)
	if n.Tag != "!!int" || err != nil || v == 0 {
		p.errorf(n, "version %q: write a whole number from 1 to %d", clip(n.Value, 40), uint32(math.MaxUint32))
	}
	return uint32(v)
}

func (p *parser) oneOf(n *yaml.Node, field string, allowed []string) string {
	if p.plain(n, field) && !slices.Contains(allowed, n.Value) {
		hint := didYouMean(n.Value, allowed)
		if field == "mode" && n.Tag == "!!bool" && n.Value == "false" {
			hint = `; did you mean "off"?`
		}
		p.errorf(n, "%s %q is not one of %s%s", field, clip(n.Value, 40), strings.Join(allowed, ", "), hint)
	}
	return n.Value
}

func (p *parser) labels(n *yaml.Node) (out []string) {
	if n.Kind != yaml.SequenceNode {
		p.errorf(n, "labels is a list, not %s: write [%s]", describe(n), clip(n.Value, 40))
		return nil
	}
	if len(n.Content) > MaxLabels {
		p.errorf(n, "%d labels; at most %d are allowed", len(n.Content), MaxLabels)
	}
	for _, c := range n.Content {
		l := p.text(c, "a label", MaxLabelBytes)
		if l != "" && slices.Contains(out, l) {
			p.errorf(c, "label %q is there twice", l)
		}
		out = append(out, l)
	}
	return out
}

func (p *parser) condition(r *Rule, n *yaml.Node) {
	r.When = p.text(n, "when", 4*MaxConditionRunes)
	start := 0
	if n.Line >= 1 && n.Line <= len(p.lines) {
		start = p.lines[n.Line-1]
	}
	// The scalar's source ends somewhere before the end of the file: bounded
	// here, since the file may hold thousands of rules.
	r.when = scalar{file: p.file, src: p.src[start:min(len(p.src), start+8*len(n.Value)+64<<10)], line: n.Line, col: n.Column, style: n.Style, value: n.Value}
}
