package kafka

import (
	"context"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// sealed is ipcStream as the sink of a repartition step writes it.
func sealed(t testing.TB, schema *arrow.Schema, rows string, n int64) []byte {
	return kafka.Seal(ipcStream(t, schema, rows, n))
}

// TestPosts decodes what a part of the pipeline has written: columns of any type,
// in any order, and some that it did not have yet. What is damaged is rejected
// as a whole, whatever the damage.
func TestPosts(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	list := arrow.ListOfNonNullable(arrow.PrimitiveTypes.Uint64)
	written := arrow.NewSchema([]arrow.Field{{Name: "hash", Type: list}, {Name: "id", Type: arrow.BinaryTypes.String}, {Name: "kind", Type: arrow.PrimitiveTypes.Uint8}, {Name: "gone", Type: arrow.PrimitiveTypes.Int64}}, nil)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String},
		pipeline.Transient(arrow.Field{Name: "hash", Type: list}),
		{Name: "kind", Type: arrow.PrimitiveTypes.Uint8},
		{Name: "new_text", Type: arrow.BinaryTypes.String},
		{Name: "new_list", Type: arrow.ListOfNonNullable(arrow.BinaryTypes.String)},
		{Name: "new_number", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	}, nil)
	good := sealed(t, written, `{"hash": [1, 77], "id": "a", "kind": 7, "gone": 1}, {"hash": [], "id": "b", "kind": 0, "gone": 2}`, 10)
	other := sealed(t, arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil), `{"id": 1}`, 10)
	two := sealed(t, written, `{"hash": [], "id": "a", "kind": 7, "gone": 1}, {"hash": [], "id": "b", "kind": 0, "gone": 2}`, 1)
	messages := [][]byte{good, {}, other, two, good[:len(good)/2], []byte("no stream"), good}
	var b buffer
	b.begin(100)
	p := &decodePlan{arrow: true}
	for _, m := range messages {
		b.end(m, ipcRecords(m))
		b.side = append(b.side, accepted)
	}
	c := pipeline.Chunk{Origin: "t/0", Offset: b.from, Data: b.data, Bounds: b.bounds, Records: b.records}
	p.inner, p.schema = &postsPlan{mem: mem, schema: schema}, schema
	var posts, rejected []string
	err := p.New().Decode(context.Background(), &c, func(out pipeline.Batch) error {
		defer out.Record.Release()
		js, err := out.Record.MarshalJSON()
		if err != nil {
			return err
		}
		if out.Stream == pipeline.Rejected {
			rejected = append(rejected, string(js))
			return nil
		}
		if !out.Record.Schema().Equal(schema) {
			t.Errorf("schema %s", out.Record.Schema())
		}
		posts = append(posts, string(js))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"hash":[1,77],"id":"a","kind":7,"new_list":[],"new_number":null,"new_text":""}` + "\n" +
		`,{"hash":[],"id":"b","kind":0,"new_list":[],"new_number":null,"new_text":""}` + "\n]"
	if len(posts) != 2 || posts[0] != want || posts[1] != want {
		t.Errorf("posts %q, want twice %q", posts, want)
	}
	if got := strings.Join(rejected, ""); strings.Count(got, `"reason":"invalid_arrow"`) != 4 || !strings.Contains(got, `"source_offset":102`) || !strings.Contains(got, "more than one record") {
		t.Errorf("rejected %s", got)
	}
	// Any byte may be wrong.
	d := p.New()
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0xff
		c := pipeline.Chunk{Origin: "t/0", Data: bad, Bounds: []uint32{0, uint32(len(bad))}, Records: 2}
		err := d.Decode(context.Background(), &c, func(out pipeline.Batch) error {
			if out.Stream != pipeline.Rejected {
				t.Errorf("byte %d is wrong, and nobody sees it", i)
			}
			out.Record.Release()
			return nil
		})
		if err != nil {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}
