package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/visible"
)

// Message is what a target is told about an alert, and the body that a webhook
// is sent. Texts that come from posts have control, format and bidi characters
// made visible; they are not escaped for any markup, which each target does.
type Message struct {
	Schema      int       `json:"schema"`          // 1
	AlertID     string    `json:"alert_id"`        // the same in all messages about an alert
	Key         string    `json:"idempotency_key"` // the same whenever this message is sent again
	Sequence    int       `json:"sequence"`        // of the message within the alert, from 1
	Status      string    `json:"status"`          // firing, updated, resolved; acknowledged to PagerDuty, heartbeat
	Pipeline    string    `json:"pipeline"`
	Sink        string    `json:"sink"`
	Route       string    `json:"route"`
	GroupID     string    `json:"group_id"` // the same for all alerts of a group
	Group       []Pair    `json:"group"`
	Rule        string    `json:"rule_id"` // of the alert's last detection, as the next four and the runbook
	RuleVersion uint32    `json:"rule_version"`
	Owner       string    `json:"owner"`
	Kind        string    `json:"kind"`
	Mode        string    `json:"mode"`
	Severity    string    `json:"severity"`       // the highest so far
	BeganAs     string    `json:"first_severity"` // of the first detection: it does not change in an alert's life
	Labels      []string  `json:"labels"`         // of all detections, the first 20
	Runbook     string    `json:"runbook,omitempty"`
	Note        string    `json:"note,omitempty"` // of the sink's own alerts
	Count       int64     `json:"count"`
	Growth      Growth    `json:"growth"`
	Authors     int64     `json:"authors"`      // distinct
	AuthorsSure bool      `json:"authors_sure"` // false: estimated, with a standard error of 13 %
	FirstSeen   time.Time `json:"first_seen"`
	LastSeen    time.Time `json:"last_seen"`
	Examples    []Example `json:"examples"`
	SQL         string    `json:"sql"`
}

// Pair is a column of the group and its value.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Example is a post of the alert: the pieces, one after another, are its text
// or the part of it around the first match.
type Example struct {
	PostID    string    `json:"post_id"`
	AuthorID  string    `json:"author_id"`
	CreatedAt time.Time `json:"created_at"`
	Pieces    []Piece   `json:"pieces"`
}

// Piece is a run of text; Match says that it is what matched.
type Piece struct {
	Text  string `json:"text"`
	Match bool   `json:"match,omitempty"`
}

// Bounds of what a message quotes, in bytes.
const (
	maxValue   = 256 // of an id or a group's value
	maxText    = 400 // of a post's text
	lead       = 120 // of it before the first match
	maxLabels  = 20
	maxMatches = 20 // marked in one example
)

// cut returns at most n bytes of s, without half a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// clean makes a value of a post fit to be shown.
func clean(s string) string {
	if short := cut(s, maxValue); len(short) < len(s) {
		return visible.Text(short) + "…"
	}
	return visible.Text(s)
}

// pieces cuts text at the spans, which are byte offsets into it: at most
// maxText bytes, from a little before the first span. Spans that overlap are
// joined; those that do not fit the text, or cut a character, are left out.
func pieces(text string, start, end []uint32) []Piece {
	var spans [][2]int
	for i := range start {
		a, b := int(start[i]), int(end[i])
		if a < b && b <= len(text) && utf8.RuneStart(text[a]) && (b == len(text) || utf8.RuneStart(text[b])) && len(spans) < maxMatches {
			spans = insert(spans, [2]int{a, b})
		}
	}
	from := 0
	if len(spans) > 0 && spans[0][0] > lead {
		from = spans[0][0] - lead
		for !utf8.RuneStart(text[from]) {
			from++
		}
	}
	to := from + len(cut(text[from:], maxText))
	var out []Piece
	add := func(a, b int, match bool) {
		if b = min(b, to); a < b {
			out = append(out, Piece{Text: visible.Text(text[a:b]), Match: match})
		}
	}
	if from > 0 {
		out = append(out, Piece{Text: "…"})
	}
	at := from
	for _, s := range spans {
		if s[1] <= at {
			continue
		}
		add(at, s[0], false)
		add(max(at, s[0]), s[1], true)
		at = s[1]
	}
	add(at, len(text), false)
	if to < len(text) {
		out = append(out, Piece{Text: "…"})
	}
	return out
}

// insert adds a span to sorted ones.
func insert(spans [][2]int, s [2]int) [][2]int {
	i := len(spans)
	for i > 0 && spans[i-1][0] > s[0] {
		i--
	}
	spans = append(spans, s)
	copy(spans[i+1:], spans[i:])
	spans[i] = s
	return spans
}

