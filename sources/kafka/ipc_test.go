package kafka

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// ipcStream writes rows of JSON, with all the schema's fields, as a stream of
// batches of n rows.
func ipcStream(t testing.TB, schema *arrow.Schema, rows string, n int64, opts ...ipc.Option) []byte {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+rows+"]"))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	var b bytes.Buffer
	w := ipc.NewWriter(&b, append(opts, ipc.WithSchema(schema))...)
	for from := int64(0); from < rec.NumRows(); from += n {
		part := rec.NewSlice(from, min(from+n, rec.NumRows()))
		err := w.Write(part)
		part.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// small has the columns that a post needs, and some more.
func small(extra ...arrow.Field) *arrow.Schema {
	return arrow.NewSchema(append([]arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "created_at", Type: pipeline.Timestamp, Nullable: true},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	}, extra...), nil)
}

// smallRows returns n rows of small, with ids from first on.
func smallRows(first, n int) string {
	var rows []string
	for i := first; i < first+n; i++ {
		rows = append(rows, fmt.Sprintf(`{"id": "p%d", "created_at": "2026-01-01T00:00:00.%03dZ", "text": "word %d"}`, i, i%1000, i))
	}
	return strings.Join(rows, ",")
}

func ipcTestPlan(t testing.TB, mem memory.Allocator, set func(*Config)) *decodePlan {
	t.Helper()
	cfg := Defaults()
	cfg.Messages = "arrow"
	if set != nil {
		set(&cfg)
	}
	inner, err := decode.NewPlan(cfg.Config, mem)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newDecodePlan(&cfg, inner, mem)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// decodeAll decodes messages of offsets from 100 on and prints what comes out, a
// line a row: of posts the columns that are named, else offset, reason and detail.
func decodeAll(t testing.TB, p *decodePlan, columns []string, values ...[]byte) (posts, rejected []string) {
	t.Helper()
	b := &buffer{}
	b.begin(100)
	for _, v := range values {
		b.add(p, &client.Message{Key: []byte("key"), Value: v, Timestamp: time.UnixMilli(5000), TimestampType: client.TimestampCreateTime})
	}
	c := pipeline.Chunk{Origin: "t/0", Offset: b.from, Data: b.data, Bounds: b.bounds, Records: b.records}
	if b.needed {
		c.Data = append(c.Data, b.side...)
	}
	err := p.New().Decode(context.Background(), &c, func(out pipeline.Batch) error {
		defer out.Record.Release()
		if out.Rows() > ipcMaxRows {
			t.Errorf("a batch of %d rows", out.Rows())
		}
		names, into := columns, &posts
		if out.Stream == pipeline.Rejected {
			names, into = []string{"source_offset", "reason", "detail", "raw_size"}, &rejected
		} else if !out.Record.Schema().Equal(p.schema) {
			t.Errorf("schema %v", out.Record.Schema())
		}
		for i := range out.Rows() {
			var row []string
			for _, name := range names {
				col := out.Record.Column(out.Record.Schema().FieldIndices(name)[0])
				row = append(row, col.ValueStr(i))
			}
			*into = append(*into, strings.Join(row, " "))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(posts) + len(rejected); n > c.Records {
		t.Errorf("%d rows of %d records", n, c.Records)
	}
	return posts, rejected
}

// TestArrowColumns maps all columns by name, gives absent ones and nulls what
// JSON gives them, and takes declared further ones.
func TestArrowColumns(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	p := ipcTestPlan(t, mem, func(c *Config) {
		c.KeyColumn, c.TimeColumn = "k", "at"
		c.Columns = map[string]decode.Column{
			"n": {Path: "count", Type: "int"}, "f": {Path: "score.abuse", Type: "float"}, "b": {Path: "b", Type: "bool"},
			"when": {Path: "when", Type: "timestamp"}, "tags": {Path: "tags", Type: "strings"}, "platform": {Value: "made-up"},
		}
	})
	all := []arrow.Field{
		{Name: "count", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "score.abuse", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "when", Type: pipeline.Timestamp, Nullable: true},
		{Name: "tags", Type: pipeline.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}
	schema := pipeline.PostsSchema(all...)
	full := `{"id": "a", "created_at": "2026-01-01T00:00:00Z", "author_id": "7", "author_handle": "h", "author_followers": 5, "author_following": null, "author_created_at": "2020-01-01T00:00:00Z",
		"text": "wörd", "lang": "pt-BR", "kind": "", "reply_to": "r", "quote_of": "q", "repost_of": "", "urls": ["u1", "u2"], "hashtags": [], "mentions": ["m"], "media_hashes": [], "platform": "theirs", "source": "theirs", "source_offset": 77,
		"count": 3, "score.abuse": 0.5, "b": true, "when": "2026-01-02T00:00:00Z", "tags": ["x"]}`
	empty := `{"id": "b", "created_at": "2026-01-01T00:00:00Z", "author_id": "", "author_handle": "", "author_followers": null, "author_following": 2, "author_created_at": null,
		"text": "", "lang": "", "kind": "quote", "reply_to": "", "quote_of": "", "repost_of": "", "urls": [], "hashtags": ["t"], "mentions": [], "media_hashes": [], "platform": "", "source": "", "source_offset": 0,
		"count": null, "score.abuse": null, "b": null, "when": null, "tags": null}`
	var names []string
	for _, f := range p.schema.Fields() {
		names = append(names, f.Name)
	}
	posts, rejected := decodeAll(t, p, names, ipcStream(t, schema, full+","+empty, 1), nil, ipcStream(t, small(), `{"id": "c", "created_at": "2026-01-01T00:00:00Z", "text": null}`, 9))
	want(t, "rejected", rejected)
	want(t, "posts", posts,
		`a 2026-01-01 00:00:00Z 7 h 5 (null) 2020-01-01 00:00:00Z wörd pt-br reply r q  ["u1","u2"] [] ["m"] [] made-up t/0 100 true 0.5 3 ["x"] 2026-01-02 00:00:00Z key 1970-01-01 00:00:05Z`,
		`b 2026-01-01 00:00:00Z   (null) 2 (null)   quote    [] ["t"] [] [] made-up t/0 100 (null) (null) (null) [] (null) key 1970-01-01 00:00:05Z`,
		`c 2026-01-01 00:00:00Z   (null) (null) (null)   post    [] [] [] [] made-up t/0 102 (null) (null) (null) [] (null) key 1970-01-01 00:00:05Z`)
}

// TestArrowOfPython reads what another implementation has written, with columns
// of types that are passed over.
func TestArrowOfPython(t *testing.T) {
	data, err := os.ReadFile("testdata/pyarrow.txt")
	if err != nil {
		t.Fatal(err)
	}
	streams := 0
	for line := range strings.Lines(string(data)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "#" {
			continue
		}
		streams++
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		posts, rejected := decodeAll(t, ipcTestPlan(t, memory.DefaultAllocator, nil), []string{"id", "created_at", "text", "author_followers", "urls"}, value)
		want(t, name+": rejected", rejected)
		long := strings.Repeat("three words here ", 20)
		want(t, name, posts, `p0 2026-01-01 00:00:00Z wörd 1 ["u"]`, `p1 2026-01-01 00:00:01Z  (null) []`, `p2 2026-01-01 00:00:02Z `+long+` 3 ["v","w"]`,
			`p1 2026-01-01 00:00:01Z  (null) []`, `p2 2026-01-01 00:00:02Z `+long+` 3 ["v","w"]`)
	}
	if streams != 3 {
		t.Errorf("%d streams", streams)
	}
}

// TestArrowRows keeps rows in their order over batches and messages, of all
// codecs.
func TestArrowRows(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	p := ipcTestPlan(t, mem, nil)
	posts, rejected := decodeAll(t, p, []string{"source_offset", "id", "text"},
		ipcStream(t, small(), smallRows(0, 700), 700), ipcStream(t, small(), smallRows(700, 3000), 2500, ipc.WithLZ4()),
		ipcStream(t, small(), smallRows(3700, 1), 1, ipc.WithZstd()), ipcStream(t, small(), "", 1), ipcStream(t, small(), smallRows(3701, 10), 3, ipc.WithZstd()))
	want(t, "rejected", rejected)
	if len(posts) != 3711 {
		t.Fatalf("%d posts", len(posts))
	}
	for i, row := range posts {
		offset := map[bool]int{i >= 700: 1}[true] + map[bool]int{i >= 3700: 1}[true] + map[bool]int{i >= 3701: 2}[true]
		if want := fmt.Sprintf("%d p%d word %d", 100+offset, i, i); row != want {
			t.Fatalf("row %d is %q, want %q", i, row, want)
		}
	}
}

// TestArrowRejected shows that a bad row rejects itself, and a bad message
// itself.
func TestArrowRejected(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	p := ipcTestPlan(t, mem, func(c *Config) {
		c.MaxRecord = 100
		c.Columns = map[string]decode.Column{"who": {Path: "who", Required: true}, "f": {Path: "f", Type: "float"}}
	})
	who := arrow.Field{Name: "who", Type: arrow.BinaryTypes.String, Nullable: true}
	kind := arrow.Field{Name: "kind", Type: arrow.BinaryTypes.String}
	urls := arrow.Field{Name: "urls", Type: pipeline.ListOf(arrow.BinaryTypes.String)}
	const at = `"created_at": "2026-01-01T00:00:00Z", "text": "w"`
	good := ipcStream(t, small(who), `{"id": "good", "who": "x", `+at+`}`, 1)
	changed := func(name string, typ arrow.DataType) []byte {
		fields := small(who).Fields()
		for i := range fields {
			if fields[i].Name == name {
				fields[i].Type = typ
			}
		}
		return ipcStream(t, arrow.NewSchema(fields, nil), "", 1)
	}
	posts, rejected := decodeAll(t, p, []string{"source_offset", "id"},
		good,
		ipcStream(t, small(who, kind), strings.Join([]string{
			`{"id": "a", "who": "x", "kind": "", ` + at + `}`, `{"id": "", "who": "x", "kind": "", ` + at + `}`, `{"id": null, "who": "x", "kind": "", ` + at + `}`,
			`{"id": "b", "who": "x", "kind": "toot", ` + at + `}`, `{"id": "c", "who": null, "kind": "post", ` + at + `}`, `{"id": "d", "who": "x", "kind": "", "created_at": null, "text": ""}`,
			`{"id": "e", "who": "x", "kind": "", "created_at": "1999-12-31T23:59:59Z", "text": ""}`, `{"id": "f", "who": "", "kind": "", ` + at + `}`,
			`{"id": "g", "who": "x", "kind": "", "created_at": "2026-01-01T00:00:00Z", "text": "` + strings.Repeat("w", 101) + `"}`,
			`{"id": "h", "who": "x", "kind": "", ` + at + `}`,
		}, ","), 4),
		good[:len(good)-20],
		[]byte(`{"id": "json"}`),
		changed("created_at", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}),
		changed("text", arrow.BinaryTypes.LargeString),
		changed("text", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}),
		ipcStream(t, small(), smallRows(0, 2), 2),
		ipcStream(t, small(who, who), "", 2),
		ipcStream(t, small(who, urls), `{"id": "i", "who": "x", "urls": ["`+strings.Repeat("u", 60)+`", "`+strings.Repeat("u", 60)+`"], `+at+`}`, 2),
		ipcStream(t, arrow.NewSchema(small(who).Fields()[1:], nil), "", 1),
		frame("\x02\x04ab"),
		good,
	)
	want(t, "posts", posts, "100 good", "101 a", "101 f", "101 h", "112 good")
	want(t, "rejected", rejected,
		"101 missing_id row 1: id: it is empty 0",
		"101 missing_id row 2: id: it is empty 0",
		`101 wrong_type row 3: kind: "toot" is not one of post, reply, quote, repost 0`,
		"101 missing_field row 4: who: it is null 0",
		"101 missing_time row 5: created_at: it is null 0",
		"101 time_out_of_range row 6: created_at: 946684799000 ms is not within min_time and max_time 0",
		"101 too_large row 8: text: 101 bytes are more than max_record 100 0",
		fmt.Sprintf("102 invalid_arrow a body of 56 bytes, with 44 left %d", len(good)-20),
		"103 invalid_arrow a message of the stream does not begin with FF FF FF FF and a length 14",
		`104 wrong_type column "created_at" is of type timestamp[us, UTC], and must be timestamp[ms, UTC] `+fmt.Sprint(len(changed("created_at", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}))),
		`105 wrong_type column "text" is of type large_utf8, and must be utf8 `+fmt.Sprint(len(changed("text", arrow.BinaryTypes.LargeString))),
		`106 wrong_type column "text" is of type dictionary, and must be utf8 `+fmt.Sprint(len(changed("text", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}))),
		`107 missing_field the message has no column "who" `+fmt.Sprint(len(ipcStream(t, small(), smallRows(0, 2), 2))),
		`108 wrong_type column "who" is there twice `+fmt.Sprint(len(ipcStream(t, small(who, who), "", 2))),
		"109 too_large row 0: urls: 120 bytes are more than max_record 100 0",
		`110 missing_id the message has no column "id" `+fmt.Sprint(len(ipcStream(t, arrow.NewSchema(small(who).Fields()[1:], nil), "", 1))),
		"111 invalid_arrow a message of the stream does not begin with FF FF FF FF and a length 9",
	)
}

// TestArrowManyRejected: rejected rows come in batches that are no larger than
// those of posts.
func TestArrowManyRejected(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	p := ipcTestPlan(t, mem, func(c *Config) { c.MinTime = "2027-01-01" })
	posts, rejected := decodeAll(t, p, []string{"id"}, ipcStream(t, small(), smallRows(0, 2500), 2500))
	if len(posts) != 0 || len(rejected) != 2500 {
		t.Errorf("%d posts and %d rejected", len(posts), len(rejected))
	}
}

// TestArrowUnpacked counts small messages that unpack to much as many records,
// so that few are in flight.
func TestArrowUnpacked(t *testing.T) {
	value := ipcStream(t, small(), `{"id": "a", "created_at": "2026-01-01T00:00:00Z", "text": "`+strings.Repeat("w", 8<<20)+`"}`, 1, ipc.WithZstd())
	if n := ipcRecords(value); len(value) > 64<<10 || n < 8<<10 || n > 9<<10 {
		t.Errorf("%d bytes count as %d records", len(value), n)
	}
	p := ipcTestPlan(t, memory.DefaultAllocator, nil)
	_, rejected := decodeAll(t, p, nil, value)
	want(t, "rejected", rejected, "100 too_large row 0: text: 8388608 bytes are more than max_record 1MiB 0")
}

// TestArrowMessages reads messages from a broker.
func TestArrowMessages(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "arrow", 1, nil)
	b.Produce(t, kafkatest.Message("arrow", 0, []byte("k0"), ipcStream(t, small(), smallRows(0, 3), 2)),
		kafkatest.Message("arrow", 0, []byte("k1"), []byte("not arrow")), kafkatest.Message("arrow", 0, nil, nil),
		kafkatest.Message("arrow", 0, []byte("k3"), ipcStream(t, small(), smallRows(3, 2), 5, ipc.WithZstd())))
	p := newTestPlan(t, b.Servers, func(c *Config) {
		c.Topics, c.Messages, c.KeyColumn, c.Tombstones = []string{"arrow"}, "arrow", "kafka_key", "reject"
	})
	r, err := read(t, p, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "posts", r.posts["arrow/0"], "0 p0", "0 p1", "0 p2", "3 p3", "3 p4")
	want(t, "rejected", r.rejected["arrow/0"], "1 invalid_arrow", "2 tombstone")
	if r.rows[2]["kafka_key"] != "k0" || r.rows[3]["kafka_key"] != "k3" {
		t.Errorf("keys: %v", r.rows)
	}
}

