// Package fingerprint is the operator that makes fingerprints of a post's
// tokens: one that is equal for copies, and two that are near for near copies.
package fingerprint

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/minhash"
	"github.com/sluicehq/sluice/pipeline"
)

// maxShingle bounds Config.Shingle and MinHash.Shingle: posts have 10 to 50
// words, and a longer shingle finds exact copies only.
const maxShingle = 4

// Config is the operator's config.
type Config struct {
	Shingle int     `koanf:"shingle" doc:"SimHash takes each token and each run of this many tokens, 1 to 4; 1 takes the tokens only"`
	MinHash MinHash `koanf:"minhash" doc:"bands of MinHash, to find near copies by equality"`
}

// MinHash is the config of the column minhash.
type MinHash struct {
	Bands   int `koanf:"bands" doc:"bands of 16 bits a post, up to 64; 0 makes none, and no column"`
	Rows    int `koanf:"rows" doc:"values that a band joins, 1 to 8: more let fewer unlike posts share a band, and fewer changed copies"`
	Shingle int `koanf:"shingle" doc:"tokens in a shingle, 1 to 4; short posts have half of their bands over runs of 4 characters"`
}

// defaults returns the config where nothing is set. No bands, since nothing but
// near-duplicate steps and queries reads them, and they triple the step's time
// and add 64 bytes to a post. With two rows of pairs of tokens, 16 bands find
// 99.9 in 100 of the reposts that a platform cut short, and give 1 in 1,800
// unlike pairs of one language a band in common; one row or single tokens give 1
// in 80 to 1 in 4 (TestShapes in package operators). Of posts of 7 words in which
// one was changed two rows find 97 in 100, three rows 71, four 35 (TestShort).
func defaults() Config { return Config{Shingle: 2, MinHash: MinHash{Rows: 2, Shingle: 2}} }

// Validate checks the bounds.
func (c *Config) Validate() error {
	var errs []error
	within := func(path string, n, low, high int, such int) {
		if n < low || n > high {
			errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf("%d is out of range: use %d to %d, such as %d", n, low, high, such)})
		}
	}
	within("shingle", c.Shingle, 1, maxShingle, 2)
	within("minhash.bands", c.MinHash.Bands, 0, minhash.MaxBands, 16)
	within("minhash.rows", c.MinHash.Rows, 1, minhash.MaxRows, 2)
	within("minhash.shingle", c.MinHash.Shingle, 1, maxShingle, 2)
	return errors.Join(errs...)
}

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "fingerprint",
		Summary: "makes an exact hash of the tokens, a SimHash and bands of MinHash",
		Doc: "Adds `" + pipeline.ColTextHash + "`, a hash of the words, numbers, hashtags and bigrams in order: equal for copies that differ " +
			"in case, punctuation, links, mentions and emoji only; and `" + pipeline.ColSimHash + "`, the 64-bit SimHash (Charikar) of the same tokens " +
			"and of each run of `shingle` of them, in which near copies differ in few bits. Both are 0 for a post without such tokens. " +
			"SimHash is unsteady for short posts: use `text_hash` or a least `" + pipeline.ColTokenCount + "` there.\n\n" +
			"With `minhash.bands` also `" + pipeline.ColMinHash + "`, a list of MinHash bands: number << 16 | 16 bits, none for a post without such tokens. " +
			"Two posts whose sets of shingles have the Jaccard similarity j share a band with a probability of about 1-(1-j^rows)^bands: with 16 bands of 2 rows " +
			"half of the pairs at 0.2, 99 of 100 at 0.5. Near copies of a post are found by `hasAny(minhash, [...])` in SQL. It works for short posts too: below 7 tokens every second band is over runs of 4 characters.\n\n" +
			"A leading \"RT @user\", or several, is the platform's mark of a copy and is left out of all three, so that a repost has the fingerprints of its original. " +
			"Needs a tokenize step before it.",
		Example: "shingle: 2\nminhash: { bands: 16 }\n",
	}, defaults, newPlan)
}