// digest names things: parts are told apart whatever they hold.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// sqlText writes a ClickHouse string literal of printable ASCII and whole
// UTF-8 characters: everything else is escaped byte by byte.
func sqlText(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		c := string(r)
		switch {
		case r == '\'' || r == '\\':
			b.WriteString(`\` + c)
		case visible.Text(c) == c:
			b.WriteString(c)
		default:
			for i := range len(c) {
				fmt.Fprintf(&b, `\x%02x`, c[i])
			}
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// conditions are the sink's filters, as SQL.
func (c *Config) conditions() (where []string) {
	if !c.Shadow {
		where = append(where, "mode != 'shadow'")
	}
	if least := severityRank(c.MinSeverity); least > severityRank("info") {
		where = append(where, "severity IN ("+sqlList(severities()[least-1:])+")")
	}
	if len(c.Rules) > 0 {
		where = append(where, "rule_id IN ("+sqlList(c.Rules)+")")
	}
	if len(c.Kinds) > 0 {
		where = append(where, "kind IN ("+sqlList(c.Kinds)+")")
	}
	if len(c.Labels) > 0 {
		where = append(where, "hasAny(labels, ["+sqlList(c.Labels)+"])")
	}
	return where
}

// query is the SQL that shows all detections of the alert; "" of one that is
// not made of detections.
func (a *alert) query(table string, r *route) string {
	if a.Kind == kindMeta {
		return ""
	}
	var where []string
	for i, p := range a.Group {
		if i >= len(a.Types) {
			break // the alert of all further groups has none of their values
		}
		col, value := "`"+p.Name+"`", sqlText(p.Value)
		if a.Types[i] == typeList {
			col = "arrayStringConcat(" + col + ", ',')"
		}
		switch {
		case a.Types[i] == typeNumber:
			where = append(where, col+" = "+p.Value)
		case a.Cut[i]:
			where = append(where, "startsWith("+col+", "+value+")")
		default:
			where = append(where, col+" = "+value)
		}
	}
	where = append(where, r.where...)
	at := func(ms int64) string {
		return "fromUnixTimestamp64Milli(" + strconv.FormatInt(ms, 10) + ", 'UTC')"
	}
	where = append(where, "created_at BETWEEN "+at(a.First)+" AND "+at(a.Last))
	return "SELECT created_at, post_id, author_id, rule_id, severity, text FROM " + table +
		" FINAL WHERE " + strings.Join(where, " AND ") + " ORDER BY created_at LIMIT 1000"
}

// message makes a message about the alert; the alert's Seq is that of it, and
// since is how many detections came after the one before.
func (s *Sink) message(a *alert, r *route, status string, since int64) *Message {
	at := func(v int64) time.Time { return time.UnixMilli(v).UTC() }
	m := &Message{
		Schema: 1, AlertID: a.ID, GroupID: a.GroupID, Sequence: a.Seq, Status: status, Pipeline: a.Pipeline, Sink: s.name, Route: r.name,
		Key:  digest("message", a.ID, a.Rule, strconv.Itoa(int(a.RuleVersion)), strconv.Itoa(a.Seq), status),
		Rule: clean(a.Rule), RuleVersion: a.RuleVersion, Owner: clean(a.Owner), Kind: clean(a.Kind), Mode: a.Mode, Severity: clean(a.Severity), BeganAs: clean(a.Began),
		Runbook: a.Runbook, Labels: []string{}, Count: a.Count, Growth: a.growth(since), FirstSeen: at(a.First), LastSeen: at(a.Last),
		Examples: a.Examples, SQL: a.query(s.cfg.Table, r), Note: a.Note,
	}
	m.Authors, m.AuthorsSure = estimate(a.Authors)
	for _, l := range a.Labels {
		m.Labels = append(m.Labels, clean(l))
	}
	for _, p := range a.Group {
		m.Group = append(m.Group, Pair{Name: p.Name, Value: clean(p.Value)})
	}
	return m
}

// group writes the group's columns but the rule, which is named anyway.
func (m *Message) group() string {
	var out []string
	for _, p := range m.Group {
		if p.Name != "rule_id" {
			out = append(out, p.Name+"="+p.Value)
		}
	}
	return strings.Join(out, ", ")
}

// title is one line that says what the alert is.
func (m *Message) title() string {
	t := fmt.Sprintf("%s: %s", m.Severity, m.Rule)
	if g := m.group(); g != "" {
		t += " (" + g + ")"
	}
	switch {
	case m.Status == statusHeartbeat:
		return t + ": the pipeline " + m.Pipeline + " is well"
	case m.Kind == kindMeta:
		return fmt.Sprintf("%s: %d messages were given up", t, m.Count)
	}
	return fmt.Sprintf("%s: %d detections, %s", t, m.Count, m.authors())
}

func (m *Message) authors() string {
	if m.AuthorsSure {
		return fmt.Sprintf("%d authors", m.Authors)
	}
	return fmt.Sprintf("about %d authors", m.Authors)
}

const factRunbook = "Runbook" // is shown as a link

// fact is a line of a message: what, and its value, which is clean. Ours is one
// that holds no text from outside.
type fact struct {
	Name, Value string
	Ours        bool
}

// facts are what people are shown beside the title and the examples.
func (m *Message) facts() (out []fact) {
	add := func(name, value string, ours bool) {
		if value != "" {
			out = append(out, fact{name, value, ours})
		}
	}
	if m.Kind == kindMeta {
		add("Pipeline", m.Pipeline+", sink "+m.Sink, false)
	} else {
		add("Rule", fmt.Sprintf("%s, version %d", m.Rule, m.RuleVersion), false)
	}
	add("Owner", m.Owner, false)
	add("Group", m.group(), false)
	if m.Status != statusHeartbeat {
		add("First seen", stamp(m.FirstSeen), true)
		add("Last seen", stamp(m.LastSeen), true)
	}
	if m.Kind != kindMeta {
		add("Detections", fmt.Sprintf("%d of %s", m.Count, m.authors()), true)
		add("Growth", m.Growth.String(), true)
	}
	add("Labels", strings.Join(m.Labels, ", "), false)
	add("Note", m.Note, false)
	add(factRunbook, m.Runbook, true)
	return out
}
