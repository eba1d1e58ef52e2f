package decode_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// config returns the config that a data-driven test's arguments describe:
// format=x, time_format=x, max_record=n, and columns as
// col=(name,path,type).
func config(t testing.TB, d *datadriven.TestData) decode.Config {
	cfg := decode.Defaults()
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "format":
			cfg.Format = a.Vals[0]
		case "time_format":
			cfg.TimeFormat = a.Vals[0]
		case "min_time":
			cfg.MinTime = a.Vals[0]
		case "max_record":
			if err := cfg.MaxRecord.UnmarshalText([]byte(a.Vals[0])); err != nil {
				t.Fatal(err)
			}
		case "col", "need", "const":
			if cfg.Columns == nil {
				cfg.Columns = map[string]decode.Column{}
			}
			// datadriven keeps parentheses and quotes to itself.
			path := strings.NewReplacer("{", "(", "}", ")", "'", `"`).Replace(a.Vals[1])
			c := decode.Column{Path: path, Required: a.Key == "need"}
			if a.Key == "const" {
				c = decode.Column{Value: a.Vals[1]}
			}
			if len(a.Vals) > 2 {
				c.Type = a.Vals[2]
			}
			cfg.Columns[a.Vals[0]] = c
		}
	}
	return cfg
}

// decoded is what came of a chunk.
type decoded struct {
	text            strings.Builder
	posts, rejected int
}

