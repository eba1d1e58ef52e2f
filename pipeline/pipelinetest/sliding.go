package pipelinetest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
)

// Sliding is a stateful operator kind "sliding", keyed by author_id, with a window:
// it adds a column with the number of the author's posts within the window behind
// the watermark (or, by sum, the sum of a column of theirs). It emits a detection
// for the post with which that comes to the threshold, and one when the watermark
// takes it below again.
func Sliding() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{Name: "sliding", Summary: "Counts posts by author in a window."},
		func() slidingConfig {
			return slidingConfig{Column: "sliding", Window: 10 * time.Second, Threshold: 3, Declare: true}
		},
		func(bc pipeline.BuildContext, c *slidingConfig, in *arrow.Schema) (pipeline.Plan, error) {
			key, err := pipeline.Column(in, pipeline.ColAuthorID, arrow.BinaryTypes.String)
			sum := -1
			if err == nil && c.Sum != "" {
				sum, err = pipeline.Column(in, c.Sum, arrow.PrimitiveTypes.Uint32)
			}
			if err != nil {
				return nil, err
			}
			out, err := pipeline.AppendFields(in, arrow.Field{Name: c.Column, Type: arrow.PrimitiveTypes.Uint32})
			p := slidingPlan{
				mem: bc.Mem, name: c.Column, key: key, sum: sum, at: in.FieldIndices(pipeline.ColCreatedAt)[0],
				window: c.Window.Milliseconds(), threshold: uint32(c.Threshold), out: out,
			}
			if c.Declare {
				return slidingWindow{p}, err
			}
			return p, err
		})
}

type slidingConfig struct {
	Column    string        `koanf:"column" doc:"name of the column"`
	Sum       string        `koanf:"sum" doc:"column to add up; none to count posts"`
	Window    time.Duration `koanf:"window" doc:"length"`
	Threshold int           `koanf:"threshold" doc:"what is told"`
	Declare   bool          `koanf:"declare" doc:"let the engine know of the window"`
	Note      int           `koanf:"note" doc:"changes the config, and nothing else"`
}

type slidingPlan struct {
	mem       memory.Allocator
	name      string
	key, sum  int // positions; sum is -1 for none
	at        int
	window    int64 // ms
	threshold uint32
	out       *arrow.Schema
}

// slidingWindow is the plan that tells of its window.
type slidingWindow struct{ slidingPlan }

func (p slidingWindow) Window() time.Duration { return time.Duration(p.window) * time.Millisecond }

func (p slidingPlan) Key() int                 { return p.key }
func (p slidingPlan) Output() *arrow.Schema    { return p.out }
func (p slidingPlan) Emits() []pipeline.Stream { return []pipeline.Stream{pipeline.Detections} }
func (p slidingPlan) New() pipeline.Operator {
	return &sliding{slidingPlan: p, Watermark: -1 << 62, Seen: map[string][]slid{}}
}

// slid is a post of an author.
type slid struct {
	At int64
	N  uint32
}

type sliding struct {
	slidingPlan `json:"-"`
	Watermark   int64             // ms since 1970
	Seen        map[string][]slid // posts later than the watermark less the window, in their order
}

func total(posts []slid) (n uint32) {
	for _, p := range posts {
		n += p.N
	}
	return n
}

func (o *sliding) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	keys, at := column.ViewStrings(in.Record.Column(o.key)), in.Record.Column(o.at).(*array.Timestamp)
	id := in.Record.Column(in.Record.Schema().FieldIndices(pipeline.ColID)[0]).(*array.String)
	col := column.NewFixed[uint32](o.mem)
	b := array.NewRecordBuilder(o.mem, pipeline.DetectionsSchema())
	defer b.Release()
	var errs []error
	for r := range in.Rows() {
		k, n := string(keys.At(r)), uint32(1)
		if o.sum >= 0 {
			n = in.Record.Column(o.sum).(*array.Uint32).Value(r)
		}
		before := total(o.Seen[k])
		after := before
		if t := int64(at.Value(r)); t > o.Watermark-o.window {
			o.Seen[k] = append(o.Seen[k], slid{t, n})
			after += n
		}
		col.Append(after)
		if before < o.threshold && after >= o.threshold {
			errs = append(errs, appendRow(b, Row{"post_id": id.Value(r), "author_id": k, "rule_id": o.name, "rule_version": after}))
		}
	}
	err := emit(pipeline.Batch{Record: column.Append(in.Record, o.out, col.NewArray(arrow.PrimitiveTypes.Uint32)), Stream: pipeline.Posts})
	if err == nil {
		err = errors.Join(errs...)
	}
	if err != nil || b.Field(0).Len() == 0 {
		return err
	}
	return emit(pipeline.Batch{Record: b.NewRecord(), Stream: pipeline.Detections})
}

func (o *sliding) Advance(_ context.Context, watermark time.Time, emit pipeline.Emit) error {
	o.Watermark = watermark.UnixMilli()
	b := array.NewRecordBuilder(o.mem, pipeline.DetectionsSchema())
	defer b.Release()
	for _, k := range slices.Sorted(maps.Keys(o.Seen)) {
		before := total(o.Seen[k])
		left := slices.DeleteFunc(o.Seen[k], func(p slid) bool { return p.At <= o.Watermark-o.window })
		if o.Seen[k] = left; len(left) == 0 {
			delete(o.Seen, k)
		}
		if after := total(left); before >= o.threshold && after < o.threshold {
			if err := appendRow(b, Row{"author_id": k, "rule_id": o.name + " over", "rule_version": after, "created_at": watermark.Format(time.RFC3339Nano)}); err != nil {
				return err
			}
		}
	}
	if b.Field(0).Len() == 0 {
		return nil
	}
	return emit(pipeline.Batch{Record: b.NewRecord(), Stream: pipeline.Detections})
}

func (o *sliding) Snapshot(w io.Writer) error { return json.NewEncoder(w).Encode(o) }
func (o *sliding) Restore(r io.Reader) error  { return json.NewDecoder(r).Decode(o) }