// TestArrowConfig shows what is refused beside messages: arrow.
func TestArrowConfig(t *testing.T) {
	for want, set := range map[string]func(*Config){
		"with messages: arrow columns have the names": func(c *Config) { c.Format = "jetstream" },
		"a path is the name of a column":              func(c *Config) { c.Columns = map[string]decode.Column{"x": {Path: "a[0]"}} },
	} {
		cfg := Defaults()
		cfg.Brokers, cfg.Topics, cfg.Messages = []string{"b:1"}, []string{"t"}, "arrow"
		set(&cfg)
		_, err := newPlan(pipeline.BuildContext{Pipeline: "p", Mem: memory.DefaultAllocator}, &cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// FuzzArrow puts any bytes between good messages: these come out whole.
func FuzzArrow(f *testing.F) {
	for _, opts := range [][]ipc.Option{nil, {ipc.WithLZ4()}, {ipc.WithZstd()}} {
		f.Add(ipcStream(f, small(), smallRows(0, 5), 3, opts...))
	}
	f.Add([]byte(nil))
	f.Add([]byte("x"))
	good := ipcStream(f, small(), smallRows(0, 3), 2)
	f.Fuzz(func(t *testing.T, value []byte) {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		defer mem.AssertSize(t, 0)
		p := ipcTestPlan(t, mem, nil)
		posts, _ := decodeAll(t, p, []string{"source_offset", "id"}, good, value, good)
		n := len(posts)
		if n < 6 || strings.Join(posts[:3], ",") != "100 p0,100 p1,100 p2" || strings.Join(posts[n-3:], ",") != "102 p0,102 p1,102 p2" {
			t.Errorf("%d posts: %v", n, posts)
		}
	})
}

// BenchmarkArrow decodes messages of 500 posts.
func BenchmarkArrow(b *testing.B) {
	value := ipcStream(b, small(), smallRows(0, 500), 500)
	p := ipcTestPlan(b, memory.DefaultAllocator, nil)
	d := p.New()
	buf := &buffer{}
	buf.begin(0)
	buf.add(p, &client.Message{Value: value})
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		c := pipeline.Chunk{Origin: "t/0", Data: buf.data, Bounds: buf.bounds, Records: buf.records}
		if err := d.Decode(b.Context(), &c, func(out pipeline.Batch) error { out.Record.Release(); return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/post")
}
