package discard

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

func TestCounts(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	b := array.NewRecordBuilder(mem, arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil))
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 2, 3}, nil)
	rec := b.NewRecord()
	defer rec.Release()
	p, err := Factory().PlanSink(pipeline.BuildContext{}, Factory().NewConfig(), pipeline.Schemas{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		in := []pipeline.Batch{{Record: rec}, {Record: rec, Stream: pipeline.Rejected}}
		if err := s.Write(t.Context(), pipeline.Key{}, in); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.(*Sink).Rows(), [pipeline.NumStreams]int64{6, 0, 6}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
