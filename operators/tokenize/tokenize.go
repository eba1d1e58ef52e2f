// Package tokenize is the operator that cuts a post's folded text into tokens
// and names the domains that the post links to.
package tokenize

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is the operator's config; there is nothing to set.
type Config struct{}

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "tokenize",
		Summary: "cuts the folded text into words, bigrams, hashtags, mentions, cashtags, URLs, e-mail addresses and emoji",
		Doc: "Adds `" + pipeline.ColTokenCount + "` (words, numbers, hashtags, mentions, cashtags and bigrams), `" + pipeline.ColURLDomains +
			"` (the registrable domains of the post's urls and of URLs in its text, each once, in Unicode and folded: names in Punycode are decoded) and, for later steps only, " +
			"the lists `tokens.hash`, `tokens.start`, `tokens.end` and `tokens.kind`. Scripts without spaces between words " +
			"(Han, kana, Thai, Lao, Khmer, Myanmar) are cut into overlapping pairs of characters. Needs a normalize step before it.",
		Example: "{}\n",
	}, func() Config { return Config{} }, newPlan)
}

type plan struct {
	mem          memory.Allocator
	out          *arrow.Schema
	folded, urls int // positions
}

func newPlan(bc pipeline.BuildContext, _ *Config, in *arrow.Schema) (pipeline.Plan, error) {
	p := &plan{mem: bc.Mem}
	var err error
	if p.folded, err = pipeline.Column(in, pipeline.ColTextFolded, arrow.BinaryTypes.String); err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	if p.urls, err = pipeline.Column(in, pipeline.ColURLs, pipeline.ListOf(arrow.BinaryTypes.String)); err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	list := func(name string, of arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: pipeline.ListOf(of)}
	}
	p.out, err = pipeline.AppendFields(in,
		pipeline.Transient(list(pipeline.ColTokenHash, arrow.PrimitiveTypes.Uint64)),
		pipeline.Transient(list(pipeline.ColTokenStart, arrow.PrimitiveTypes.Uint32)),
		pipeline.Transient(list(pipeline.ColTokenEnd, arrow.PrimitiveTypes.Uint32)),
		pipeline.Transient(list(pipeline.ColTokenKind, arrow.PrimitiveTypes.Uint8)),
		arrow.Field{Name: pipeline.ColTokenCount, Type: arrow.PrimitiveTypes.Uint32},
		list(pipeline.ColURLDomains, arrow.BinaryTypes.String),
	)
	if err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	return p, nil
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return nil }
func (p *plan) New() pipeline.Operator {
	return &operator{
		plan: p,
		hash: column.NewFixed[uint64](p.mem), start: column.NewFixed[uint32](p.mem), end: column.NewFixed[uint32](p.mem),
		kind: column.NewFixed[text.Kind](p.mem), rows: column.NewOffsets(p.mem), count: column.NewFixed[uint32](p.mem),
		domain: column.NewStrings(p.mem), domainRows: column.NewOffsets(p.mem),
	}
}

type operator struct {
	*plan
	tokens     token.Tokens
	scanned    []token.Row
	domains    token.Domains
	links      []token.Link // those of further rows
	seen       seen
	hash       *column.Fixed[uint64]
	start, end *column.Fixed[uint32]
	kind       *column.Fixed[text.Kind]
	rows       *column.Offsets
	count      *column.Fixed[uint32]
	domain     *column.Strings
	domainRows *column.Offsets
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	folded := column.ViewStrings(in.Record.Column(o.folded))
	urlRows, child := column.ViewList(in.Record.Column(o.urls))
	urls := column.ViewStrings(child)
	if n := folded.Len(); cap(o.scanned) < n {
		o.scanned = make([]token.Row, n)
	}
	scanned := o.scanned[:folded.Len()]
	o.tokens.Reset()
	o.tokens.AppendRows(scanned, folded.Data, folded.Offsets)
	ends, counts, domainEnds := o.rows.Extend(len(scanned)), o.count.Extend(len(scanned)), o.domainRows.Extend(len(scanned))
	o.links = o.tokens.Links()
	first, domains := int32(0), int32(0)
	for i, row := range scanned {
		ends[i] = row.End
		counts[i] = uint32(row.End - first - row.URLs - row.Emoji - row.Emails)
		if from, to := urlRows[i], urlRows[i+1]; row.URLs > 0 || from < to {
			o.addDomains(folded, i, int(first), int(row.URLs), urls, from, to)
			domains = int32(o.domain.Len())
		}
		first = row.End
		domainEnds[i] = domains
	}
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, o.arrays()...), Stream: in.Stream})
}

// addDomains adds to the row of url_domains the domains of urls[from:to] and of
// the row's links URL tokens, of which the first token has the number first, in
// order, each once.
func (o *operator) addDomains(folded column.StringView, row, first, links int, urls column.StringView, from, to int32) {
	base := int(folded.Offsets[row])
	o.seen.next(o.domain.Len(), int(to-from)+links)
	for i := from; i < to; i++ {
		o.addDomain(o.domains.Of(urls.At(int(i))))
	}
	for j := first; links > 0; j++ {
		if o.tokens.Kind[j] != text.URL {
			continue
		}
		links--
		if len(o.links) > 0 && o.links[0].Token == j {
			o.addDomain(o.tokens.Domain(o.links[0]))
			o.links = o.links[1:]
			continue
		}
		o.addDomain(o.domains.OfFolded(folded.Data, base+int(o.tokens.Start[j]), base+int(o.tokens.End[j])))
	}
}

// addDomain adds d to the row of url_domains.
func (o *operator) addDomain(d []byte) {
	if len(d) > 0 {
		o.seen.add(o.domain, d)
	}
}

// arrays returns the finished columns in the order of the schema.
func (o *operator) arrays() []arrow.Array {
	copy(o.hash.Extend(o.tokens.Len()), o.tokens.Hash)
	copy(o.start.Extend(o.tokens.Len()), o.tokens.Start)
	copy(o.end.Extend(o.tokens.Len()), o.tokens.End)
	copy(o.kind.Extend(o.tokens.Len()), o.tokens.Kind)
	out := o.rows.NewLists(
		o.hash.NewArray(arrow.PrimitiveTypes.Uint64), o.start.NewArray(arrow.PrimitiveTypes.Uint32),
		o.end.NewArray(arrow.PrimitiveTypes.Uint32), o.kind.NewArray(arrow.PrimitiveTypes.Uint8),
	)
	out = append(out, o.count.NewArray(arrow.PrimitiveTypes.Uint32))
	return append(out, o.domainRows.NewLists(o.domain.NewArray(arrow.BinaryTypes.String))...)
}
