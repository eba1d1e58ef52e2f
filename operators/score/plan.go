package score

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/detection"
	"github.com/sluicehq/sluice/internal/model"
	"github.com/sluicehq/sluice/pipeline"
)

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "score",
		Summary: "gives posts the scores of a trained model, and detections above a threshold",
		Doc: "Adds `score.<head>` for each head of the model: the calibrated probability, 0 to 1, which rules can use " +
			"(`score.offensive > 0.8`). A probability that reaches the head's threshold is a detection of kind `score`, with `rule_id` `score.<head>`, " +
			"the model's version as `rule_version` and the checksum of its file as `rule_hash`. Its spans are the words and pairs of words that raised " +
			"the score the most: `spans.list` is the head, and `spans.weight` what they added to the logit; a word's weight is with that of the " +
			"pieces of it that the model knows.\n\n" +
			"A model looks at words, pairs of words and pieces of words of the folded view, and never at who wrote or is named. `sluice train` makes one, " +
			"`sluice eval` measures it; what it was trained on and how well it does stands in its file. Needs normalize and tokenize steps before it.",
		Example: "model: models/abuse.slm\nthreshold: { offensive: 0.9 }\nmode: shadow\n",
	}, defaults, newPlan)
}

// plan is a model and where its columns are.
type plan struct {
	mem   memory.Allocator
	out   *arrow.Schema
	path  string
	model *model.Model
	heads []head
	least [model.MaxHeads]float32 // probabilities that are detections: above 1 where there are to be none
	top   int                     // reasons of a detection
	post  *detection.Layout

	text, folded, hash, start, end, kind int // positions
}

// head is what the config says of a head.
type head struct {
	threshold float32
	list      []byte // its name
	column    string
	origin    detection.Origin
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	data, err := bc.Files.ReadFile(c.Model)
	if err != nil {
		return nil, &pipeline.FieldError{Path: "model", Err: err}
	}
	m, err := model.Read(data)
	if err != nil {
		return nil, &pipeline.FieldError{Path: "model", Err: fmt.Errorf("%s: %w", c.Model, err)}
	}
	p := &plan{mem: bc.Mem, path: c.Model, model: m, top: c.Explain}
	if err := p.setHeads(c); err != nil {
		return nil, err
	}
	if err := p.columns(in); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	if p.post, err = detection.NewLayout(bc.Mem, in); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	return p, nil
}

// setHeads joins config and card.
func (p *plan) setHeads(c *Config) error {
	card := p.model.Card()
	var names []string
	for i := range card.Heads {
		h := &card.Heads[i]
		names = append(names, h.Name)
		t := h.Threshold
		if given, ok := c.Threshold[h.Name]; ok {
			t = float32(given)
		}
		labels := slices.Clone(h.Labels)
		for _, l := range c.Labels {
			if !slices.Contains(labels, l) {
				labels = append(labels, l)
			}
		}
		p.heads = append(p.heads, head{
			threshold: t, list: []byte(h.Name), column: pipeline.ColScorePrefix + h.Name,
			origin: detection.Origin{
				Kind: "score", RuleID: pipeline.ColScorePrefix + h.Name, Version: card.Version, Hash: p.model.Sum(),
				Severity: first(c.Severity, h.Severity, "medium"), Mode: c.Mode, Owner: first(c.Owner, card.Owner), Labels: labels,
			},
		})
	}
	for i := range p.least {
		p.least[i] = 2
		if i < len(p.heads) && c.Mode != modeOff {
			p.least[i] = p.heads[i].threshold
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Threshold)) {
		if !slices.Contains(names, name) {
			return &pipeline.FieldError{Path: "threshold." + name, Err: fmt.Errorf("the model %s has no head %q; it has %s", c.Model, name, strings.Join(names, ", "))}
		}
	}
	return nil
}

// first returns the first text that is not empty.
func first(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

// columns finds what the model looks at and makes the output schema.
func (p *plan) columns(in *arrow.Schema) error {
	str, u32 := arrow.BinaryTypes.String, pipeline.ListOf(arrow.PrimitiveTypes.Uint32)
	for _, c := range []struct {
		at   *int
		name string
		dt   arrow.DataType
	}{
		{&p.text, pipeline.ColText, str},
		{&p.folded, pipeline.ColTextFolded, str},
		{&p.hash, pipeline.ColTokenHash, pipeline.ListOf(arrow.PrimitiveTypes.Uint64)},
		{&p.start, pipeline.ColTokenStart, u32},
		{&p.end, pipeline.ColTokenEnd, u32},
		{&p.kind, pipeline.ColTokenKind, pipeline.ListOf(arrow.PrimitiveTypes.Uint8)},
	} {
		var err error
		if *c.at, err = pipeline.Column(in, c.name, c.dt); err != nil {
			return err
		}
	}
	var fields []arrow.Field
	for _, h := range p.heads {
		fields = append(fields, arrow.Field{Name: h.column, Type: arrow.PrimitiveTypes.Float32})
	}
	var err error
	p.out, err = pipeline.AppendFields(in, fields...)
	return err
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return []pipeline.Stream{pipeline.Detections} }
func (p *plan) New() pipeline.Operator {
	o := &operator{plan: p, scorer: model.NewScorer(p.model), w: detection.NewWriter(p.post)}
	for range p.heads {
		o.scores = append(o.scores, column.NewFixed[float32](p.mem))
	}
	return o
}

// Describe implements [pipeline.Describer].
func (p *plan) Describe() []string {
	c := p.model.Card()
	out := []string{fmt.Sprintf("model %s: %s, version %d, checksum %s", p.path, c.Name, c.Version, p.model.Sum()[:16])}
	for _, h := range p.heads {
		out = append(out, fmt.Sprintf("head %s: detections from %s on, %s, %s", h.list, number(h.threshold), h.origin.Severity, h.origin.Mode))
	}
	return out
}

// Rules implements [pipeline.RuleLister]: a store keeps heads as it keeps rules.
func (p *plan) Rules() []pipeline.RuleInfo {
	var out []pipeline.RuleInfo
	for _, h := range p.heads {
		o := h.origin
		out = append(out, pipeline.RuleInfo{
			ID: o.RuleID, Version: o.Version, Hash: o.Hash, Owner: o.Owner, Severity: o.Severity, Mode: o.Mode, Labels: o.Labels,
			Condition: h.column + " >= " + number(h.threshold), File: p.path,
		})
	}
	return out
}

func number(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }
