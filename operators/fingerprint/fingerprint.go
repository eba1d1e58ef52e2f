// Package fingerprint is the operator that makes fingerprints of a post's
// tokens: one that is equal for copies, and one that is near for near copies.
package fingerprint

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/simhash"
	"github.com/sluicehq/sluice/pipeline"
)

// maxShingle bounds Config.Shingle: posts have 10 to 50 words, and a longer
// shingle finds exact copies only.
const maxShingle = 4

// Config is the operator's config.
type Config struct {
	Shingle int `koanf:"shingle" doc:"SimHash takes each token and each run of this many tokens, 1 to 4; 1 takes the tokens only"`
}

// Validate checks the bounds.
func (c *Config) Validate() error {
	if c.Shingle < 1 || c.Shingle > maxShingle {
		return &pipeline.FieldError{Path: "shingle", Err: fmt.Errorf("%d is out of range: use 1 to %d, such as 2", c.Shingle, maxShingle)}
	}
	return nil
}

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "fingerprint",
		Summary: "makes an exact hash of the tokens and a SimHash",
		Doc: "Adds `" + pipeline.ColTextHash + "`, a hash of the words, numbers, hashtags and bigrams in order: equal for copies that differ " +
			"in case, punctuation, links, mentions and emoji only; and `" + pipeline.ColSimHash + "`, the 64-bit SimHash (Charikar) of the same tokens " +
			"and of each run of `shingle` of them, in which near copies differ in few bits. Both are 0 for a post without such tokens. " +
			"SimHash is unsteady for short posts: use `text_hash` or a least `" + pipeline.ColTokenCount + "` there. Needs a tokenize step before it.",
		Example: "shingle: 2\n",
	}, func() Config { return Config{Shingle: 2} }, newPlan)
}

type plan struct {
	mem        memory.Allocator
	out        *arrow.Schema
	shingle    int
	hash, kind int // positions
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &plan{mem: bc.Mem, shingle: c.Shingle}
	var err error
	if p.hash, err = pipeline.Column(in, pipeline.ColTokenHash, pipeline.ListOf(arrow.PrimitiveTypes.Uint64)); err != nil {
		return nil, fmt.Errorf("fingerprint: %w", err)
	}
	if p.kind, err = pipeline.Column(in, pipeline.ColTokenKind, pipeline.ListOf(arrow.PrimitiveTypes.Uint8)); err != nil {
		return nil, fmt.Errorf("fingerprint: %w", err)
	}
	p.out, err = pipeline.AppendFields(in,
		arrow.Field{Name: pipeline.ColTextHash, Type: arrow.PrimitiveTypes.Uint64},
		arrow.Field{Name: pipeline.ColSimHash, Type: arrow.PrimitiveTypes.Uint64},
	)
	if err != nil {
		return nil, fmt.Errorf("fingerprint: %w", err)
	}
	return p, nil
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return nil }
func (p *plan) New() pipeline.Operator {
	return &operator{plan: p, exact: column.NewFixed[uint64](p.mem), sim: column.NewFixed[uint64](p.mem)}
}

type operator struct {
	*plan
	features   []uint64 // of one row: its tokens, then its shingles
	exact, sim *column.Fixed[uint64]
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	rows, hashes := column.ViewList(in.Record.Column(o.hash))
	kindRows, kinds := column.ViewList(in.Record.Column(o.kind))
	hash, kind := hashes.(*array.Uint64).Uint64Values(), kinds.(*array.Uint8).Uint8Values()
	n := int(in.Record.NumRows())
	exact, sim := o.exact.Extend(n), o.sim.Extend(n)
	for i := range n {
		exact[i], sim[i] = o.row(hash[rows[i]:rows[i+1]], kind[kindRows[i]:kindRows[i+1]])
	}
	u64 := arrow.PrimitiveTypes.Uint64
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, o.exact.NewArray(u64), o.sim.NewArray(u64)), Stream: in.Stream})
}

// row returns the fingerprints of one post.
func (o *operator) row(hash []uint64, kind []uint8) (exact, sim uint64) {
	if need := 2 * len(hash); cap(o.features) < need {
		o.features = make([]uint64, 0, 2*need)
	}
	f := o.features[:len(hash)]
	n := 0
	for i, h := range hash {
		f[n] = h
		n += content[kind[i]]
	}
	f = f[:n]
	exact = simhash.Exact(f)
	if o.shingle > 1 {
		f = simhash.Shingles(f, f, o.shingle)
	}
	return exact, simhash.Of(f)
}

// content is 1 for the kinds of tokens that are fingerprinted.
var content = func() (c [256]int) {
	for k := range c {
		if text.Kind(k).Content() {
			c[k] = 1
		}
	}
	return c
}()
