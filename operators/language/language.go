// Package language is the operator that tells the language of a post.
package language

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/lang"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is the operator's config.
type Config struct {
	TrustPost     bool     `koanf:"trust_post" doc:"Take the language that the post says (column lang) where it is one, and detect only the others; false: detect always."`
	MinConfidence float64  `koanf:"min_confidence" doc:"A detected language that is less sure than this is \"\" (unknown); its confidence is kept." min:"0" max:"1"`
	Languages     []string `koanf:"languages" doc:"Codes of the only languages to detect, such as [en, fr, ar]; empty: all. What the post says is not restricted."`
}

// Validate checks that the languages are known and are named once.
func (c *Config) Validate() error {
	seen := map[string]bool{}
	for i, l := range c.Languages {
		path := fmt.Sprintf("languages.%d", i)
		if seen[l] {
			return &pipeline.FieldError{Path: path, Err: fmt.Errorf("language %q is there twice: delete one", l)}
		}
		seen[l] = true
		if _, err := lang.New([]string{l}); err != nil {
			return &pipeline.FieldError{Path: path, Err: err}
		}
	}
	return nil
}

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "language",
		Summary: "tells the language of a post: what the post says, else what its script and letters say",
		Doc: fmt.Sprintf("Adds `%s` and `%s`. Where the post says its language (`lang`), that is taken, cut to its primary subtag (`pt-BR` is `pt`), with confidence 1; "+
			"codes of no language, such as `und`, `zxx` and `qme`, count as not said. Otherwise the script decides where one language has it nearly to itself (Hangul, Thai, "+
			"Greek, ...), else windows of four letters do, for %d languages in all. URLs, mentions and hashtags are left out, and of a long text the first %d letters decide. "+
			"The confidence is the share of posts of that confidence that are right, as measured on posts; it is low for few words, for two languages in one post, and for "+
			"languages written in letters that are not theirs. Needs `normalize` before it.",
			pipeline.ColLanguage, pipeline.ColLanguageConfidence, len(lang.Languages()), lang.MaxWindows),
		Example: "min_confidence: 0.6\n",
	}, func() Config { return Config{TrustPost: true, MinConfidence: 0.5} }, newPlan)
}

// plan is immutable; all workers share it.
type plan struct {
	mem                memory.Allocator
	out                *arrow.Schema
	text, folded, said int // positions of columns
	trust              bool
	least              float32
	detector           *lang.Detector
	codes              *lang.Codes
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &plan{mem: bc.Mem, trust: c.TrustPost, least: float32(c.MinConfidence), codes: lang.AllCodes()}
	var err error
	if p.detector, err = lang.New(c.Languages); err != nil {
		return nil, fmt.Errorf("language: %w", err)
	}
	for _, col := range []struct {
		at   *int
		name string
	}{{&p.text, pipeline.ColText}, {&p.folded, pipeline.ColTextFolded}, {&p.said, pipeline.ColLang}} {
		if *col.at, err = pipeline.Column(in, col.name, arrow.BinaryTypes.String); err != nil {
			return nil, fmt.Errorf("language: %w", err)
		}
	}
	p.out, err = pipeline.AppendFields(in,
		arrow.Field{Name: pipeline.ColLanguage, Type: arrow.BinaryTypes.String},
		arrow.Field{Name: pipeline.ColLanguageConfidence, Type: arrow.PrimitiveTypes.Float32})
	if err != nil {
		return nil, fmt.Errorf("language: %w", err)
	}
	return p, nil
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return nil }
func (p *plan) New() pipeline.Operator {
	return &operator{plan: p, languages: column.NewStrings(p.mem), confidences: column.NewFixed[float32](p.mem)}
}

type operator struct {
	*plan
	languages   *column.Strings
	confidences *column.Fixed[float32]
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	texts := column.ViewStrings(in.Record.Column(o.text))
	folded := column.ViewStrings(in.Record.Column(o.folded))
	said := column.ViewStrings(in.Record.Column(o.said))
	confidences := o.confidences.Extend(texts.Len())
	for i := range confidences {
		language, confidence := "", float32(1)
		if o.trust {
			language = o.codes.Normal(said.At(i))
		}
		if language == "" {
			language, confidence = o.detector.Detect(texts.At(i), folded.At(i))
			if confidence < o.least {
				language = ""
			}
		}
		o.languages.AppendString(language)
		confidences[i] = confidence
	}
	added := []arrow.Array{
		o.languages.NewArray(arrow.BinaryTypes.String),
		o.confidences.NewArray(arrow.PrimitiveTypes.Float32),
	}
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, added...), Stream: in.Stream})
}
