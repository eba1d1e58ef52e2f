package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// Bounds of rule files. They keep a mistaken or hostile file from costing more
// than a clear error.
const (
	MaxFileBytes      = 4 << 20
	MaxRules          = 200_000 // over all files
	MaxIDBytes        = 128
	MaxOwnerBytes     = 128
	MaxLabels         = 32
	MaxLabelBytes     = 128
	MaxTextBytes      = 16 << 10 // description
	MaxRunbookBytes   = 1 << 10
	MaxConditionRunes = 32 << 10
	MaxTestsPerRule   = 1000
)

// Mode says what becomes of a rule's detections.
type Mode string

// The modes of a rule.
const (
	Live   Mode = "live"   // detections are for people and alerts
	Shadow Mode = "shadow" // detections are stored and marked, nobody is told
	Off    Mode = "off"    // the condition is checked but never evaluated
)

var modes = []string{string(Live), string(Shadow), string(Off)}

// severities, lowest first.
var severities = []string{"info", "low", "medium", "high", "critical"}

// Severities returns the severities that a rule can have, lowest first.
func Severities() []string { return slices.Clone(severities) }

// Pos is a place in a rule file; line and column count from 1, the column in
// code points.
type Pos struct {
	File      string
	Line, Col int
}

// String returns file:line:column.
func (p Pos) String() string {
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Rule is one rule of a file. It is immutable once parsed.
type Rule struct {
	ID          string // [a-z0-9][a-z0-9-]*, unique over all files
	Version     uint32 // 1 or more
	Owner       string
	Severity    string // info, low, medium, high or critical
	Mode        Mode
	Labels      []string
	Description string
	Runbook     string // https address of what to do about a detection; "" none
	When        string // the condition, CEL
	Tests       []Test

	// Hash is the hex SHA-256 of what decides a detection's content: id,
	// version, owner, severity, mode, labels and when. Description, runbook,
	// tests and the file's layout do not change it.
	Hash string

	Pos  Pos // of the rule's id
	when scalar
}

// Expectation is what a test says of its rule.
type Expectation string

// What a test can expect.
const (
	Match   Expectation = "match"
	NoMatch Expectation = "no_match"
)

// Test is one of a rule's own tests: a post and whether the rule must fire.
type Test struct {
	Name   string
	Post   map[string]any // column -> string, int64, float64, bool, nil or []any of these
	Expect Expectation
	Pos    Pos // of the test
}

// seal computes the rule's hash. Every part is written with its length, so
// that no two rules have one canonical form.
func (r *Rule) seal() {
	h := sha256.New()
	put := func(s string) {
		h.Write([]byte(strconv.Itoa(len(s))))
		h.Write([]byte{':'})
		h.Write([]byte(s))
	}
	put("sluice-rule-1")
	put(r.ID)
	put(strconv.FormatUint(uint64(r.Version), 10))
	put(r.Owner)
	put(r.Severity)
	put(string(r.Mode))
	put(strconv.Itoa(len(r.Labels)))
	for _, l := range r.Labels {
		put(l)
	}
	put(r.When)
	r.Hash = hex.EncodeToString(h.Sum(nil))
}

// Set is the rules of all files, sorted by id.
type Set struct {
	Rules []*Rule
	Files []string // the files that they come from, sorted
}

// Count returns the number of rules in a mode.
func (s *Set) Count(m Mode) (n int) {
	for _, r := range s.Rules {
		if r.Mode == m {
			n++
		}
	}
	return n
}
