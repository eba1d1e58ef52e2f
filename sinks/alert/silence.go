package alert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/internal/visible"
)

// silence keeps alerts that all of its matchers cover from being told of, until
// it expires.
type silence struct {
	id              string // of its text, less the times
	match           []Matcher
	from, until     time.Time // UTC
	author, comment string
}

// Bounds of the file of silences.
const (
	maxSilenceFile = 1 << 20
	maxSilences    = 1000
	maxComment     = 1000 // bytes; of an author too
)

func (s *silence) active(now time.Time) bool { return !now.Before(s.from) && now.Before(s.until) }

func (s *silence) covers(a *alert) bool {
	return !slices.ContainsFunc(s.match, func(m Matcher) bool { return !m.covers(a) })
}

// parseSilences reads a YAML list of silences. The error names each mistake
// with its line.
func parseSilences(path string, data []byte) ([]*silence, error) {
	if len(data) > maxSilenceFile {
		return nil, fmt.Errorf("%s: %d bytes; at most %d are read: delete silences that have expired", path, len(data), maxSilenceFile)
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || doc.Content[0].Tag == "!!null") {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &silenceParser{path: path}
	root := doc.Content[0]
	switch {
	case root.Kind != yaml.SequenceNode:
		p.errorf(root, "write a list of silences: begin each with \"- match: [...]\"")
		root = &yaml.Node{}
	case len(root.Content) > maxSilences:
		p.errorf(root, "%d silences; at most %d are read: delete those that have expired", len(root.Content), maxSilences)
	}
	var out []*silence
	for _, n := range root.Content {
		out = append(out, p.silence(n))
	}
	return out, errors.Join(p.errs...)
}

type silenceParser struct {
	path string
	errs []error
}

func (p *silenceParser) errorf(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d:%d: %s", p.path, n.Line, n.Column, fmt.Sprintf(format, args...)))
}

func (p *silenceParser) silence(n *yaml.Node) *silence {
	s := &silence{}
	if n.Kind != yaml.MappingNode {
		p.errorf(n, "a silence has the fields match, until, author, comment and, if it is to begin later, from")
		return s
	}
	has := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if has[k.Value] {
			p.errorf(k, "%q is there twice", cut(k.Value, 80))
		}
		has[k.Value] = true
		switch k.Value {
		case "match":
			s.match = p.match(v)
		case "from":
			s.from = p.time(v)
		case "until":
			s.until = p.time(v)
		case "author":
			s.author = p.text(v, k.Value)
		case "comment":
			s.comment = p.text(v, k.Value)
		default:
			p.errorf(k, "a silence has no field %q: it has match, from, until, author and comment", cut(visible.Text(k.Value), 80))
		}
	}
	for _, f := range []string{"match", "until", "author", "comment"} {
		if !has[f] {
			p.errorf(n, "a silence needs the field %q", f)
		}
	}
	if !s.until.IsZero() && !s.until.After(s.from) {
		p.errorf(n, "it ends before it begins")
	}
	parts := []string{"silence", s.author, s.comment}
	for _, m := range s.match {
		parts = append(parts, m.String())
	}
	s.id = digest(parts...)
	return s
}

func (p *silenceParser) match(n *yaml.Node) (out []Matcher) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > maxMatchers {
		p.errorf(n, "match is a list of 1 to %d conditions that must all hold, such as [\"rule = spam-links\"]", maxMatchers)
		return nil
	}
	for _, c := range n.Content {
		var m Matcher
		if c.Kind != yaml.ScalarNode {
			p.errorf(c, "a condition is text, such as \"severity < high\"")
		} else if err := m.UnmarshalText([]byte(c.Value)); err != nil {
			p.errorf(c, "%v", err)
		}
		out = append(out, m)
	}
	return out
}

func (p *silenceParser) time(n *yaml.Node) time.Time {
	t, err := time.Parse(time.RFC3339, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || !strings.HasSuffix(n.Value, "Z") {
		p.errorf(n, "%q: write a time in UTC, such as 2030-01-31T08:00:00Z", cut(visible.Text(n.Value), 60))
	}
	return t
}

func (p *silenceParser) text(n *yaml.Node, field string) string {
	s := strings.TrimSpace(n.Value)
	if n.Kind != yaml.ScalarNode || s == "" || len(s) > maxComment {
		p.errorf(n, "%s is text of 1 to %d bytes", field, maxComment)
	}
	return visible.Text(s)
}

// readSilences reads the file; one that is not there has none.
func readSilences(path string) ([]*silence, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSilenceFile+1))
	if err != nil {
		return nil, err
	}
	return parseSilences(path, data)
}

// silences holds what the file says, and looks at it again when it changes.
type silences struct {
	path string
	list []*silence // guarded by the sink's lock
	seen string     // the file as it looked; used by the watching goroutine
}

// look returns a mark of the file's looks.
func (s *silences) look() string {
	info, err := os.Stat(s.path)
	if err != nil {
		return "none"
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), info.Mode())
}

// refreshSilences takes up a changed file. A file that is wrong is refused
// whole, and what was in force stays, as it does while the file cannot be read.
func (s *Sink) refreshSilences() {
	if s.silences.path == "" {
		return
	}
	look := s.silences.look()
	if look == s.silences.seen {
		return
	}
	s.silences.seen = look
	list, err := readSilences(s.silences.path)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			s.log.Error("silences: the file is refused; what was in force stays", "sink", s.name, "err", line)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silences.list = list
	s.log.Info("silences: in force", "sink", s.name, "file", s.silences.path, "silences", len(list))
}

// silenced returns the first silence that covers the alert now.
func (s *Sink) silenced(a *alert, now time.Time) *silence {
	for _, x := range s.silences.list {
		if x.active(now) && x.covers(a) {
			return x
		}
	}
	return nil
}
