package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

var utc = &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}

// schema has a column of each kind between columns that are passed over.
func schema() *arrow.Schema {
	text, list := arrow.BinaryTypes.String, arrow.ListOf(arrow.BinaryTypes.String)
	return arrow.NewSchema([]arrow.Field{
		{Name: "skip_struct", Type: arrow.StructOf(arrow.Field{Name: "a", Type: text}, arrow.Field{Name: "b", Type: list}), Nullable: true},
		{Name: "text", Type: text, Nullable: true},
		{Name: "skip_fixed", Type: arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Uint16), Nullable: true},
		{Name: "int", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "float", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "skip_map", Type: arrow.MapOf(text, arrow.PrimitiveTypes.Int8), Nullable: true},
		{Name: "bool", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "skip_null", Type: arrow.Null},
		{Name: "time", Type: utc, Nullable: true},
		{Name: "skip_large", Type: arrow.BinaryTypes.LargeString, Nullable: true},
		{Name: "skip_decimal", Type: &arrow.Decimal128Type{Precision: 9, Scale: 2}, Nullable: true},
		{Name: "list", Type: list, Nullable: true},
	}, nil)
}

// record has n rows; every seventh has nulls.
func record(t testing.TB, n int) arrow.Record {
	var js strings.Builder
	js.WriteByte('[')
	for i := range n {
		if i > 0 {
			js.WriteByte(',')
		}
		if i%7 == 4 {
			js.WriteString(`{"text": null, "int": null, "float": null, "bool": null, "time": null, "list": null, "skip_struct": null, "skip_fixed": [0, 0], "skip_map": null, "skip_null": null, "skip_large": null, "skip_decimal": null}`)
			continue
		}
		fmt.Fprintf(&js, `{"text": "wörd %d", "int": %d, "float": %v, "bool": %v, "time": %d, "list": [%s], "skip_struct": {"a": "x", "b": ["y"]}, "skip_fixed": [1, 2], "skip_map": [{"key": "k", "value": 1}], "skip_large": "l", "skip_null": null, "skip_decimal": "1.5"}`,
			i, i-3, float64(i)/2, i%3 == 0, i, strings.Join(slices.Repeat([]string{fmt.Sprintf(`"e%d"`, i)}, i%4), ","))
	}
	js.WriteByte(']')
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema(), strings.NewReader(js.String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Release)
	return rec
}

