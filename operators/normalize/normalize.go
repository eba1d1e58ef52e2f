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
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/pipeline"
)

// Folded is the view in the column text_folded; see package fold.
const Folded = "folded"

// views lists the views that can be made, in the order of their columns.
var views = [...]struct{ name, column string }{
	{Folded, pipeline.ColTextFolded},
}

// Config is the operator's config.
type Config struct {
	Views []string `koanf:"views" doc:"views of the text to make; folded is the only one"`
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
		Summary: "makes the folded view of the text, in which disguises of a word are the same",
		Doc: "Adds the column `" + pipeline.ColTextFolded + "` (not stored): the text in Unicode's NFKC_Casefold form (Unicode " +
			text.UnicodeVersion + "), without invisible characters, bidi controls and diacritics, with Arabic letter variants joined. " +
			"Vowel signs of Indic and other scripts and the voicing marks of kana stay. " +
			"Later steps search this view; what they find is reported as bytes of the original text.",
		Example: "views: [folded]\n",
	}, func() Config { return Config{Views: []string{Folded}} }, newPlan)
}

// plan makes the views in the order of the column table.
type plan struct {
	mem  memory.Allocator
	out  *arrow.Schema
	text int // position of the text
}

func newPlan(bc pipeline.BuildContext, c *Config, in *arrow.Schema) (pipeline.Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &plan{mem: bc.Mem}
	var err error
	if p.text, err = pipeline.Column(in, pipeline.ColText, arrow.BinaryTypes.String); err != nil {
		return nil, fmt.Errorf("normalize: %w", err)
	}
	var fields []arrow.Field
	for _, v := range views {
		if slices.Contains(c.Views, v.name) {
			fields = append(fields, pipeline.Transient(arrow.Field{Name: v.column, Type: arrow.BinaryTypes.String}))
		}
	}
	if p.out, err = pipeline.AppendFields(in, fields...); err != nil {
		return nil, fmt.Errorf("normalize: %w", err)
	}
	return p, nil
}

func (p *plan) Output() *arrow.Schema    { return p.out }
func (p *plan) Emits() []pipeline.Stream { return nil }
func (p *plan) New() pipeline.Operator {
	return &operator{plan: p, folded: column.NewStrings(p.mem)}
}

type operator struct {
	*plan
	folded *column.Strings
}

// Process implements [pipeline.Operator].
func (o *operator) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	Fold(o.folded, column.ViewStrings(in.Record.Column(o.text)))
	added := o.folded.NewArray(arrow.BinaryTypes.String)
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, added), Stream: in.Stream})
}

// Fold appends the folded view of each text.
func Fold(dst *column.Strings, texts column.StringView) {
	n := texts.Len()
	have := dst.Data.Len()
	dst.Data.Extend(fold.Room(int(texts.Offsets[n] - texts.Offsets[0])))
	dst.Data.Truncate(have) // room for the batch, so that no row grows the slab
	for i := range n {
		src := texts.At(i)
		room := dst.Data.Extend(fold.Room(len(src)))
		out := fold.Append(room[:0:len(room)], src)
		if len(out) > len(room) || cap(out) != len(room) {
			// Slow path: long forms have outgrown the room.
			dst.Data.Truncate(have)
			room = dst.Data.Extend(len(out))
			copy(room, out)
		}
		have += len(out)
		dst.Data.Truncate(have)
		dst.End()
	}
}
