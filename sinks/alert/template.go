package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// bodyTemplate makes a webhook's body of a message: text/template over the
// message's JSON, with a small set of functions that cannot run away.
type bodyTemplate struct {
	t    *template.Template
	json bool // what it makes must be JSON
}

// Bounds of templates.
const (
	maxTemplate = 64 << 10  // bytes of the template
	maxBody     = 256 << 10 // bytes of what it makes
	maxNested   = 3         // ranges within ranges
)

// bodyFuncs are the functions beside those of allowedBuiltins.
func bodyFuncs() template.FuncMap {
	return template.FuncMap{
		"json":  func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"upper": strings.ToUpper, "lower": strings.ToLower,
		"cut":  func(n int, s string) string { return cut(s, max(n, 0)) },
		"join": joinText,
		"text": pieceText,
	}
}

// allowedBuiltins are text/template's own functions that may be used. The
// others are left out: printf can make any length of a short text, and call and
// html have no use here.
func allowedBuiltins() []string {
	return []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index"}
}

func joinText(sep string, list any) (string, error) {
	items, ok := list.([]any)
	if !ok {
		return "", fmt.Errorf("join: %T is no list", list)
	}
	var out []string
	for _, v := range items {
		out = append(out, fmt.Sprint(v))
	}
	return strings.Join(out, sep), nil
}

// pieceText writes an example's pieces as one text, the matches between marks.
func pieceText(before, after string, pieces any) (string, error) {
	list, ok := pieces.([]any)
	if !ok {
		return "", fmt.Errorf("text: %T is not the pieces of an example", pieces)
	}
	var b strings.Builder
	for _, p := range list {
		piece, _ := p.(map[string]any)
		s, _ := piece["text"].(string)
		if piece["match"] == true {
			s = before + s + after
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

var templateLine = regexp.MustCompile(`^template: body:(\d+)(?::\d+)?: (?:executing "body" at )?`)

// templateError begins with the line instead of the package's words.
func templateError(err error) error {
	msg := err.Error()
	if m := templateLine.FindStringSubmatch(msg); m != nil {
		return fmt.Errorf("line %s: %s", m[1], msg[len(m[0]):])
	}
	return err
}

// parseBody parses a template, refuses what may run away, and tries it on a
// message full of quotes, line ends and markup.
func parseBody(text, contentType string) (*bodyTemplate, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("%d bytes: write %d at the most", len(text), maxTemplate)
	}
	t, err := template.New("body").Option("missingkey=error").Funcs(bodyFuncs()).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define and block are not for this template: write it as one")
	}
	if err := checkNodes(t.Root, 0); err != nil {
		return nil, err
	}
	media, _, _ := strings.Cut(contentType, ";")
	b := &bodyTemplate{t: t, json: strings.HasSuffix(strings.TrimSpace(strings.ToLower(media)), "json")}
	for _, m := range []*Message{sampleMessage(), {Group: []Pair{}, Labels: []string{}, Examples: []Example{}}} {
		sample, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		if _, err := b.execute(sample); err != nil {
			return nil, fmt.Errorf("tried on a message: %w", err)
		}
	}
	return b, nil
}

// sampleMessage has in each text what a careless template would let through.
func sampleMessage() *Message {
	nasty := "\"quoted\" \\ <b>&amp;</b>\n{{.}}"
	e := Example{PostID: nasty, AuthorID: nasty, CreatedAt: time.Unix(0, 0).UTC(), Pieces: []Piece{{Text: nasty}, {Text: nasty, Match: true}}}
	return &Message{
		Schema: 1, AlertID: "0", GroupID: "0", Key: "0", Sequence: 1, Status: statusFiring, Pipeline: nasty, Sink: nasty, Route: nasty,
		Group: []Pair{{nasty, nasty}}, Rule: nasty, RuleVersion: 1, Owner: nasty, Kind: "rule", Mode: "live", Severity: "high", BeganAs: "high",
		Labels: []string{nasty, nasty}, Runbook: nasty, Note: nasty, Count: 2, Authors: 1, Examples: []Example{e, e}, SQL: nasty,
	}
}

// execute makes a body of a message's JSON.
func (b *bodyTemplate) execute(message []byte) ([]byte, error) {
	var data map[string]any
	dec := json.NewDecoder(bytes.NewReader(message))
	dec.UseNumber() // large counts stay as they are
	if err := dec.Decode(&data); err != nil {
		return nil, err
	}
	for _, optional := range []string{"runbook", "note"} { // left out where they are empty
		if data[optional] == nil {
			data[optional] = ""
		}
	}
	out := &boundedBuffer{}
	if err := b.t.Execute(out, data); err != nil {
		return nil, templateError(err)
	}
	if b.json && !json.Valid(out.Bytes()) {
		return nil, errors.New("what it makes is not JSON: write each value as {{ .name | json }}, without quotes around it")
	}
	return out.Bytes(), nil
}

type boundedBuffer struct{ bytes.Buffer }

var _ io.Writer = (*boundedBuffer)(nil)

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxBody {
		return 0, fmt.Errorf("it makes more than %d bytes", maxBody)
	}
	return b.Buffer.Write(p)
}

// checkNodes walks the parsed template: only known functions, ranges over what
// the message has and not too deep, so that it ends soon whatever it is given.
func checkNodes(n parse.Node, depth int) error {
	refuse := func(what string) error {
		return fmt.Errorf("near %q: %s", cut(n.String(), 60), what)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := checkNodes(c, depth); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return checkNodes(n.Pipe, depth)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			for _, a := range c.Args {
				if err := checkNodes(a, depth); err != nil {
					return err
				}
			}
		}
	case *parse.ChainNode:
		return checkNodes(n.Node, depth)
	case *parse.IdentifierNode:
		if bodyFuncs()[n.Ident] == nil && !slices.Contains(allowedBuiltins(), n.Ident) {
			return refuse("the function " + n.Ident + " is not for this template: it has " +
				strings.Join(append(sortedKeys(bodyFuncs()), allowedBuiltins()...), ", "))
		}
	case *parse.IfNode:
		return checkBranch(&n.BranchNode, depth)
	case *parse.WithNode:
		return checkBranch(&n.BranchNode, depth)
	case *parse.RangeNode:
		if depth == maxNested {
			return refuse(fmt.Sprintf("range within %d others", maxNested))
		}
		if !overField(n.Pipe) {
			return refuse("range goes over a list of the message, such as {{ range .examples }}")
		}
		return checkBranch(&n.BranchNode, depth+1)
	case *parse.TemplateNode:
		return refuse("template is not for this template: write it as one")
	}
	return nil
}

// overField tells whether a range goes over a field, such as .examples or
// $e.pieces: a number, over which a range may go too, is none.
func overField(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	switch n := p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return true
	case *parse.VariableNode:
		return len(n.Ident) > 1
	}
	return false
}

func checkBranch(b *parse.BranchNode, depth int) error {
	return errors.Join(checkNodes(b.Pipe, depth), checkNodes(b.List, depth), checkNodes(b.ElseList, depth))
}
