package match

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/terms"
	"github.com/sluicehq/sluice/internal/text/token"
	"github.com/sluicehq/sluice/pipeline"
)

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "match",
		Summary: "finds the terms of lists: words, phrases, hashtags, domains",
		Doc: "A term is a word or a phrase and matches whole words in that order, whatever stands between them but for words. " +
			"`#word` matches the hashtag only, `word` both. In scripts without spaces a term of two or more characters matches anywhere. " +
			"With `on` a list is held against another column: a value must equal a term, and on `" + pipeline.ColURLDomains + "` may be below it " +
			"(a.example.com is below example.com). All overlapping hits are reported.\n\n" +
			"A list of the view `skeleton` or `squeezed` also finds its words where they are in disguise: words of three letters or more, whole words only, " +
			"and not in URLs, e-mail addresses and mentions. Each occurrence is reported once, with the first view that shows it and the kinds of disguise, " +
			"such as `leet+spaced`.\n\n" +
			"Adds `match.<list>`, the number of hits of each list (not stored), `weight.<list>`, the sum of their weights (not stored), and the lists " +
			"`hits.list`, `hits.term`, `hits.start` and `hits.end`: the bytes of the original text, or 0 and 0 for a hit in another column, and " +
			"`hits.view`, `hits.disguise` and `hits.weight`. Time does not grow with the lists.",
		Example: "lists:\n  greetings: { terms: [good morning, hello] }\n",
	}, func() Config { return Config{} }, newPlan)
}

// plan is the compiled lists. A term's id is its place among the terms of all
// lists, in the order of the lists' names.
type plan struct {
	mem   memory.Allocator
	out   *arrow.Schema
	lists []compiled
	terms []string // as the lists write them, by id
	owner []uint16 // number of the list, by id

	text, folded, hash, start, end, kind int // positions; -1 where not needed

	tokens *terms.Set // lists on the folded text, or nil
	raw    *terms.Set // lists on the text as it is, or nil
	values []values   // lists on other columns
	disguised
}

// compiled is what is left of a list.
type compiled struct {
	name, path, view, on string
	version              string // see pipeline.MetaListVersionPrefix
	terms, duplicates    int
}

// values is the lists on one column in one view.
type values struct {
	column int
	list   bool // a list of strings
	domain bool // a value also equals the domains above it
	raw    bool
	set    *terms.Set
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &plan{mem: bc.Mem, text: -1, folded: -1, hash: -1, start: -1, end: -1, kind: -1}
	b := &compiler{plan: p, in: in, sets: map[target]*terms.Builder{}}
	for _, name := range slices.Sorted(maps.Keys(c.Lists)) {
		l := c.Lists[name]
		if err := b.add(bc, name, &l); err != nil {
			return nil, err
		}
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
		s := fmt.Sprintf("list %s: %d terms on %s, %s", l.name, l.terms, l.on, l.view)
		if l.duplicates > 0 {
			s += fmt.Sprintf(" (%d duplicates ignored)", l.duplicates)
		}
		out = append(out, s)
	}
	return out
}

// target is what lists are held against: one set serves all lists of a target.
type target struct{ on, view string }

// compiler fills a plan.
type compiler struct {
	*plan
	in      *arrow.Schema
	sets    map[target]*terms.Builder
	order   []target
	tokens  token.Tokens
	scratch []byte
}

