package jsonlines

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

func field(name string, t arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: t} }

// TestEncodeGolden shows every type, nulls, lists and escapes as they look.
func TestEncodeGolden(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	nullable := func(f arrow.Field) arrow.Field { f.Nullable = true; return f }
	schema := arrow.NewSchema([]arrow.Field{
		field("text", arrow.BinaryTypes.String),
		field("raw", arrow.BinaryTypes.Binary),
		nullable(field("followers", arrow.PrimitiveTypes.Int64)),
		field("at", pipeline.Timestamp),
		field("hash", arrow.PrimitiveTypes.Uint64),
		field("score", arrow.PrimitiveTypes.Float32),
		field("ok", arrow.FixedWidthTypes.Boolean),
		field("hits.start", pipeline.ListOf(arrow.PrimitiveTypes.Uint32)),
		field("tags", pipeline.ListOf(arrow.BinaryTypes.String)),
	}, nil)
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	row := func(text, raw string, followers *int64, at int64, hash uint64, score float32, ok bool, starts []uint32, tags []string) {
		b.Field(0).(*array.StringBuilder).Append(text)
		b.Field(1).(*array.BinaryBuilder).Append([]byte(raw))
		if followers == nil {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.Int64Builder).Append(*followers)
		}
		b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(at))
		b.Field(4).(*array.Uint64Builder).Append(hash)
		b.Field(5).(*array.Float32Builder).Append(score)
		b.Field(6).(*array.BooleanBuilder).Append(ok)
		b.Field(7).(*array.ListBuilder).Append(true)
		b.Field(7).(*array.ListBuilder).ValueBuilder().(*array.Uint32Builder).AppendValues(starts, nil)
		b.Field(8).(*array.ListBuilder).Append(true)
		b.Field(8).(*array.ListBuilder).ValueBuilder().(*array.StringBuilder).AppendValues(tags, nil)
	}
	n := int64(-7)
	row("skipped by the slice", "", nil, 0, 0, 0, false, []uint32{9, 9, 9}, []string{"x"})
	row("a \"quoted\" \\ line\nwith\ttabs\r and \x00 \x1f", "bytes", &n, 1_700_000_000_123, math.MaxUint64, 0.25, true, []uint32{1, 2}, []string{"ä", ""})
	row("", "\xff\xfe torn \xe2\x82", nil, -1, 0, float32(math.NaN()), false, nil, nil)
	row("κόσμος 🦜", "κ", nil, 253_402_300_800_000, 1, 1e-9, false, []uint32{7}, []string{"one"})
	rec := b.NewRecord()
	defer rec.Release()
	part := rec.NewSlice(1, rec.NumRows())
	defer part.Release()

	for name, prefix := range map[string][2]string{"plain": {}, "tagged": {"stream", "posts"}} {
		e, err := New(schema, prefix[0], prefix[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Append(nil, part)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("testdata/" + name + ".jsonl")
		if os.Getenv("REWRITE") != "" {
			want, err = got, os.WriteFile("testdata/"+name+".jsonl", got, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
		for line := range bytes.Lines(got) {
			if !json.Valid(line) {
				t.Errorf("not JSON: %s", line)
			}
		}
	}
}

// TestTimes compares with package time over its whole printable range.
func TestTimes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const layout = `"2006-01-02T15:04:05.000Z"`
	for range 20000 {
		ms := rng.Int64N(315_537_897_600_000) - 62_135_596_800_000 // years 1 to 9999
		want := time.UnixMilli(ms).UTC().Format(layout)
		if got := string(appendTime(nil, ms, 1)); got != want {
			t.Fatalf("%d ms: got %s, want %s", ms, got, want)
		}
		if got := string(appendTime(nil, ms*1000+rng.Int64N(1000), 1000)); got != want {
			t.Fatalf("%d ms in microseconds: got %s, want %s", ms, got, want)
		}
	}
	for ms, want := range map[int64]string{
		253_402_300_800_000:     `"+010000-01-01T00:00:00.000Z"`,
		-62_198_755_200_000:     `"-000001-01-01T00:00:00.000Z"`,
		-62_167_219_200_000:     `"0000-01-01T00:00:00.000Z"`,
		math.MaxInt64:           `"+292278994-08-17T07:12:55.807Z"`,
		math.MinInt64:           `"-292275055-05-16T16:47:04.192Z"`,
		951_782_400_000:         `"2000-02-29T00:00:00.000Z"`,
		951_782_400_000 - 1:     `"2000-02-28T23:59:59.999Z"`,
		4_107_542_400_000:       `"2100-03-01T00:00:00.000Z"`,
		4_107_542_400_000 - 1e3: `"2100-02-28T23:59:59.000Z"`,
	} {
		if got := string(appendTime(nil, ms, 1)); got != want {
			t.Errorf("%d ms: got %s, want %s", ms, got, want)
		}
	}
	if got := string(appendTime(nil, -1, -1000)); got != `"1969-12-31T23:59:59.000Z"` {
		t.Errorf("seconds: got %s", got)
	}
}

// TestRefuses names the column and what is wrong with it.
func TestRefuses(t *testing.T) {
	_, err := New(arrow.NewSchema([]arrow.Field{field("m", arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String))}, nil), "", "")
	if err == nil || !strings.Contains(err.Error(), `column "m": type map`) {
		t.Errorf("got %v", err)
	}
}

// FuzzString checks against encoding/json: the line is valid and reads back as
// the text, with U+FFFD for what is not UTF-8, for every split of the bytes
// into two rows.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\x00", "\xff\xfe", "é", "\xc3", "a\xe2\x82\xacb", "\u2028", "\U0001F99C"} {
		f.Add([]byte(s), uint8(1))
	}
	schema := arrow.NewSchema([]arrow.Field{field("s", arrow.BinaryTypes.Binary)}, nil)
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		at := int(cut) % (len(data) + 1)
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		b.Field(0).(*array.BinaryBuilder).Append(data[:at])
		b.Field(0).(*array.BinaryBuilder).Append(data[at:])
		rec := b.NewRecord()
		defer rec.Release()
		e, err := New(schema, "", "")
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Append(nil, rec)
		if err != nil || !utf8.Valid(out) {
			t.Fatalf("%q: %v", out, err)
		}
		lines := bytes.SplitAfter(out, []byte("\n"))
		for i, part := range [][]byte{data[:at], data[at:]} {
			var got struct{ S string }
			if err := json.Unmarshal(lines[i], &got); err != nil {
				t.Fatalf("%q: %v", lines[i], err)
			}
			if want := string([]rune(string(part))); got.S != want {
				t.Fatalf("got %q, want %q", got.S, want)
			}
		}
	})
}

func BenchmarkPosts(b *testing.B) {
	schema := pipeline.PostsSchema()
	rb := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer rb.Release()
	const rows = 1024
	for range rows {
		for i, f := range schema.Fields() {
			switch f.Type.ID() {
			case arrow.STRING:
				rb.Field(i).(*array.StringBuilder).Append(strings.Repeat("some words ", 1+i%3*4))
			case arrow.LIST:
				rb.Field(i).(*array.ListBuilder).Append(true)
				rb.Field(i).(*array.ListBuilder).ValueBuilder().(*array.StringBuilder).Append("https://example.org/x")
			case arrow.TIMESTAMP:
				rb.Field(i).(*array.TimestampBuilder).Append(1_700_000_000_000)
			default:
				rb.Field(i).(*array.Int64Builder).Append(12345)
			}
		}
	}
	rec := rb.NewRecord()
	defer rec.Release()
	e, err := New(schema, "", "")
	if err != nil {
		b.Fatal(err)
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if out, err = e.Append(out[:0], rec); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out)))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
