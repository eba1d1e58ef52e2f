package stdout

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// detections returns two detections; the first one's text is hostile.
func detections(mem memory.Allocator) arrow.Record {
	schema := pipeline.DetectionsSchema()
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	text := "grumpkin \x1b[2J\u202e deals\nat once"
	list := func(name string, add func(array.Builder)) {
		l := b.Field(schema.FieldIndices(name)[0]).(*array.ListBuilder)
		l.Append(true)
		add(l.ValueBuilder())
	}
	for row, id := range []string{"p1", "p2"} {
		for i, f := range schema.Fields() {
			switch fb := b.Field(i).(type) {
			case *array.StringBuilder:
				fb.Append(map[string]string{
					"post_id": id, "author_id": "a1", "kind": "rule", "rule_id": "grumpkin-links", "severity": "high",
					"mode": "live", "text": text, "source": "posts/0",
				}[f.Name])
			case *array.TimestampBuilder:
				fb.Append(1_700_000_000_123)
			case *array.Uint32Builder:
				fb.Append(3)
			case *array.Float32Builder:
				fb.Append(1 - float32(row)/4)
			case *array.Uint64Builder:
				fb.Append(0)
			case *array.Int64Builder:
				fb.Append(77)
			}
		}
		list("labels", func(array.Builder) {})
		list("spans.list", func(v array.Builder) { v.(*array.StringBuilder).AppendValues([]string{"terms", "gone"}, nil) })
		list("spans.term", func(v array.Builder) { v.(*array.StringBuilder).AppendValues([]string{"Grumpkin", "x"}, nil) })
		list("spans.start", func(v array.Builder) { v.(*array.Uint32Builder).AppendValues([]uint32{0, 5}, nil) })
		list("spans.end", func(v array.Builder) { v.(*array.Uint32Builder).AppendValues([]uint32{8, 5000}, nil) })
		list("spans.view", func(v array.Builder) { v.(*array.StringBuilder).AppendValues([]string{"folded", "squeezed"}, nil) })
		list("spans.disguise", func(v array.Builder) { v.(*array.StringBuilder).AppendValues([]string{"", "leet"}, nil) })
		list("spans.weight", func(v array.Builder) { v.(*array.Float32Builder).AppendValues([]float32{1, 0.5}, nil) })
		list("lists.name", func(v array.Builder) { v.(*array.StringBuilder).Append("terms") })
		list("lists.version", func(v array.Builder) { v.(*array.StringBuilder).Append("0123456789abcdef") })
		list("values.name", func(v array.Builder) { v.(*array.StringBuilder).Append("match.terms") })
		list("values.value", func(v array.Builder) { v.(*array.StringBuilder).Append("1") })
	}
	return b.NewRecord()
}

func rejected(mem memory.Allocator) arrow.Record {
	b := array.NewRecordBuilder(mem, pipeline.RejectedSchema())
	defer b.Release()
	for i, v := range []string{"posts/0", "", "decode", "invalid_json", "unexpected end", "{\"a\": \x9b\xff", ""} {
		switch fb := b.Field(i).(type) {
		case *array.StringBuilder:
			fb.Append(v)
		case *array.BinaryBuilder:
			fb.Append([]byte(v))
		case *array.Int64Builder:
			fb.Append(12)
		}
	}
	return b.NewRecord()
}

func TestFormats(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	det, rej := detections(mem), rejected(mem)
	defer det.Release()
	defer rej.Release()
	both := pipeline.Schemas{nil, pipeline.DetectionsSchema(), pipeline.RejectedSchema()}
	one := pipeline.Schemas{nil, pipeline.DetectionsSchema(), nil}
	for _, c := range []struct {
		file, format string
		in           pipeline.Schemas
	}{
		{"one.jsonl", "jsonl", one}, {"both.jsonl", "jsonl", both}, {"both.pretty", "pretty", both},
	} {
		var out bytes.Buffer
		s, err := newSink(Config{Format: c.format}, c.in, &out)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second write of the key prints nothing
			err := s.Write(t.Context(), pipeline.Key{Sink: "stdout"}, []pipeline.Batch{
				{Record: det, Stream: pipeline.Detections}, {Record: rej, Stream: pipeline.Rejected},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile("testdata/" + c.file)
		if os.Getenv("REWRITE") != "" {
			want, err = out.Bytes(), os.WriteFile("testdata/"+c.file, out.Bytes(), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s:\n got %s\nwant %s", c.file, out.Bytes(), want)
		}
		for _, r := range out.String() {
			if r < ' ' && r != '\n' || r == 0x202e && c.format == "pretty" {
				t.Errorf("%s: the output has the control character %U", c.file, r)
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Write(p []byte) (int, error) { return len(p) / 2, f.err }

func TestErrors(t *testing.T) {
	det := detections(memory.DefaultAllocator)
	defer det.Release()
	closed := errors.New("the pager quit")
	for _, out := range []failing{{closed}, {nil}} {
		s, err := newSink(Config{Format: "jsonl"}, pipeline.Schemas{nil, pipeline.DetectionsSchema()}, out)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Write(t.Context(), pipeline.Key{}, []pipeline.Batch{{Record: det, Stream: pipeline.Detections}})
		if err == nil || !strings.HasPrefix(err.Error(), "stdout: ") || out.err != nil && !errors.Is(err, closed) {
			t.Errorf("got %v", err)
		}
		if _, ok := pipeline.IsRetryable(err); ok {
			t.Errorf("retryable: half a line is printed already: %v", err)
		}
	}
	if err := (&Config{Format: "xml"}).Validate(); err == nil || err.Error() != `format: "xml": write jsonl or pretty` {
		t.Errorf("got %v", err)
	}
	_, err := newSink(Config{Format: "pretty"}, pipeline.Schemas{nil, pipeline.RejectedSchema()}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), `stream detections: column "post_id" does not reach this step`) {
		t.Errorf("got %v", err)
	}
}
