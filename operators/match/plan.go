package match

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/pipeline"
)

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "match",
		Summary: "finds the terms of lists: words, phrases, prefixes, wildcards, substrings, expressions, URLs, hashes",
		Doc:     doc + bankDoc,
		Example: "lists:\n  greetings: { terms: [good morning, hello, \"welcom*\"] }\n",
	}, func() Config { return Config{} }, newPlan)
}

// plan is the compiled lists.
type plan struct {
	mem       memory.Allocator
	out       *arrow.Schema
	lists     []compiled
	terms     []term   // of all lists, in the order of the lists' names
	languages []string // that terms are of; the first is "", all languages

	text, folded, hash, start, end, kind, language int // positions; -1 where not needed

	sources  []from // what the searches look at
	searches []search
}

// term is a term of a list.
type term struct {
	text, note string // as the list writes them
	weight     float32
	line       int32
	list       uint16 // number of the list
	language   uint16 // in plan.languages
	match      termlist.Match
	view       termlist.View
}

// compiled is what is left of a list.
type compiled struct {
	name, path, on string
	view           termlist.View
	version        string                // see pipeline.MetaListVersionPrefix
	terms          [termlist.Matches]int // by match
	duplicates     int

	bank               bool // of hashes
	distance, negative int  // of a bank: the usual distance, and the entries that are negative
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &plan{mem: bc.Mem, languages: []string{""}, text: -1, folded: -1, hash: -1, start: -1, end: -1, kind: -1, language: -1}
	b := &compiler{plan: p, bc: bc, in: in, targets: map[target]*builder{}, languageOf: map[string]uint16{"": 0}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Lists)) {
		l := c.Lists[name]
		if _, _, isBank := l.bankDistance(); isBank {
			errs = append(errs, b.bank(name, &l))
			continue
		}
		errs = append(errs, b.add(name, &l))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	return p, p.schema(in)
}

// schema makes the output schema.
func (p *plan) schema(in *arrow.Schema) error {
	md := in.Metadata()
	keys, vals := slices.Clone(md.Keys()), slices.Clone(md.Values())
	var fields []arrow.Field
	for _, l := range p.lists {
		fields = append(fields, pipeline.Transient(arrow.Field{Name: pipeline.ColMatchPrefix + l.name, Type: arrow.PrimitiveTypes.Int32}))
		keys, vals = append(keys, pipeline.MetaListPrefix+l.name), append(vals, l.path)
		keys, vals = append(keys, pipeline.MetaListVersionPrefix+l.name), append(vals, l.version)
	}
	for _, l := range p.lists {
		fields = append(fields, pipeline.Transient(arrow.Field{Name: pipeline.ColWeightPrefix + l.name, Type: arrow.PrimitiveTypes.Float32}))
	}
	str, u32 := pipeline.ListOf(arrow.BinaryTypes.String), pipeline.ListOf(arrow.PrimitiveTypes.Uint32)
	fields = append(fields,
		arrow.Field{Name: pipeline.ColHitList, Type: str}, arrow.Field{Name: pipeline.ColHitTerm, Type: str},
		arrow.Field{Name: pipeline.ColHitStart, Type: u32}, arrow.Field{Name: pipeline.ColHitEnd, Type: u32},
		arrow.Field{Name: pipeline.ColHitView, Type: str}, arrow.Field{Name: pipeline.ColHitDisguise, Type: str},
		arrow.Field{Name: pipeline.ColHitWeight, Type: pipeline.ListOf(arrow.PrimitiveTypes.Float32)},
	)
	out, err := pipeline.AppendFields(in, fields...)
	if err != nil {
		return fmt.Errorf("match: %w", err)
	}
	all := arrow.NewMetadata(keys, vals)
	p.out = arrow.NewSchema(out.Fields(), &all)
	return nil
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return nil }

// Describe implements [pipeline.Describer].
func (p *plan) Describe() []string {
	var out []string
	for _, l := range p.lists {
		total, kinds := 0, ""
		for m, n := range l.terms {
			if total += n; n > 0 && termlist.Match(m) != termlist.Whole {
				kinds += fmt.Sprintf(", %d %s", n, termlist.Match(m))
			}
		}
		s := fmt.Sprintf("list %s: %d terms%s on %s, %s, version %s", l.name, total, kinds, l.on, l.view, l.version)
		if l.bank {
			s = fmt.Sprintf("list %s: %d hashes and %d negative ones on %s, within %d bits, version %s", l.name, total, l.negative, l.on, l.distance, l.version)
		}
		if l.duplicates > 0 {
			s += fmt.Sprintf(" (%d duplicates ignored)", l.duplicates)
		}
		out = append(out, s)
	}
	return out
}