// decodeAll decodes chunks and prints rows, leaving out empty values.
func decodeAll(t testing.TB, plan pipeline.DecodePlan, in ...pipeline.Chunk) *decoded {
	t.Helper()
	out := &decoded{}
	d := plan.New()
	for i := range in {
		err := d.Decode(context.Background(), &in[i], func(b pipeline.Batch) error {
			defer b.Record.Release()
			if b.Rows() == 0 || b.Rows() > 1024 {
				t.Fatalf("a batch of %d rows", b.Rows())
			}
			want := plan.Output()
			if b.Stream == pipeline.Rejected {
				want = pipeline.RejectedSchema()
				out.rejected += b.Rows()
			} else {
				out.posts += b.Rows()
			}
			if !b.Record.Schema().Equal(want) {
				t.Fatalf("schema %s", b.Record.Schema())
			}
			out.print(b.Stream, b.Record)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (d *decoded) print(s pipeline.Stream, rec arrow.Record) {
	for i := range int(rec.NumRows()) {
		d.text.WriteString(s.String())
		for c, col := range rec.Columns() {
			if col.IsNull(i) {
				continue
			}
			var v string
			switch col := col.(type) {
			case *array.String:
				v = fmt.Sprintf("%q", col.Value(i))
			case *array.Binary:
				v = fmt.Sprintf("%q", col.Value(i))
			case *array.Timestamp:
				v = col.Value(i).ToTime(arrow.Millisecond).Format("2006-01-02T15:04:05.000Z")
			case *array.List:
				from, to := col.ValueOffsets(i)
				elems := col.ListValues().(*array.String)
				for ; from < to; from++ {
					v += fmt.Sprintf(" %q", elems.Value(int(from)))
				}
				v = strings.TrimSpace(v)
			default:
				v = col.ValueStr(i)
			}
			if v == "" || v == `""` {
				continue
			}
			fmt.Fprintf(&d.text, "\n  %s: %s", rec.ColumnName(c), v)
		}
		d.text.WriteByte('\n')
	}
}

// TestDecode runs the cases in testdata. Each is decoded as one chunk and as
// one chunk a line, with the same result, and all memory is given back.
func TestDecode(t *testing.T) {
	datadriven.Walk(t, "testdata/cases", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			plan, err := decode.NewPlan(config(t, d), mem)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			if d.Cmd == "schema" {
				var b strings.Builder
				for _, f := range plan.Output().Fields() {
					fmt.Fprintln(&b, f.Name, f.Type, f.Nullable)
				}
				return b.String()
			}
			input := strings.ReplaceAll(d.Input, "¬", "") // marks lines that end in blanks, or are blank
			if !d.HasArg("unended") {
				input += "\n"
			}
			records := strings.Count(input, "\n") + 1
			whole := decodeAll(t, plan, pipeline.Chunk{Origin: "o", Data: []byte(input), Records: records})
			var each []pipeline.Chunk
			for at, line := 0, ""; at < len(input); at += len(line) {
				line = strings.SplitAfterN(input[at:], "\n", 2)[0]
				each = append(each, pipeline.Chunk{Origin: "o", Offset: int64(at), Data: []byte(line), Records: 1})
			}
			if apart := decodeAll(t, plan, each...); sorted(apart.text.String()) != sorted(whole.text.String()) {
				t.Errorf("%s: one line at a time gives\n%s", d.Pos, apart.text.String())
			}
			return whole.text.String()
		})
	})
}

// sorted puts rows into an order that does not depend on chunks: rejected rows
// come after the posts of a chunk.
func sorted(s string) string {
	var posts, rejected strings.Builder
	to := &posts
	for _, line := range strings.SplitAfter(s, "\n") {
		switch line {
		case "posts\n":
			to = &posts
		case "rejected\n":
			to = &rejected
		}
		to.WriteString(line)
	}
	return posts.String() + rejected.String()
}

// TestMessages decodes records that Bounds cuts: line ends mean nothing there.
func TestMessages(t *testing.T) {
	plan, err := decode.NewPlan(decode.Defaults(), memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{`{"id":1,` + "\n" + `"created_at":"2020-01-01T00:00:00Z"}`, " \n", `{"id":2`, `{"id":3,"created_at":1577836800}`}
	c := pipeline.Chunk{Origin: "topic/0", Offset: 70, Bounds: []uint32{0}, Records: len(parts)}
	for _, p := range parts {
		c.Data = append(c.Data, p...)
		c.Bounds = append(c.Bounds, uint32(len(c.Data)))
	}
	out := decodeAll(t, plan, c)
	const want = `posts
  id: "1"
  created_at: 2020-01-01T00:00:00.000Z
  kind: "post"
  source: "topic/0"
  source_offset: 70
posts
  id: "3"
  created_at: 2020-01-01T00:00:00.000Z
  kind: "post"
  source: "topic/0"
  source_offset: 73
rejected
  source: "topic/0"
  source_offset: 72
  step: "decode"
  reason: "invalid_json"
  detail: "byte 7: ends in the middle of a value"
  raw: "{\"id\":2"
  raw_size: 7
`
	if got := out.text.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestEmitError gives the error back, and the decoder is fit for the next chunk.
func TestEmitError(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	plan, err := decode.NewPlan(decode.Defaults(), mem)
	if err != nil {
		t.Fatal(err)
	}
	d, fail := plan.New(), errors.New("full")
	for range 3 {
		c := pipeline.Chunk{Data: []byte(`{"id":"1","created_at":"2020-01-01T00:00:00Z","urls":["u"]}` + "\nnot json\n")}
		emitted := 0
		err := d.Decode(t.Context(), &c, func(b pipeline.Batch) error {
			emitted += b.Rows()
			b.Record.Release()
			return fail
		})
		if err != fail || emitted != 1 {
			t.Fatalf("%v after %d rows", err, emitted)
		}
	}
}

// TestBatches cuts a long chunk into batches of at most 1,024 rows.
func TestBatches(t *testing.T) {
	plan, err := decode.NewPlan(decode.Defaults(), memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&in, `{"id":%d,"created_at":%d}`+"\n", i, 1_600_000_000+i)
		if i%2 == 0 {
			in.WriteString("[]\n\n")
		}
	}
	out := decodeAll(t, plan, pipeline.Chunk{Origin: "o", Data: []byte(in.String())})
	if out.posts != 3000 || out.rejected != 1500 {
		t.Errorf("%d posts, %d rejected", out.posts, out.rejected)
	}
}

func TestConfigErrors(t *testing.T) {
	col := func(name string, c decode.Column) func(*decode.Config) {
		return func(cfg *decode.Config) { cfg.Columns = map[string]decode.Column{name: c} }
	}
	for _, tc := range []struct {
		set        func(*decode.Config)
		path, want string
	}{
		{func(c *decode.Config) { c.Format = "xml" }, "format", `unknown format "xml": use one of plain, jetstream`},
		{func(c *decode.Config) { c.MaxRecord = 1 }, "max_record", "out of range"},
		{func(c *decode.Config) { c.MaxRecord = 1 << 30 }, "max_record", "1GiB is out of range"},
		{func(c *decode.Config) { c.TimeFormat = "iso" }, "time_format", `unknown time format "iso"`},
		{func(c *decode.Config) { c.MinTime = "soon" }, "min_time", `"soon" is not a time`},
		{func(c *decode.Config) { c.MaxTime = "1999-01-01" }, "max_time", "1999-01-01 is not after min_time"},
		{func(c *decode.Config) { c.Format = "custom" }, "columns.id", `column "id" is needed`},
		{col("n", decode.Column{}), "columns.n.path", "neither path nor value"},
		{col("n", decode.Column{Path: "a", Value: "b"}), "columns.n.value", "both path and value"},
		{col("n", decode.Column{Value: "b", Type: "int"}), "columns.n.value", "a constant is for columns of type string"},
		{col("n", decode.Column{Path: "a", Type: "date"}), "columns.n.type", `unknown type "date"`},
		{col("text", decode.Column{Path: "a", Type: "int"}), "columns.text.type", "has the type string"},
		{col("source", decode.Column{Path: "a"}), "columns.source", "made by the source"},
		{col("Bad Name", decode.Column{Path: "a"}), "columns.Bad Name", "use lower-case letters"},
		{col("n", decode.Column{Path: "a..b"}), "columns.n.path", "a key is missing"},
		{col("n", decode.Column{Path: "a[x]"}), "columns.n.path", "index [x]"},
		{col("n", decode.Column{Path: "a[0"}), "columns.n.path", "']' is missing"},
		{col("n", decode.Column{Path: "a[*]"}), "columns.n.path", "selects many values"},
		{col("n", decode.Column{Path: `["a]`}), "columns.n.path", "a quote is missing"},
		{col("n", decode.Column{Path: "(a|b", Type: "strings"}), "columns.n.path", "')' is missing"},
		{col("n", decode.Column{Path: strings.Repeat("a.", 40) + "b"}), "columns.n.path", "more than 32 steps"},
	} {
		cfg := decode.Defaults()
		tc.set(&cfg)
		_, err := decode.NewPlan(cfg, memory.DefaultAllocator)
		var fe *pipeline.FieldError
		if !errors.As(err, &fe) || fe.Path != tc.path || !strings.Contains(fe.Error(), tc.want) {
			t.Errorf("got %v, want %s: ... %s", err, tc.path, tc.want)
		}
		if cfg.Validate() == nil {
			t.Errorf("Validate accepts what NewPlan does not: %v", err)
		}
	}
}
