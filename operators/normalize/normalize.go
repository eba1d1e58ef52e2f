// Package normalize is the operator that makes views of a post's text for the
// steps that search it.
package normalize

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/disguise"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/pipeline"
)

// The views. Folded is that of package fold, the others those of package
// disguise.
const (
	Folded   = "folded"
	Skeleton = "skeleton"
	Squeezed = "squeezed"
)

// views lists the views that can be made, in the order of their columns.
var views = [...]struct{ name, column string }{
	{Folded, pipeline.ColTextFolded}, {Skeleton, pipeline.ColTextSkeleton}, {Squeezed, pipeline.ColTextSqueezed},
}

// Config is the operator's config.
type Config struct {
	Views   []string `koanf:"views" doc:"views of the text to make: folded, skeleton, squeezed; only rules and scores look at the last two, lists undo disguises by themselves"`
	Evasion bool     `koanf:"evasion" doc:"add the columns that tell of evasion: invisible_chars, mixed_script_words, fold_distance, entropy"`
}

// Validate checks that each view is known and is named once.
func (c *Config) Validate() error {
	if len(c.Views) == 0 {
		return &pipeline.FieldError{Path: "views", Err: fmt.Errorf("no view: name one of %q, or leave the field out", names())}
	}
	for i, v := range c.Views {
		path := fmt.Sprintf("views.%d", i)
		if !slices.Contains(names(), v) {
			return &pipeline.FieldError{Path: path, Err: fmt.Errorf("no view is called %q: the views are %q", v, names())}
		}
		if slices.Contains(c.Views[:i], v) {
			return &pipeline.FieldError{Path: path, Err: fmt.Errorf("view %q is there twice: delete one", v)}
		}
	}
	return nil
}

func names() []string {
	var out []string
	for _, v := range views {
		out = append(out, v.name)
	}
	return out
}

// Factory describes the operator.
func Factory() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{
		Name:    "normalize",
		Summary: "makes views of the text, in which disguises of a word are the same",
		Doc: "Adds a column for each view (not stored), which later steps and rules can search:\n\n" +
			"- `" + pipeline.ColTextFolded + "`: the text in Unicode's NFKC_Casefold form (Unicode " +
			text.UnicodeVersion + "), without invisible characters, bidi controls and diacritics, with Arabic letter variants joined. " +
			"Vowel signs of Indic and other scripts and the voicing marks of kana stay.\n" +
			"- `" + pipeline.ColTextSkeleton + "`: folded, and words of mixed script are written in the script of most of their letters; letters in squares and " +
			"flags, small capitals, turned letters, HTML entities and text behind a right-to-left override are undone.\n" +
			"- `" + pipeline.ColTextSqueezed + "`: skeleton, and digits and symbols among letters are letters, runs of three equal letters are one, and letters that " +
			"are spaced, dotted or dashed apart are joined. It is for reading and for scores; lists of `match` with the view squeezed do not depend on how a digit is read here.\n\n" +
			"Only `folded` is made by default: with all views a post costs about three times as much, with the columns of `evasion` five times. Where nothing is undone, a view has the bytes of the folded one. URLs, e-mail addresses and mentions stay as they are.\n\n" +
			"With `evasion`, also adds `" + pipeline.ColInvisibleChars + "` (characters that nobody sees, but for those within emoji), `" + pipeline.ColMixedScript +
			"` (words with letters of several scripts), `" + pipeline.ColFoldDistance + "` (share of characters that folding replaces, beyond case) and `" + pipeline.ColEntropy +
			"` (bits a byte of the folded view, of its first 16 KiB).",
		Example: "views: [folded, skeleton, squeezed]\nevasion: true\n",
	}, func() Config { return Config{Views: []string{Folded}} }, newPlan)
}

// plan makes the views in the order of the column table.
type plan struct {
	mem     memory.Allocator
	out     *arrow.Schema
	text    int // position of the text
	views   [len(views)]bool
	evasion bool
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &plan{mem: bc.Mem, evasion: c.Evasion}
	var err error
	if p.text, err = pipeline.Column(in, pipeline.ColText, arrow.BinaryTypes.String); err != nil {
		return nil, fmt.Errorf("normalize: %w", err)
	}
	var fields []arrow.Field
	for i, v := range views {
		if slices.Contains(c.Views, v.name) {
			p.views[i] = true
			fields = append(fields, pipeline.Transient(arrow.Field{Name: v.column, Type: arrow.BinaryTypes.String}))
		}
	}
	if p.evasion {
		fields = append(fields,
			arrow.Field{Name: pipeline.ColInvisibleChars, Type: arrow.PrimitiveTypes.Uint32},
			arrow.Field{Name: pipeline.ColMixedScript, Type: arrow.PrimitiveTypes.Uint32},
			arrow.Field{Name: pipeline.ColFoldDistance, Type: arrow.PrimitiveTypes.Float32},
			arrow.Field{Name: pipeline.ColEntropy, Type: arrow.PrimitiveTypes.Float32},
		)
	}
	if p.out, err = pipeline.AppendFields(in, fields...); err != nil {
		return nil, fmt.Errorf("normalize: %w", err)
	}
	return p, nil
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return nil }
func (p *plan) New() pipeline.Operator {
	return &operator{
		plan: p, folded: column.NewStrings(p.mem), skeleton: column.NewStrings(p.mem), squeezed: column.NewStrings(p.mem),
		invisible: column.NewFixed[uint32](p.mem), mixed: column.NewFixed[uint32](p.mem),
		distance: column.NewFixed[float32](p.mem), entropy: column.NewFixed[float32](p.mem),
	}
}