type plan struct {
	mem        memory.Allocator
	out        *arrow.Schema
	shingle    int
	minhash    MinHash
	hash, kind int // positions
	// Positions that only MinHash needs.
	folded, start, end int
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &plan{mem: bc.Mem, shingle: c.Shingle, minhash: c.MinHash}
	u64, u32 := arrow.PrimitiveTypes.Uint64, pipeline.ListOf(arrow.PrimitiveTypes.Uint32)
	needs := []struct {
		at   *int
		name string
		dt   arrow.DataType
	}{
		{&p.hash, pipeline.ColTokenHash, pipeline.ListOf(u64)},
		{&p.kind, pipeline.ColTokenKind, pipeline.ListOf(arrow.PrimitiveTypes.Uint8)},
		{&p.folded, pipeline.ColTextFolded, arrow.BinaryTypes.String},
		{&p.start, pipeline.ColTokenStart, u32},
		{&p.end, pipeline.ColTokenEnd, u32},
	}
	adds := []arrow.Field{{Name: pipeline.ColTextHash, Type: u64}, {Name: pipeline.ColSimHash, Type: u64}, {Name: pipeline.ColMinHash, Type: u32}}
	if p.minhash.Bands == 0 {
		needs, adds = needs[:2], adds[:2]
	}
	for i, n := range needs {
		var err error
		if *n.at, err = pipeline.Column(in, n.name, n.dt); err != nil {
			if i >= 2 {
				err = fmt.Errorf("minhash, for short posts: %w", err)
			}
			return nil, fmt.Errorf("fingerprint: %w", err)
		}
	}
	var err error
	if p.out, err = pipeline.AppendFields(in, adds...); err != nil {
		return nil, fmt.Errorf("fingerprint: %w", err)
	}
	return p, nil
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return nil }
func (p *plan) New() pipeline.Operator {
	return &operator{
		plan: p, exact: column.NewFixed[uint64](p.mem), sim: column.NewFixed[uint64](p.mem),
		bands: column.NewFixed[uint32](p.mem), bandRows: column.NewOffsets(p.mem),
	}
}

type operator struct {
	*plan
	kernel     kernel
	exact, sim *column.Fixed[uint64]
	bands      *column.Fixed[uint32]
	bandRows   *column.Offsets
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	rows, hashes := column.ViewList(in.Record.Column(o.hash))
	kindRows, kinds := column.ViewList(in.Record.Column(o.kind))
	hash, kind := hashes.(*array.Uint64).Uint64Values(), kinds.(*array.Uint8).Uint8Values()
	n := int(in.Record.NumRows())
	exact, sim := o.exact.Extend(n), o.sim.Extend(n)
	var bands bander
	if o.minhash.Bands > 0 {
		bands = o.newBander(in.Record)
	}
	for i := range n {
		o.kernel.tokens(hash[rows[i]:rows[i+1]], kind[kindRows[i]:kindRows[i+1]])
		exact[i], sim[i] = o.kernel.hashes(o.shingle)
		if o.minhash.Bands > 0 {
			bands.row(i, kind[kindRows[i]:kindRows[i+1]])
		}
	}
	u64 := arrow.PrimitiveTypes.Uint64
	added := []arrow.Array{o.exact.NewArray(u64), o.sim.NewArray(u64)}
	if o.minhash.Bands > 0 {
		added = append(added, o.bandRows.NewLists(o.bands.NewArray(arrow.PrimitiveTypes.Uint32))...)
	}
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, added...), Stream: in.Stream})
}

// bander makes the bands of a batch's rows.
type bander struct {
	*operator
	folded             column.StringView
	startRows, endRows []int32
	start, end         []uint32
}

func (o *operator) newBander(rec arrow.Record) bander {
	b := bander{operator: o, folded: column.ViewStrings(rec.Column(o.folded))}
	rows, child := column.ViewList(rec.Column(o.plan.start))
	b.startRows, b.start = rows, child.(*array.Uint32).Uint32Values()
	rows, child = column.ViewList(rec.Column(o.plan.end))
	b.endRows, b.end = rows, child.(*array.Uint32).Uint32Values()
	return b
}

// row closes the list of row i, whose tokens the kernel has.
func (b *bander) row(i int, kind []uint8) {
	if b.kernel.n > 0 {
		b.kernel.bands(b.bands.Extend(b.minhash.Bands), &b.minhash, &post{
			folded: b.folded.At(i), kind: kind,
			start: b.start[b.startRows[i]:b.startRows[i+1]], end: b.end[b.endRows[i]:b.endRows[i+1]],
		})
	}
	b.bandRows.End(b.bands.Len())
}
