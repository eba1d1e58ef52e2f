package pipelinetest

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
)

// Stamp is a stateless operator kind "stamp": for each post it emits a
// detection of rule "stamp" whose version is the config's, or the number in a
// file. So a test sees which graph a post was processed by. It can add columns
// that hold the version, stored or transient, and knows its one rule.
func Stamp() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{Name: "stamp", Summary: "Marks posts with a version."},
		func() stampConfig { return stampConfig{Version: 1} },
		func(bc pipeline.BuildContext, c *stampConfig, in *arrow.Schema) (pipeline.Plan, error) {
			p := &stampPlan{mem: bc.Mem, version: uint32(c.Version)}
			if c.Path != "" {
				data, err := bc.Files.ReadFile(c.Path)
				if err != nil {
					return nil, &pipeline.FieldError{Path: "path", Err: err}
				}
				n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 32)
				if err != nil {
					return nil, &pipeline.FieldError{Path: "path", Err: fmt.Errorf("%s:1: not a version: %w", c.Path, err)}
				}
				p.version = uint32(n)
			}
			var fields []arrow.Field
			for _, name := range c.Stored {
				fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Uint32})
			}
			for _, name := range c.Transient {
				fields = append(fields, pipeline.Transient(arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Uint32}))
			}
			p.added = len(fields)
			var err error
			p.out, err = pipeline.AppendFields(in, fields...)
			return p, err
		})
}

type stampConfig struct {
	Version   int      `koanf:"version" doc:"version of the detections"`
	Path      string   `koanf:"path" doc:"file with the version"`
	Stored    []string `koanf:"stored" doc:"columns that are added"`
	Transient []string `koanf:"transient" doc:"columns that are added and not stored"`
}

type stampPlan struct {
	mem     memory.Allocator
	version uint32
	out     *arrow.Schema
	added   int
}

func (p *stampPlan) Output() *arrow.Schema    { return p.out }
func (p *stampPlan) Emits() []pipeline.Stream { return []pipeline.Stream{pipeline.Detections} }
func (p *stampPlan) New() pipeline.Operator   { return &stamp{p} }
func (p *stampPlan) Rules() []pipeline.RuleInfo {
	return []pipeline.RuleInfo{{ID: "stamp", Version: p.version}}
}

type stamp struct{ *stampPlan }

func (o *stamp) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	cols := make([]arrow.Array, o.added)
	for i := range cols {
		col := column.NewFixed[uint32](o.mem)
		for range in.Rows() {
			col.Append(o.version)
		}
		cols[i] = col.NewArray(arrow.PrimitiveTypes.Uint32)
	}
	if err := emit(pipeline.Batch{Record: column.Append(in.Record, o.out, cols...), Stream: pipeline.Posts}); err != nil {
		return err
	}
	text := func(name string) *array.String {
		return in.Record.Column(in.Record.Schema().FieldIndices(name)[0]).(*array.String)
	}
	id, source := text(pipeline.ColID), text(pipeline.ColSource)
	at := in.Record.Column(in.Record.Schema().FieldIndices(pipeline.ColSourceOffset)[0]).(*array.Int64)
	b := array.NewRecordBuilder(o.mem, pipeline.DetectionsSchema())
	defer b.Release()
	for r := range in.Rows() {
		row := Row{"post_id": id.Value(r), "rule_id": "stamp", "rule_version": o.version, "source": source.Value(r), "source_offset": at.Value(r)}
		if err := appendRow(b, row); err != nil {
			return err
		}
	}
	return emit(pipeline.Batch{Record: b.NewRecord(), Stream: pipeline.Detections})
}