type operator struct {
	*plan
	folded, skeleton, squeezed *column.Strings
	invisible, mixed           *column.Fixed[uint32]
	distance, entropy          *column.Fixed[float32]

	viewer  disguise.Viewer
	scratch []byte
	bytes   disguise.Entropy
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	texts := column.ViewStrings(in.Record.Column(o.text))
	Fold(o.folded, texts)
	arr := o.folded.NewArray(arrow.BinaryTypes.String)
	defer arr.Release()
	folded := column.ViewStrings(arr)
	if o.views[1] || o.views[2] || o.evasion {
		o.undo(texts, folded)
	}
	var added []arrow.Array
	if o.views[0] {
		arr.Retain()
		added = append(added, arr)
	}
	for i, c := range []*column.Strings{o.skeleton, o.squeezed} {
		if o.views[i+1] {
			added = append(added, c.NewArray(arrow.BinaryTypes.String))
		}
	}
	if o.evasion {
		o.signs(texts, folded)
		added = append(added,
			o.invisible.NewArray(arrow.PrimitiveTypes.Uint32), o.mixed.NewArray(arrow.PrimitiveTypes.Uint32),
			o.distance.NewArray(arrow.PrimitiveTypes.Float32), o.entropy.NewArray(arrow.PrimitiveTypes.Float32))
	}
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, added...), Stream: in.Stream})
}

// undo appends the views skeleton and squeezed of each text, and the number of
// its words of mixed script.
func (o *operator) undo(texts, folded column.StringView) {
	n := texts.Len()
	var mixed []uint32
	if o.evasion {
		mixed = o.mixed.Extend(n)
	}
	for i := range n {
		if !o.views[1] && !o.views[2] {
			mixed[i] = uint32(o.viewer.Count(texts.At(i)))
			continue
		}
		differs := o.viewer.Read(texts.At(i))
		if mixed != nil {
			mixed[i] = uint32(o.viewer.MixedWords())
		}
		if o.views[1] {
			o.view(o.skeleton, folded.At(i), differs && o.viewer.SkeletonDiffers(), o.viewer.AppendSkeleton)
		}
		if o.views[2] {
			o.view(o.squeezed, folded.At(i), differs, o.viewer.AppendSqueezed)
		}
	}
}

// view appends one row of a view.
func (o *operator) view(dst *column.Strings, folded []byte, differs bool, write func([]byte) []byte) {
	if !differs {
		dst.Append(folded)
		return
	}
	o.scratch = write(o.scratch[:0])
	dst.Append(o.scratch)
}

// signs appends the other columns that tell of evasion.
func (o *operator) signs(texts, folded column.StringView) {
	n := texts.Len()
	invisible, distance, entropy := o.invisible.Extend(n), o.distance.Extend(n), o.entropy.Extend(n)
	for i := range n {
		hidden, share := disguise.Hidden(texts.At(i))
		invisible[i], distance[i] = uint32(hidden), share
		entropy[i] = o.bytes.Of(folded.At(i))
	}
}

// Fold appends the folded view of each text.
func Fold(dst *column.Strings, texts column.StringView) {
	n := texts.Len()
	have := dst.Data.Len()
	dst.Data.Extend(fold.Room(int(texts.Offsets[n] - texts.Offsets[0])))
	dst.Data.Truncate(have) // room for the batch, so that no row grows the slab
	for i := range n {
		src := texts.At(i)
		out, taken := dst.Data.Extend(fold.Room(len(src)))[:0], 0
		for {
			if out, taken = fold.Resume(out, 0, src, taken); taken == len(src) {
				break
			}
			// Slow path: long forms have outgrown the room.
			dst.Data.Truncate(have + len(out))
			dst.Data.Extend(fold.Room(len(src) - taken))
			out = dst.Data.Values()[have : have+len(out)]
		}
		have += len(out)
		dst.Data.Truncate(have)
		dst.End()
	}
}
