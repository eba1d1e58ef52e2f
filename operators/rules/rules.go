// Package rules is the operator that evaluates rule files on posts and emits a
// detection for each rule that matches. The rule language, its evaluator and
// its index are in internal/rule.
package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/rule"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is what a user writes under `rules:`.
type Config struct {
	Files []string `koanf:"files" doc:"rule files, as glob patterns relative to the config file"`
}

// Validate checks what can be checked without reading files.
func (c *Config) Validate() error {
	if len(c.Files) == 0 {
		return &pipeline.FieldError{Path: "files", Err: errors.New(`no rule files; write files: ["rules/*.yaml"]`)}
	}
	for i, f := range c.Files {
		if strings.TrimSpace(f) == "" {
			return &pipeline.FieldError{Path: fmt.Sprintf("files.%d", i), Err: errors.New("an empty pattern")}
		}
	}
	return nil
}

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "rules",
		Summary: "evaluate rule files and emit a detection for each rule that matches",
		Doc:     doc,
		Example: "files: [\"rules/*.yaml\"]\n",
	}, func() Config { return Config{} }, plan)
}

const doc = `Posts go on unchanged; each rule that matches a post adds a row to the detections stream, with the rule's
version and hash, the hits of the term lists that its condition refers to, and the values that it looked at.

A condition is written in CEL. It can name every column that reaches the step; ` + "`author_x`" + ` is also ` + "`author.x`" + `.
` + "`match.<list>`" + ` is the number of hits of a term list, ` + "`weight.<list>`" + ` the sum of their weights, and ` + "`list.<name>`" + ` a set of terms for the right side of ` + "`in`" + `,
compared folded, as match compares them (words alone: prefixes, wildcards, substrings, expressions and URLs are not in it).
A null makes the condition an error, which is no match; guard it with has():
` + "`has(author.followers) && author.followers < 10`" + `. has() of a string or list asks whether it is not empty.

A rule of mode shadow makes detections that are marked so; a rule of mode off is checked and never evaluated.
`

// plan reads the rule files, and the term lists that conditions name.
func plan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	set, err := rule.Load(bc.Files, c.Files)
	if err != nil {
		var inRules rule.Errors
		if errors.As(err, &inRules) {
			return nil, err // has places of its own
		}
		return nil, &pipeline.FieldError{Path: "files", Err: err}
	}
	env, err := rule.NewEnv(in, rule.Lists(bc.Files, in)...)
	if err != nil {
		return nil, err
	}
	prog, err := env.Compile(set)
	if err != nil {
		return nil, err
	}
	return newPlan(bc, set, prog, in)
}

// Plan is a checked set of rules for one schema.
type Plan struct {
	in    *arrow.Schema
	set   *rule.Set
	prog  *rule.Program
	write *layout
}

func newPlan(bc pipeline.BuildContext, set *rule.Set, prog *rule.Program, in *arrow.Schema) (*Plan, error) {
	l, err := newLayout(bc.Mem, prog, in)
	if err != nil {
		return nil, err
	}
	return &Plan{in: in, set: set, prog: prog, write: l}, nil
}

// Output is the schema that came in.
func (p *Plan) Output() *arrow.Schema { return p.in }

// Emits names the detections stream.
func (p *Plan) Emits() []pipeline.Stream { return []pipeline.Stream{pipeline.Detections} }

// New returns an operator for one worker.
func (p *Plan) New() pipeline.Operator {
	return &operator{eval: p.prog.NewEvaluator(), w: newWriter(p.write)}
}

// Describe says how many rules there are and how they are evaluated.
func (p *Plan) Describe() []string {
	s := p.prog.Stats()
	n := s.Live + s.Shadow
	return []string{
		fmt.Sprintf("rules: %d live, %d shadow, %d off, from %d files", s.Live, s.Shadow, s.Off, len(p.set.Files)),
		fmt.Sprintf("evaluation: %d of %d by kernels alone, %d with an interpreted part; %d distinct operations", s.Lowered, n, s.Interpreted, s.Nodes),
		fmt.Sprintf("index: %d of %d rules are looked at only where something that they require fired", s.Indexed, n),
	}
}

// Set returns the rules as their files have them, off ones too.
func (p *Plan) Set() *rule.Set { return p.set }

// Rules implements pipeline.RuleLister.
func (p *Plan) Rules() []pipeline.RuleInfo {
	out := make([]pipeline.RuleInfo, len(p.set.Rules))
	for i, r := range p.set.Rules {
		out[i] = pipeline.RuleInfo{
			ID: r.ID, Version: r.Version, Hash: r.Hash, Owner: r.Owner, Severity: r.Severity, Mode: string(r.Mode),
			Labels: r.Labels, Condition: r.When, File: r.Pos.File, Runbook: r.Runbook,
		}
	}
	return out
}

type operator struct {
	eval *rule.Evaluator
	w    *writer
}

// Process emits the posts as they came, and then the detections if there are
// any, by row and then by rule id.
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	fired, err := o.eval.Match(in.Record)
	if err != nil {
		return err
	}
	in.Record.Retain()
	if err := emit(pipeline.Batch{Record: in.Record, Stream: pipeline.Posts}); err != nil {
		return err
	}
	if len(fired) == 0 {
		return nil
	}
	return emit(pipeline.Batch{Record: o.w.detections(in.Record, fired), Stream: pipeline.Detections})
}
