package kafka

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// NewPosts plans a source of posts of a schema that a part of the same pipeline
// has written as Arrow IPC, all columns with their types, source and
// source_offset too. The topic is the pipeline's own, as its checkpoint is.
func NewPosts(bc pipeline.BuildContext, cfg *Config, schema *arrow.Schema) (pipeline.SourcePlan, error) {
	sp, err := newPlan(bc, cfg)
	if err != nil {
		return nil, err
	}
	p := sp.(*plan)
	mem := bc.Mem
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	p.decode.inner, p.decode.schema = &postsPlan{mem: mem, schema: schema}, schema
	return p, nil
}

type postsPlan struct {
	mem    memory.Allocator
	schema *arrow.Schema
}

func (p *postsPlan) Output() *arrow.Schema { return p.schema }
func (p *postsPlan) New() pipeline.Decoder { return postsDecoder{p} }

// postsDecoder is the run half; it serves one worker.
type postsDecoder struct{ *postsPlan }

// Decode implements pipeline.Decoder. A message that is not what the part before
// has written is rejected as a whole.
func (d postsDecoder) Decode(_ context.Context, c *pipeline.Chunk, emit pipeline.Emit) error {
	var refused *array.RecordBuilder
	for i := range len(c.Bounds) - 1 {
		value := c.Data[c.Bounds[i]:c.Bounds[i+1]]
		if len(value) == 0 {
			continue
		}
		rec, err := d.message(value)
		if err == nil {
			err = emit(pipeline.Batch{Record: rec, Stream: pipeline.Posts})
			if err != nil {
				if refused != nil {
					refused.Release()
				}
				return err
			}
			continue
		}
		if refused == nil {
			refused = array.NewRecordBuilder(d.mem, pipeline.RejectedSchema())
		}
		appendRejected(refused, c.Origin, c.Offset+int64(i), string(reasonInvalidArrow), strings.ToValidUTF8(err.Error(), "\uFFFD"), value)
	}
	if refused == nil {
		return nil
	}
	defer refused.Release()
	return emit(pipeline.Batch{Record: refused.NewRecord(), Stream: pipeline.Rejected})
}

// message returns the posts of a message: one record, as the sink writes it. The
// caller owns it.
func (d postsDecoder) message(value []byte) (out arrow.Record, err error) {
	value, ok := kafka.Unseal(value) // Arrow's reader trusts its input
	if !ok {
		return nil, errors.New("it was not written by the repartition step, or is damaged")
	}
	r, err := ipc.NewReader(bytes.NewReader(value), ipc.WithAllocator(d.mem))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if !r.Next() {
		return nil, cmp.Or(r.Err(), errors.New("it has no record"))
	}
	rec := r.Record()
	cols := make([]arrow.Array, 0, d.schema.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	n := int(rec.NumRows())
	for _, f := range d.schema.Fields() {
		at := rec.Schema().FieldIndices(f.Name)
		switch {
		case len(at) == 0: // it was written before there was such a column
			cols = append(cols, blank(d.mem, f, n))
		case !arrow.TypeEqual(rec.Column(at[0]).DataType(), f.Type):
			return nil, fmt.Errorf("column %q is of type %s, and must be %s", f.Name, rec.Column(at[0]).DataType(), f.Type)
		default:
			c := rec.Column(at[0])
			c.Retain()
			cols = append(cols, c)
		}
	}
	out = array.NewRecord(d.schema, cols, int64(n))
	if r.Next() {
		out.Release()
		return nil, errors.New("it has more than one record")
	}
	return out, nil
}

// blank returns n values of a column that a message does not have: null, or
// empty where it may not be null.
func blank(mem memory.Allocator, f arrow.Field, n int) arrow.Array {
	if f.Nullable {
		return array.MakeArrayOfNull(mem, f.Type, n)
	}
	b := array.NewBuilder(mem, f.Type)
	defer b.Release()
	b.AppendEmptyValues(n)
	return b.NewArray()
}
