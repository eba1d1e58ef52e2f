package alert

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/visible"
)

// Matcher is a condition on a detection or an alert, such as
//
//	severity >= high
//	rule =~ "recruitment-.*"
//	label != test
//
// Operators are =, !=, =~ and !~ (a regular expression, RE2, that must fit the
// whole value), and for severity <, <=, >, >=. A detection has several labels:
// = and =~ ask for one that fits, != and !~ for none.
type Matcher struct {
	field, op, value string
	re               *regexp.Regexp
}

// Bounds of a matcher's text, in bytes.
const (
	maxMatcher  = 1000
	maxMatchers = 16 // in one route or silence
)

// groupField begins the field of a silence that looks at a column of the group.
const groupField = "group."

var matcherForm = regexp.MustCompile(`(?s)^\s*([a-z_][a-z0-9_.]*)\s*(=~|!~|!=|>=|<=|=|<|>)\s*(.*?)\s*$`)

// routeFields are what routes can look at; silences know more.
func routeFields() []string { return []string{"rule", "severity", "label", "kind", "owner", "mode"} }

// UnmarshalText reads a matcher.
func (m *Matcher) UnmarshalText(text []byte) error {
	s := string(text)
	if len(s) > maxMatcher {
		return fmt.Errorf("a condition of %d bytes: write %d at the most", len(s), maxMatcher)
	}
	parts := matcherForm.FindStringSubmatch(s)
	if parts == nil {
		return fmt.Errorf("%q is no condition: write a field, an operator and a value, such as severity >= high or rule =~ \"spam-.*\"", visible.Text(s))
	}
	out := Matcher{field: parts[1], op: parts[2], value: parts[3]}
	if strings.HasPrefix(out.value, `"`) {
		v, err := strconv.Unquote(out.value)
		if err != nil {
			return fmt.Errorf("%q: the value's quotes do not fit: write \"...\"", visible.Text(s))
		}
		out.value = v
	}
	if err := out.check(); err != nil {
		return fmt.Errorf("%q: %w", visible.Text(s), err)
	}
	*m = out
	return nil
}

func (m *Matcher) check() error {
	known := append(routeFields(), "alert")
	if !slices.Contains(known, m.field) && !strings.HasPrefix(m.field, groupField) {
		return fmt.Errorf("no field %q: write one of %s, or in a silence alert or group.<column>", m.field, strings.Join(routeFields(), ", "))
	}
	ordered := strings.Trim(m.op, "<>=") == "" && m.op != "="
	if ordered && m.field != "severity" {
		return fmt.Errorf("%s compares severities only: write =, !=, =~ or !~", m.op)
	}
	if m.op == "=~" || m.op == "!~" {
		// Alone first: a)|(b is none, though it would be between brackets.
		if _, err := regexp.Compile(m.value); err != nil {
			return err
		}
		var err error
		m.re, err = regexp.Compile("^(?:" + m.value + ")$")
		return err
	}
	if m.value == "" && m.field != "owner" {
		return errors.New("no value")
	}
	allowed := map[string][]string{
		"severity": severities(), "kind": {"rule", "score", "campaign", "burst", kindMeta}, "mode": {"live", "shadow"},
	}[m.field]
	if allowed != nil && !slices.Contains(allowed, m.value) {
		return fmt.Errorf("%s %q: write one of %s", m.field, m.value, strings.Join(allowed, ", "))
	}
	return nil
}

// String writes the matcher so that it can be read again.
func (m Matcher) String() string { return m.field + " " + m.op + " " + strconv.Quote(m.value) }

// one tells whether a value fits; for != and !~, whether it is what must not be.
func (m *Matcher) one(v string) bool {
	switch m.op {
	case "=", "!=":
		return v == m.value
	case "=~", "!~":
		return m.re.MatchString(v)
	}
	return slices.Contains(m.severities(), v)
}

// severities are those that an ordered comparison takes.
func (m *Matcher) severities() []string {
	all, at := severities(), slices.Index(severities(), m.value)
	switch m.op {
	case ">=":
		return all[at:]
	case ">":
		return all[at+1:]
	case "<=":
		return all[:at+1]
	}
	return all[:at]
}

func (m *Matcher) negative() bool { return m.op == "!=" || m.op == "!~" }

// fits asks one value, or several of which = wants one and != none.
func (m *Matcher) fits(values ...string) bool {
	return slices.ContainsFunc(values, m.one) != m.negative()
}

// takes reports whether a detection fits.
func (m *Matcher) takes(d *detection) bool {
	switch m.field {
	case "rule":
		return m.fits(d.rule)
	case "severity":
		return m.fits(d.severity)
	case "label":
		return m.fits(d.labels...)
	case "kind":
		return m.fits(d.kind)
	case "owner":
		return m.fits(d.owner)
	}
	return m.fits(d.mode)
}

// covers reports whether an alert fits: its last rule, owner and kind, its
// highest severity, its labels, its group.
func (m *Matcher) covers(a *alert) bool {
	switch m.field {
	case "rule":
		return m.fits(a.Rule)
	case "severity":
		return m.fits(a.Severity)
	case "label":
		return m.fits(a.Labels...)
	case "kind":
		return m.fits(a.Kind)
	case "owner":
		return m.fits(a.Owner)
	case "mode":
		return m.fits(a.Mode)
	case "alert":
		return m.fits(a.ID)
	}
	name, _ := strings.CutPrefix(m.field, groupField)
	var values []string
	for _, p := range a.Group {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return len(values) > 0 && m.fits(values...)
}

// sql is the condition in ClickHouse's words, whose regular expressions are
// RE2 too.
func (m *Matcher) sql() string {
	col := map[string]string{"rule": "rule_id"}[m.field]
	if col == "" {
		col = m.field
	}
	re := sqlText("^(?-s:" + m.value + ")$")
	not := ""
	if m.negative() {
		not = "NOT "
	}
	switch {
	case m.field == "label" && m.re != nil:
		return not + "arrayExists(l -> match(l, " + re + "), labels)"
	case m.field == "label":
		return not + "has(labels, " + sqlText(m.value) + ")"
	case m.re != nil:
		return not + "match(" + col + ", " + re + ")"
	case m.op == "=" || m.op == "!=":
		return col + " " + m.op + " " + sqlText(m.value)
	}
	if len(m.severities()) == 0 {
		return "false"
	}
	return col + " IN (" + sqlList(m.severities()) + ")"
}

func sqlList(values []string) string {
	var out []string
	for _, v := range values {
		out = append(out, sqlText(v))
	}
	return strings.Join(out, ", ")
}