// stream writes records as Arrow's own writer does.
func stream(t testing.TB, opts []ipc.Option, recs ...arrow.Record) []byte {
	var b bytes.Buffer
	w := ipc.NewWriter(&b, append(opts, ipc.WithSchema(recs[0].Schema()))...)
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var wanted = []string{"list", "time", "bool", "float", "int", "text"}

func pick(fields []Field) (out []int, err error) {
	for _, name := range wanted {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
		if i < 0 || fields[i].Kind == Other {
			return nil, fmt.Errorf("no column %s that can be read", name)
		}
		out = append(out, i)
	}
	return out, nil
}

// print writes the wanted columns as Arrow writes them as JSON.
func print(batches []Batch) string {
	var b strings.Builder
	for _, batch := range batches {
		for row := range batch.Rows {
			for i, name := range wanted {
				fmt.Fprintf(&b, "%s=%s ", name, value(&batch.Columns[i], row))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func value(c *Column, i int) string {
	switch {
	case c.IsNull(i):
		return "null"
	case c.Kind == Utf8:
		return string(c.Text(i))
	case c.Kind == Bool:
		return fmt.Sprint(c.True(i))
	case c.Kind == Float64:
		return fmt.Sprint(math.Float64frombits(uint64(c.Int64(i))))
	case c.Kind == Utf8List:
		var parts []string
		for e := c.Offset(i); e < c.Offset(i+1); e++ {
			parts = append(parts, string(c.Elements.Text(e)))
		}
		return fmt.Sprint(parts)
	}
	return fmt.Sprint(c.Int64(i))
}

// printArrow is print of Arrow's own arrays.
func printArrow(recs ...arrow.Record) string {
	var b strings.Builder
	for _, rec := range recs {
		for row := range int(rec.NumRows()) {
			for _, name := range wanted {
				col := rec.Column(rec.Schema().FieldIndices(name)[0])
				s := "null"
				if !col.IsNull(row) {
					switch a := col.(type) {
					case *array.String:
						s = a.Value(row)
					case *array.Int64:
						s = fmt.Sprint(a.Value(row))
					case *array.Timestamp:
						s = fmt.Sprint(int64(a.Value(row)))
					case *array.Float64:
						s = fmt.Sprint(a.Value(row))
					case *array.Boolean:
						s = fmt.Sprint(a.Value(row))
					case *array.List:
						from, to := a.ValueOffsets(row)
						var parts []string
						for e := from; e < to; e++ {
							parts = append(parts, a.ListValues().(*array.String).Value(int(e)))
						}
						s = fmt.Sprint(parts)
					}
				}
				fmt.Fprintf(&b, "%s=%s ", name, s)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func limits() Limits { return Limits{Bytes: 1 << 20, Rows: 10_000} }

// TestRead reads what Arrow's writer writes: several batches, empty ones,
// slices, and both codecs.
func TestRead(t *testing.T) {
	big := record(t, 300)
	slice := big.NewSlice(37, 201)
	defer slice.Release()
	r := &Reader{Limits: limits()}
	for _, c := range []struct {
		name string
		opts []ipc.Option
	}{{"plain", nil}, {"lz4", []ipc.Option{ipc.WithLZ4()}}, {"zstd", []ipc.Option{ipc.WithZstd()}}} {
		for _, recs := range [][]arrow.Record{{big}, {slice}, {record(t, 0)}, {record(t, 1), slice, record(t, 0), big}} {
			data := stream(t, c.opts, recs...)
			got, err := r.Read(data, pick)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if got, want := print(got), printArrow(recs...); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, want)
			}
			rows := 0
			for _, b := range got {
				rows += b.Rows
			}
			if n, unpacked := Size(data, limits()); n != rows || unpacked > 0 && c.opts == nil || unpacked == 0 && c.opts != nil && rows > 1 {
				t.Errorf("%s: Size says %d rows of %d, %d bytes", c.name, n, rows, unpacked)
			}
		}
	}
}

// TestTypes lists how the types of a schema are named, and that a schema that
// was seen is not asked about again.
func TestTypes(t *testing.T) {
	fields := []arrow.Field{
		{Name: "a", Type: arrow.BinaryTypes.String},
		{Name: "b", Type: arrow.PrimitiveTypes.Uint32},
		{Name: "c", Type: arrow.PrimitiveTypes.Float32},
		{Name: "d", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "e", Type: &arrow.TimestampType{Unit: arrow.Millisecond}},
		{Name: "f", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8)},
		{Name: "g", Type: arrow.ListOf(arrow.ListOf(arrow.BinaryTypes.String))},
		{Name: "h", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}},
		{Name: "i", Type: arrow.ListOf(arrow.BinaryTypes.String)},
		{Name: "j", Type: utc},
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	rec := b.NewRecord()
	defer rec.Release()
	data := stream(t, nil, rec)
	var got []string
	r := &Reader{Limits: limits()}
	for range 2 {
		if _, err := r.Read(data, func(fields []Field) ([]int, error) {
			for _, f := range fields {
				got = append(got, fmt.Sprintf("%s %s %d", f.Name, f.Type, f.Kind))
			}
			return nil, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := "a utf8 1|b uint32 0|c float32 0|d timestamp[us, UTC] 0|e timestamp[ms] 0|f list<int8> 0|g list<list<utf8>> 0|h dictionary 0|i list<utf8> 6|j timestamp[ms, UTC] 5"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// TestRefused changes a good stream and shows what is said of it.
func TestRefused(t *testing.T) {
	good := stream(t, nil, record(t, 20))
	packed := stream(t, []ipc.Option{ipc.WithZstd()}, record(t, 200))
	schemaEnd := 8 + int(binary.LittleEndian.Uint32(good[4:]))
	at := bytes.Index(good, []byte("wörd 3"))
	change := func(src []byte, f func([]byte) []byte) []byte { return f(bytes.Clone(src)) }
	for _, c := range []struct {
		name, want string
		data       []byte
		limits     Limits
	}{
		{"empty", "does not begin with a schema", nil, limits()},
		{"json", "FF FF FF FF", []byte(`{"id": "a"}`), limits()},
		{"no schema", "does not begin with a schema", good[schemaEnd:], limits()},
		{"cut", "bytes, with", good[:len(good)-40], limits()},
		{"cut in the metadata", "with", good[:schemaEnd+50], limits()},
		{"a length of 4 GiB", "metadata of 4294967280 bytes", change(good, func(b []byte) []byte { binary.LittleEndian.PutUint32(b[4:], 0xFFFFFFF0); return b }), limits()},
		{"text", "column \"text\": text that is not UTF-8", change(good, func(b []byte) []byte { b[at+1] = 0xFF; return b }), limits()},
		{"rubbish behind", "after the end", append(bytes.Clone(good), 0), limits()},
		{"two schemas", "where a record batch belongs", append(bytes.Clone(good[:schemaEnd]), good...), limits()},
		{"rows", "20 rows after 0, and a message may have 19", good, Limits{Bytes: 1 << 20, Rows: 19}},
		{"bytes", "bytes, and 99 are read at the most", good, Limits{Bytes: 99, Rows: 100}},
		{"unpacked", "unpacks to more than", packed, Limits{Bytes: len(packed), Rows: 200}},
	} {
		_, err := (&Reader{Limits: c.limits}).Read(c.data, pick)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
		if large := c.limits != limits(); errors.Is(err, ErrTooLarge) != large {
			t.Errorf("%s: %v: too large is %v", c.name, err, !large)
		}
	}
}

// TestOverlap makes the texts of a stream those of another column, many times: a
// small message must not become a large batch.
func TestOverlap(t *testing.T) {
	const columns = 20
	fields := []arrow.Field{{Name: "big", Type: arrow.BinaryTypes.String}}
	values := []string{`"big": "` + strings.Repeat("w", 10_000) + `"`}
	for i := range columns {
		name := fmt.Sprint("c", i)
		fields, values = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String}), append(values, fmt.Sprintf(`%q: "x"`, name))
	}
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader("[{"+strings.Join(values, ",")+"}]"))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	data := stream(t, nil, rec)
	all := func(fields []Field) (out []int, err error) {
		for i := range fields {
			out = append(out, i)
		}
		return out, nil
	}
	r := &Reader{Limits: limits()}
	if _, err := r.Read(data, all); err != nil {
		t.Fatal(err)
	}
	_, rest, _, err := next(data)
	if err != nil {
		t.Fatal(err)
	}
	m, _, _, err := next(rest)
	if err != nil {
		t.Fatal(err)
	}
	first, n := m.vector(m.header, 2, 16)
	for i := 3; i < n; i++ { // buffer i of each column becomes that of the first
		copy(m.meta[first+16*i:first+16*i+16], m.meta[first+16*(i%3):])
	}
	if _, err := r.Read(data, all); err == nil || !strings.Contains(err.Error(), "buffers overlap") {
		t.Errorf("error %v", err)
	}
}

// FuzzRead gives the reader any bytes. All values of what it takes can be looked
// at, and texts are UTF-8. (Arrow's own reader is no oracle for this: on some of these
// inputs it allocates terabytes, which ends the process.)
func FuzzRead(f *testing.F) {
	for _, opts := range [][]ipc.Option{nil, {ipc.WithLZ4()}, {ipc.WithZstd()}} {
		f.Add(stream(f, opts, record(f, 9), record(f, 2)))
	}
	f.Add([]byte{})
	r := &Reader{Limits: Limits{Bytes: 1 << 20, Rows: 5000}}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, unpacked := Size(data, r.Limits)
		got, err := r.Read(data, pick)
		if err != nil {
			return
		}
		n := 0
		for _, b := range got {
			n += b.Rows
		}
		if n > rows || rows > r.Limits.Rows || unpacked > r.Limits.Bytes {
			t.Errorf("%d rows, Size says %d and %d bytes", n, rows, unpacked)
		}
		if text := print(got); !utf8.ValidString(text) {
			t.Errorf("printed %q", text)
		}
	})
}

// BenchmarkRead reads a stream of 500 rows.
func BenchmarkRead(b *testing.B) {
	data := stream(b, nil, record(b, 500))
	r := &Reader{Limits: limits()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Read(data, pick); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/row")
}