// add compiles one list.
func (b *compiler) add(bc pipeline.BuildContext, name string, l *List) error {
	entries, file, inline, err := readList(bc.Files, name, l)
	if err != nil {
		return err
	}
	to := target{l.on(), l.view()}
	if disguises(to.view) {
		to.view = viewFolded
	}
	set := b.sets[to]
	if set == nil {
		set = terms.NewBuilder()
		b.sets[to], b.order = set, append(b.order, to)
	}
	first := uint32(len(b.plan.terms))
	done := compiled{name: name, path: l.Path, view: l.view(), on: to.on, version: versionOf(l, entries)}
	if len(l.Terms) > 0 {
		done.path = "" // the file alone is not the list: see pipeline.MetaListPrefix
	}
	for i, e := range entries {
		src := file
		if i >= len(entries)-len(l.Terms) {
			src = inline
		}
		same, err := b.term(set, to, first, e.term)
		if err != nil {
			return src.fail(e.line, "term %q: %w; delete the line", e.term, err)
		}
		if same >= 0 {
			if done.duplicates++; done.duplicates == 1 {
				bc.Logger.Warn("match: a term is the same as an earlier one of its list, ignored; so are all further ones",
					"list", name, "path", l.Path, "line", e.line, "term", e.term, "same_as", b.plan.terms[same])
			}
			continue
		}
		if disguises(l.view()) {
			b.disguised.add(uint32(len(b.plan.terms)), &b.tokens, b.scratch)
		}
		b.plan.terms = append(b.plan.terms, e.term)
		b.owner = append(b.owner, uint16(len(b.lists)))
		done.terms++
	}
	b.lists = append(b.lists, done)
	b.undoes = append(b.undoes, undone(done.view))
	return b.column(to, name)
}

// versionOf returns the version of a list: see [pipeline.MetaListVersionPrefix].
func versionOf(l *List, entries []entry) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", l.on(), l.view())
	for _, e := range entries {
		fmt.Fprintf(h, "%q\n", e.term)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// term adds one term to a set.
func (b *compiler) term(set *terms.Builder, to target, first uint32, term string) (same int, err error) {
	id := uint32(len(b.plan.terms))
	text := []byte(term)
	if to.on == pipeline.ColHashtags {
		text = bytes.TrimPrefix(text, []byte("#"))
	}
	if to.view == viewFolded {
		b.scratch = fold.Append(b.scratch[:0], text)
		text = b.scratch
	}
	if to.on != pipeline.ColText {
		if len(text) == 0 {
			return -1, fmt.Errorf("nothing is left of it when it is folded")
		}
		return set.AddWhole(id, first, text)
	}
	b.tokens.Reset()
	b.tokens.Append(text, 0, len(text))
	return set.Add(id, first, &b.tokens, text)
}

// column resolves the columns that a target needs.
func (b *compiler) column(to target, name string) error {
	str := arrow.BinaryTypes.String
	need := func(at *int, column string, dt arrow.DataType) (err error) {
		if *at, err = pipeline.Column(b.in, column, dt); err != nil {
			err = fmt.Errorf("match: list %q: %w", name, err)
		}
		return err
	}
	if to.on != pipeline.ColText {
		f, ok := b.in.FieldsByName(to.on)
		if !ok || !arrow.TypeEqual(f[0].Type, str) && !arrow.TypeEqual(f[0].Type, pipeline.ListOf(str)) {
			var at int
			err := need(&at, to.on, pipeline.ListOf(str))
			return &pipeline.FieldError{Path: "lists." + name + ".on", Err: err}
		}
		return nil
	}
	if err := need(&b.text, pipeline.ColText, str); err != nil || to.view == viewRaw {
		return err
	}
	u32 := pipeline.ListOf(arrow.PrimitiveTypes.Uint32)
	for _, c := range []struct {
		at   *int
		name string
		dt   arrow.DataType
	}{
		{&b.folded, pipeline.ColTextFolded, str},
		{&b.hash, pipeline.ColTokenHash, pipeline.ListOf(arrow.PrimitiveTypes.Uint64)},
		{&b.start, pipeline.ColTokenStart, u32},
		{&b.end, pipeline.ColTokenEnd, u32},
		{&b.kind, pipeline.ColTokenKind, pipeline.ListOf(arrow.PrimitiveTypes.Uint8)},
	} {
		if err := need(c.at, c.name, c.dt); err != nil {
			return err
		}
	}
	return nil
}

// finish builds the sets.
func (b *compiler) finish() error {
	b.disguised.build()
	for _, to := range b.order {
		set := b.sets[to].Build()
		switch {
		case to.on != pipeline.ColText:
			i := b.in.FieldIndices(to.on)[0]
			b.values = append(b.values, values{
				column: i, list: b.in.Field(i).Type.ID() == arrow.LIST,
				domain: to.on == pipeline.ColURLDomains, raw: to.view == viewRaw, set: set,
			})
		case to.view == viewRaw:
			b.raw = set
		default:
			b.plan.tokens = set
		}
	}
	return nil
}
